//! The life of the login: tokens renewed, warned of, refused and replaced while calls go on (RFC 8898).

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each story looks for a few events among many"
)]

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use offhook_signaling::auth::login::Login;
use offhook_signaling::auth::refresh::TokenRefresh;
use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::error::{Error, Remedy};
use offhook_signaling::event::{Event, TokenWantedReason};
use offhook_signaling::secret::Secret;
use offhook_signaling::sip::config::{Config, SocketToken};
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::contract::{Input, Output};
use serde_json::json;

use crate::pair::{ANSWER, bye, invite};
use crate::world::{FLOW, World, answer, config};

pub(crate) const START: u64 = 1_800_000_000;
pub(crate) const HOUR: u64 = 3600;
const AUTHZ: &str = "https://as.example.com";
pub(crate) const BEARER: &str =
    r#"Bearer authz_server="https://as.example.com", realm="example.com", scope="sip""#;
pub(crate) const INVALID: &str = r#"Bearer authz_server="https://as.example.com", realm="example.com", error="invalid_token", scope="sip call""#;

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn wall(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + seconds(second)
}

pub(crate) fn token(claims: &serde_json::Value) -> Login {
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    Login::Token {
        token: Secret::new(format!("e30.{claims}.c2ln")),
    }
}

/// One that ends so many seconds after the start.
pub(crate) fn living(seconds: u64) -> Login {
    token(&json!({"exp": START + seconds}))
}

pub(crate) fn text(login: &Login) -> String {
    let Login::Token { token } = login else {
        panic!("no token");
    };
    token.expose().to_owned()
}

pub(crate) fn without_source(login: Login) -> Config {
    Config {
        login,
        wall_clock: Some(wall(START)),
        trusted_authz: vec![AUTHZ.to_owned()],
        ..config()
    }
}

pub(crate) fn with_source(login: Login) -> Config {
    Config {
        token_refresh: Some(TokenRefresh::default()),
        ..without_source(login)
    }
}

pub(crate) fn bearer_of(request: &Request) -> Option<String> {
    let line = request.headers.get(&HeaderName::Authorization)?;
    Some(line.strip_prefix("Bearer ")?.to_owned())
}

/// A registrar that takes these tokens for an hour; answers every REGISTER that waits, and gives back how many.
pub(crate) fn registrar(world: &mut World, takes: impl Fn(&str) -> bool) -> usize {
    let mut seen = 0;
    while let Some(at) = world
        .requests
        .iter()
        .position(|(_, request)| request.method == Method::Register)
    {
        let register = world.requests.remove(at).1;
        seen += 1;
        match bearer_of(&register) {
            Some(token) if takes(&token) => world.grant(&register, 3600, &[]),
            Some(_) => world.answer(&register, 401, &[(HeaderName::WwwAuthenticate, INVALID)]),
            None => world.answer(&register, 401, &[(HeaderName::WwwAuthenticate, BEARER)]),
        }
    }
    seen
}

fn pass(world: &mut World, span: Duration, takes: impl Fn(&str) -> bool + Copy) {
    world.pass(span, |world| {
        registrar(world, takes);
        if world
            .doings
            .last()
            .is_some_and(|doing| doing.starts_with("ping"))
        {
            world.doings.clear();
            world.handle(Input::Pong(FLOW));
        }
        if world
            .doings
            .last()
            .is_some_and(|doing| doing.starts_with("connect"))
        {
            world.doings.clear();
            world.open(FLOW);
            registrar(world, takes);
        }
    });
}

/// Registered by a token.
pub(crate) fn registered(config: Config) -> World {
    let mut world = World::new(config, 1);
    world.open(FLOW);
    registrar(&mut world, |_| true);
    world.doings.clear();
    let told = world.take_events();
    assert!(told.contains(&Event::Ready), "{told:?}");
    world
}

/// A call to bob is up.
pub(crate) fn talking(world: &mut World) -> CallId {
    let call = CallId::from_wire("a-call").expect("a name");
    world.command(invite(&call, "bob"));
    let request = world.request();
    let contact = (HeaderName::Contact, "<sip:bob@192.0.2.9;transport=ws>");
    let mut response = answer(&request, 200, &[contact]);
    response
        .content
        .set_body("application/sdp", ANSWER.to_owned());
    world.say(FLOW, &response.to_text());
    assert_eq!(world.request().method, Method::Ack);
    world.take_events();
    call
}

fn wanted(world: &mut World) -> Vec<TokenWantedReason> {
    let events = world.take_events().into_iter();
    events
        .filter_map(|event| match event {
            Event::TokenWanted { reason } => Some(reason),
            _ => None,
        })
        .collect()
}

pub(crate) fn failures(events: &[Event]) -> Vec<Error> {
    let failed = |event: &Event| match event {
        Event::LoginFailed(error) => Some(error.clone()),
        _ => None,
    };
    events.iter().filter_map(failed).collect()
}

#[test]
fn a_token_is_shown_only_to_whom_the_configuration_trusts() {
    let good = living(24 * HOUR);
    let mut world = World::new(without_source(good.clone()), 1);
    world.open(FLOW);
    let first = world.request();
    assert!(!first.headers.has(&HeaderName::Authorization));
    world.answer(&first, 401, &[(HeaderName::WwwAuthenticate, BEARER)]);
    let second = world.request();
    assert_eq!(bearer_of(&second), Some(text(&good)));
    assert_eq!(second.ids.cseq, first.ids.cseq + 1);
    world.grant(&second, 600, &[]);
    assert!(world.take_events().contains(&Event::Ready));

    let stranger = Config {
        trusted_authz: vec!["https://other.example".to_owned()],
        ..without_source(good)
    };
    let mut world = World::new(stranger, 1);
    world.open(FLOW);
    let first = world.request();
    world.answer(&first, 401, &[(HeaderName::WwwAuthenticate, BEARER)]);
    assert!(world.requests.is_empty(), "nothing of it is shown");
    let told = world.take_events();
    let [error] = &failures(&told)[..] else {
        panic!("{told:?}");
    };
    assert!(error.to_string().contains(AUTHZ), "{error}");
    assert_eq!(error.remedy(), Remedy::Configuration);
}

#[test]
fn a_server_that_asks_for_a_password_gets_no_token_and_the_user_is_told() {
    let mut world = World::new(without_source(living(24 * HOUR)), 1);
    world.open(FLOW);
    let first = world.request();
    let digest = r#"Digest realm="example.com", nonce="n", qop="auth""#;
    world.answer(&first, 401, &[(HeaderName::WwwAuthenticate, digest)]);
    assert!(world.requests.is_empty());
    let told = world.take_events();
    assert!(
        failures(&told)[0].to_string().contains("password"),
        "{told:?}"
    );
}

#[test]
fn a_token_is_renewed_an_hour_before_its_end_and_the_call_goes_on() {
    let mut world = registered(with_source(living(24 * HOUR)));
    let call = talking(&mut world);
    let begun = world.seconds();
    let mut at = None;
    while at.is_none() && world.seconds() < begun + 86_400.0 {
        pass(&mut world, seconds(60), |_| true);
        world.requests.clear();
        for event in world.take_events() {
            if let Event::TokenWanted { reason } = event {
                let TokenWantedReason::Refresh { left } = reason else {
                    panic!("{reason:?}");
                };
                assert!(
                    left >= seconds(HOUR) && left <= seconds(HOUR + 360),
                    "{left:?}"
                );
                at = Some(world.seconds() - begun);
            }
        }
    }
    assert!(at.is_some(), "it was asked for");
    let fresh = living(48 * HOUR);
    world.command(Command::Login(fresh.clone()));
    let register = world.request();
    assert_eq!(bearer_of(&register), Some(text(&fresh)));
    assert!(world.doings.is_empty(), "{:?}", world.doings);
    world.grant(&register, 3600, &[]);
    let told = world.take_events();
    assert!(
        matches!(told.as_slice(), [Event::LoggedIn { .. }]),
        "the call does not notice: {told:?}"
    );
    world.command(bye(&call));
    let goodbye = world.request();
    assert_eq!(goodbye.method, Method::Bye);
}

#[test]
fn without_a_source_the_user_is_warned_three_times_and_told_the_end() {
    let mut world = registered(without_source(living(3 * HOUR)));
    let mut told = Vec::new();
    let begun = world.seconds();
    for _ in 0..(4 * 60) {
        pass(&mut world, seconds(60), |_| true);
        let at = (world.seconds() - begun).round();
        let events = world.take_events().into_iter();
        told.extend(events.filter_map(|event| match event {
            Event::TokenExpiringSoon { left } => Some((at, left.as_secs())),
            Event::TokenExpired => Some((at, 0)),
            _ => None,
        }));
    }
    let minutes = |minutes: u64| (60 * minutes) as f64;
    assert_eq!(
        told,
        [
            (minutes(120), 3600),
            (minutes(170), 600),
            (minutes(178), 120),
            (minutes(180), 0)
        ]
    );
}

#[test]
fn a_token_that_ends_soon_is_warned_of_at_once() {
    let mut world = World::new(without_source(living(300)), 1);
    let soon = Event::TokenExpiringSoon { left: seconds(300) };
    assert!(world.take_events().contains(&soon));
}

#[test]
fn the_first_token_may_come_from_the_source_and_opens_the_connection() {
    let none = Login::Token {
        token: Secret::new(""),
    };
    let mut world = World::new(with_source(none), 1);
    assert!(world.doings.is_empty(), "{:?}", world.doings);
    assert_eq!(wanted(&mut world), [TokenWantedReason::Missing]);
    world.command(Command::TokenFailed {
        reason: "no network".to_owned(),
        retry_after: None,
    });
    let told = world.take_events();
    assert!(
        matches!(told.as_slice(), [Event::Failed(Error::TokenSource { .. })]),
        "{told:?}"
    );
    // Asked again within ten seconds, and not at once.
    world.pass(seconds(4), |_| ());
    assert!(wanted(&mut world).is_empty());
    world.pass(seconds(7), |_| ());
    assert_eq!(wanted(&mut world), [TokenWantedReason::Missing]);
    world.command(Command::Login(living(24 * HOUR)));
    assert_eq!(world.doings, ["connect flow 1"]);
}

#[test]
fn an_ended_token_is_replaced_before_the_next_connection() {
    let mut world = registered(with_source(living(2 * HOUR)));
    world.pass(seconds(2 * HOUR + 1), |world| {
        registrar(world, |_| true);
        world.handle(Input::Pong(FLOW));
    });
    assert!(world.take_events().contains(&Event::TokenExpired));
    world.doings.clear();
    world.close(FLOW);
    world.pass(seconds(60), |_| ());
    assert!(
        !world
            .doings
            .iter()
            .any(|doing| doing.starts_with("connect")),
        "{:?}",
        world.doings
    );
    world.command(Command::Login(living(24 * HOUR)));
    assert!(world.doings.contains(&"connect flow 1".to_owned()));
}

#[test]
fn logins_by_command_are_never_more_than_six_a_minute() {
    let mut world = registered(without_source(living(24 * HOUR)));
    let mut registers = 0;
    for number in 0..50 {
        world.command(Command::Login(living(25 * HOUR + number)));
        registers += registrar(&mut world, |_| true);
    }
    assert!(registers <= 6, "{registers}");
    world.pass(seconds(61), |world| {
        registers += registrar(world, |_| true);
        world.handle(Input::Pong(FLOW));
    });
    assert!((6..=8).contains(&registers), "{registers}");
}

#[test]
fn rubbish_from_the_source_never_replaces_what_works() {
    let old = living(2 * HOUR);
    let mut world = registered(with_source(old.clone()));
    for bad in ["a b", "x\r\nX-Evil: 1", "\u{fffd}"] {
        world.command(Command::Login(Login::Token {
            token: Secret::new(bad),
        }));
        assert!(world.requests.is_empty());
        let told = world.take_events();
        assert!(
            matches!(
                told.as_slice(),
                [Event::LoginFailed(Error::TokenMalformed { .. })]
            ),
            "{told:?}"
        );
    }
    // Its source gives the same again: it has failed, and is asked later.
    world.pass(seconds(HOUR + 30 * 60), |world| {
        registrar(world, |_| true);
        world.handle(Input::Pong(FLOW));
    });
    assert!(!wanted(&mut world).is_empty());
    world.command(Command::Login(old));
    let told = world.take_events();
    assert!(
        matches!(told.as_slice(), [Event::Failed(Error::TokenSource { .. })]),
        "{told:?}"
    );
}

#[test]
fn opaque_and_encrypted_tokens_are_taken_as_they_are() {
    for opaque in ["KEY0123", "a.b.c.d.e"] {
        let login = Login::Token {
            token: Secret::new(opaque),
        };
        let mut world = World::new(with_source(login), 1);
        world.open(FLOW);
        registrar(&mut world, |token| token == opaque);
        assert!(world.take_events().contains(&Event::Ready));
    }
}

#[test]
fn our_wrong_clock_is_mended_by_the_servers() {
    let mut wrong = without_source(living(3 * HOUR));
    wrong.wall_clock = Some(wall(START - 100 * HOUR));
    let mut world = World::new(wrong, 1);
    world.handle(Input::ServerDate(wall(START + 2 * HOUR + 60 * 55)));
    world.open(FLOW);
    registrar(&mut world, |_| true);
    world.take_events();
    world.pass(seconds(301), |world| world.handle(Input::Pong(FLOW)));
    let told = world.take_events();
    assert!(told.contains(&Event::TokenExpired), "{told:?}");
}

#[test]
fn the_socket_itself_carries_the_token_where_the_configuration_says_and_nobody_sees_it() {
    let login = living(24 * HOUR);
    for (place, url_has, header) in [
        (SocketToken::Query("access_token".to_owned()), true, None),
        (
            SocketToken::Header("Authorization".to_owned()),
            false,
            Some(format!("Bearer {}", text(&login))),
        ),
        (
            SocketToken::Header("X-Token".to_owned()),
            false,
            Some(text(&login)),
        ),
    ] {
        let config = Config {
            socket_token: Some(place),
            ..without_source(login.clone())
        };
        let mut world = World::new(config, 1);
        let (url, headers) = world.sockets.remove(0);
        assert_eq!(url.contains(&text(&login)), url_has, "{url}");
        assert!(url.starts_with("wss://edge.example.com/sip"));
        let sent = headers.first().map(|(_, value)| value.expose().to_owned());
        assert_eq!(sent, header);
        // Nothing shows it: neither the output nor the session nor what is told.
        let output = Output::Connect {
            flow: FLOW,
            url,
            headers,
            login: world.socket_login.clone(),
        };
        let shown = format!("{output:?} {:?} {:?}", world.session, world.events);
        assert!(!shown.contains(&text(&login)), "{shown}");
        // A new token waits for the next socket; the present one lives on.
        let fresh = living(48 * HOUR);
        world.open(FLOW);
        registrar(&mut world, |_| true);
        world.command(Command::Login(fresh.clone()));
        registrar(&mut world, |_| true);
        assert!(world.sockets.is_empty());
        world.close(FLOW);
        world.pass(seconds(6), |_| ());
        let (url, headers) = world.sockets.remove(0);
        let value = headers.first().map(|(_, value)| value.expose().to_owned());
        assert!(value.unwrap_or(url).contains(&text(&fresh)));
    }
}

#[test]
fn requests_that_wait_for_their_answers_do_not_show_the_token() {
    let login = living(24 * HOUR);
    let mut world = World::new(without_source(login.clone()), 1);
    world.open(FLOW);
    let first = world.request();
    world.answer(&first, 401, &[(HeaderName::WwwAuthenticate, BEARER)]);
    let second = world.request();
    assert_eq!(bearer_of(&second), Some(text(&login)));
    let shown = format!("{:?}", world.session);
    assert!(shown.contains("REGISTER"), "it waits: {shown}");
    assert!(!shown.contains(&text(&login)), "{shown}");
    // Nor what a password gives.
    let mut world = World::new(config(), 1);
    world.open(FLOW);
    let first = world.request();
    let digest = r#"Digest realm="a", nonce="b", qop="auth""#;
    world.answer(&first, 401, &[(HeaderName::WwwAuthenticate, digest)]);
    let second = world.request();
    let line = second.headers.get(&HeaderName::Authorization).unwrap();
    let response = line.split("response=\"").nth(1).unwrap();
    let shown = format!("{:?}", world.session);
    assert!(!shown.contains(&response[..32]) && !shown.contains("secret of alice"));
}
