//! What a 401 or 407 asks for (RFC 3261, 22; RFC 7616, 3.3; RFC 8898, 4).

use crate::sip::auth::algorithm::Algorithm;
use crate::sip::message::HeaderName;
use crate::sip::message::headers::Headers;
use crate::sip::message::quoted;

/// Who asks, which says where the answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The server itself (401): `Authorization`.
    Server,
    /// A proxy on the way (407): `Proxy-Authorization`.
    Proxy,
}

impl Asker {
    /// The header of the challenge.
    pub fn challenge(self) -> HeaderName {
        match self {
            Self::Server => HeaderName::WwwAuthenticate,
            Self::Proxy => HeaderName::ProxyAuthenticate,
        }
    }

    /// The header of the answer.
    pub fn answer(self) -> HeaderName {
        match self {
            Self::Server => HeaderName::Authorization,
            Self::Proxy => HeaderName::ProxyAuthorization,
        }
    }
}

/// One challenge that can be answered here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Challenge {
    /// By a hash over the password.
    Digest(DigestChallenge),
    /// By a token of an authorization server.
    Bearer(BearerChallenge),
}

/// How much the hash covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qop {
    /// The server is older than RFC 2617: no client nonce, no count (RFC 3261, 22.4, item 8).
    Absent,
    /// The request line.
    Auth,
    /// The body too.
    AuthInt,
}

/// A digest challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestChallenge {
    /// The protection space.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// To be echoed.
    pub opaque: Option<String>,
    /// The hash, and whether the challenge named it: an answer to an old server names none.
    pub algorithm: Algorithm,
    /// Whether the challenge named the algorithm.
    pub names_algorithm: bool,
    /// What the hash covers.
    pub qop: Qop,
    /// Only the nonce was too old.
    pub stale: bool,
}

/// A bearer challenge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BearerChallenge {
    /// The protection space.
    pub realm: String,
    /// Who gives tokens for it; believed only when the configuration trusts it.
    pub authz_server: String,
    /// What the token has to cover.
    pub scope: Option<String>,
    /// Why the last token was not good, such as `invalid_token`.
    pub error: Option<String>,
}

impl Challenge {
    /// The protection space.
    pub fn realm(&self) -> &str {
        match self {
            Self::Digest(digest) => &digest.realm,
            Self::Bearer(bearer) => &bearer.realm,
        }
    }
}

/// The challenges of one asker that can be answered here, as the server prefers them. Other schemes (Basic is forbidden
/// in SIP: RFC 8760, 2.6), algorithms and kinds of protection are passed over.
pub fn challenges(headers: &Headers, asker: Asker) -> Vec<Challenge> {
    headers
        .all(&asker.challenge())
        .filter_map(|line| parse(&line))
        .collect()
}

/// One challenge; `None`: it cannot be answered here.
pub(crate) fn parse(line: &str) -> Option<Challenge> {
    let (scheme, rest) = line.trim().split_once([' ', '\t'])?;
    let params = parameters(rest);
    let get = |name: &str| {
        params
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone())
    };
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Challenge::Bearer(BearerChallenge {
            realm: get("realm").unwrap_or_default(),
            authz_server: get("authz_server")?,
            scope: get("scope"),
            error: get("error"),
        }));
    }
    if !scheme.eq_ignore_ascii_case("digest") {
        return None;
    }
    let named = get("algorithm");
    Some(Challenge::Digest(DigestChallenge {
        realm: get("realm")?,
        nonce: get("nonce")?,
        opaque: get("opaque"),
        algorithm: match &named {
            Some(name) => Algorithm::parse(name)?,
            None => Algorithm::DEFAULT,
        },
        names_algorithm: named.is_some(),
        qop: match get("qop") {
            Some(offered) => qop(&offered)?,
            None => Qop::Absent,
        },
        stale: get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
    }))
}

/// `auth` before `auth-int`: less to hash, and nobody on the way may have touched the body.
fn qop(offered: &str) -> Option<Qop> {
    let offers = |wanted: &str| {
        offered
            .split(',')
            .any(|one| one.trim().eq_ignore_ascii_case(wanted))
    };
    if offers("auth") {
        Some(Qop::Auth)
    } else if offers("auth-int") {
        Some(Qop::AuthInt)
    } else {
        None
    }
}

/// `name=value` pairs between commas; shared by challenges and Authentication-Info.
pub(super) fn parameters(text: &str) -> Vec<(String, String)> {
    quoted::split(text, ',')
        .filter_map(|part| quoted::split_once(part, '='))
        .map(|(name, value)| {
            (
                name.trim().to_owned(),
                quoted::without_quotes(value.trim()).into_owned(),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(line: &str) -> DigestChallenge {
        match parse(line) {
            Some(Challenge::Digest(digest)) => digest,
            other => panic!("no digest challenge: {other:?}"),
        }
    }

    #[test]
    fn a_challenge_with_a_list_in_quotes_and_escapes() {
        let digest = digest(
            r#"Digest realm="a \"b\", c", nonce="n,1", qop="auth-int, AUTH", stale=TRUE, Algorithm=sha-256, opaque="""#,
        );
        assert_eq!(digest.realm, r#"a "b", c"#);
        assert_eq!(digest.nonce, "n,1");
        assert_eq!(digest.qop, Qop::Auth);
        assert!(digest.stale);
        assert_eq!(digest.algorithm.to_string(), "SHA-256");
        assert_eq!(digest.opaque.as_deref(), Some(""));
    }

    #[test]
    fn only_auth_int_and_no_qop_at_all() {
        assert_eq!(
            digest(r#"Digest realm="a",nonce="b",qop="auth-int""#).qop,
            Qop::AuthInt
        );
        let old = digest(r#"Digest realm="a", nonce="b""#);
        assert_eq!((old.qop, old.names_algorithm), (Qop::Absent, false));
    }

    #[test]
    fn what_cannot_be_answered_is_passed_over() {
        for line in [
            r#"Basic realm="a""#,
            r#"Digest realm="a", nonce="b", algorithm=SHA-1"#,
            r#"Digest realm="a", nonce="b", qop="other""#,
            r#"Digest realm="a""#,
            "Digest",
            "",
            r#"Bearer realm="a""#,
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_bearer_challenge() {
        let line = r#"Bearer realm="a", authz_server="https://as.example", scope="sip call", error="invalid_token""#;
        let Some(Challenge::Bearer(bearer)) = parse(line) else {
            panic!("no bearer challenge");
        };
        assert_eq!(bearer.authz_server, "https://as.example");
        assert_eq!(bearer.scope.as_deref(), Some("sip call"));
        assert_eq!(bearer.error.as_deref(), Some("invalid_token"));
    }
}
