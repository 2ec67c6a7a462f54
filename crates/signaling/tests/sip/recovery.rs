//! What becomes of registrations and calls when the world around them breaks: addresses, sleep, servers, crowds.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each story looks for a few events among many"
)]

use std::time::{Duration, SystemTime};

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::{DisconnectCause, Event};
use offhook_signaling::session::{CloseReason, ConnectFailure};
use offhook_signaling::sip::config::{Config, FlowBackoff};
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::Session;
use offhook_signaling::sip::session::contract::{Input, Output};

use crate::pair::{ANSWER, Pair, answer as take, bye, invite};
use crate::world::{FLOW, World, answer, any_instant, config};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn alive(world: &mut World) {
    world.handle(Input::Pong(FLOW));
}

fn refused() -> ConnectFailure {
    ConnectFailure {
        stage: "TCP".to_owned(),
        text: "refused".to_owned(),
        remedy: None,
        retry_after: None,
    }
}

fn name() -> CallId {
    CallId::from_wire("a-call").expect("a name")
}

fn next(world: &mut World, method: &Method) -> Option<Request> {
    let at = world
        .requests
        .iter()
        .position(|(_, request)| request.method == *method)?;
    Some(world.requests.remove(at).1)
}

/// Registered for that long, with a call to bob that is up.
fn talking(config: Config, expires: u32) -> World {
    let session = config.session_expires.unwrap_or_default().as_secs();
    let session = format!("{session};refresher=uac");
    let mut world = World::registered(config, 1, expires);
    world.command(invite(&name(), "bob"));
    let request = world.request();
    let lines = [
        (HeaderName::Contact, "<sip:bob@192.0.2.9;transport=ws>"),
        (HeaderName::Allow, "INVITE, ACK, BYE, UPDATE"),
        (HeaderName::SessionExpires, session.as_str()),
        (
            HeaderName::RecordRoute,
            "<sip:old-token@edge.example.com;transport=ws;lr;ob>",
        ),
    ];
    let mut response = answer(&request, 200, &lines);
    response
        .content
        .set_body("application/sdp", ANSWER.to_owned());
    world.say(FLOW, &response.to_text());
    assert_eq!(world.request().method, Method::Ack);
    world.take_events();
    world.doings.clear();
    world
}

fn over(events: &[Event]) -> bool {
    events
        .iter()
        .any(|event| matches!(event, Event::Ended { .. }))
}

#[test]
fn a_new_address_takes_the_registration_and_every_call_along() {
    let mut world = talking(config(), 7200);
    world.command(Command::Reconnect);
    assert_eq!(world.doings, ["disconnect flow 1", "connect flow 1"]);
    // The engine's new description waits for the way.
    world.command(Command::UpdateMedia {
        call: name(),
        sdp: "v=0 new address".to_owned(),
    });
    assert!(world.requests.is_empty());
    world.open(FLOW);
    let register = world.request();
    assert_eq!(register.method, Method::Register, "first of all");
    assert!(world.requests.is_empty(), "nothing before its answer");
    world.grant(&register, 7200, &[]);
    let offer = next(&mut world, &Method::Invite).expect("the new description");
    assert_eq!(offer.sdp().as_deref(), Some("v=0 new address"));
    assert!(offer.headers.has(&HeaderName::Contact), "a new target");
    assert!(!over(&world.take_events()));
}

#[test]
fn a_machine_that_slept_finds_out_what_is_left() {
    let start = SystemTime::UNIX_EPOCH + seconds(1_800_000_000);
    let config = Config {
        wall_clock: Some(start),
        ..config()
    };
    let mut world = talking(config, 600);
    // Two minutes awake, each told: nothing happens.
    for minute in 1..=2 {
        world.pass(seconds(60), alive);
        world.doings.clear();
        world.handle(Input::WallClock(start + seconds(60 * minute)));
        assert!(world.requests.is_empty() && world.doings.is_empty());
    }
    // A clock that was set back is no sleep, and neither is one that is a little off.
    world.handle(Input::WallClock(start + seconds(60)));
    world.handle(Input::WallClock(start + seconds(65)));
    assert!(world.requests.is_empty() && world.doings.is_empty());
    // An hour that our timers did not see: the registration is over, and the socket perhaps dead.
    world.handle(Input::WallClock(start + seconds(3665)));
    assert_eq!(world.doings, ["ping flow 1"]);
    let register = next(&mut world, &Method::Register).expect("at once");
    assert!(
        next(&mut world, &Method::Update).is_some(),
        "and the call shows that it lives"
    );
    world.grant(&register, 600, &[]);
    assert!(!over(&world.take_events()));

    // The same, and the socket is dead: found within ten seconds.
    let mut world = talking(config_at(start), 600);
    world.handle(Input::WallClock(start + seconds(3600)));
    world.pass(Duration::from_millis(10_100), |_| ());
    assert!(world.doings.contains(&"disconnect flow 1".to_owned()));
    assert!(!over(&world.take_events()));
}

fn config_at(wall: SystemTime) -> Config {
    Config {
        wall_clock: Some(wall),
        ..config()
    }
}

#[test]
fn a_server_that_restarts_has_us_back_and_the_call_goes_on() {
    let mut world = talking(config(), 7200);
    world.close(FLOW);
    let told = world.take_events();
    let Some(Event::Disconnected { retry_in, .. }) = told.first() else {
        panic!("{told:?}");
    };
    assert!(retry_in.unwrap() <= seconds(5));
    world.pass(seconds(5), |_| ());
    world.open(FLOW);
    // It is up and not yet ready: 503 for a while, without a word when.
    let mut tries = 0;
    loop {
        let Some(register) = next(&mut world, &Method::Register) else {
            world.pass(seconds(1), alive);
            continue;
        };
        tries += 1;
        if tries == 2 {
            world.grant(&register, 7200, &[]);
            break;
        }
        world.answer(&register, 503, &[]);
    }
    assert!(world.seconds() < 70.0, "{}", world.seconds());
    assert!(world.take_events().contains(&Event::Ready));
    // It knows nothing of the old flow, whose token stood in the route: it would look for that connection (as Kamailio does),
    // so it is asked without. What it refuses all the same is this request, not the call.
    let update = next(&mut world, &Method::Update).expect("the call shows that it lives");
    let route = update.headers.get(&HeaderName::Route).unwrap();
    assert_eq!(route, "<sip:edge.example.com;transport=ws;lr>");
    world.answer(&update, 430, &[]);
    assert!(!over(&world.take_events()));
    world.command(bye(&name()));
    assert!(next(&mut world, &Method::Bye).is_some());
}

#[test]
fn a_registrar_in_trouble_is_asked_for_ever_and_ever_less() {
    // As after a restart that never ends well: a day of 503.
    let mut world = World::new(config(), 1);
    world.open(FLOW);
    let mut at = Vec::new();
    let mut refuse = |world: &mut World| {
        while let Some(register) = next(world, &Method::Register) {
            at.push(world.seconds());
            world.answer(&register, 503, &[]);
        }
        alive(world);
    };
    refuse(&mut world);
    world.pass(seconds(86_400), refuse);
    let pauses: Vec<f64> = at.windows(2).map(|two| two[1] - two[0]).collect();
    // RFC 5626, 4.5: 50 to 100 % of min(1800, 30 * 2^n) after the nth failure, so 30 to 60 s after the first.
    for (failures, pause) in (1..).zip(&pauses) {
        let window = f64::from(30_u32 << failures.min(6)).min(1800.0);
        assert!(
            (window / 2.0 - 0.01..=window + 0.01).contains(pause),
            "{failures}: {pause}"
        );
    }
    assert!((48..=110).contains(&at.len()), "{}", at.len());
}

#[test]
fn a_storm_of_503_is_not_answered_with_a_storm() {
    let mut world = World::new(config(), 1);
    world.open(FLOW);
    let mut registers = 0;
    let mut refuse = |world: &mut World| {
        while let Some(register) = next(world, &Method::Register) {
            registers += 1;
            world.answer(&register, 503, &[(HeaderName::RetryAfter, "0")]);
        }
        alive(world);
    };
    refuse(&mut world);
    world.pass(seconds(3600), refuse);
    // Once at once, as asked; then the back-off counts, whatever is asked.
    assert!((6..=9).contains(&registers), "{registers}");
}

#[test]
fn twenty_seconds_are_refreshed_at_their_half_for_an_hour() {
    let mut world = World::registered(config(), 1, 20);
    let mut registers = 0;
    world.pass(seconds(3600), |world| {
        while let Some(register) = next(world, &Method::Register) {
            registers += 1;
            world.grant(&register, 20, &[]);
        }
    });
    assert_eq!(registers, 360);
    assert!(world.take_events().is_empty() && world.texts.is_empty());
    assert_eq!(
        world.doings,
        ["connect flow 1"],
        "no ping: it is heard often enough"
    );
}

#[test]
fn probes_come_every_25_seconds_and_only_into_silence() {
    let mut world = World::registered(config(), 1, 86_400);
    let mut at = Vec::new();
    world.pass(seconds(250), |world| {
        while world
            .doings
            .pop()
            .is_some_and(|doing| doing.starts_with("ping"))
        {
            at.push(world.seconds());
            alive(world);
        }
    });
    let wanted: Vec<f64> = (1..=10).map(|n| f64::from(n) * 25.0).collect();
    assert_eq!(at, wanted);
}

#[test]
fn an_answer_that_went_down_with_its_socket_is_said_again_over_the_next_one() {
    // FreeSWITCH 1558: the socket is lost between 180 and 200.
    let mut pair = Pair::new(1);
    let (_, bobs) = pair.ring();
    pair.cut(true);
    pair.command(true, take(&bobs));
    assert!(
        !pair
            .take(false)
            .iter()
            .any(|event| matches!(event, Event::Answered { .. }))
    );
    pair.pass(seconds(12));
    pair.sent(true);
    pair.reconnect(true);
    let sent = pair.sent(true);
    assert!(
        sent.iter().any(|line| line.starts_with("SIP/2.0 200")),
        "{sent:?}"
    );
    assert!(
        pair.take(false)
            .iter()
            .any(|event| matches!(event, Event::Answered { .. }))
    );
    assert!(pair.take(true).contains(&Event::Confirmed { call: bobs }));
}

#[test]
fn a_call_lives_on_without_a_socket_for_more_than_32_seconds() {
    let mut pair = Pair::new(2);
    let (alices, _) = pair.talk();
    pair.cut(false);
    pair.pass(seconds(60));
    let told = pair.take(false);
    assert!(!over(&told), "{told:?}");
    assert!(!over(&pair.take(true)));
    pair.reconnect(false);
    pair.command(false, bye(&alices));
    assert!(over(&pair.take(true)));
}

#[test]
fn a_session_timer_that_falls_due_without_a_socket_waits_for_the_next_one() {
    // JsSIP 738: a refresh on a dead socket killed the call.
    let short = Config {
        session_expires: Some(seconds(90)),
        ..config()
    };
    let mut world = talking(short, 7200);
    // The far side leaves the refreshing to us.
    world.pass(seconds(40), alive);
    world.close(FLOW);
    world.doings.clear();
    world.pass(seconds(20), |_| ());
    assert!(next(&mut world, &Method::Update).is_none());
    assert!(!over(&world.take_events()));
    world.command(Command::Reconnect);
    world.open(FLOW);
    let register = next(&mut world, &Method::Register).unwrap();
    world.grant(&register, 7200, &[]);
    assert!(next(&mut world, &Method::Update).is_some());
}

/// Pauses that a thousand clients choose, in milliseconds: the first after a break, then after each failed attempt.
fn pauses(backoff: FlowBackoff, failures: usize) -> Vec<Vec<u128>> {
    let mut waves = vec![Vec::new(); failures + 1];
    for client in 0..1000_u16 {
        let config = Config {
            backoff,
            registers: false,
            ..config()
        };
        let mut seed = [7; 32];
        seed[..2].copy_from_slice(&client.to_be_bytes());
        let mut now = any_instant();
        let mut session = Session::new(config, seed, now);
        session.handle(Input::Opened(FLOW), now);
        session.handle(Input::Closed(FLOW, CloseReason::default()), now);
        for wave in &mut waves {
            let mut pause = None;
            loop {
                match session.poll() {
                    Output::Event(Event::Disconnected { retry_in, .. }) => pause = retry_in,
                    Output::Wait(_) => break,
                    _ => {}
                }
            }
            let pause = pause.expect("it comes back");
            wave.push(pause.as_millis());
            now += pause;
            session.handle(Input::Timeout, now);
            session.handle(Input::Failed(FLOW, refused()), now);
        }
    }
    waves
}

/// Whether the values fill the span evenly: each tenth of it has a tenth of them, give or take four standard deviations.
fn is_even(values: &[u128], from: u128, to: u128) {
    let mut tenths = [0_u32; 10];
    for value in values {
        assert!(
            (from..=to).contains(value),
            "{value} is not within {from} to {to}"
        );
        let tenth = (value - from) * 10 / (to - from + 1);
        tenths[usize::try_from(tenth).expect("a tenth")] += 1;
    }
    // Binomial: 1000 * 0.1 * 0.9 = 90, so 9.5 each.
    for count in tenths {
        assert!((62..=138).contains(&count), "{tenths:?}");
    }
}

#[test]
fn a_thousand_clients_that_lost_their_server_come_back_evenly_spread() {
    let waves = pauses(FlowBackoff::default(), 8);
    // RFC 6455, 7.2.3: the first within five seconds.
    is_even(&waves[0], 0, 5000);
    // RFC 5626, 4.5: then 50 to 100 % of min(1800, 30 * 2^n), so 30 to 60 s after the first attempt that fails.
    for (failures, wave) in waves[1..].iter().enumerate() {
        let window = (60_000_u128 << failures).min(1_800_000);
        is_even(wave, window / 2, window);
    }
    // Where the configuration is in more of a hurry, that counts.
    let quick = FlowBackoff {
        base: seconds(1),
        max: seconds(2),
    };
    let waves = pauses(quick, 3);
    is_even(&waves[0], 0, 1000);
    is_even(&waves[1], 1000, 2000);
    is_even(&waves[3], 1000, 2000);
}

#[test]
fn a_thousand_registrations_are_not_refreshed_at_once() {
    let mut at = Vec::new();
    for client in 0..=255_u8 {
        let mut world = World::registered(config(), client, 3600);
        let begun = world.seconds();
        while world.requests.is_empty() {
            world.pass(seconds(20), alive);
        }
        at.push(world.seconds() - begun);
    }
    // 80 to 90 % of the hour.
    let (least, most) = (2880.0, 3240.0 + 20.0);
    assert!(at.iter().all(|at| (least..=most).contains(at)), "{at:?}");
    let minute = |from: f64| {
        at.iter()
            .filter(|at| (from..from + 60.0).contains(*at))
            .count()
    };
    let worst = (0..6_u32)
        .map(|n| minute(least + f64::from(n) * 60.0))
        .max();
    assert!(worst.unwrap() < 256 / 3, "{worst:?} of 256 in one minute");
}

#[test]
fn a_half_open_socket_ends_no_call_and_says_why() {
    let mut world = talking(config(), 7200);
    world.pass(seconds(36), |_| ());
    let told = world.take_events();
    let why = told.iter().find_map(|event| match event {
        Event::Disconnected { cause, .. } => Some(cause.clone()),
        _ => None,
    });
    assert!(matches!(why, Some(DisconnectCause::Silent(_))), "{told:?}");
    assert!(!over(&told));
}
