//! Who starts the DTLS handshake: the `a=setup` attribute (RFC 4145, RFC 8842).

use std::fmt;
use std::str::FromStr;

/// The value of `a=setup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Setup {
    /// This end sends the ClientHello.
    Active,
    /// This end waits for the ClientHello.
    Passive,
    /// Either: only in an offer.
    ActPass,
}

impl Setup {
    /// The role of *our* end when the remote end says `self`. An `actpass` is taken up as active, which saves a round
    /// trip (RFC 8842, section 5.3).
    #[must_use]
    pub fn our_role(self) -> DtlsRole {
        match self {
            Self::Active => DtlsRole::Server,
            Self::Passive | Self::ActPass => DtlsRole::Client,
        }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
        })
    }
}

/// `a=setup` has a value that starts no DTLS association (`holdconn`, or unknown).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a=setup value starts no DTLS association")]
pub struct UnknownSetup;

impl FromStr for Setup {
    type Err = UnknownSetup;

    fn from_str(value: &str) -> Result<Self, UnknownSetup> {
        match value.trim() {
            "active" => Ok(Self::Active),
            "passive" => Ok(Self::Passive),
            "actpass" => Ok(Self::ActPass),
            _ => Err(UnknownSetup),
        }
    }
}

/// Our side of the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DtlsRole {
    /// We send the ClientHello (`a=setup:active`).
    Client,
    /// We wait for it (`a=setup:passive`).
    Server,
}
