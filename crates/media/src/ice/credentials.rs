//! The user name fragment and password that authenticate connectivity checks (RFC 8445, section 5.3).

use std::fmt;

use rand::{CryptoRng, Rng};
use zeroize::Zeroize;

/// The 64 `ice-char`s of RFC 8839, section 5.1: six bits each, so that drawing one has no bias.
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Length of a generated `ice-ufrag`: 48 bits, the least allowed being 24.
const UFRAG_CHARS: usize = 8;

/// Length of a generated `ice-pwd`: 144 bits, the least allowed being 128.
const PWD_CHARS: usize = 24;

/// The longest USERNAME of a check that the ICE implementation writes: both fragments and a colon. RFC 8839 would allow 513 characters.
const LONGEST_CHECK_NAME: usize = 128;

/// The longest `ice-ufrag` of the far end that can be asked beside one of ours that is so long.
pub(crate) const fn longest_far_ufrag(ours: usize) -> usize {
    (LONGEST_CHECK_NAME - 1).saturating_sub(ours)
}

/// The same beside one that we generated.
pub(crate) const LONGEST_FAR_UFRAG: usize = longest_far_ufrag(UFRAG_CHARS);

/// One side's ICE credentials. The password never shows in `Debug` and is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// `a=ice-ufrag`, 4 to 256 characters; not a secret, it travels in every check.
    pub ufrag: String,
    /// `a=ice-pwd`, 22 to 256 characters; the key of the checks' HMAC.
    pub pwd: String,
}

impl IceCredentials {
    /// Draws fresh credentials from a cryptographically secure generator.
    pub fn generate<R: CryptoRng>(rng: &mut R) -> Self {
        Self {
            ufrag: ice_chars(rng, UFRAG_CHARS),
            pwd: ice_chars(rng, PWD_CHARS),
        }
    }
}

fn ice_chars<R: Rng>(rng: &mut R, count: usize) -> String {
    let mut bytes = vec![0; count];
    rng.fill_bytes(&mut bytes);
    bytes
        .iter()
        .map(|byte| char::from(ICE_CHARS[usize::from(byte % 64)]))
        .collect()
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceCredentials")
            .field("ufrag", &self.ufrag)
            .finish_non_exhaustive()
    }
}

impl Drop for IceCredentials {
    fn drop(&mut self) {
        self.pwd.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::IceCredentials;

    #[test]
    fn generated_credentials_are_long_enough_and_differ() {
        let mut rng = StdRng::from_seed([7; 32]);
        let one = IceCredentials::generate(&mut rng);
        let two = IceCredentials::generate(&mut rng);
        assert_eq!((one.ufrag.len(), one.pwd.len()), (8, 24));
        assert_ne!(one, two);
    }

    #[test]
    fn debug_shows_no_password() {
        let credentials = IceCredentials {
            ufrag: "abcd".into(),
            pwd: "do-not-show-this-anywhere".into(),
        };
        assert!(!format!("{credentials:?}").contains("do-not-show"));
    }
}
