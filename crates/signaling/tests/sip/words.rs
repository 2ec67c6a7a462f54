//! Texts, INFO packages and digits, both ways (RFC 3428, RFC 6086).

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::{Command, InfoItem};
use offhook_signaling::event::Event;
use offhook_signaling::sip::config::{Config, DtmfInfo};
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::contract::Input;
use serde_json::json;

use crate::called::{Script, answer_to, idle, statuses, talking};
use crate::pair::{Pair, answer, invite};
use crate::world::{FLOW, World, config};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn text(to: &str, body: &str) -> Command {
    Command::Message {
        id: 7,
        call: None,
        to: to.to_owned(),
        body: body.to_owned(),
    }
}

fn failures(world: &mut World) -> usize {
    let failed = |event: &&Event| {
        matches!(
            event,
            Event::MessageFailed {
                call: None,
                id: 7,
                ..
            }
        )
    };
    world.take_events().iter().filter(failed).count()
}

fn body(request: &Request) -> String {
    assert_eq!(request.method, Method::Message);
    String::from_utf8_lossy(&request.body).into_owned()
}

#[test]
fn a_text_goes_out_once_and_its_failure_is_told() {
    let mut world = idle();
    world.command(text("bob", "Grüße"));
    let out = world.request();
    assert_eq!(out.uri.to_string(), "sip:bob@example.com");
    assert_eq!(body(&out), "Grüße");
    assert_eq!(
        out.headers.get(&HeaderName::ContentType).as_deref(),
        Some("text/plain;charset=UTF-8")
    );
    assert!(!out.headers.has(&HeaderName::Contact), "RFC 3428, 4");
    world.answer(&out, 202, &[]);
    assert_eq!(failures(&mut world), 0);
    for status in [404, 480, 415, 503, 600] {
        world.command(text("bob", "x"));
        let out = world.request();
        world.answer(&out, status, &[]);
        assert_eq!(failures(&mut world), 1, "{status}");
    }
    world.command(text("bob", "x"));
    world.request();
    world.pass(seconds(33), |world| world.handle(Input::Pong(FLOW)));
    assert_eq!(failures(&mut world), 1);
    world.command(text("bob", "x"));
    world.request();
    world.close(FLOW);
    assert_eq!(failures(&mut world), 1);
    world.command(text("bob", "no connection"));
    assert_eq!(failures(&mut world), 1);
}

/// What was told of texts: within a call, its number, whether it is kept or why it failed.
fn outcomes(world: &mut World) -> Vec<(bool, u64, Option<bool>)> {
    let events = world.take_events().into_iter();
    let told = events.filter_map(|event| {
        if let Event::MessageAccepted { call, id, stored } = event {
            Some((call.is_some(), id, Some(stored)))
        } else if let Event::MessageFailed { call, id, .. } = event {
            Some((call.is_some(), id, None))
        } else {
            None
        }
    });
    told.collect()
}

#[test]
fn each_text_has_its_outcome_by_its_number() {
    let (mut world, call, _) = talking();
    let say = |call: Option<&CallId>, id| Command::Message {
        id,
        call: call.cloned(),
        to: "bob".to_owned(),
        body: "hello".to_owned(),
    };
    for (at, inside) in [(10, false), (20, true)] {
        let call = inside.then_some(&call);
        for (id, status, wanted) in [
            (at, 200, Some(false)),
            (at + 1, 202, Some(true)),
            (at + 2, 403, None),
        ] {
            world.command(say(call, id));
            let out = world.request();
            assert_eq!(outcomes(&mut world), [], "nothing yet");
            world.answer(&out, status, &[]);
            assert_eq!(outcomes(&mut world), [(inside, id, wanted)]);
        }
    }
    // A challenge is no outcome.
    world.command(say(Some(&call), 30));
    let out = world.request();
    let challenge = r#"Digest realm="x", nonce="a", qop="auth""#;
    world.answer(&out, 407, &[(HeaderName::ProxyAuthenticate, challenge)]);
    assert_eq!(outcomes(&mut world), []);
    let again = world.request();
    world.answer(&again, 200, &[]);
    assert_eq!(outcomes(&mut world), [(true, 30, Some(false))]);
    // What cannot be said, and what ends the call.
    let unknown = CallId::from_wire("nobody's").expect("a name");
    world.command(say(Some(&unknown), 31));
    assert_eq!(outcomes(&mut world), [(true, 31, None)]);
    world.command(say(Some(&call), 32));
    let out = world.request();
    world.answer(&out, 481, &[]);
    assert_eq!(outcomes(&mut world), [(true, 32, None)]);
}

#[test]
fn texts_to_one_address_wait_for_each_other_and_are_challenged_one_by_one() {
    let mut world = idle();
    for (to, body) in [("bob", "1"), ("bob", "2"), ("carol", "3"), ("bob", "4")] {
        world.command(text(to, body));
    }
    let first = world.request();
    let other = world.request();
    assert!(world.requests.is_empty(), "RFC 3428, 8");
    assert_eq!((body(&first), body(&other)), ("1".into(), "3".into()));
    let challenge = r#"Digest realm="x", nonce="a", qop="auth""#;
    world.answer(&first, 407, &[(HeaderName::ProxyAuthenticate, challenge)]);
    let signed = world.request();
    assert!(signed.headers.has(&HeaderName::ProxyAuthorization));
    assert_eq!(signed.ids.cseq, 2);
    world.answer(&signed, 200, &[]);
    let second = world.request();
    assert_eq!(body(&second), "2");
    world.answer(&second, 404, &[]);
    assert_eq!(body(&world.request()), "4");
    assert_eq!(failures(&mut world), 1);
}

#[test]
fn texts_that_cannot_be_sent_are_not() {
    let mut world = idle();
    world.command(text("bob", &"x".repeat(1301)));
    world.command(text("", "x"));
    world.command(text("a\r\nb", "x"));
    assert!(world.requests.is_empty());
    assert_eq!(failures(&mut world), 3);
    for _ in 0..100 {
        world.command(text("bob", "x"));
    }
    assert_eq!(failures(&mut world), 36, "64 wait at most");
    let long = Config {
        longest_message: 5000,
        ..config()
    };
    let mut world = World::registered(long, 1, 7200);
    world.command(text("bob", &"x".repeat(4000)));
    assert_eq!(world.requests.len(), 1);
}

#[test]
fn texts_of_others_are_read_in_the_letters_that_they_name() {
    let mut world = idle();
    let told = |world: &mut World| {
        world.take_events().into_iter().find_map(|event| {
            if let Event::Message {
                call: None, body, ..
            } = event
            {
                Some(body)
            } else {
                None
            }
        })
    };
    for (number, (kind, lines, status, heard)) in (1..).zip([
        ("text/plain", "", 200, Some("hi")),
        ("Text/Plain; charset=\"utf-8\"", "", 200, Some("hi")),
        ("text/plain;charset=ISO-8859-1", "", 200, Some("hi")),
        ("text/plain;charset=utf-16", "", 415, None),
        ("text/html", "", 415, None),
        ("message/cpim", "", 415, None),
        ("multipart/mixed;boundary=x", "", 415, None),
        ("text/plain", "Content-Encoding: gzip", 415, None),
    ]) {
        let mut script = Script {
            branch: format!("z9hG4bKtext{number}"),
            body: Some((kind, "hi")),
            ..Script::new("MESSAGE")
        };
        if !lines.is_empty() {
            script = script.header(lines);
        }
        let response = answer_to(&mut world, &script);
        assert_eq!(response.status, status, "{kind}");
        assert!(!response.headers.has(&HeaderName::Contact));
        if status == 415 {
            let names = [HeaderName::Accept, HeaderName::AcceptEncoding];
            assert!(names.iter().any(|name| response.headers.has(name)));
        }
        assert_eq!(told(&mut world).as_deref(), heard, "{kind}");
    }
    let foreign = Script {
        body: Some(("text/plain", "x")),
        ..Script::new("MESSAGE")
    };
    let foreign = foreign.text().replace("sip:alice@", "sip:mallory@");
    world.texts.clear();
    world.say(FLOW, &foreign);
    assert_eq!(statuses(&mut world), [404]);
}

#[test]
fn a_flood_of_texts_is_bounded() {
    let mut world = idle();
    for number in 0..500 {
        let script = Script {
            branch: format!("z9hG4bKflood{number}"),
            body: Some(("text/plain", "x")),
            ..Script::new("MESSAGE")
        };
        world.say(FLOW, &script.text());
    }
    let told = world.take_events().len();
    assert!((1..=40).contains(&told), "{told}");
    let all = statuses(&mut world);
    assert_eq!(
        all.iter().filter(|status| **status == 480).count(),
        500 - told
    );
}

fn packages(names: &[&str], of: Config) -> Config {
    Config {
        info_packages: names.iter().map(|name| (*name).to_owned()).collect(),
        ..of
    }
}

fn package(call: &CallId, package: &str, content_type: &str) -> Command {
    Command::Info {
        call: call.clone(),
        item: InfoItem::Package {
            package: package.to_owned(),
            content_type: content_type.to_owned(),
            body: "on".to_owned(),
        },
    }
}

#[test]
fn packages_go_where_they_are_taken_and_nowhere_else() {
    let alice = packages(&["lamp"], config());
    let bob = packages(&["door", "lamp"], crate::pair::bob_config());
    let mut pair = Pair::with(alice, bob, 5);
    let (alices, bobs) = pair.talk();
    pair.command(false, package(&alices, "Door", "application/x-door"));
    assert_eq!(pair.sent(false).len(), 1);
    let told = Event::Info {
        call: Some(bobs.clone()),
        data: json!({"package": "Door", "content_type": "application/x-door", "body": "on"}),
    };
    assert_eq!(pair.take(true), [told]);
    assert!(pair.take(false).is_empty());
    // The answer named what alice takes.
    pair.command(true, package(&bobs, "door", "application/x-door"));
    pair.command(true, package(&bobs, "lamp", "no type"));
    assert!(pair.sent(true).iter().all(|line| !line.starts_with("INFO")));
    assert_eq!(pair.take(true).len(), 2);
    pair.command(true, package(&bobs, "lamp", "application/x-lamp"));
    assert!(matches!(pair.take(false)[..], [Event::Info { .. }]));
}

#[test]
fn a_package_that_is_refused_is_told_and_the_call_lives_on() {
    let mut world = World::registered(packages(&["lamp"], config()), 1, 7200);
    world.texts.clear();
    world.say(FLOW, &Script::invite().header("Recv-Info: door").text());
    let Some(Event::Incoming { call, .. }) = world.take_events().pop() else {
        panic!("no call");
    };
    world.texts.clear();
    world.command(answer(&call));
    let accepted = crate::called::responses(&mut world).remove(0);
    assert_eq!(accepted.headers.other("Recv-Info").as_deref(), Some("lamp"));
    let tag = accepted.ids.to_tag().to_owned();
    world.say(FLOW, &Script::new("ACK").within(&tag, 1).text());
    world.take_events();
    world.command(package(&call, "door", "application/x-door"));
    let info = world.request();
    assert_eq!(info.headers.other("Info-Package").as_deref(), Some("door"));
    world.answer(&info, 469, &[]);
    assert!(matches!(
        world.take_events()[..],
        [Event::CommandFailed { .. }]
    ));
    let unknown = Script {
        body: Some(("application/x", "1")),
        ..Script::new("INFO")
            .within(&tag, 2)
            .header("Info-Package: window")
    };
    let refused = answer_to(&mut world, &unknown);
    assert_eq!(refused.status, 469);
    assert_eq!(refused.headers.other("Recv-Info").as_deref(), Some("lamp"));
    assert!(world.take_events().is_empty());
}

#[test]
fn digits_are_written_as_the_far_side_reads_them() {
    let (mut world, call, _) = talking();
    let dtmf = |digits: &str| Command::Dtmf {
        call: call.clone(),
        digits: digits.to_owned(),
    };
    world.command(dtmf("5#"));
    let relay = world.request();
    assert_eq!(
        relay.content_type().as_deref(),
        Some("application/dtmf-relay")
    );
    world.answer(&relay, 415, &[(HeaderName::Accept, "application/dtmf")]);
    let plain = world.request();
    assert_eq!(plain.content_type().as_deref(), Some("application/dtmf"));
    assert_eq!(&plain.body[..], b"5");
    world.answer(&plain, 200, &[]);
    let next = world.request();
    assert_eq!(&next.body[..], b"#");
    // Once is enough: no walk in circles.
    world.answer(
        &next,
        415,
        &[(HeaderName::Accept, "application/dtmf-relay")],
    );
    assert!(world.requests.is_empty());
    let events = world.take_events();
    assert!(matches!(
        events[..],
        [Event::DtmfSent { .. }, Event::CommandFailed { .. }]
    ));

    let plain = Config {
        dtmf_info: DtmfInfo::Plain,
        ..config()
    };
    let mut pair = Pair::with(plain, crate::pair::bob_config(), 5);
    let (alices, bobs) = pair.talk();
    pair.command(
        false,
        Command::Dtmf {
            call: alices,
            digits: "1*".to_owned(),
        },
    );
    let digit = |digit| Event::Digit {
        call: bobs.clone(),
        digit,
    };
    assert_eq!(pair.take(true), [digit('1'), digit('*')]);
}

#[test]
fn a_pause_between_digits_takes_its_time() {
    let (mut world, call, _) = talking();
    let millis = Duration::from_millis;
    world.command(Command::Dtmf {
        call: call.clone(),
        digits: "1wW2w".to_owned(),
    });
    let first = world.request();
    world.answer(&first, 200, &[]);
    world.pass(millis(1_490), |_| ());
    assert!(world.requests.is_empty(), "half a second and a whole one");
    // What is wanted meanwhile comes behind it.
    world.command(Command::Dtmf {
        call,
        digits: "3".to_owned(),
    });
    assert!(world.requests.is_empty());
    world.pass(millis(20), |_| ());
    let second = world.request();
    assert!(String::from_utf8_lossy(&second.body).starts_with("Signal=2\r\n"));
    world.answer(&second, 200, &[]);
    assert!(world.requests.is_empty());
    world.pass(millis(510), |_| ());
    let third = world.request();
    assert!(String::from_utf8_lossy(&third.body).starts_with("Signal=3\r\n"));
    let sent = |event: &&Event| matches!(event, Event::DtmfSent { .. });
    assert_eq!(world.take_events().iter().filter(sent).count(), 2);
}

/// A call in which a text, an INFO package and these digits go out at once.
fn says_everything(digits: &str) -> (World, CallId) {
    let script = Script::invite().header("Recv-Info: door");
    let (mut world, call, tag) = crate::called::ringing(&script);
    world.command(answer(&call));
    world.say(FLOW, &Script::new("ACK").within(&tag, 1).text());
    world.command(Command::Message {
        id: 7,
        call: Some(call.clone()),
        to: String::new(),
        body: "hello".to_owned(),
    });
    world.command(package(&call, "door", "application/x-door"));
    world.command(Command::Dtmf {
        call: call.clone(),
        digits: digits.to_owned(),
    });
    (world, call)
}

#[test]
fn what_is_lost_within_a_call_is_told_or_said_again() {
    let (mut world, call) = says_everything("12");
    for method in [Method::Message, Method::Info, Method::Info] {
        assert_eq!(world.request().method, method);
    }
    world.take_events();
    world.close(FLOW);
    let told = world.take_events();
    let of_text = |event: &&Event| matches!(event, Event::MessageFailed { call: Some(known), id: 7, .. } if *known == call);
    let of_info = |event: &&Event| matches!(event, Event::CommandFailed { call: known, .. } if *known == call);
    assert_eq!(told.iter().filter(of_text).count(), 1, "{told:?}");
    assert_eq!(told.iter().filter(of_info).count(), 1, "{told:?}");
    world.pass(seconds(6), |_| ());
    world.open(FLOW);
    let register = world.request();
    world.grant(&register, 7200, &[]);
    let mut digits = String::new();
    while !world.requests.is_empty() {
        let request = world.request();
        assert_ne!(request.method, Method::Message, "that one was told");
        if request.method == Method::Info {
            digits.push_str(&String::from_utf8_lossy(&request.body[7..8]));
        }
        world.answer(&request, 200, &[]);
    }
    assert_eq!(digits, "12");
}

/// RFC 4028, 7.1; RFC 5626, 4.2.1; RFC 5627, 4.4.
#[test]
fn every_request_outside_of_calls_says_what_we_can() {
    for command in [
        Command::Message {
            id: 7,
            call: None,
            to: "bob".to_owned(),
            body: "hello".to_owned(),
        },
        Command::Publish {
            open: true,
            note: None,
        },
        Command::Subscribe {
            channels: vec!["presence:bob".to_owned()],
        },
    ] {
        let mut world = World::registered(config(), 1, 7200);
        world.command(command);
        let request = world.request();
        for option in ["timer", "gruu", "outbound"] {
            let says = request.headers.lists(&HeaderName::Supported, option);
            assert!(says, "{} without {option}", request.method);
        }
    }
}

/// RFC 4028, 7.1; RFC 5626, 4.2.1; RFC 5627, 4.4.
#[test]
fn every_request_within_a_call_says_what_we_can() {
    let (mut world, call) = says_everything("1");
    world.command(crate::pair::bye(&call));
    let seen: Vec<_> = std::mem::take(&mut world.requests)
        .into_iter()
        .map(|(_, request)| request)
        .collect();
    assert_eq!(seen.len(), 4);
    for request in seen {
        for option in ["timer", "gruu", "outbound"] {
            let says = request.headers.lists(&HeaderName::Supported, option);
            assert!(says, "{} without {option}", request.method);
        }
        assert_eq!(request.headers.all(&HeaderName::Supported).count(), 1);
    }
}

#[test]
fn what_we_say_we_can_do_is_what_we_do() {
    let mut world = idle();
    let options = answer_to(&mut world, &Script::new("OPTIONS"));
    assert_eq!(options.headers.other("Recv-Info").as_deref(), Some(""));
    assert!(options.headers.lists(&HeaderName::AllowEvents, "refer"));
    let accepted = options.headers.tokens(&HeaderName::Accept);
    assert!(accepted.iter().any(|kind| kind == "application/sdp"));
    // Every method that is named is answered as one that is known, and no other.
    let allowed = options.headers.tokens(&HeaderName::Allow);
    for method in [
        "INVITE",
        "BYE",
        "UPDATE",
        "PRACK",
        "OPTIONS",
        "INFO",
        "REFER",
        "NOTIFY",
        "MESSAGE",
        "SUBSCRIBE",
        "PUBLISH",
        "REGISTER",
    ] {
        let script = Script {
            branch: format!("z9hG4bKallowed{method}"),
            ..Script::new(method)
        };
        world.texts.clear();
        world.say(FLOW, &script.text());
        let status = statuses(&mut world)[0];
        let named = allowed.iter().any(|known| known == method);
        assert_eq!(status == 405, !named, "{method}: {status}");
    }
    world.command(invite(&CallId::from_wire("a").expect("a name"), "bob"));
    let out = world.request();
    assert!(out.headers.lists(&HeaderName::AllowEvents, "refer"));
}
