//! A name with a URI and parameters, as From, To, Contact, Route and their like hold them (RFC 3261, 20.10).

use std::fmt;

use sipx_sip as sipx;

use crate::sip::message::params::Params;
use crate::sip::message::quoted::{self, Quoted};
use crate::sip::message::uri::Uri;

/// `"Display name" <uri>;parameters`.
#[derive(Clone, Debug)]
pub struct NameAddr {
    /// Without quotes; `None` when there is none.
    pub display_name: Option<String>,
    /// The address itself.
    pub uri: Uri,
    /// Those of the header, behind the angle brackets.
    pub params: Params,
}

/// The value of a header is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no address: {reason}")]
pub struct BadAddress {
    /// What was to be one.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl NameAddr {
    /// An address without name and parameters.
    pub fn new(uri: Uri) -> Self {
        Self {
            display_name: None,
            uri,
            params: Params::default(),
        }
    }

    /// The same with `;tag=`.
    pub fn with_tag(mut self, tag: &str) -> Self {
        self.params.set("tag", tag);
        self
    }

    /// The tag of From or To.
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag")
    }

    /// Reads one address.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        sipx::headers::Address::parse(text.as_bytes(), "address")
            .map(Self::from_parser)
            .map_err(|error| BadAddress {
                text: text.to_owned(),
                reason: error.to_string(),
            })
    }

    /// Reads a list with commas, in its order.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, BadAddress> {
        quoted::split(text, ',').map(Self::parse).collect()
    }

    pub(super) fn from_parser(address: sipx::headers::Address) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            display_name: address
                .display_name
                .map(|name| text(&name))
                .filter(|name| !name.is_empty()),
            uri: Uri::from_parser(address.uri),
            params: address
                .params
                .into_iter()
                .map(|param| (text(&param.name), param.value.map(|value| text(&value))))
                .collect(),
        }
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.display_name {
            write!(f, "{} ", Quoted(name))?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_written() {
        let text = r#""Ann \"A\" Bee" <sip:ann@example.com;transport=ws>;tag=88"#;
        let address = NameAddr::parse(text).unwrap();
        assert_eq!(address.display_name.as_deref(), Some(r#"Ann "A" Bee"#));
        assert_eq!(address.tag(), Some("88"));
        assert_eq!(address.to_string(), text);
    }

    #[test]
    fn parameters_without_brackets_belong_to_the_header() {
        let address = NameAddr::parse("sip:a@b.example;tag=x").unwrap();
        assert_eq!(address.tag(), Some("x"));
        assert_eq!(address.uri.to_string(), "sip:a@b.example");
    }

    #[test]
    fn a_list_is_split_outside_quotes() {
        let list =
            NameAddr::parse_list(r#""a, b" <sip:c@d.example>, <sip:e@f.example;lr>"#).unwrap();
        assert_eq!(list.len(), 2);
        assert!(list.iter().any(|route| route.uri.param("lr").is_some()));
    }
}
