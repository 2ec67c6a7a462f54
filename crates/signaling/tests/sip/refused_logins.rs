//! Logins that a server refuses: told once, paced, replaced by what worked before.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each story looks for a few events among many"
)]

use offhook_signaling::auth::login::Login;
use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::error::Error;
use offhook_signaling::event::{DisconnectCause, Event, TokenWantedReason};
use offhook_signaling::session::ConnectFailure;
use offhook_signaling::sip::config::{Config, SocketToken};
use offhook_signaling::sip::flow_id::FlowId;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::contract::Input;
use serde_json::json;

use crate::pair::{bye, invite};
use crate::tokens::{
    BEARER, HOUR, INVALID, START, bearer_of, failures, living, registered, registrar, seconds,
    talking, text, token, with_source, without_source,
};
use crate::world::{FLOW, World, answer, config};

#[test]
fn a_refused_token_gets_one_fresh_one_and_then_rests_longer_and_longer() {
    let mut config = with_source(living(24 * HOUR));
    config.timers.refused_retry = Some(seconds(900));
    let mut world = World::new(config, 1);
    world.open(FLOW);
    registrar(&mut world, |_| false);
    let told = world.take_events();
    let [error] = &failures(&told)[..] else {
        panic!("{told:?}");
    };
    assert!(
        error.to_string().contains("invalid_token") && error.to_string().contains("sip call"),
        "{error}"
    );
    let reason = TokenWantedReason::Refused;
    assert!(told.contains(&Event::TokenWanted { reason }), "{told:?}");
    let left = told.iter().find_map(|event| match event {
        Event::Disconnected { cause, retry_in } => {
            assert_eq!(*cause, DisconnectCause::LoginRefused);
            *retry_in
        }
        _ => None,
    });
    assert_eq!(left, Some(seconds(900)));
    // The fresh one is tried at once, and refused as well: no further question, a longer rest.
    world.command(Command::Login(living(25 * HOUR)));
    assert_eq!(registrar(&mut world, |_| false), 1);
    let told = world.take_events();
    let asks = |event: &Event| matches!(event, Event::TokenWanted { .. });
    assert!(!told.iter().any(asks), "{told:?}");
    let mut registers = 0;
    world.pass(seconds(24 * HOUR - 5), |world| {
        registers += registrar(world, |_| false);
        world.handle(Input::Pong(FLOW));
    });
    assert!((20..=30).contains(&registers), "{registers} in a day");
}

#[test]
fn a_login_of_a_few_seconds_gets_a_second_chance_after_ten() {
    for (age, rest) in [(3, 10), (3600, 900)] {
        let mut config = without_source(living(48 * HOUR));
        config.timers.refused_retry = Some(seconds(900));
        config.login_age = Some(seconds(age));
        let mut world = World::new(config, 1);
        world.open(FLOW);
        registrar(&mut world, |_| false);
        let pauses = world
            .take_events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Disconnected { retry_in, .. } => retry_in,
                _ => None,
            });
        assert_eq!(pauses.collect::<Vec<_>>(), [seconds(rest)], "{age}");
    }
}

#[test]
fn with_a_rest_of_zero_a_refused_login_waits_for_a_command() {
    let mut config = without_source(living(48 * HOUR));
    config.timers.refused_retry = None;
    let mut world = World::new(config, 1);
    world.open(FLOW);
    registrar(&mut world, |_| false);
    world.pass(seconds(24 * HOUR), |world| world.handle(Input::Pong(FLOW)));
    assert!(world.requests.is_empty());
    world.command(Command::Retry);
    assert_eq!(registrar(&mut world, |_| true), 1);
    assert!(world.take_events().contains(&Event::Ready));
}

#[test]
fn a_new_token_that_is_refused_leaves_the_old_one_in_force() {
    let old = living(24 * HOUR);
    let bad = living(48 * HOUR);
    let mut world = registered(without_source(old.clone()));
    let call = talking(&mut world);
    world.command(Command::Login(bad));
    let (is_old, old_text) = (|token: &str| token == text(&old), text(&old));
    assert_eq!(registrar(&mut world, is_old), 1);
    let told = world.take_events();
    assert_eq!(failures(&told).len(), 1, "{told:?}");
    assert_eq!(told.len(), 1, "still connected, still ready: {told:?}");
    // The next refresh and the call's own words go by the old one.
    world.pass(seconds(HOUR), |world| {
        for (_, request) in &world.requests {
            if request.method == Method::Register {
                assert_eq!(bearer_of(request), Some(old_text.clone()));
            }
        }
        registrar(world, is_old);
        world.handle(Input::Pong(FLOW));
    });
    assert!(failures(&world.take_events()).is_empty());
    world.requests.clear();
    world.command(bye(&call));
    assert_eq!(world.request().method, Method::Bye);
}

#[test]
fn a_new_password_is_used_at_once_and_a_wrong_one_changes_nothing() {
    let password = |password: &str| Login::Password {
        user: "alice".to_owned(),
        password: password.to_owned().into(),
    };
    let mut world = World::registered(config(), 1, 3600);
    world.command(Command::Login(password("new")));
    let register = world.request();
    world.grant(&register, 3600, &[]);
    world.take_events();
    world.command(Command::Login(password("wrong")));
    for nonce in ["a", "b", "c"] {
        let register = world.request();
        let line = format!(r#"Digest realm="example.com", nonce="{nonce}", qop="auth""#);
        world.answer(&register, 401, &[(HeaderName::WwwAuthenticate, &line)]);
    }
    let told = world.take_events();
    assert!(
        matches!(told.as_slice(), [Event::LoginFailed(_)]),
        "{told:?}"
    );
    assert!(world.requests.is_empty());
    // Calls can still be made.
    world.command(invite(&CallId::from_wire("x").unwrap(), "bob"));
    assert_eq!(world.request().method, Method::Invite);
}

#[test]
fn a_token_that_comes_while_a_register_is_out_follows_it() {
    let fresh = living(48 * HOUR);
    let mut world = World::new(without_source(living(24 * HOUR)), 1);
    world.open(FLOW);
    let first = world.request();
    world.answer(&first, 401, &[(HeaderName::WwwAuthenticate, BEARER)]);
    let second = world.request();
    world.command(Command::Login(fresh.clone()));
    assert!(world.requests.is_empty(), "one at a time");
    // The older one is refused, which says nothing about the newer.
    world.answer(&second, 401, &[(HeaderName::WwwAuthenticate, INVALID)]);
    assert!(failures(&world.take_events()).is_empty());
    let third = world.request();
    assert_eq!(bearer_of(&third), Some(text(&fresh)));
}

#[test]
fn a_token_that_is_not_yet_good_is_tried_again_when_it_is() {
    let early = token(&json!({"nbf": START + 60, "exp": START + 24 * HOUR}));
    let mut world = World::new(without_source(early), 1);
    world.open(FLOW);
    registrar(&mut world, |_| false);
    let told = world.take_events();
    assert!(
        matches!(failures(&told)[..], [Error::TokenNotYetValid { .. }]),
        "{told:?}"
    );
    world.pass(seconds(59), |world| world.handle(Input::Pong(FLOW)));
    assert!(world.requests.is_empty());
    world.pass(seconds(3), |world| world.handle(Input::Pong(FLOW)));
    assert_eq!(registrar(&mut world, |_| true), 1);
    assert!(world.take_events().contains(&Event::Ready));
}

#[test]
fn a_socket_that_is_refused_for_who_we_are_is_not_hammered() {
    let config = Config {
        socket_token: Some(SocketToken::Query("token".to_owned())),
        ..with_source(living(24 * HOUR))
    };
    let mut world = World::new(config, 1);
    let refusal = || ConnectFailure {
        stage: "upgrade".to_owned(),
        text: "the server answered 403".to_owned(),
        remedy: None,
        retry_after: None,
    };
    world.handle(Input::Unauthorized(FLOW, refusal()));
    let told = world.take_events();
    assert_eq!(failures(&told).len(), 1);
    let reason = TokenWantedReason::Refused;
    assert!(told.contains(&Event::TokenWanted { reason }));
    world.doings.clear();
    world.command(Command::Login(living(25 * HOUR)));
    assert_eq!(world.doings, ["connect flow 1"]);
    let mut attempts = 0;
    world.handle(Input::Unauthorized(FLOW, refusal()));
    world.doings.clear();
    world.pass(seconds(6 * HOUR), |world| {
        if world
            .doings
            .pop()
            .is_some_and(|doing| doing.starts_with("connect"))
        {
            attempts += 1;
            world.handle(Input::Unauthorized(FLOW, refusal()));
        }
    });
    assert!((5..=9).contains(&attempts), "{attempts} in six hours");
}

#[test]
fn two_flows_take_one_token_and_one_refusal() {
    let old = living(24 * HOUR);
    let mut config = without_source(old.clone());
    config.servers = vec![
        "wss://one.example".to_owned(),
        "wss://two.example".to_owned(),
    ];
    let mut world = World::new(config, 1);
    let bad = living(48 * HOUR);
    let is_old = |request: &Request| bearer_of(request) == Some(text(&old));
    let serve = |world: &mut World| {
        while !world.requests.is_empty() {
            let (flow, register) = world.requests.remove(0);
            if is_old(&register) {
                world.grant_on(flow, &register, 3600, &[]);
                continue;
            }
            let line = if bearer_of(&register).is_some() {
                INVALID
            } else {
                BEARER
            };
            let refusal = answer(&register, 401, &[(HeaderName::WwwAuthenticate, line)]);
            world.say(flow, &refusal.to_text());
        }
    };
    for flow in [FlowId(0), FlowId(1)] {
        world.open(flow);
        serve(&mut world);
    }
    world.take_events();
    world.command(Command::Login(bad));
    serve(&mut world);
    let told = world.take_events();
    assert!(
        matches!(told.as_slice(), [Event::LoginFailed(_)]),
        "{told:?}"
    );
}

#[test]
fn a_call_refused_for_its_token_has_the_source_asked() {
    let mut world = registered(with_source(living(24 * HOUR)));
    let call = CallId::from_wire("a-call").unwrap();
    world.command(invite(&call, "bob"));
    let first = world.request();
    world.answer(&first, 401, &[(HeaderName::WwwAuthenticate, BEARER)]);
    assert_eq!(world.request().method, Method::Ack);
    let second = world.request();
    assert!(bearer_of(&second).is_some());
    world.answer(&second, 401, &[(HeaderName::WwwAuthenticate, INVALID)]);
    let told = world.take_events();
    let ended = told.iter().find_map(|event| match event {
        Event::Ended { detail, .. } => detail.clone(),
        _ => None,
    });
    assert!(ended.unwrap().contains("invalid_token"));
    let reason = TokenWantedReason::Refused;
    assert!(told.contains(&Event::TokenWanted { reason }), "{told:?}");
}
