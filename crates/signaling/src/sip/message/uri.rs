//! Addresses of resources: `sip:`, `sips:`, `tel:` and whatever else a peer names (RFC 3261, 19.1).

use std::fmt;

use bytes::Bytes;
use sipx_sip as sipx;

/// A URI. Written back exactly as it was read. Compared by [`Uri::is_same`]: the comparison of the RFC is not
/// transitive, so there is no `==`.
#[derive(Clone)]
pub struct Uri(sipx::Uri);

/// The text is no URI, or one that may not stand where it stood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no URI: {reason}")]
pub struct BadUri {
    /// What was to be one.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Uri {
    /// Reads a URI without angle brackets.
    pub fn parse(text: &str) -> Result<Self, BadUri> {
        sipx::Uri::parse(Bytes::copy_from_slice(text.as_bytes()))
            .map(Self)
            .map_err(|error| BadUri {
                text: text.to_owned(),
                reason: error.to_string(),
            })
    }

    pub(super) fn from_parser(uri: sipx::Uri) -> Self {
        Self(uri)
    }

    /// `sip`, `sips`, `tel` in small letters, or another as it stands.
    pub fn scheme(&self) -> String {
        String::from_utf8_lossy(self.0.scheme().as_bytes()).into_owned()
    }

    /// Whether it is `sip:` or `sips:`.
    pub fn is_sip(&self) -> bool {
        self.0.scheme().is_sip()
    }

    /// Whether it asks for TLS on the whole way.
    pub fn is_sips(&self) -> bool {
        self.0.scheme().is_secure()
    }

    /// The same URI as one of `sips:` (RFC 5627 and RFC 5630: that of a GRUU differs in nothing else); any other than one of SIP as
    /// it is.
    pub fn as_sips(self) -> Self {
        if !self.is_sip() || self.is_sips() {
            return self;
        }
        let text = self.to_string();
        let secure = text
            .split_once(':')
            .and_then(|(_, rest)| Self::parse(&format!("sips:{rest}")).ok());
        secure.unwrap_or(self)
    }

    /// The part before `@`, escapes undone; of a `tel:` URI its number.
    pub fn user(&self) -> Option<String> {
        if let Some(tel) = self.0.tel_parts() {
            return Some(String::from_utf8_lossy(tel.subscriber()).into_owned());
        }
        let user = self.0.decoded_user()?;
        Some(String::from_utf8_lossy(&user).into_owned())
    }

    /// Name or address of the host as it stands in a URI: an IPv6 one in brackets.
    pub fn host(&self) -> Option<String> {
        self.0.host().map(ToString::to_string)
    }

    /// The port, where one is named.
    pub fn port(&self) -> Option<u16> {
        self.0.port()
    }

    /// The value of a parameter; empty when it stands alone.
    pub fn param(&self, name: &str) -> Option<String> {
        let found = self.0.params()?.get(name)?;
        Some(String::from_utf8_lossy(found.value().unwrap_or_default()).into_owned())
    }

    /// The same URI with `;name=value` (or `;name`), in place of any of that name.
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.0.remove_param(name);
        self.0.push_param(match value {
            Some(value) => sipx::Param::new(name.to_owned(), value.to_owned()),
            None => sipx::Param::flag(name.to_owned()),
        });
        self
    }

    /// The same URI without that parameter.
    pub fn without_param(mut self, name: &str) -> Self {
        self.0.remove_param(name);
        self
    }

    /// The same URI without the part before `@`.
    pub fn without_user(self) -> Self {
        let text = self.to_string();
        let bare = text
            .split_once(':')
            .zip(text.rsplit_once('@'))
            .map(|((scheme, _), (_, rest))| format!("{scheme}:{rest}"));
        bare.and_then(|bare| Self::parse(&bare).ok())
            .unwrap_or(self)
    }

    /// The headers behind `?`, unescaped, in their order.
    pub fn headers(&self) -> Vec<(String, String)> {
        let Some(headers) = self.0.headers() else {
            return Vec::new();
        };
        headers
            .iter()
            .map(|header| {
                (
                    unescape(header.name()),
                    unescape(header.value().unwrap_or_default()),
                )
            })
            .collect()
    }

    /// The same URI without the headers behind `?`: they may not stand in a Request-URI (RFC 3261, 19.1.1).
    pub fn without_headers(mut self) -> Self {
        let names: Vec<String> = self.headers().into_iter().map(|(name, _)| name).collect();
        for name in names {
            self.0.remove_header(&name);
        }
        self
    }

    /// The same URI with one more header behind `?`, escaped as needed.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.0
            .push_header(sipx::Param::new(name.to_owned(), escape(value)));
        self
    }

    /// Whether it is a globally routable one of a user agent (RFC 5627: it has a `gr` parameter).
    pub fn is_gruu(&self) -> bool {
        sipx::gruu::is_gruu(&self.0)
    }

    /// Whether the user name alone makes it one of ours: gateways rewrite host, port and parameters of a Contact.
    pub fn has_user(&self, user: &str) -> bool {
        self.user().is_some_and(|own| own == user)
    }

    /// Whether both are the same user at the same host, whatever transport, parameters, or port that goes without saying one of
    /// them names.
    pub fn is_same_party(&self, other: &Self) -> bool {
        let host = |uri: &Self| uri.host().map(|host| host.to_ascii_lowercase());
        let usual = |uri: &Self| if uri.is_sips() { 5061 } else { 5060 };
        let port = |uri: &Self| uri.port().filter(|port| *port != usual(uri));
        let alike = self.is_sip() == other.is_sip();
        alike
            && self.user() == other.user()
            && host(self) == host(other)
            && port(self) == port(other)
    }

    /// Equality by RFC 3261, 19.1.4.
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.equivalent(&other.0)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Escapes a text for the user part of a URI (RFC 3261, 25.1: `user`).
pub fn escape_user(text: &str) -> String {
    escape_all_but(text, b"-_.!~*'()&=+$,;?/")
}

/// Escapes a header's value for the part behind `?` (RFC 3261, 25.1: `hvalue`). Semicolons, equal signs and commas are
/// escaped too, so that a Replaces arrives whole at readers that split too early.
fn escape(text: &str) -> String {
    escape_all_but(text, b"-_.!~*'()")
}

fn escape_all_but(text: &str, kept: &[u8]) -> String {
    use fmt::Write as _;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

fn unescape(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = tail.get(..2).filter(|_| byte == b'%');
        let decoded = hex
            .and_then(|two| std::str::from_utf8(two).ok())
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        match decoded {
            Some(decoded) => {
                out.push(decoded);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn uri(text: &str) -> Uri {
        Uri::parse(text).unwrap()
    }

    #[test]
    fn parts_of_a_sip_uri() {
        let uri = uri("sip:al%69ce@example.com:5066;transport=ws;lr?Replaces=a%3Bto-tag%3Db");
        assert_eq!(uri.user().as_deref(), Some("alice"));
        assert_eq!(uri.host().as_deref(), Some("example.com"));
        assert_eq!(uri.port(), Some(5066));
        assert_eq!(uri.param("transport").as_deref(), Some("ws"));
        assert_eq!(uri.param("lr").as_deref(), Some(""));
        assert_eq!(
            uri.headers(),
            [("Replaces".to_owned(), "a;to-tag=b".to_owned())]
        );
        assert_eq!(
            uri.without_headers().to_string(),
            "sip:al%69ce@example.com:5066;transport=ws;lr"
        );
    }

    #[test]
    fn a_gruu_is_known_by_its_parameter_and_kept_as_it_is() {
        let text = "sip:alice@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
        assert!(uri(text).is_gruu());
        assert_eq!(uri(text).to_string(), text);
        assert!(!uri("sip:alice@example.com;grx").is_gruu());
    }

    #[test]
    fn a_party_is_a_user_at_a_host() {
        let bob = uri("sip:bob@example.com");
        for same in [
            "sip:bob@EXAMPLE.com:5060;transport=ws",
            "sip:b%6Fb@example.com;user=phone?X=1",
            "sips:bob@example.com:5061",
        ] {
            assert!(bob.is_same_party(&uri(same)), "{same}");
        }
        for other in [
            "sip:Bob@example.com",
            "sip:bob@example.org",
            "sip:bob@example.com:5062",
            "sip:example.com",
            "tel:+12015550100",
        ] {
            assert!(!bob.is_same_party(&uri(other)), "{other}");
        }
    }

    #[test]
    fn a_number_has_a_user_too() {
        assert_eq!(
            uri("tel:+1-201-555-0123;isub=1").user().as_deref(),
            Some("+1-201-555-0123")
        );
    }

    proptest! {
        #[test]
        fn a_header_behind_the_question_mark_comes_back(value in "[ -~]{0,40}") {
            let uri = Uri::parse("sip:a@b.example").unwrap().with_header("Replaces", &value);
            let again = Uri::parse(&uri.to_string()).unwrap();
            prop_assert_eq!(again.headers(), [("Replaces".to_owned(), value)]);
        }

        #[test]
        fn any_user_name_survives_its_escapes(user in "\\PC{1,20}") {
            let text = format!("sip:{}@example.com", escape_user(&user));
            prop_assert_eq!(Uri::parse(&text).unwrap().user(), Some(user));
        }
    }
}
