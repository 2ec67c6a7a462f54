//! The master keys that a DTLS handshake yields (RFC 5764, section 4.2).

use std::fmt;

use zeroize::Zeroizing;

use crate::dtls::setup::DtlsRole;
use crate::srtp::profile::SrtpProfile;

/// One direction's master key and salt; wiped when dropped.
pub struct MasterKey {
    profile: SrtpProfile,
    key: Zeroizing<[u8; SrtpProfile::MAX_KEY]>,
    salt: Zeroizing<[u8; 14]>,
}

impl MasterKey {
    /// `None` unless key and salt have the lengths the profile asks for.
    #[must_use]
    pub fn new(profile: SrtpProfile, key: &[u8], salt: &[u8]) -> Option<Self> {
        if salt.len() != profile.salt_len() || key.len() != profile.key_len() {
            return None;
        }
        let mut padded = Zeroizing::new([0; 14]);
        padded.get_mut(..salt.len())?.copy_from_slice(salt);
        let mut room = Zeroizing::new([0; SrtpProfile::MAX_KEY]);
        room.get_mut(..key.len())?.copy_from_slice(key);
        Some(Self {
            profile,
            key: room,
            salt: padded,
        })
    }

    /// The profile these keys are for.
    #[must_use]
    pub fn profile(&self) -> SrtpProfile {
        self.profile
    }

    pub(crate) fn key(&self) -> &[u8] {
        self.key.get(..self.profile.key_len()).unwrap_or_default()
    }

    /// Filled up with zeros to 112 bits, the form the key derivation takes it in.
    pub(crate) fn salt(&self) -> &[u8; 14] {
        &self.salt
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// Both directions' keys.
#[derive(Debug)]
pub struct KeyPair {
    /// For what we send.
    pub local: MasterKey,
    /// For what the far end sends.
    pub remote: MasterKey,
}

impl KeyPair {
    /// How many bytes of keying material a profile needs.
    #[must_use]
    pub fn material_len(profile: SrtpProfile) -> usize {
        2 * (profile.key_len() + profile.salt_len())
    }

    /// Splits exported material: client key, server key, client salt, server salt. `None` if it is too short.
    #[must_use]
    pub fn from_material(profile: SrtpProfile, material: &[u8], role: DtlsRole) -> Option<Self> {
        let (keys, salts) = material.split_at_checked(2 * profile.key_len())?;
        let (client_key, server_key) = keys.split_at_checked(profile.key_len())?;
        let (client_salt, server_salt) = salts.split_at_checked(profile.salt_len())?;
        let client = MasterKey::new(profile, client_key, client_salt)?;
        let server = MasterKey::new(profile, server_key, server_salt)?;
        Some(match role {
            DtlsRole::Client => Self {
                local: client,
                remote: server,
            },
            DtlsRole::Server => Self {
                local: server,
                remote: client,
            },
        })
    }
}
