//! The name of a call, the same on our side and on the wire.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use rand::{Rng, RngExt};

/// Longest call name accepted from a server; FreeSWITCH's channel names are UUIDs, Telnyx's too.
const LONGEST: usize = 256;

/// Names one call of one session. Cheap to clone.
///
/// Ours are random UUIDs: with FreeSWITCH whoever knows a call's name may end or move the call, so it must not be
/// guessable.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(Arc<str>);

impl CallId {
    /// A new UUID, version 4, from the given generator (RFC 9562, 5.4).
    pub fn random(rng: &mut impl Rng) -> Self {
        Self(uuid_v4(rng).into())
    }

    /// A UUID in its usual text form, chosen by whoever places the call; `None` when it is none.
    pub fn from_uuid(text: &str) -> Option<Self> {
        // The parser knows shorter and longer forms too, which servers do not.
        (text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()).then(|| Self(text.into()))
    }

    /// The server's string as it is; `None` when it is empty or longer than any real name.
    pub fn from_wire(text: &str) -> Option<Self> {
        (!text.is_empty() && text.len() <= LONGEST).then(|| Self(text.into()))
    }

    /// The name as it goes on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A random UUID in its usual text form; request ids and session ids use it too.
pub(crate) fn uuid_v4(rng: &mut impl Rng) -> String {
    uuid::Builder::from_random_bytes(rng.random())
        .into_uuid()
        .to_string()
}

impl Borrow<str> for CallId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::CallId;

    #[test]
    fn ours_are_version_4_and_follow_the_seed() {
        let mut rng = StdRng::seed_from_u64(1);
        let one = CallId::random(&mut rng);
        let two = CallId::random(&mut rng);
        assert_ne!(one, two);
        assert_eq!(one.as_str().len(), 36);
        assert_eq!(one.as_str().as_bytes()[14], b'4');
        assert_eq!(one, CallId::random(&mut StdRng::seed_from_u64(1)));
    }

    #[test]
    fn nonsense_from_a_server_is_no_name() {
        assert_eq!(CallId::from_wire(""), None);
        assert_eq!(CallId::from_wire(&"x".repeat(257)), None);
        assert_eq!(CallId::from_wire("c-1").unwrap().as_str(), "c-1");
    }
}
