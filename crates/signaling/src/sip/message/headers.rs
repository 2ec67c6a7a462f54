//! The headers of a message that was read, in their order on the wire.

use std::time::Duration;

use bytes::Bytes;
use sipx_sip as sipx;

use crate::sip::message::address::{BadAddress, NameAddr};
use crate::sip::message::params::Params;
use crate::sip::message::quoted;
use crate::sip::message::via::Via;
use crate::sip::message::{HeaderName, Method};

/// Headers as they came. A value that is not UTF-8 is shown with replacement characters.
#[derive(Clone, Debug)]
pub struct Headers(pub(super) sipx::Headers);

impl Headers {
    /// The first value of that name, unfolded.
    pub fn get(&self, name: &HeaderName) -> Option<String> {
        self.0
            .value(name)
            .map(|value| String::from_utf8_lossy(&value).into_owned())
    }

    /// Every value of that name, one per line of the message.
    pub fn all(&self, name: &HeaderName) -> impl Iterator<Item = String> {
        self.0
            .get_all(name)
            .map(|header| String::from_utf8_lossy(&header.value()).into_owned())
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// The first value of that name as it came, unfolded.
    pub fn bytes(&self, name: &HeaderName) -> Option<Bytes> {
        self.all_bytes(name).next()
    }

    /// Every value of that name as it came, unfolded, one per line of the message.
    pub fn all_bytes<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = Bytes> + 'a {
        self.0
            .get_all(name)
            .map(|header| Bytes::copy_from_slice(&header.value()))
    }

    /// Every header that has no name of its own here (`X-...` and others), in order.
    pub fn others(&self) -> Vec<(String, String)> {
        self.0
            .iter()
            .filter(|header| matches!(header.name(), HeaderName::Other(_)))
            .map(|header| {
                (
                    header.name().to_string(),
                    String::from_utf8_lossy(&header.value()).into_owned(),
                )
            })
            .collect()
    }

    /// Whether a header of that name is there.
    pub fn has(&self, name: &HeaderName) -> bool {
        self.0.get(name).is_some()
    }

    /// The first value of a header that the parser has no name for.
    pub fn other(&self, name: &str) -> Option<String> {
        self.others()
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Whether a list header such as Supported, Require or Allow names the token.
    pub fn lists(&self, name: &HeaderName, token: &str) -> bool {
        self.tokens(name)
            .iter()
            .any(|known| known.eq_ignore_ascii_case(token))
    }

    /// The tokens of a list header, over all of its lines, without their parameters.
    pub fn tokens(&self, name: &HeaderName) -> Vec<String> {
        let mut tokens = Vec::new();
        for line in self.all(name) {
            for part in quoted::split(&line, ',') {
                let token = part.split(';').next().unwrap_or_default().trim();
                if !token.is_empty() {
                    tokens.push(token.to_owned());
                }
            }
        }
        tokens
    }

    /// Whether Allow names the method. `None`: there is no Allow.
    pub fn allows(&self, method: &Method) -> Option<bool> {
        self.has(&HeaderName::Allow)
            .then(|| self.lists(&HeaderName::Allow, &method.to_string()))
    }

    /// The addresses of a header, over all of its lines. The star of a Contact is no address and left out.
    pub fn addresses(&self, name: &HeaderName) -> Result<Vec<NameAddr>, BadAddress> {
        let mut addresses = Vec::new();
        for line in self.all(name).filter(|line| line.trim() != "*") {
            addresses.append(&mut NameAddr::parse_list(&line)?);
        }
        Ok(addresses)
    }

    /// The first address of a header.
    pub fn address(&self, name: &HeaderName) -> Option<NameAddr> {
        let line = self.get(name)?;
        let first = quoted::split(&line, ',').next()?;
        NameAddr::parse(first).ok()
    }

    /// A number such as that of Expires, Min-SE, RSeq. What is no number is as good as absent.
    pub fn number(&self, name: &HeaderName) -> Option<u32> {
        let line = self.get(name)?;
        let digits = line.split([';', ' ', '(']).next()?.trim();
        digits.parse::<u64>().ok().map(|number| {
            // Above 2^32-1 is as good as for ever (RFC 3261, 20.19 for Expires).
            u32::try_from(number).unwrap_or(u32::MAX)
        })
    }

    /// Retry-After, whatever is said about it in brackets or parameters (RFC 3261, 20.33).
    pub fn retry_after(&self) -> Option<Duration> {
        self.number(&HeaderName::RetryAfter)
            .map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// A value with its parameters: `value;name=...`.
    pub fn parametrised(&self, name: &HeaderName) -> Option<(String, Params)> {
        let line = self.get(name)?;
        let (value, tail) = quoted::split_once(&line, ';').unwrap_or((&line, ""));
        Some((value.trim().to_owned(), Params::read(tail)))
    }

    /// The Via values, the last sender first.
    pub fn vias(&self) -> Vec<Via> {
        self.0
            .typed_all::<sipx::Via>()
            .filter_map(Result::ok)
            .map(Via::from_parser)
            .collect()
    }

    /// Every line as it came, for what is copied without being understood.
    pub fn lines(&self) -> impl Iterator<Item = (&HeaderName, String)> {
        self.0.iter().map(|header| {
            (
                header.name(),
                String::from_utf8_lossy(&header.value()).into_owned(),
            )
        })
    }
}
