//! Several connections to several edge proxies (RFC 5626), and a thousand clients that lost theirs together.

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::{DisconnectCause, Event};
use offhook_signaling::session::ConnectFailure;
use offhook_signaling::sip::config::Config;
use offhook_signaling::sip::flow_id::FlowId;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::contract::Input;

use crate::pair::{ANSWER, invite};
use crate::world::{World, answer, config};

const FIRST: FlowId = FlowId(0);
const SECOND: FlowId = FlowId(1);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn two_edges() -> Config {
    Config {
        servers: vec![
            "wss://one.example.com".to_owned(),
            "wss://two.example.com".to_owned(),
        ],
        ..config()
    }
}

/// The next request of that flow.
fn on(world: &mut World, flow: FlowId) -> Request {
    let at = world.requests.iter().position(|(known, _)| *known == flow);
    let at = at.expect("a request on that flow");
    world.requests.remove(at).1
}

fn both_registered() -> World {
    let mut world = World::new(two_edges(), 3);
    for flow in [FIRST, SECOND] {
        world.open(flow);
        let register = on(&mut world, flow);
        let contact = register.headers.address(&HeaderName::Contact);
        let contact = contact.expect("a Contact");
        let reg_id = flow.reg_id().to_string();
        assert_eq!(contact.params.get("reg-id"), Some(reg_id.as_str()));
        world.grant_on(flow, &register, 7200, &[(HeaderName::Require, "outbound")]);
    }
    world
}

#[test]
fn each_flow_has_its_own_registration_and_the_session_is_ready_once() {
    let mut world = both_registered();
    let events = world.take_events();
    let ready = events.iter().filter(|event| **event == Event::Ready);
    assert_eq!(ready.count(), 1);
}

#[test]
fn a_call_goes_on_over_the_living_flow_and_calls_can_still_be_made() {
    let mut world = both_registered();
    let call = CallId::from_wire("a-call").unwrap();
    world.command(invite(&call, "bob"));
    let request = on(&mut world, FIRST);
    let contact = (HeaderName::Contact, "<sip:bob@192.0.2.9;transport=ws>");
    let mut response = answer(&request, 200, &[contact]);
    response
        .content
        .set_body("application/sdp", ANSWER.to_owned());
    world.say(FIRST, &response.to_text());
    assert_eq!(on(&mut world, FIRST).method, Method::Ack);
    world.take_events();
    world.close(FIRST);
    let told = world.take_events();
    let gone = |event: &Event| matches!(event, Event::Disconnected { .. } | Event::Ended { .. });
    assert!(!told.iter().any(gone), "{told:?}");
    // The far side hears where we are now.
    let refresh = on(&mut world, SECOND);
    assert_eq!(refresh.method, Method::Invite);
    assert!(refresh.headers.has(&HeaderName::Contact));
    // A copy of the 200 comes by the other edge, and gets its ACK there.
    world.say(SECOND, &response.to_text());
    assert_eq!(on(&mut world, SECOND).method, Method::Ack);
    let contact = (HeaderName::Contact, "<sip:bob@192.0.2.9;transport=ws>");
    world.say(SECOND, &answer(&refresh, 200, &[contact]).to_text());
    assert_eq!(on(&mut world, SECOND).method, Method::Ack);
    world.command(Command::Bye {
        call,
        cause: None,
        sip_code: None,
        headers: Vec::new(),
    });
    assert_eq!(on(&mut world, SECOND).method, Method::Bye);
    let other = CallId::from_wire("another").unwrap();
    world.command(invite(&other, "carol"));
    assert_eq!(on(&mut world, SECOND).method, Method::Invite);
}

/// A call to bob over the first flow whose far side has these Record-Routes, as the second flow takes it over. Gives back the
/// refresh that the far side got there.
fn taken_over(world: &mut World, record_routes: &[&str]) -> Request {
    let call = CallId::from_wire("a-call").expect("a name");
    world.command(invite(&call, "bob"));
    let request = on(world, FIRST);
    let mut lines = vec![
        (HeaderName::Contact, "<sip:bob@192.0.2.9>"),
        (HeaderName::Allow, "INVITE, ACK, BYE, UPDATE"),
    ];
    lines.extend(
        record_routes
            .iter()
            .map(|route| (HeaderName::RecordRoute, *route)),
    );
    let mut response = answer(&request, 200, &lines);
    response
        .content
        .set_body("application/sdp", ANSWER.to_owned());
    world.say(FIRST, &response.to_text());
    assert_eq!(on(world, FIRST).method, Method::Ack);
    world.close(FIRST);
    let refresh = on(world, SECOND);
    assert_eq!(refresh.method, Method::Update);
    refresh
}

/// The second edge answers pings and keep-alives.
fn second_lives(world: &mut World) {
    world.handle(Input::Pong(SECOND));
    world.say(SECOND, "\r\n");
}

fn routes(request: &Request) -> Vec<String> {
    let routes = request.headers.addresses(&HeaderName::Route);
    routes
        .expect("Route")
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// Two of the edge, as Kamailio writes them, behind the core's own.
const BY_TOKEN: [&str; 3] = [
    "<sip:core.example.com;lr;ftag=a>",
    "<sip:tok@one.example.com:5060;r2=on;lr>",
    "<sip:tok@one.example.com:443;transport=ws;r2=on;lr>",
];

#[test]
fn requests_go_by_the_living_edge_and_not_by_the_dead_one() {
    let mut world = both_registered();
    let refresh = taken_over(&mut world, &BY_TOKEN);
    let by_second = [
        "<sip:two.example.com:443;transport=ws;lr>",
        "<sip:core.example.com;lr;ftag=a>",
    ];
    assert_eq!(routes(&refresh), by_second);
    world.say(SECOND, &answer(&refresh, 200, &[]).to_text());
    // The first one is back: the call stays where it is.
    world.pass(seconds(6), |_| ());
    world.open(FIRST);
    let register = on(&mut world, FIRST);
    world.grant_on(FIRST, &register, 7200, &[(HeaderName::Require, "outbound")]);
    assert!(world.requests.is_empty(), "{:?}", world.requests);
    world.command(Command::UpdateMedia {
        call: CallId::from_wire("a-call").unwrap(),
        sdp: "v=0 other".to_owned(),
    });
    let offer = on(&mut world, SECOND);
    assert_eq!(routes(&offer), by_second);
    let mut accepted = answer(&offer, 200, &[]);
    accepted
        .content
        .set_body("application/sdp", ANSWER.to_owned());
    world.say(SECOND, &accepted.to_text());
    let ack = on(&mut world, SECOND);
    assert_eq!(
        (ack.method.clone(), routes(&ack)),
        (Method::Ack, by_second.map(str::to_owned).to_vec())
    );
    // And now the second one dies: the first knows itself by its name, and its token is of a connection that is no more.
    world.close(SECOND);
    let back = on(&mut world, FIRST);
    let by_first = [
        "<sip:one.example.com:443;transport=ws;r2=on;lr>",
        "<sip:one.example.com:5060;r2=on;lr>",
        "<sip:core.example.com;lr;ftag=a>",
    ];
    assert_eq!(routes(&back), by_first);
}

#[test]
fn an_edge_that_left_the_dialog_to_the_gruu_is_not_missed() {
    let mut world = both_registered();
    let core = "<sip:core.example.com;lr>";
    let refresh = taken_over(&mut world, &[core]);
    assert_eq!(routes(&refresh), [core]);
    world.say(SECOND, &answer(&refresh, 200, &[]).to_text());
    // The far side reaches us: nobody asks after it.
    world.pass(seconds(300), second_lives);
    assert!(world.requests.is_empty(), "{:?}", world.requests);
}

#[test]
fn a_far_side_that_cannot_reach_us_is_asked_after() {
    let mut world = both_registered();
    let refresh = taken_over(&mut world, &BY_TOKEN);
    world.say(SECOND, &answer(&refresh, 200, &[]).to_text());
    world.take_events();
    for _ in 0..3 {
        world.pass(seconds(29), second_lives);
        assert!(world.requests.is_empty(), "{:?}", world.requests);
        world.pass(seconds(1), second_lives);
        let question = on(&mut world, SECOND);
        assert_eq!(question.method, Method::Update);
        world.say(SECOND, &answer(&question, 200, &[]).to_text());
    }
    // It hung up meanwhile, and its BYE died at the dead edge.
    world.pass(seconds(30), second_lives);
    let question = on(&mut world, SECOND);
    let ended = |event: &Event| matches!(event, Event::Ended { .. });
    assert!(!world.take_events().iter().any(ended));
    world.say(SECOND, &answer(&question, 481, &[]).to_text());
    let told = world.take_events();
    assert!(told.iter().any(ended), "{told:?}");
}

#[test]
fn what_was_on_the_way_when_the_flow_died_is_said_again_over_the_other() {
    let mut world = both_registered();
    let core = "<sip:core.example.com;lr>";
    let refresh = taken_over(&mut world, &[core]);
    world.say(SECOND, &answer(&refresh, 200, &[]).to_text());
    world.pass(seconds(6), |_| ());
    world.open(FIRST);
    let register = on(&mut world, FIRST);
    world.grant_on(FIRST, &register, 7200, &[(HeaderName::Require, "outbound")]);
    // No edge keeps the far side to one flow: what it said may have gone down with the first.
    let question = on(&mut world, SECOND);
    assert_eq!(question.method, Method::Update);
    world.say(SECOND, &answer(&question, 200, &[]).to_text());
    world.command(Command::Bye {
        call: CallId::from_wire("a-call").unwrap(),
        cause: None,
        sip_code: None,
        headers: Vec::new(),
    });
    assert_eq!(on(&mut world, SECOND).method, Method::Bye);
    world.close(SECOND);
    assert_eq!(on(&mut world, FIRST).method, Method::Bye);
}

#[test]
fn a_lost_address_takes_only_the_flow_that_is_bound_to_it() {
    let mut world = both_registered();
    world.doings.clear();
    world.take_events();
    world.handle(Input::Stranded(FIRST));
    assert_eq!(world.doings, ["disconnect flow 1", "connect flow 1"]);
    let told = world.take_events();
    let lost = |event: &Event| matches!(event, Event::Flow { server, cause: Some(_), .. } if server == "wss://one.example.com");
    assert!(told.len() == 1 && told.iter().all(lost), "{told:?}");
    // The other goes on as if nothing were.
    world.command(invite(&CallId::from_wire("a-call").unwrap(), "bob"));
    assert_eq!(on(&mut world, SECOND).method, Method::Invite);
    // Told of a flow that has no socket, it does nothing.
    world.doings.clear();
    world.handle(Input::Stranded(FIRST));
    assert!(world.doings.is_empty(), "{:?}", world.doings);
}

#[test]
fn with_a_living_flow_the_other_comes_back_at_leisure_and_without_any_at_once() {
    let failed = || ConnectFailure {
        stage: "TCP".to_owned(),
        text: "refused".to_owned(),
        remedy: None,
        retry_after: None,
    };
    // RFC 5626, 4.5: base 90 s with another flow alive, 30 s without; the window doubles with the first failure already.
    for (others_alive, least, most) in [(true, 90, 180), (false, 30, 60)] {
        let mut world = both_registered();
        if !others_alive {
            world.close(SECOND);
            world.pass(seconds(6), |_| ());
            world.handle(Input::Failed(SECOND, failed()));
        }
        world.close(FIRST);
        world.pass(seconds(6), |_| ());
        world.doings.clear();
        world.handle(Input::Failed(FIRST, failed()));
        let begun = world.seconds();
        let mut again = None;
        for _ in 0..400 {
            world.pass(Duration::from_millis(500), |world| {
                world.handle(Input::Pong(SECOND));
            });
            if world.doings.contains(&"connect flow 1".to_owned()) {
                again = Some(world.seconds() - begun);
                break;
            }
        }
        let again = again.expect("another attempt");
        assert!(
            (f64::from(least)..=f64::from(most) + 1.0).contains(&again),
            "{others_alive}: {again}"
        );
    }
}

#[test]
fn a_thousand_clients_that_lost_their_server_come_back_spread() {
    // Attempts per half second, of clients that were all registered when the server died, and is away for two minutes.
    let mut attempts = vec![0_u32; 240];
    for seed in 0..=250_u8 {
        let mut world = World::registered(config(), seed, 7200);
        world.doings.clear();
        world.close(FIRST);
        for slot in attempts.iter_mut() {
            world.pass(Duration::from_millis(500), |_| ());
            let connects = world
                .doings
                .iter()
                .filter(|doing| doing.starts_with("connect"));
            let connects = u32::try_from(connects.count()).unwrap();
            *slot += connects;
            world.doings.clear();
            if connects > 0 {
                let failure = ConnectFailure {
                    stage: "TCP".to_owned(),
                    text: "refused".to_owned(),
                    remedy: None,
                    retry_after: None,
                };
                world.handle(Input::Failed(FIRST, failure));
            }
        }
    }
    let total: u32 = attempts.iter().sum();
    let worst = attempts.iter().max().copied().unwrap_or_default();
    // 251 clients: the first wave takes 5 s (a tenth in each half second), later ones 30 s and more.
    assert!(worst <= 251 / 5, "{worst} of 251 at once");
    assert!(total <= 251 * 5, "{total} attempts in two minutes");
}

fn watches() -> Command {
    Command::Subscribe {
        channels: vec!["presence:bob@example.com".to_owned()],
    }
}

fn shows() -> Command {
    Command::Publish {
        open: true,
        note: None,
    }
}

/// Another edge may reach whom this one could not (RFC 3261, 21.5.4 and 8.1.3.1; RFC 3263, 4.3).
#[test]
fn what_is_watched_and_shown_goes_by_the_other_edge_where_one_cannot_do_it() {
    let pause = [(HeaderName::RetryAfter, "20")];
    for (status, lines) in [(503, pause.as_slice()), (408, &[]), (504, &[])] {
        for command in [watches(), shows()] {
            let mut world = both_registered();
            world.take_events();
            world.command(command.clone());
            let first = on(&mut world, FIRST);
            world.say(FIRST, &answer(&first, status, lines).to_text());
            let second = on(&mut world, SECOND);
            assert_eq!(second.method, first.method);
            assert_eq!(second.ids.call_id, first.ids.call_id);
            assert!(second.ids.cseq > first.ids.cseq);
            // It says where we are there.
            let contact = |request: &Request| request.headers.get(&HeaderName::Contact);
            assert_eq!(contact(&second).is_some(), contact(&first).is_some());
            assert_eq!(world.take_events(), []);
            // Neither can: the user hears of it, and it is tried again after a pause, the server's own at least.
            world.say(SECOND, &answer(&second, status, lines).to_text());
            assert!(world.requests.is_empty(), "{:?}", world.requests);
            let told = world.take_events();
            assert!(matches!(told.as_slice(), [Event::Postponed(_)]), "{told:?}");
            if status == 503 {
                world.pass(seconds(19), both_live);
                assert!(world.requests.is_empty(), "{:?}", world.requests);
            }
            world.pass(seconds(600), both_live);
            assert!(!world.requests.is_empty(), "{command:?}");
        }
    }
}

#[test]
fn an_edge_that_wants_none_of_it_for_a_while_is_passed_over() {
    let mut world = both_registered();
    world.command(watches());
    let first = on(&mut world, FIRST);
    let pause = [(HeaderName::RetryAfter, "300")];
    world.say(FIRST, &answer(&first, 503, &pause).to_text());
    on(&mut world, SECOND);
    world.command(Command::Subscribe {
        channels: vec!["dialog:bob@example.com".to_owned()],
    });
    assert_eq!(on(&mut world, SECOND).method, Method::Subscribe);
    // It was for subscriptions only.
    world.command(shows());
    assert_eq!(on(&mut world, FIRST).method, Method::Publish);
}

#[test]
fn an_edge_that_says_nothing_to_it_is_as_good_as_one_that_cannot() {
    for command in [watches(), shows()] {
        let mut world = both_registered();
        world.command(command);
        let first = on(&mut world, FIRST);
        world.pass(seconds(31), both_live);
        assert!(world.requests.is_empty(), "{:?}", world.requests);
        world.pass(seconds(2), both_live);
        assert_eq!(on(&mut world, SECOND).method, first.method);
    }
}

fn both_live(world: &mut World) {
    for flow in [FIRST, SECOND] {
        world.handle(Input::Pong(flow));
    }
}

/// A call over the first flow, whose registration lapses meanwhile: its requests take the other.
fn between_two_flows(call: Command) -> (World, Request) {
    let mut world = World::new(two_edges(), 3);
    for (flow, granted) in [(FIRST, 60), (SECOND, 7200)] {
        world.open(flow);
        let register = on(&mut world, flow);
        let outbound = (HeaderName::Require, "outbound");
        world.grant_on(flow, &register, granted, &[outbound]);
    }
    world.command(call);
    let request = on(&mut world, FIRST);
    world.say(FIRST, &answer(&request, 100, &[]).to_text());
    world.pass(seconds(61), both_live);
    assert_eq!(on(&mut world, FIRST).method, Method::Register);
    (world, request)
}

/// The registration on the INVITE's own connection has lapsed, so the PRACK takes the other, and goes down with it. What is open still
/// carries another, which a copy of the answer asks for (RFC 3262, 3: it comes until it is acknowledged).
#[test]
fn a_prack_that_was_lost_with_its_flow_is_said_again_over_what_is_left() {
    let (mut world, request) = between_two_flows(invite(&name(), "bob"));
    let lines = [
        (HeaderName::Contact, "<sip:bob@192.0.2.9;transport=ws>"),
        (HeaderName::Require, "100rel"),
        (HeaderName::RSeq, "7"),
    ];
    let rings = answer(&request, 180, &lines).to_text();
    world.say(FIRST, &rings);
    assert_eq!(on(&mut world, SECOND).method, Method::Prack);
    world.say(FIRST, &rings);
    assert!(world.requests.is_empty(), "{:?}", world.requests);
    world.close(SECOND);
    world.say(FIRST, &rings);
    let again = on(&mut world, FIRST);
    assert_eq!(again.method, Method::Prack);
    let rack = again.headers.get(&HeaderName::RAck);
    assert_eq!(rack.as_deref(), Some("7 1 INVITE"));
    world.say(FIRST, &rings);
    assert!(world.requests.is_empty(), "{:?}", world.requests);
}

/// Ours answered an offer with the PRACK before: the one that is lost belongs to an answer without any, and brings none.
#[test]
fn a_prack_that_is_said_again_holds_what_it_held() {
    let mut call = invite(&name(), "bob");
    if let Command::Invite { sdp, .. } = &mut call {
        sdp.clear();
    }
    let (mut world, request) = between_two_flows(call);
    let rings = |rseq, sdp: Option<&str>| {
        let lines = [
            (HeaderName::Contact, "<sip:bob@192.0.2.9;transport=ws>"),
            (HeaderName::Require, "100rel"),
            (HeaderName::RSeq, rseq),
        ];
        let mut rings = answer(&request, 183, &lines);
        if let Some(sdp) = sdp {
            rings.content.set_body("application/sdp", sdp.to_owned());
        }
        rings.to_text()
    };
    world.say(FIRST, &rings("7", Some("v=0 their offer")));
    world.command(Command::Attach {
        call: name(),
        sdp: "v=0 our answer".to_owned(),
    });
    let prack = on(&mut world, SECOND);
    assert_eq!(prack.sdp().as_deref(), Some("v=0 our answer"));
    world.say(SECOND, &answer(&prack, 200, &[]).to_text());
    world.say(FIRST, &rings("8", None));
    assert_eq!(on(&mut world, SECOND).sdp(), None);
    world.close(SECOND);
    world.say(FIRST, &rings("8", None));
    let again = on(&mut world, FIRST);
    assert_eq!((again.method.clone(), again.sdp()), (Method::Prack, None));
}

fn name() -> CallId {
    CallId::from_wire("a-call").expect("a name")
}

#[test]
fn an_attempt_that_waits_for_its_turn_has_its_time_from_then_on() {
    let mut world = World::new(config(), 7);
    world.handle(Input::Deferred(FIRST));
    world.take_events();
    world.pass(seconds(3600), |_| {});
    assert_eq!(world.take_events(), []);
    world.handle(Input::Begun(FIRST));
    world.pass(seconds(44), |_| {});
    assert_eq!(world.take_events(), []);
    world.pass(seconds(2), |_| {});
    let told = world.take_events();
    let [Event::Disconnected { cause, .. }] = &told[..] else {
        panic!("{told:?}")
    };
    assert!(matches!(cause, DisconnectCause::Silent(_)), "{cause:?}");
    // Nothing of that is for a connection that is there.
    let mut world = both_registered();
    world.handle(Input::Begun(FIRST));
    world.take_events();
    world.pass(seconds(60), |world| {
        let pings = world.doings.drain(..).filter(|it| it.starts_with("ping"));
        for _ in 0..pings.count() {
            world.handle(Input::Pong(FIRST));
            world.handle(Input::Pong(SECOND));
        }
    });
    assert_eq!(world.take_events(), []);
}
