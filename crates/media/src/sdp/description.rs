//! Words that a description is made of: direction, setup role, fingerprint, transport protocol.

use std::fmt;
use std::str::FromStr;

/// Who sends (RFC 3264 section 5.1), seen from whoever wrote or writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Both; also when no direction line is there.
    #[default]
    SendRecv,
    /// Only the writer: hold with music.
    SendOnly,
    /// Only the reader.
    RecvOnly,
    /// Nobody.
    Inactive,
}

impl Direction {
    /// From what each side may do.
    #[must_use]
    pub const fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// The writer sends.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// The writer receives.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The answer to an offer of `self` by somebody who wants `wish` (RFC 3264 section 6.1): sends only where the offerer receives, and
    /// receives only where it sends.
    #[must_use]
    pub const fn answered_with(self, wish: Self) -> Self {
        Self::new(
            wish.sends() && self.receives(),
            wish.receives() && self.sends(),
        )
    }

    /// The attribute's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// The direction that an attribute of this name sets.
    #[must_use]
    pub fn from_attribute(name: &str) -> Option<Self> {
        [
            Self::SendRecv,
            Self::SendOnly,
            Self::RecvOnly,
            Self::Inactive,
        ]
        .into_iter()
        .find(|direction| direction.as_str() == name)
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who opens the DTLS association (RFC 8842 section 5, RFC 4145 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Setup {
    /// The answerer chooses.
    ActPass,
    /// The writer sends the ClientHello.
    Active,
    /// The writer waits for it.
    Passive,
    /// Nobody yet; not allowed with DTLS.
    HoldConn,
}

impl Setup {
    /// The attribute's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ActPass => "actpass",
            Self::Active => "active",
            Self::Passive => "passive",
            Self::HoldConn => "holdconn",
        }
    }
}

impl FromStr for Setup {
    type Err = ();

    fn from_str(value: &str) -> Result<Self, ()> {
        [Self::ActPass, Self::Active, Self::Passive, Self::HoldConn]
            .into_iter()
            .find(|setup| setup.as_str().eq_ignore_ascii_case(value))
            .ok_or(())
    }
}

/// Which side of the DTLS handshake we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DtlsRole {
    /// We send the ClientHello (`active`).
    Client,
    /// We wait for it (`passive`).
    Server,
}

/// Hash function of a fingerprint (RFC 8122 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FingerprintHash {
    /// Too weak today; refused unless allowed.
    Sha1,
    /// What everybody writes.
    Sha256,
    /// Of 48 bytes.
    Sha384,
    /// Of 64 bytes.
    Sha512,
}

impl FingerprintHash {
    const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// Name as SDP writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// Bytes of a digest.
    #[must_use]
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The hash of this name, without regard to case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|hash| hash.as_str().eq_ignore_ascii_case(name))
    }
}

/// Digest of a certificate (RFC 8122).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Hash function.
    pub hash: FingerprintHash,
    /// As many bytes as the hash makes.
    pub digest: Vec<u8>,
}

impl fmt::Display for Fingerprint {
    /// The attribute's value: `sha-256 AB:CD:...`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hash.as_str())?;
        for (index, byte) in self.digest.iter().enumerate() {
            write!(f, "{}{byte:02X}", if index == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

/// ICE short-term credentials (RFC 8839 section 5.4). `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct IceParameters {
    /// Username fragment, 4 to 256 characters.
    pub ufrag: String,
    /// Password, 22 to 256 characters.
    pub pwd: String,
}

impl fmt::Debug for IceParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceParameters")
            .field("ufrag", &self.ufrag)
            .finish_non_exhaustive()
    }
}

/// `o=` of our descriptions: the same session all the time, a version that grows when the description changed (RFC 3264 section 8).
#[derive(Debug, Clone)]
pub struct Origin {
    session_id: u64,
    version: u64,
    last: Option<u64>,
}

impl Origin {
    /// A session of this number, which is kept below 2^63, at its first version.
    #[must_use]
    pub const fn new(session_id: u64, version: u64) -> Self {
        Self {
            session_id: session_id >> 1,
            version: version >> 1,
            last: None,
        }
    }

    /// The session's number.
    #[must_use]
    pub const fn session_id(&self) -> u64 {
        self.session_id
    }

    /// Version of the last description.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Takes note of what the next description says apart from its `o=` line (as a hash): one that says something new gets the next version.
    pub(crate) const fn advance(&mut self, content: u64) {
        match self.last {
            Some(last) if last == content => {}
            Some(_) => self.version += 1,
            None => {}
        }
        self.last = Some(content);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};

    #[test]
    fn answers_follow_the_table_of_rfc_3264() {
        for (offer, wish, answer) in [
            (SendRecv, SendRecv, SendRecv),
            (SendRecv, SendOnly, SendOnly),
            (SendRecv, RecvOnly, RecvOnly),
            (SendRecv, Inactive, Inactive),
            (SendOnly, SendRecv, RecvOnly),
            (SendOnly, RecvOnly, RecvOnly),
            (SendOnly, SendOnly, Inactive),
            (RecvOnly, SendRecv, SendOnly),
            (RecvOnly, RecvOnly, Inactive),
            (Inactive, SendRecv, Inactive),
            (Inactive, Inactive, Inactive),
        ] {
            assert_eq!(
                offer.answered_with(wish),
                answer,
                "{offer} by one who wants {wish}"
            );
        }
    }

    #[test]
    fn the_ice_password_stays_out_of_debug_output() {
        let ice = IceParameters {
            ufrag: "frag".to_owned(),
            pwd: "very-secret-password-22".to_owned(),
        };
        assert!(!format!("{ice:?}").contains("secret"));
    }
}
