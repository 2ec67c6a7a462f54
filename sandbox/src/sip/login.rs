//! Who sends a request, and whether that is believed (RFC 3261, 22; RFC 8760; RFC 8898).

use offhook_signaling::secret::Secret;
use offhook_signaling::sip::auth::algorithm::Algorithm;
use offhook_signaling::sip::auth::challenge::{Asker, DigestChallenge, Qop};
use offhook_signaling::sip::auth::digest::{self, Subject};
use offhook_signaling::sip::message::HeaderName;
use offhook_signaling::sip::message::quoted::{self, Quoted};
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::uri::Uri;

use crate::fault::gateway::GatewayFault;
use crate::sip::nonces::Judgement;
use crate::sip::server::{Around, Server};
use crate::sip::settings::Scheme;
use crate::users;
use crate::verto::credentials::{self, Identity};
use crate::verto::socket::SocketId;

/// The protection space.
pub(super) const REALM: &str = "sandbox";
/// Who is said to give tokens: any of the sandbox's is good.
pub(super) const AUTHZ_SERVER: &str = "https://sandbox.invalid/token";
/// What the name of an additional user begins with.
const MORE: &str = "user-";

/// Somebody who proved who they are.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) user: String,
    /// Our own proof, for the answer (RFC 7616, 3.5).
    pub(super) info: Option<String>,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// There is no proof in it.
    Nothing,
    /// The nonce is too old.
    Stale,
    /// The token is not good.
    Token,
    /// The proof is wrong.
    Wrong,
}

impl Server {
    /// Who sends this; refuses it where that is not told, or not believed. `wanted`: it must be this user.
    pub(super) fn authenticate(
        &mut self,
        socket: SocketId,
        request: &Request,
        asker: Asker,
        wanted: Option<&str>,
        around: &mut Around<'_>,
    ) -> Option<Known> {
        let doubt = match self.prove(request, asker, around) {
            Ok(known) if wanted.is_none_or(|wanted| wanted == known.user) => {
                self.know(socket, &known.user, around);
                return Some(known);
            }
            Ok(_) => Doubt::Wrong,
            Err(doubt) => doubt,
        };
        match doubt {
            Doubt::Wrong => {
                tracing::warn!(socket = socket.0, "login refused");
                self.refuse(socket, request, 403, around.now);
                self.count_failure(socket, around);
            }
            Doubt::Nothing | Doubt::Stale | Doubt::Token => {
                self.challenge(socket, request, asker, doubt, around);
            }
        }
        None
    }

    fn count_failure(&mut self, id: SocketId, around: &Around<'_>) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        socket.failed_logins += 1;
        if socket.failed_logins >= around.limits.login_tries {
            tracing::warn!(socket = id.0, "closed: too many failed logins");
            self.close(id, 1008, around.now);
        }
    }

    fn challenge(
        &mut self,
        socket: SocketId,
        request: &Request,
        asker: Asker,
        doubt: Doubt,
        around: &mut Around<'_>,
    ) {
        let status = match asker {
            Asker::Server => 401,
            Asker::Proxy => 407,
        };
        let mut answer = self.answer(request, status);
        let user = request.ids.from.uri.user().unwrap_or_default();
        let only = around.wishes.look(&user, |fault| {
            if let GatewayFault::Challenge(scheme) = fault {
                Some(scheme)
            } else {
                None
            }
        });
        let schemes = only.map_or_else(|| self.settings.challenges.clone(), |scheme| vec![scheme]);
        let nonce = self.nonces.make(around.now);
        for scheme in schemes {
            let stale = if doubt == Doubt::Stale {
                ", stale=true"
            } else {
                ""
            };
            let digest = |algorithm| {
                format!(
                    "Digest realm={}, nonce={}, algorithm={algorithm}, qop=\"auth\"{stale}",
                    Quoted(REALM),
                    Quoted(&nonce)
                )
            };
            let line = match scheme {
                Scheme::Md5 => digest("MD5"),
                Scheme::Sha256 => digest("SHA-256"),
                Scheme::Bearer => {
                    let error = match doubt {
                        Doubt::Token => ", error=\"invalid_token\"",
                        Doubt::Nothing | Doubt::Stale | Doubt::Wrong => "",
                    };
                    format!(
                        "Bearer realm={}, authz_server={}, scope=\"sip\"{error}",
                        Quoted(REALM),
                        Quoted(AUTHZ_SERVER)
                    )
                }
            };
            answer.content.push(&asker.challenge(), line);
        }
        self.respond(socket, answer, around.now);
    }

    fn prove(
        &mut self,
        request: &Request,
        asker: Asker,
        around: &mut Around<'_>,
    ) -> Result<Known, Doubt> {
        let mut doubt = Doubt::Nothing;
        for line in request.headers.all(&asker.answer()) {
            let Some((scheme, rest)) = line.trim().split_once([' ', '\t']) else {
                continue;
            };
            if scheme.eq_ignore_ascii_case("bearer") {
                match prove_by_token(rest.trim(), request, around) {
                    Ok(known) => return Ok(known),
                    Err(why) => doubt = why,
                }
            } else if scheme.eq_ignore_ascii_case("digest") {
                match self.prove_by_digest(rest, request, around) {
                    Ok(known) => return Ok(known),
                    Err(why) => doubt = why,
                }
            }
        }
        Err(doubt)
    }

    fn prove_by_digest(
        &mut self,
        text: &str,
        request: &Request,
        around: &mut Around<'_>,
    ) -> Result<Known, Doubt> {
        let fields = Fields::read(text);
        let get = |name| fields.get(name);
        if get("realm") != Some(REALM) {
            return Err(Doubt::Nothing);
        }
        let nonce = get("nonce").ok_or(Doubt::Wrong)?;
        let named = get("username").ok_or(Doubt::Wrong)?;
        let algorithm = match get("algorithm") {
            Some(name) => Algorithm::parse(name).ok_or(Doubt::Wrong)?,
            None => Algorithm::DEFAULT,
        };
        let qop = match get("qop") {
            None => Qop::Absent,
            Some(qop) if qop.eq_ignore_ascii_case("auth") => Qop::Auth,
            Some(_) => return Err(Doubt::Wrong),
        };
        let count = get("nc").map_or(Ok(0), |nc| u32::from_str_radix(nc, 16));
        let challenge = DigestChallenge {
            realm: REALM.to_owned(),
            nonce: nonce.to_owned(),
            opaque: None,
            algorithm,
            names_algorithm: true,
            qop,
            stale: false,
        };
        let told = get("response").ok_or(Doubt::Wrong)?;
        let method = request.method.to_string();
        let uri = get("uri").ok_or(Doubt::Wrong)?;
        // RFC 7616, 3.4.6: else an answer would serve for any request. Nobody rewrites a Request-URI on the way here.
        if !Uri::parse(uri).is_ok_and(|uri| uri.is_same(&request.uri)) {
            return Err(Doubt::Wrong);
        }
        let count = count.map_err(|_| Doubt::Wrong)?;
        let cnonce = get("cnonce").unwrap_or_default();
        let sum = |password: &str, method: &str| {
            let password = Secret::new(password);
            let subject = Subject {
                user: named,
                password: &password,
                method,
                uri,
                body: "",
                cnonce,
                first_nonce: nonce,
                count,
            };
            digest::response(&challenge, &subject)
        };
        let proof = std::cell::RefCell::new(None);
        let is_right = |password: &str| {
            let right = users::is_same(&told.to_ascii_lowercase(), &sum(password, &method));
            if right && qop == Qop::Auth {
                let ours = sum(password, "");
                let info = format!(
                    "qop=auth, rspauth=\"{ours}\", cnonce={}, nc={count:08x}",
                    Quoted(cnonce)
                );
                proof.replace(Some(info));
            }
            right
        };
        let user = match around
            .account
            .let_in_by_password(named, is_right, around.wall)
        {
            Some(answer) => answer.map_err(|_| Doubt::Wrong)?,
            None => {
                let user = self.named(named).ok_or(Doubt::Wrong)?;
                if !is_right(around.password) {
                    return Err(Doubt::Wrong);
                }
                user.to_owned()
            }
        };
        // Only now: what a wrong proof says of a nonce does not count.
        let once = around.wishes.look(&user, |fault| {
            if let GatewayFault::OneTimeNonces { tells_next } = fault {
                Some(tells_next)
            } else {
                None
            }
        });
        match self
            .nonces
            .judge(nonce, self.settings.nonce_life, once.is_some(), around.now)
        {
            Judgement::Good => {
                let mut info = proof.into_inner();
                if let Some(info) = info.as_mut().filter(|_| once == Some(true)) {
                    let next = self.nonces.make(around.now);
                    info.push_str(&format!(", nextnonce={}", Quoted(&next)));
                }
                Ok(Known { user, info })
            }
            Judgement::Stale | Judgement::Unknown => Err(Doubt::Stale),
        }
    }

    /// The user that a name means: those of Verto, and `user-1` to `user-N`.
    pub(super) fn named<'a>(&self, login: &'a str) -> Option<&'a str> {
        users::named(login).or_else(|| {
            let name = login.split_once('@').map_or(login, |(name, _)| name);
            let number: u32 = name.strip_prefix(MORE)?.parse().ok()?;
            let exact = format!("{MORE}{number}") == name;
            (exact && (1..=self.settings.users).contains(&number)).then_some(name)
        })
    }
}

fn prove_by_token(token: &str, request: &Request, around: &mut Around<'_>) -> Result<Known, Doubt> {
    let login = request.ids.from.uri.user();
    match credentials::check_token(token, login.as_deref(), around.account, around.wall) {
        Ok(Identity::User(user)) => Ok(Known { user, info: None }),
        Ok(Identity::Guest | Identity::Anonymous(_)) => Err(Doubt::Wrong),
        Err(_) => Err(Doubt::Token),
    }
}

/// `name=value` pairs between commas.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn read(text: &str) -> Self {
        let pairs = quoted::split(text, ',')
            .filter_map(|part| quoted::split_once(part, '='))
            .map(|(name, value)| {
                (
                    name.trim().to_ascii_lowercase(),
                    quoted::without_quotes(value.trim()).into_owned(),
                )
            });
        Self(pairs.take(32).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value)
    }
}

/// Puts our own proof into an answer.
pub(super) fn push_info(
    content: &mut offhook_signaling::sip::message::outgoing::Content,
    info: Option<&str>,
) {
    if let Some(info) = info {
        content.push(&HeaderName::AuthenticationInfo, info);
    }
}
