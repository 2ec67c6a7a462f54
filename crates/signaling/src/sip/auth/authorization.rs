//! What one Call-ID knows of the challenges on its way, and the answers it gives to them unasked (RFC 3261, 22.3).

use std::fmt;

use rand::Rng;

use crate::auth::login::Login;
use crate::secret::Secret;
use crate::session::SocketLogin;

use crate::sip::auth::challenge::{self, Asker, Challenge, Qop};
use crate::sip::auth::digest::{self, Subject};
use crate::sip::message::outgoing::OutgoingRequest;
use crate::sip::message::response::Response;
use crate::sip::random;

/// Challenged requests that may follow one another before the credentials count as wrong (RFC 3261, 22.2 demands a
/// limit). One more is allowed when the last challenge named another realm or algorithm.
const ROUNDS: u8 = 2;

/// Most requests beside a challenged one that make its challenge count for less.
const MOST_BESIDE: u8 = 16;

/// Most protection spaces on one way; the oldest is forgotten for a new one.
const MOST_SPACES: usize = 16;

/// Who we are, in the words of SIP.
#[derive(Clone, Debug)]
pub struct Identity<'a> {
    /// User name for digest, where it differs from that of the login.
    pub auth_user: Option<&'a str>,
    /// Password or token.
    pub login: &'a Login,
    /// Authorization servers that the configuration trusts (RFC 8898, 2.1.1).
    pub trusted_authz: &'a [String],
}

impl<'a> Identity<'a> {
    pub(super) fn password(&self) -> Option<(&'a str, &'a Secret)> {
        match self.login {
            Login::Password { user, password } => {
                let name = user.split_once('@').map_or(user.as_str(), |(name, _)| name);
                Some((self.auth_user.unwrap_or(name), password))
            }
            Login::Token { .. } | Login::Anonymous { .. } => None,
        }
    }

    /// The same for the server that a WebSocket is opened to.
    pub(crate) fn socket_login(&self) -> Option<SocketLogin> {
        let (user, password) = self.password()?;
        Some(SocketLogin {
            user: user.to_owned(),
            password: password.clone(),
        })
    }

    fn token(&self) -> Option<&'a Secret> {
        match self.login {
            Login::Token { token } => Some(token),
            Login::Password { .. } | Login::Anonymous { .. } => None,
        }
    }
}

/// Why a challenge is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unanswerable {
    /// The server did not take what was right by its own challenge.
    #[error("the credentials for {realm:?} were refused")]
    Refused {
        /// The protection space.
        realm: String,
    },
    /// The server did not take the token; a fresh one may help.
    #[error(
        "the token for {realm:?} was refused{}{}",
        Told(": ", error),
        Told("; it has to cover ", scope)
    )]
    TokenRefused {
        /// The protection space.
        realm: String,
        /// The server's word for it, such as `invalid_token` (RFC 8898, 4).
        error: Option<String>,
        /// What a token has to cover there.
        scope: Option<String>,
    },
    /// Nothing of what it asks for is known here.
    #[error("the server asks for a kind of authentication that is not known here")]
    Unknown,
    /// It shows a proof of the password that is wrong (RFC 7616, 3.5): it does not know it.
    #[error("the server does not know the password that it asked for")]
    Forged,
    /// It asks for a password, and there is none; or for a token, and there is none.
    #[error("the server asks for a {wanted}, and the login has none")]
    NoCredentials {
        /// `password` or `token`.
        wanted: &'static str,
    },
    /// It wants tokens of a server that the configuration does not name.
    #[error(
        "the server wants a token of {server:?}, which is not among the trusted authorization servers"
    )]
    Untrusted {
        /// The authorization server.
        server: String,
    },
}

/// A server's word behind some of ours, where there is one.
struct Told<'a>(&'static str, &'a Option<String>);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(word) => write!(f, "{}{word}", self.0),
            None => Ok(()),
        }
    }
}

/// One protection space with its present challenge.
#[derive(Clone, Debug)]
struct Space {
    asker: Asker,
    challenge: Challenge,
    /// How often its nonce has been used.
    count: u32,
    /// The last request held an answer to it.
    used: bool,
    /// Our nonce, the same for all answers to one challenge: with a session variant it is part of the key.
    cnonce: String,
    /// The nonce of the challenge that the session variant's key is made of; that which the server named last may be a later one
    /// (RFC 7616, 3.4.2).
    first_nonce: String,
}

/// The protection spaces on the way of one Call-ID.
#[derive(Clone, Debug, Default)]
pub struct Authorization {
    spaces: Vec<Space>,
    rounds: u8,
}

impl Authorization {
    /// Takes the challenges of a 401 or 407, so that [`Authorization::sign`] answers them in the same request, sent anew.
    pub fn on_challenge(
        &mut self,
        response: &Response,
        identity: &Identity<'_>,
    ) -> Result<(), Unanswerable> {
        self.on_challenge_beside(response, identity, 0)
    }

    /// The same while so many other requests of this Call-ID wait: where a nonce may be used once, each of them is challenged
    /// through no fault of the credentials.
    pub fn on_challenge_beside(
        &mut self,
        response: &Response,
        identity: &Identity<'_>,
        others: usize,
    ) -> Result<(), Unanswerable> {
        let mut news = Vec::new();
        let mut complaint = Unanswerable::Unknown;
        for asker in [Asker::Server, Asker::Proxy] {
            for challenge in challenge::challenges(&response.headers, asker) {
                let is_twin = |(other, known): &(Asker, Challenge)| {
                    *other == asker && known.realm() == challenge.realm()
                };
                // The topmost one that is known counts (RFC 8760, 2.4).
                if news.iter().any(is_twin) {
                    continue;
                }
                match can_answer(&challenge, identity) {
                    Ok(()) => news.push((asker, challenge)),
                    Err(reason) => complaint = reason,
                }
            }
        }
        if news.is_empty() {
            return Err(complaint);
        }
        self.rounds = self.rounds.saturating_add(1);
        let mut differs = false;
        for (asker, challenge) in news {
            differs |= self.put(asker, challenge)?;
        }
        let others = u8::try_from(others.min(usize::from(MOST_BESIDE))).unwrap_or_default();
        if self.rounds > ROUNDS + others + u8::from(differs) {
            let realm = self.spaces.first().map(|space| space.challenge.realm());
            return Err(Unanswerable::Refused {
                realm: realm.unwrap_or_default().to_owned(),
            });
        }
        Ok(())
    }

    /// Whether realm or algorithm are other than before.
    fn put(&mut self, asker: Asker, challenge: Challenge) -> Result<bool, Unanswerable> {
        let known = self
            .spaces
            .iter_mut()
            .find(|space| space.asker == asker && space.challenge.realm() == challenge.realm());
        let Some(space) = known else {
            let differs = !self.spaces.is_empty();
            if self.spaces.len() >= MOST_SPACES {
                self.spaces.remove(0);
            }
            self.spaces.push(Space {
                asker,
                challenge,
                count: 0,
                used: false,
                cnonce: String::new(),
                first_nonce: String::new(),
            });
            return Ok(differs);
        };
        let differs = match (&space.challenge, &challenge) {
            (Challenge::Digest(old), Challenge::Digest(new)) => {
                if space.used && !new.stale && old.nonce == new.nonce {
                    return Err(Unanswerable::Refused {
                        realm: new.realm.clone(),
                    });
                }
                if old.nonce != new.nonce {
                    space.count = 0;
                    space.cnonce.clear();
                }
                old.algorithm != new.algorithm
            }
            (Challenge::Bearer(_), Challenge::Bearer(new)) if space.used => {
                return Err(Unanswerable::TokenRefused {
                    realm: new.realm.clone(),
                    error: new.error.clone(),
                    scope: new.scope.clone(),
                });
            }
            (Challenge::Bearer(_), Challenge::Bearer(_)) => false,
            (Challenge::Digest(_), Challenge::Bearer(_))
            | (Challenge::Bearer(_), Challenge::Digest(_)) => {
                space.count = 0;
                space.cnonce.clear();
                true
            }
        };
        space.challenge = challenge;
        space.used = false;
        Ok(differs)
    }

    /// Puts an answer to every known challenge into the request.
    pub fn sign(
        &mut self,
        request: &mut OutgoingRequest,
        identity: &Identity<'_>,
        rng: &mut impl Rng,
    ) {
        for space in &mut self.spaces {
            let line = match &space.challenge {
                Challenge::Digest(challenge) => {
                    let Some((user, password)) = identity.password() else {
                        continue;
                    };
                    space.count = space.count.saturating_add(1);
                    if space.cnonce.is_empty() && challenge.qop != Qop::Absent {
                        space.cnonce = random::token(rng);
                        space.first_nonce.clone_from(&challenge.nonce);
                    }
                    let subject = Subject {
                        user,
                        password,
                        method: &request.method.to_string(),
                        uri: &request.uri.to_string(),
                        body: request.content.body(),
                        cnonce: &space.cnonce,
                        first_nonce: &space.first_nonce,
                        count: space.count,
                    };
                    digest::answer(challenge, &subject)
                }
                Challenge::Bearer(_) => {
                    let Some(token) = identity.token() else {
                        continue;
                    };
                    format!("Bearer {}", token.expose())
                }
            };
            space.used = true;
            request.content.push(&space.asker.answer(), line);
        }
    }

    /// Takes what a final response other than 401 and 407 says about the next request (RFC 7616, 3.5).
    pub fn on_accepted(&mut self, response: &Response) {
        self.rounds = 0;
        for space in &mut self.spaces {
            space.used = false;
            let Challenge::Digest(challenge) = &mut space.challenge else {
                continue;
            };
            let next = info(response, space.asker)
                .into_iter()
                .find(|(name, _)| name.eq_ignore_ascii_case("nextnonce"));
            if let Some((_, nonce)) = next
                && !nonce.is_empty()
                && nonce != challenge.nonce
            {
                challenge.nonce = nonce;
                space.count = 0;
            }
        }
    }

    /// Whether the server's own proof, where it gave one, is wrong: then somebody answers who does not know the
    /// password.
    pub fn is_forged(&self, response: &Response, uri: &str, identity: &Identity<'_>) -> bool {
        let Some((user, password)) = identity.password() else {
            return false;
        };
        self.spaces.iter().any(|space| {
            let Challenge::Digest(challenge) = &space.challenge else {
                return false;
            };
            let said = info(response, space.asker)
                .into_iter()
                .find(|(name, _)| name.eq_ignore_ascii_case("rspauth"));
            let Some((_, said)) = said.filter(|_| challenge.qop != Qop::Absent) else {
                return false;
            };
            let Ok(body) = std::str::from_utf8(&response.body) else {
                return false;
            };
            let subject = Subject {
                user,
                password,
                method: "",
                uri,
                body,
                cnonce: &space.cnonce,
                first_nonce: &space.first_nonce,
                count: space.count,
            };
            !said.eq_ignore_ascii_case(&digest::response(challenge, &subject))
        })
    }

    /// The token changed: the old one's refusal says nothing about it.
    pub fn forget_refusal(&mut self) {
        self.rounds = 0;
        for space in &mut self.spaces {
            space.used = false;
        }
    }
}

pub(super) fn info(response: &Response, asker: Asker) -> Vec<(String, String)> {
    let line = match asker {
        Asker::Server => response
            .headers
            .get(&crate::sip::message::HeaderName::AuthenticationInfo),
        Asker::Proxy => response.headers.other("Proxy-Authentication-Info"),
    };
    challenge::parameters(&line.unwrap_or_default())
}

fn can_answer(challenge: &Challenge, identity: &Identity<'_>) -> Result<(), Unanswerable> {
    match challenge {
        Challenge::Digest(_) => match identity.password() {
            Some(_) => Ok(()),
            None => Err(Unanswerable::NoCredentials { wanted: "password" }),
        },
        Challenge::Bearer(bearer) => {
            if identity.token().is_none() {
                return Err(Unanswerable::NoCredentials { wanted: "token" });
            }
            let named = bearer.authz_server.trim_end_matches('/');
            let trusts = |known: &String| known.trim_end_matches('/') == named;
            if identity.trusted_authz.iter().any(trusts) {
                Ok(())
            } else {
                Err(Unanswerable::Untrusted {
                    server: bearer.authz_server.clone(),
                })
            }
        }
    }
}
