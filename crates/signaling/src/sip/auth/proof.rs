//! The server's own proof of the password, held against the request that it answers (RFC 7616, 3.5).

use crate::sip::auth::authorization::{Identity, info};
use crate::sip::auth::challenge::{self, Asker, Challenge, DigestChallenge, Qop};
use crate::sip::auth::digest::{self, Subject};
use crate::sip::message::outgoing::OutgoingRequest;
use crate::sip::message::response::Response;

/// Credentials as a request of ours held them.
struct Shown {
    challenge: DigestChallenge,
    cnonce: String,
    count: u32,
    response: String,
}

impl Shown {
    fn read(line: &str) -> Option<Self> {
        let Some(Challenge::Digest(challenge)) = challenge::parse(line) else {
            return None;
        };
        let params = challenge::parameters(line.split_once(' ')?.1);
        let get = |name: &str| {
            let found = params.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone())
        };
        Some(Self {
            challenge,
            cnonce: get("cnonce")?,
            count: u32::from_str_radix(&get("nc")?, 16).ok()?,
            response: get("response")?,
        })
    }
}

/// Whether the proof that a 2xx brings is wrong: then somebody answers who does not know the password. Only where that is
/// certain: not for a password that changed meanwhile, nor for session variants, whose key may be older than the request.
pub(in crate::sip) fn is_wrong(
    request: &OutgoingRequest,
    response: &Response,
    identity: &Identity<'_>,
) -> bool {
    let Some((user, password)) = identity.password() else {
        return false;
    };
    let (Ok(body), uri) = (std::str::from_utf8(&response.body), request.uri.to_string()) else {
        return false;
    };
    let method = request.method.to_string();
    [Asker::Server, Asker::Proxy].into_iter().any(|asker| {
        let said = info(response, asker)
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("rspauth"));
        let Some((_, said)) = said else {
            return false;
        };
        let refutes = |line: &str| {
            let Some(shown) = Shown::read(line) else {
                return false;
            };
            let challenge = &shown.challenge;
            if challenge.algorithm.session || challenge.qop == Qop::Absent {
                return false;
            }
            let ours = Subject {
                user,
                password,
                method: &method,
                uri: &uri,
                body: request.content.body(),
                cnonce: &shown.cnonce,
                first_nonce: &challenge.nonce,
                count: shown.count,
            };
            let theirs = Subject {
                method: "",
                body,
                ..ours
            };
            digest::response(challenge, &ours) == shown.response
                && !said.eq_ignore_ascii_case(&digest::response(challenge, &theirs))
        };
        // It names no realm: the proof of any of those that asked will do.
        let name = asker.answer();
        let mut lines = request.content.all(&name).peekable();
        lines.peek().is_some() && lines.all(refutes)
    })
}
