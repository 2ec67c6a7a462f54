//! The hash algorithms of digest access (RFC 7616, 3.3; RFC 8760, 2.7).

use std::fmt;

use md5::Md5;
use sha2::digest::Digest as _;
use sha2::{Sha256, Sha512_256};

/// A hash, and whether the password's hash is bound to the nonces (`-sess`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Algorithm {
    /// The hash.
    pub hash: Hash,
    /// The `-sess` variant (RFC 7616, 3.4.2).
    pub session: bool,
}

/// What is counted over the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hash {
    /// 32 hex digits.
    Md5,
    /// 64 hex digits.
    Sha256,
    /// SHA-512/256, a function of its own and not a cut SHA-512; 64 hex digits.
    Sha512_256,
}

impl Algorithm {
    /// What a challenge without the parameter means (RFC 7616, 3.3).
    pub const DEFAULT: Self = Self {
        hash: Hash::Md5,
        session: false,
    };

    /// Reads the parameter, whatever its case. `None`: not known here.
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase();
        let (plain, session) = match name.strip_suffix("-sess") {
            Some(plain) => (plain, true),
            None => (name.as_str(), false),
        };
        let hash = match plain {
            "md5" => Hash::Md5,
            "sha-256" => Hash::Sha256,
            "sha-512-256" => Hash::Sha512_256,
            _ => return None,
        };
        Some(Self { hash, session })
    }

    /// Hex digits of the hash, in small letters.
    pub fn hex(self, text: &[u8]) -> String {
        match self.hash {
            Hash::Md5 => hex(&Md5::digest(text)),
            Hash::Sha256 => hex(&Sha256::digest(text)),
            Hash::Sha512_256 => hex(&Sha512_256::digest(text)),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.hash {
            Hash::Md5 => "MD5",
            Hash::Sha256 => "SHA-256",
            Hash::Sha512_256 => "SHA-512-256",
        })?;
        f.write_str(if self.session { "-sess" } else { "" })
    }
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case_and_written_as_the_rfcs_have_them() {
        for name in [
            "MD5",
            "MD5-sess",
            "SHA-256",
            "SHA-256-sess",
            "SHA-512-256",
            "SHA-512-256-sess",
        ] {
            let shouted = Algorithm::parse(&name.to_ascii_uppercase()).unwrap();
            assert_eq!(shouted.to_string(), name);
        }
        assert_eq!(Algorithm::parse("SHA-1"), None);
        assert_eq!(Algorithm::parse("AKAv1-MD5"), None);
    }
}
