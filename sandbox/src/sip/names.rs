//! Names that must not be guessed: tags, branches, Call-IDs.

use offhook_signaling::sip::message::via::MAGIC_COOKIE;
use rand::RngExt;
use rand::rngs::StdRng;

const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// 100 random bits as a token.
pub(super) fn token(rng: &mut StdRng) -> String {
    let mut bits: u128 = rng.random();
    let mut text = String::with_capacity(20);
    for _ in 0..20 {
        let index = usize::try_from(bits & 31).unwrap_or_default();
        text.push(LETTERS.get(index).copied().map_or('a', char::from));
        bits >>= 5;
    }
    text
}

/// A branch that no other transaction has (RFC 3261, 8.1.1.7).
pub(super) fn branch(rng: &mut StdRng) -> String {
    format!("{MAGIC_COOKIE}{}", token(rng))
}
