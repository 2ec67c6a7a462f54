//! A text that must never be shown: wiped from memory when dropped, hidden from every formatter.

use std::fmt;

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
        assert_eq!(Secret::draw(16).unwrap().expose().len(), 32);
    }
}
