//! The SHA-256 of a certificate, as operators read it off the server and write it into a configuration.

use ring::digest::{SHA256, digest};
use std::{fmt, str::FromStr};

/// SHA-256 over the DER of a certificate: `AB:CD:..`, 32 bytes in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CertificateFingerprint([u8; 32]);

/// The text is no fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintFault {
    /// A character that is no hexadecimal digit.
    #[error("it holds {0:?}, which is no hexadecimal digit")]
    Digit(char),
    /// Too short or too long; 40 digits are a SHA-1.
    #[error("it has {0} hexadecimal digits, and a SHA-256 has 64")]
    Length(usize),
}

impl CertificateFingerprint {
    /// The fingerprint of a certificate.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, der).as_ref());
        Self(bytes)
    }
}

impl FromStr for CertificateFingerprint {
    type Err = FingerprintFault;

    /// Takes what `openssl x509 -fingerprint -sha256` prints, whole or only what stands behind its `=`.
    fn from_str(text: &str) -> Result<Self, FingerprintFault> {
        let digits = text.rsplit('=').next().unwrap_or(text).trim();
        let mut bytes = [0_u8; 32];
        let mut count = 0;
        for letter in digits.chars().filter(|letter| *letter != ':') {
            let digit = letter
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
                .ok_or(FingerprintFault::Digit(letter))?;
            if let Some(byte) = bytes.get_mut(count / 2) {
                *byte = *byte << 4 | digit;
            }
            count += 1;
        }
        if count == 2 * bytes.len() {
            Ok(Self(bytes))
        } else {
            Err(FingerprintFault::Length(count))
        }
    }
}

impl fmt::Display for CertificateFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ":" };
            write!(f, "{separator}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for CertificateFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the empty text (FIPS 180-4 example).
    const EMPTY: &str = "E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55";

    #[test]
    fn all_ways_to_write_it_are_read_and_one_is_shown() {
        let known = CertificateFingerprint::of(b"");
        assert_eq!(known.to_string(), EMPTY);
        let bare = EMPTY.replace(':', "");
        for text in [
            EMPTY.to_owned(),
            bare.to_lowercase(),
            format!("sha256 Fingerprint={EMPTY}\n"),
        ] {
            assert_eq!(text.parse(), Ok(known), "{text}");
        }
    }

    #[test]
    fn what_is_no_fingerprint_says_why() {
        let fault = |text: &str| {
            text.parse::<CertificateFingerprint>()
                .unwrap_err()
                .to_string()
        };
        assert!(fault("not hex").contains("'n'"));
        assert!(fault(&EMPTY[..59]).contains("40 hexadecimal digits"));
        assert!(fault(&format!("{EMPTY}:00")).contains("66 hexadecimal digits"));
        assert!(fault("").contains("0 hexadecimal digits"));
    }
}
