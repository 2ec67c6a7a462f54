//! Parameters behind a semicolon: of an address, of a Via, of a header value.

use std::fmt;

use crate::sip::message::quoted;

/// `;name=value` pairs in their order; names are compared without regard to case (RFC 3261, 7.3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// The value of the first parameter of that name; empty when it stands alone.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_deref().unwrap_or_default())
    }

    /// Whether a parameter of that name is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Puts `;name=value` in place of any of that name.
    pub fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.0.push((name.to_owned(), Some(value.to_owned())));
    }

    /// Puts `;name` in place of any of that name.
    pub fn set_flag(&mut self, name: &str) {
        self.remove(name);
        self.0.push((name.to_owned(), None));
    }

    /// Takes every parameter of that name away.
    pub fn remove(&mut self, name: &str) {
        self.0
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// In their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// Reads the tail of a header value, from its first semicolon on. What is no parameter is passed over.
    pub fn read(tail: &str) -> Self {
        quoted::split(tail, ';')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| match quoted::split_once(part, '=') {
                Some((name, value)) => (
                    name.trim().to_owned(),
                    Some(quoted::without_quotes(value.trim()).into_owned()),
                ),
                None => (part.to_owned(), None),
            })
            .collect()
    }
}

impl FromIterator<(String, Option<String>)> for Params {
    fn from_iter<I: IntoIterator<Item = (String, Option<String>)>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            match value {
                None => write!(f, ";{name}")?,
                Some(value) if quoted::needs_none(value) => write!(f, ";{name}={value}")?,
                Some(value) => write!(f, ";{name}={}", quoted::Quoted(value))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_reserved_characters_are_quoted_and_read_back() {
        let mut params = Params::default();
        params.set("+sip.instance", "<urn:uuid:0>");
        params.set("expires", "60");
        params.set_flag("ob");
        params.set("text", r#"say "no"; or \"#);
        let text = params.to_string();
        assert_eq!(
            text,
            r#";+sip.instance="<urn:uuid:0>";expires=60;ob;text="say \"no\"; or \\""#
        );
        assert_eq!(Params::read(&text), params);
    }

    #[test]
    fn names_are_compared_without_case_and_the_last_set_counts() {
        let mut params = Params::read(";Tag=a;lr");
        assert_eq!(params.get("tag"), Some("a"));
        assert!(params.has("LR"));
        params.set("TAG", "b");
        assert_eq!(params.get("tag"), Some("b"));
    }
}
