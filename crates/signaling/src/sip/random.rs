//! Names that must not be guessed: branches, tags, client nonces.

use rand::{Rng, RngExt};

use crate::sip::message::via::MAGIC_COOKIE;

const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// 100 random bits as a token: tags, Call-IDs, client nonces (RFC 3261, 19.3 demands 32 for a tag).
pub(in crate::sip) fn token(rng: &mut impl Rng) -> String {
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
pub(in crate::sip) fn branch(rng: &mut impl Rng) -> String {
    format!("{MAGIC_COOKIE}{}", token(rng))
}
