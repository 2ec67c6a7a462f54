//! The life of a login by its own words, whatever the protocol: when a user is warned of its end, why it was refused, when it
//! may be tried again.

use std::time::{Duration, Instant, SystemTime};

use crate::auth::jwt::Lifetime;
use crate::auth::login::Login;
use crate::error::{Error, Span};

/// When a user is warned.
const WARNINGS: [Duration; 3] = [
    Duration::from_secs(3600),
    Duration::from_secs(600),
    Duration::from_secs(120),
];
/// A credential may need this long to become known everywhere.
const YOUNG: Duration = Duration::from_secs(10);

/// What a login says of its own life. Opaque tokens, and encrypted ones (RFC 8898, 2.1.2), do not show it.
pub(crate) fn of(login: &Login) -> Lifetime {
    match login {
        Login::Token { token } => Lifetime::read(token.expose()).unwrap_or_default(),
        Login::Password { .. } | Login::Anonymous { .. } => Lifetime::default(),
    }
}

/// Whether it is one by token, without the token.
pub(crate) fn is_missing(login: &Login) -> bool {
    matches!(login, Login::Token { token } if token.expose().is_empty())
}

/// The next of the warnings.
pub(crate) fn next_warning(expires: Instant, now: Instant) -> Option<Instant> {
    WARNINGS
        .iter()
        .filter_map(|before| expires.checked_sub(*before))
        .find(|at| *at > now)
}

/// Whether it is so short of its end that nobody could be warned in time.
pub(crate) fn ends_soon(left: Duration) -> bool {
    !left.is_zero() && left <= WARNINGS[0]
}

/// What a person should know of a source that brings what is known already. `server`: its clock, as far as it is known.
pub(crate) fn same_again(login: &Login, server: Option<SystemTime>) -> String {
    let said = "it gave the same token again";
    let life = of(login);
    if let Some(since) = server.and_then(|server| life.expired_since(server)) {
        return format!("{said}, which expired {} ago", Span(since));
    }
    match server.and_then(|server| life.good_in(server)) {
        Some(wait) => format!("{said}, which is good only in {}", Span(wait)),
        None => said.to_owned(),
    }
}

/// Why a login was refused, where its own words tell; `at`: the time there.
pub(crate) fn fault(login: &Login, at: SystemTime, server: &str) -> Option<Error> {
    let life = of(login);
    let server = || server.to_owned();
    if let Some(since) = life.expired_since(at) {
        let server = server();
        return Some(Error::TokenExpired { server, since });
    }
    let wait = life.good_in(at)?;
    let server = server();
    Some(Error::TokenNotYetValid { server, wait })
}

/// Whether credentials that a command brought then may not be known everywhere yet.
pub(crate) fn is_young(handed: Option<Instant>, now: Instant) -> bool {
    handed.is_some_and(|at| now < at + YOUNG)
}

/// How long a refused login rests where it deserves less than `usual`: until it is good by its own word, or, once, a few seconds
/// when it is new. `retried`: that was done.
pub(crate) fn second_chance(
    login: &Login,
    handed: Option<Instant>,
    server: Option<SystemTime>,
    usual: Option<Duration>,
    retried: &mut bool,
    now: Instant,
) -> Option<Duration> {
    let life = of(login);
    let wait = server.and_then(|server| life.good_in(server));
    if let Some(wait) = wait.filter(|wait| usual.is_none_or(|usual| *wait < usual)) {
        return Some(wait + Duration::from_secs(1));
    }
    let age = match (life.issued(server), handed) {
        (Some(age), _) => Some(age),
        (None, handed) => handed.map(|at| now - at),
    };
    if age.is_some_and(|age| age < YOUNG) && !*retried {
        *retried = true;
        return Some(YOUNG);
    }
    None
}
