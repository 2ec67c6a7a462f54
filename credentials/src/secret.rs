//! A text that must never be shown: wiped from memory when dropped, hidden from every formatter.

use std::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// An API key, password or token. `Debug` and `Display` show only that there is one.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// So many random bytes, as hexadecimal digits.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn draw(bytes: usize) -> Result<Self, getrandom::Error> {
        let mut drawn = Zeroizing::new(vec![0; bytes]);
        getrandom::fill(&mut drawn)?;
        let text = drawn.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self(Zeroizing::new(text)))
    }

    /// The text itself. Every call is a place to check for leaks.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Reads a secret from a file; whatever stands there in its place may be one, its quotes forgotten, and is not shown.
///
/// # Errors
/// It is no string.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    let text = Option::<String>::deserialize(from);
    let text = text.map_err(|_| D::Error::custom("a secret must be a string in quotes"))?;
    Ok(text.map(Secret::new))
}

/// What serde has against a value, without the value, which may be a secret at the wrong place.
pub fn without_value(message: &str) -> String {
    let wrong = ["invalid type: ", "invalid value: "];
    if !wrong.iter().any(|begin| message.starts_with(begin)) {
        return message.to_owned();
    }
    let expected = message.rsplit_once(", expected ");
    expected.map_or_else(
        || "a value of the wrong type".to_owned(),
        |(_, expected)| format!("a value of the wrong type, expected {expected}"),
    )
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_formatter_shows_the_text() {
        let secret = Secret::new("hunter2");
        assert!(!format!("{secret} {secret:?} {secret:#?}").contains("hunter2"));
        let fault = "invalid type: integer `12345678`, expected a string";
        assert_eq!(
            without_value(fault),
            "a value of the wrong type, expected a string"
        );
        assert_eq!(without_value("unknown field `x`"), "unknown field `x`");
        assert_eq!(Secret::draw(16).unwrap().expose().len(), 32);
    }
}
