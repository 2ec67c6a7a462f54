//! Certificate fingerprints: the `a=fingerprint` attribute and the check against it (RFC 8122).

use std::fmt;
use std::str::FromStr;

use ring::digest;

/// The hash functions a fingerprint may use. Older ones than SHA-1 are refused: they can be forged at no cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FingerprintHash {
    /// `sha-256`.
    Sha256,
    /// `sha-384`.
    Sha384,
    /// `sha-512`.
    Sha512,
    /// `sha-1`: accepted only where that is allowed, since whoever spends enough can make two certificates of one digest.
    Sha1,
}

impl FingerprintHash {
    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        }
    }
}

impl fmt::Display for FingerprintHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
            Self::Sha1 => "sha-1",
        })
    }
}

/// A certificate's digest, as signalled. `Display` writes and `FromStr` reads `sha-256 AB:CD:...`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    hash: FingerprintHash,
    digest: Vec<u8>,
}

impl Fingerprint {
    /// The fingerprint of a certificate in DER form.
    #[must_use]
    pub fn of(certificate_der: &[u8], hash: FingerprintHash) -> Self {
        Self {
            hash,
            digest: digest::digest(hash.algorithm(), certificate_der)
                .as_ref()
                .to_vec(),
        }
    }

    /// The hash function.
    #[must_use]
    pub fn hash(&self) -> FingerprintHash {
        self.hash
    }

    /// Reads a fingerprint of sha-1, which `FromStr` refuses: for those who allow it.
    ///
    /// # Errors
    /// [`FingerprintError`]
    pub fn of_sha1(value: &str) -> Result<Self, FingerprintError> {
        let (name, hex) = value.trim().split_once(' ').unwrap_or((value, ""));
        if name.eq_ignore_ascii_case("sha-1") {
            Self::parse_digest(FingerprintHash::Sha1, hex)
        } else {
            let shown = name.chars().take(16).collect();
            Err(FingerprintError::UnknownHash(shown))
        }
    }

    fn parse_digest(hash: FingerprintHash, hex: &str) -> Result<Self, FingerprintError> {
        let digest = hex
            .trim()
            .split(':')
            .map(|pair| {
                let is_byte = pair.len() == 2 && pair.bytes().all(|c| c.is_ascii_hexdigit());
                is_byte.then(|| u8::from_str_radix(pair, 16).ok())?
            })
            .collect::<Option<Vec<u8>>>()
            .filter(|digest| digest.len() == hash.algorithm().output_len())
            .ok_or(FingerprintError::Malformed(hash))?;
        Ok(Self { hash, digest })
    }

    /// Whether `certificate_der` is the certificate meant.
    #[must_use]
    pub fn matches(&self, certificate_der: &[u8]) -> bool {
        digest::digest(self.hash.algorithm(), certificate_der).as_ref() == self.digest
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.hash)?;
        for (index, byte) in self.digest.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

/// Why an `a=fingerprint` value cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// MD5, SHA-1 and the like.
    #[error("fingerprint uses {0}, which can be forged: the far end must send sha-256 or better")]
    Weak(String),
    /// A hash name we do not know.
    #[error("fingerprint uses the unknown hash {0:?}")]
    UnknownHash(String),
    /// Not colon-separated hexadecimal, or not as long as the hash.
    #[error("fingerprint is not a {0} digest in colon-separated hexadecimal")]
    Malformed(FingerprintHash),
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(value: &str) -> Result<Self, FingerprintError> {
        let value = value.trim();
        let (name, hex) = value.split_once(' ').unwrap_or((value, ""));
        let hash = match name.to_ascii_lowercase().as_str() {
            "sha-256" => FingerprintHash::Sha256,
            "sha-384" => FingerprintHash::Sha384,
            "sha-512" => FingerprintHash::Sha512,
            weak @ ("sha-1" | "md5" | "md2" | "sha-224") => {
                return Err(FingerprintError::Weak(weak.to_owned()));
            }
            _ => {
                let shown = name.chars().take(16).collect();
                return Err(FingerprintError::UnknownHash(shown));
            }
        };
        Self::parse_digest(hash, hex)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Fingerprint, FingerprintError, FingerprintHash};

    #[test]
    fn each_hash_is_written_read_and_matched() {
        for hash in [
            FingerprintHash::Sha256,
            FingerprintHash::Sha384,
            FingerprintHash::Sha512,
        ] {
            let fingerprint = Fingerprint::of(b"certificate", hash);
            let read: Fingerprint = fingerprint.to_string().to_lowercase().parse().unwrap();
            assert_eq!(read, fingerprint);
            assert!(read.matches(b"certificate"));
            assert!(!read.matches(b"another certificate"));
        }
    }

    #[test]
    fn sha_1_is_refused_by_name() {
        let error = "sha-1 AA:BB".parse::<Fingerprint>().unwrap_err();
        assert_eq!(error, FingerprintError::Weak("sha-1".into()));
        let allowed = Fingerprint::of(b"certificate", FingerprintHash::Sha1);
        assert_eq!(
            Fingerprint::of_sha1(&allowed.to_string()),
            Ok(allowed.clone())
        );
        assert!(allowed.matches(b"certificate") && !allowed.matches(b"another"));
        assert!(Fingerprint::of_sha1("md5 AA").is_err());
    }

    #[test]
    fn a_cut_digest_is_refused() {
        let error = "sha-256 AA:BB:CC".parse::<Fingerprint>().unwrap_err();
        assert_eq!(error, FingerprintError::Malformed(FingerprintHash::Sha256));
    }

    proptest! {
        #[test]
        fn no_value_makes_the_parser_panic(value in "(sha-256 )?\\PC{0,120}") {
            let _ = value.parse::<Fingerprint>();
        }
    }
}
