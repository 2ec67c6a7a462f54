//! Tokens with claims of a test's choice.

use std::fmt::Write as _;

/// A token that says this; its signature is none.
pub(crate) fn token(claims: &str) -> String {
    format!(
        "{}.{}.c2ln",
        base64url("{\"alg\":\"HS512\"}"),
        base64url(claims)
    )
}

/// By hand: three bytes are four letters (RFC 4648, section 5).
fn base64url(bytes: &str) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.as_bytes().chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for letter in 0..=chunk.len() {
            let index = bits >> (18 - 6 * letter) & 63;
            let _ = text.write_char(char::from(alphabet[index as usize]));
        }
    }
    text
}
