//! Registering: challenges, grants, refusals, lost connections.

use std::time::Duration;

use offhook_signaling::command::Command;
use offhook_signaling::event::{DisconnectCause, Event};
use offhook_signaling::sip::auth::algorithm::Algorithm;
use offhook_signaling::sip::auth::challenge::{DigestChallenge, Qop};
use offhook_signaling::sip::auth::digest::{Subject, response};
use offhook_signaling::sip::config::FlowBackoff;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::contract::Input;

use crate::world::{FLOW, World, config};

const CHALLENGE: &str = r#"Digest realm="example.com", nonce="one", qop="auth", algorithm=SHA-256"#;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_register_says_what_the_rfcs_ask_for() {
    let mut world = World::new(config(), 1);
    assert_eq!(world.doings, ["connect flow 1"]);
    world.open(FLOW);
    let register = world.request();
    assert_eq!(register.method, Method::Register);
    assert_eq!(register.uri.to_string(), "sip:example.com");
    assert_eq!(register.ids.via.transport, "WSS");
    assert!(register.ids.via.sent_by.ends_with(".invalid"));
    assert!(register.ids.via.params.has("keep"));
    let contact = register.headers.address(&HeaderName::Contact).unwrap();
    assert_eq!(contact.uri.param("transport").as_deref(), Some("ws"));
    assert!(contact.uri.param("ob").is_some());
    assert_eq!(contact.params.get("reg-id"), Some("1"));
    assert_eq!(
        contact.params.get("+sip.instance"),
        Some("<urn:uuid:00000000-0000-4000-8000-000000000001>")
    );
    assert_eq!(contact.params.get("expires"), Some("600"));
    for option in ["path", "outbound", "gruu"] {
        assert!(
            register.headers.lists(&HeaderName::Supported, option),
            "{option}"
        );
    }
    assert_eq!(register.ids.to_tag(), "");
    assert_eq!(register.ids.cseq, 1);
}

#[test]
fn a_challenge_is_answered_with_the_next_number_and_a_new_branch() {
    let mut world = World::new(config(), 2);
    world.open(FLOW);
    let first = world.request();
    world.answer(&first, 401, &[(HeaderName::WwwAuthenticate, CHALLENGE)]);
    let second = world.request();
    assert_eq!(second.ids.call_id, first.ids.call_id);
    assert_eq!(second.ids.from_tag(), first.ids.from_tag());
    assert_eq!(second.ids.cseq, 2);
    assert_ne!(second.ids.via.branch(), first.ids.via.branch());
    let line = second.headers.get(&HeaderName::Authorization).unwrap();
    for part in [
        r#"username="alice""#,
        r#"uri="sip:example.com""#,
        "qop=auth",
        "nc=00000001",
        "algorithm=SHA-256",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    world.grant(&second, 600, &[]);
    assert!(world.take_events().contains(&Event::Ready));
}

#[test]
fn the_next_register_answers_the_known_nonce_unasked_and_takes_the_next_one() {
    let mut world = World::new(config(), 3);
    world.open(FLOW);
    let first = world.request();
    world.answer(&first, 401, &[(HeaderName::WwwAuthenticate, CHALLENGE)]);
    let second = world.request();
    world.grant(
        &second,
        60,
        &[(HeaderName::AuthenticationInfo, r#"nextnonce="two""#)],
    );
    world.pass(seconds(30), |_| ());
    let third = world.request();
    let line = third.headers.get(&HeaderName::Authorization).unwrap();
    assert!(
        line.contains(r#"nonce="two""#) && line.contains("nc=00000001"),
        "{line}"
    );
    world.grant(&third, 60, &[]);
    world.pass(seconds(30), |_| ());
    let fourth = world.request();
    let line = fourth.headers.get(&HeaderName::Authorization).unwrap();
    assert!(
        line.contains(r#"nonce="two""#) && line.contains("nc=00000002"),
        "{line}"
    );
}

#[test]
fn wrong_credentials_are_told_once_and_never_become_a_storm() {
    let mut world = World::new(config(), 4);
    world.open(FLOW);
    let mut registers = 0;
    let refuse = |world: &mut World, registers: &mut u32| {
        while !world.requests.is_empty() {
            let register = world.request();
            *registers += 1;
            let nonce = format!(r#"Digest realm="example.com", nonce="n{registers}", qop="auth""#);
            world.answer(&register, 401, &[(HeaderName::WwwAuthenticate, &nonce)]);
        }
        // Whatever it probes with is answered.
        world.handle(Input::Pong(FLOW));
    };
    refuse(&mut world, &mut registers);
    assert_eq!(registers, 3, "at most two rounds");
    let told = |world: &mut World| {
        let events = world.take_events();
        let told = |event: &&Event| matches!(event, Event::LoginFailed(_));
        events.iter().filter(told).count()
    };
    assert_eq!(told(&mut world), 1);
    world.pass(seconds(24 * 3600), |world| refuse(world, &mut registers));
    // 15, 30, 60, 60 ... minutes: 24 to 26 rounds of three in a day.
    assert!((24 * 3..=26 * 3).contains(&registers), "{registers}");
    world.command(Command::Retry);
    assert!(!world.requests.is_empty(), "a command tries at once");
}

#[test]
fn the_granted_time_counts_and_other_devices_do_not() {
    let mut world = World::new(config(), 5);
    world.open(FLOW);
    let register = world.request();
    let others = "<sip:alice@192.0.2.4>;+sip.instance=\"<urn:uuid:other>\";expires=3000";
    world.grant(&register, 20, &[(HeaderName::Contact, others)]);
    world.pass(Duration::from_millis(9_900), |_| ());
    assert!(world.requests.is_empty());
    world.pass(Duration::from_millis(200), |_| ());
    let refresh = world.request();
    assert_eq!(refresh.ids.call_id, register.ids.call_id);
    assert_eq!(refresh.ids.cseq, 2);
}

#[test]
fn a_brief_interval_and_a_hop_without_outbound_are_amended_once() {
    let mut world = World::new(config(), 6);
    world.open(FLOW);
    let first = world.request();
    world.answer(&first, 423, &[(HeaderName::MinExpires, "3600")]);
    let second = world.request();
    assert_eq!(second.headers.number(&HeaderName::Expires), Some(3600));
    world.answer(&second, 439, &[]);
    let third = world.request();
    let contact = third.headers.address(&HeaderName::Contact).unwrap();
    assert!(!contact.params.has("reg-id"));
    assert!(!third.headers.lists(&HeaderName::Supported, "outbound"));
    world.grant(&third, 3600, &[]);
    assert!(world.take_events().contains(&Event::Ready));
}

#[test]
fn retry_after_is_kept_and_zero_means_at_once() {
    let mut world = World::new(config(), 7);
    world.open(FLOW);
    let first = world.request();
    world.answer(&first, 503, &[(HeaderName::RetryAfter, "0")]);
    let second = world.request();
    world.answer(
        &second,
        503,
        &[(HeaderName::RetryAfter, "300 (overload);duration=9")],
    );
    let alive = |world: &mut World| world.handle(Input::Pong(FLOW));
    world.pass(seconds(299), alive);
    assert!(world.requests.is_empty());
    world.pass(seconds(2), alive);
    let third = world.request();
    world.grant(&third, 600, &[]);
    assert!(world.take_events().contains(&Event::Ready));
}

#[test]
fn a_half_open_socket_is_found_within_ten_seconds_of_the_first_unanswered_probe() {
    let mut world = World::registered(config(), 8, 600);
    let registered = world.seconds();
    world.pass(seconds(40), |_| ());
    let pings = world
        .doings
        .iter()
        .filter(|doing| doing.starts_with("ping"));
    assert_eq!(pings.count(), 2);
    let disconnect = world
        .doings
        .iter()
        .position(|doing| doing == "disconnect flow 1");
    assert!(disconnect.is_some(), "{:?}", world.doings);
    let lost = world
        .take_events()
        .into_iter()
        .find(|event| matches!(event, Event::Disconnected { .. }));
    let Some(Event::Disconnected { cause, retry_in }) = lost else {
        panic!("nothing was told");
    };
    assert!(matches!(cause, DisconnectCause::Silent(_)), "{cause:?}");
    assert!(retry_in.unwrap() <= seconds(5), "{retry_in:?}");
    assert!(registered + 35.0 < world.seconds());
}

#[test]
fn a_lost_flow_comes_back_and_registers_with_the_same_call_id() {
    let mut config = config();
    config.backoff = FlowBackoff {
        base: seconds(1),
        max: seconds(2),
    };
    let mut world = World::new(config, 9);
    world.open(FLOW);
    let first = world.request();
    world.grant(&first, 600, &[]);
    world.close(FLOW);
    // The server is away for a while: every attempt fails, none is further away than two seconds.
    let mut attempts = 1;
    for _ in 0..20 {
        world.pass(seconds(2), |_| ());
        let connects = world
            .doings
            .iter()
            .filter(|doing| doing.starts_with("connect"));
        let connects = connects.count();
        assert!(connects > attempts, "no attempt within two seconds");
        attempts = connects;
        world.handle(Input::Failed(
            FLOW,
            offhook_signaling::session::ConnectFailure {
                stage: "TCP".to_owned(),
                text: "refused".to_owned(),
                remedy: None,
                retry_after: None,
            },
        ));
    }
    world.pass(seconds(2), |_| ());
    world.open(FLOW);
    let again = world.request();
    assert_eq!(again.ids.call_id, first.ids.call_id);
    assert!(again.ids.cseq > first.ids.cseq);
}

#[test]
fn keep_alives_follow_the_flow_timer_and_a_missing_answer_ends_the_flow() {
    let mut world = World::new(config(), 10);
    world.open(FLOW);
    let register = world.request();
    let flow_timer = HeaderName::FlowTimer;
    world.grant(
        &register,
        3600,
        &[(HeaderName::Require, "outbound"), (flow_timer, "20")],
    );
    let mut answered = 0;
    world.pass(seconds(200), |world| {
        if world
            .texts
            .pop()
            .is_some_and(|(_, text)| text == "\r\n\r\n")
        {
            answered += 1;
            world.say(FLOW, "\r\n");
        }
    });
    assert!((9..=12).contains(&answered), "{answered}");
    // CRLF is life: no ping was needed.
    assert!(
        !world.doings.iter().any(|doing| doing.starts_with("ping")),
        "{:?}",
        world.doings
    );
    world.pass(seconds(31), |world| world.handle(Input::Pong(FLOW)));
    assert!(world.doings.contains(&"disconnect flow 1".to_owned()));
}

#[test]
fn a_ping_by_crlf_is_answered_and_a_pong_is_not() {
    let mut world = World::registered(config(), 11, 600);
    world.texts.clear();
    world.say(FLOW, "\r\n\r\n");
    assert_eq!(world.texts, [(FLOW, "\r\n".to_owned())]);
    world.say(FLOW, "\r\n");
    assert_eq!(world.texts.len(), 1);
}

#[test]
fn leaving_takes_the_contact_away_before_the_socket_closes() {
    let mut world = World::registered(config(), 12, 600);
    world.command(Command::Shutdown);
    let last = world.request();
    assert_eq!(last.headers.number(&HeaderName::Expires), Some(0));
    assert!(!world.doings.contains(&"disconnect flow 1".to_owned()));
    world.answer(&last, 200, &[]);
    assert!(world.doings.contains(&"disconnect flow 1".to_owned()));
    assert_eq!(world.take_events().last(), Some(&Event::Stopped));
}

#[test]
fn a_day_of_short_registrations_has_not_one_needless_message() {
    let mut world = World::registered(config(), 13, 60);
    let mut registers = 0_u32;
    world.pass(seconds(24 * 3600), |world| {
        while !world.requests.is_empty() {
            let register = world.request();
            registers += 1;
            world.grant(&register, 60, &[]);
        }
        if world
            .doings
            .pop()
            .is_some_and(|doing| doing.starts_with("ping"))
        {
            world.handle(Input::Pong(FLOW));
        }
    });
    // Half of 60 s (RFC 5627, 4.2): 2,880 in a day.
    assert_eq!(registers, 24 * 3600 / 30);
    assert!(world.texts.is_empty());
    assert!(world.take_events().is_empty());
}

#[test]
fn a_registrar_that_does_not_know_the_password_is_not_believed() {
    let mut world = World::new(config(), 14);
    world.open(FLOW);
    let first = world.request();
    world.answer(&first, 401, &[(HeaderName::WwwAuthenticate, CHALLENGE)]);
    let second = world.request();
    let proof = r#"rspauth="00000000000000000000000000000000", qop=auth"#;
    world.grant(&second, 600, &[(HeaderName::AuthenticationInfo, proof)]);
    let told = world.take_events();
    assert!(!told.contains(&Event::Ready), "{told:?}");
    assert!(
        told.iter()
            .any(|event| matches!(event, Event::LoginFailed(_)))
    );
}

#[test]
fn a_registrar_that_proves_the_password_is_believed() {
    let mut world = World::new(config(), 15);
    world.open(FLOW);
    let first = world.request();
    world.answer(&first, 401, &[(HeaderName::WwwAuthenticate, CHALLENGE)]);
    let second = world.request();
    let line = second.headers.get(&HeaderName::Authorization).unwrap();
    let cnonce = line
        .split("cnonce=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap();
    let challenge = DigestChallenge {
        realm: "example.com".to_owned(),
        nonce: "one".to_owned(),
        opaque: None,
        algorithm: Algorithm::parse("SHA-256").unwrap(),
        names_algorithm: true,
        qop: Qop::Auth,
        stale: false,
    };
    // RFC 7616, 3.5: the same sum over an empty method.
    let subject = Subject {
        user: "alice",
        password: &"secret of alice".to_owned().into(),
        method: "",
        uri: "sip:example.com",
        body: "",
        cnonce,
        first_nonce: "one",
        count: 1,
    };
    let proof = format!("rspauth=\"{}\", qop=auth", response(&challenge, &subject));
    world.grant(&second, 600, &[(HeaderName::AuthenticationInfo, &proof)]);
    assert!(world.take_events().contains(&Event::Ready));
}

/// A push message came: the registrar has to know where we are before anything else (RFC 8599, 4.1.3).
#[test]
fn a_retry_while_registered_refreshes_the_registration_at_once() {
    let mut world = World::registered(config(), 1, 1_000_000);
    world.command(Command::Retry);
    let register = world.request();
    assert_eq!(register.method, Method::Register);
    assert!(world.requests.is_empty(), "{:?}", world.requests);
    world.grant(&register, 1_000_000, &[]);
    assert!(world.requests.is_empty(), "{:?}", world.requests);
    assert_eq!(world.take_events(), []);
}

#[test]
fn a_refresh_that_is_taken_after_a_refusal_is_told_once() {
    let mut world = World::registered(config(), 1, 600);
    world.take_events();
    world.command(Command::Retry);
    let refused = world.request();
    world.answer(&refused, 503, &[(HeaderName::RetryAfter, "20")]);
    let told = world.take_events();
    assert!(matches!(told[..], [Event::Failed(_)]), "{told:?}");
    world.pass(seconds(61), |world| world.handle(Input::Pong(FLOW)));
    let again = world.request();
    assert_eq!(again.method, Method::Register);
    world.grant(&again, 600, &[]);
    assert_eq!(world.take_events(), [Event::RegisteredAgain]);
    world.command(Command::Retry);
    let refresh = world.request();
    world.grant(&refresh, 600, &[]);
    assert_eq!(world.take_events(), []);
}
