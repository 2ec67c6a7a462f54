//! Who calls whom, what of it is believed, shown and hidden, and what a local user cannot smuggle into a message.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each story looks for a few events among many"
)]

use std::collections::BTreeMap;

use offhook_signaling::auth::login::Login;
use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::{EndedBy, Event, Party};
use offhook_signaling::sip::config::Config;
use offhook_signaling::sip::flow_id::FlowId;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::uri::Uri;
use offhook_signaling::sip::message::{HeaderName, Method};

use crate::called::{Script, answer_to, talking_at};
use crate::pair::{ANSWER, OFFER, Pair, bob_config};
use crate::world::{FLOW, World, answer, config};

fn trusting() -> Config {
    Config {
        trusts_identity: true,
        ..config()
    }
}

fn party(name: &str, number: &str) -> Party {
    Party {
        name: name.to_owned(),
        number: number.to_owned(),
    }
}

#[test]
fn a_text_within_a_call_is_of_whom_a_believed_server_says() {
    for (config, number) in [(trusting(), "+12015550100"), (config(), "carol")] {
        let (mut world, call, tag) = talking_at(config);
        let text = Script {
            body: Some(("text/plain", "hello")),
            ..Script::new("MESSAGE").within(&tag, 2)
        };
        let text = text.header("P-Asserted-Identity: \"Ann\" <sip:+12015550100@example.com>");
        world.say(FLOW, &text.text());
        let events = world.take_events();
        let [Event::Message { call: of, from, .. }] = events.as_slice() else {
            panic!("{events:?}");
        };
        assert_eq!((of.as_ref(), from.number.as_str()), (Some(&call), number));
    }
}

/// An INVITE of a stranger with that From and those lines.
fn incoming(world: &mut World, from: &str, lines: &[&str]) -> (Party, Vec<(String, String)>) {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let text = format!(
        "INVITE sip:alice@example.com SIP/2.0\r\nVia: SIP/2.0/WS c.invalid;branch=z9hG4bKx\r\n\
         From: {from};tag=1\r\nTo: <sip:alice@example.com>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:c@192.0.2.7>\r\n{lines}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{OFFER}",
        OFFER.len()
    );
    world.say(FLOW, &text);
    let mut events = world.take_events().into_iter();
    events
        .find_map(|event| match event {
            Event::Incoming { caller, said, .. } => Some((caller, said.headers)),
            _ => None,
        })
        .expect("it rings")
}

fn lines<'a>(headers: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    let named = headers.iter().filter(|(known, _)| known == name);
    named.map(|(_, value)| value.as_str()).collect()
}

#[test]
fn an_asserted_identity_counts_only_from_a_server_that_is_believed() {
    let carol = r#""Carol" <sip:carol@example.com>"#;
    let asserted = r#"P-Asserted-Identity: "The Bank" <sip:bank@example.com;verstat=TN-Validation-Passed>, <tel:+12015550123>"#;
    let mut world = World::registered(config(), 1, 7200);
    let (caller, headers) = incoming(&mut world, carol, &[asserted]);
    assert_eq!(caller, party("Carol", "carol"));
    assert!(lines(&headers, "P-Asserted-Identity").is_empty());

    let mut world = World::registered(trusting(), 1, 7200);
    let (caller, headers) = incoming(&mut world, carol, &[asserted]);
    assert_eq!(caller, party("The Bank", "+12015550123"));
    let shown = lines(&headers, "P-Asserted-Identity");
    assert!(
        shown[0].contains("verstat=TN-Validation-Passed"),
        "{shown:?}"
    );
    // Without one it is From, also of a server that is believed.
    let mut world = World::registered(trusting(), 1, 7200);
    let from = r#"<sip:+1555@example.com;verstat=No-TN-Validation;user=phone>"#;
    let (caller, headers) = incoming(&mut world, from, &[]);
    assert_eq!(caller, party("", "+1555"));
    assert_eq!(lines(&headers, "From").len(), 1);
}

#[test]
fn who_hides_has_no_number() {
    let mut world = World::registered(config(), 1, 7200);
    let from = r#""Anonymous" <sip:anonymous@anonymous.invalid>"#;
    let (caller, _) = incoming(&mut world, from, &["Privacy: id"]);
    assert_eq!(caller, party("Anonymous", ""));
}

#[test]
fn a_name_that_would_write_over_the_screen_is_shown_without_its_controls() {
    let mut world = World::registered(config(), 1, 7200);
    let (caller, _) = incoming(&mut world, "\"a\u{7}b\u{1b}[2J\" <sip:c@example.com>", &[]);
    assert_eq!(caller.name, "ab[2J");
}

#[test]
fn who_was_called_before_is_shown_in_order_but_for_what_is_private() {
    let mut world = World::registered(config(), 1, 7200);
    let history = [
        "History-Info: <sip:third@example.com>;index=1.10;mp=1, <sip:secret@example.com?Privacy=history>;index=1.1.1",
        "History-Info: <sip:first@example.com>;index=1",
        "History-Info: <sip:second@example.com?Reason=SIP%3Bcause%3D302>;index=1.2;rc=1",
        "Diversion: <sip:boss@example.com>;reason=no-answer;counter=1",
        "Alert-Info: <http://192.0.2.1/ring.wav>",
        "Subject: lunch",
    ];
    let from = "<sip:carol@example.com>";
    let (_, headers) = incoming(&mut world, from, &history);
    let shown = lines(&headers, "History-Info");
    let users: Vec<_> = shown
        .iter()
        .map(|entry| entry.split(['@', ':']).nth(1).unwrap_or_default())
        .collect();
    assert_eq!(users, ["first", "second", "third"]);
    assert_eq!(
        lines(&headers, "Diversion"),
        ["<sip:boss@example.com>;reason=no-answer;counter=1"]
    );
    assert_eq!(lines(&headers, "Subject"), ["lunch"]);
    assert_eq!(lines(&headers, "Alert-Info").len(), 1);
    // The address of a sound is shown and never asked for: nothing but answers went out.
    assert!(world.requests.is_empty());
    assert_eq!(world.doings, ["connect flow 1"]);

    let mut world = World::registered(config(), 1, 7200);
    let private = [history[1], "Privacy: history;id"];
    let (_, headers) = incoming(&mut world, from, &private);
    assert!(lines(&headers, "History-Info").is_empty());
}

struct Wish<'a> {
    to: &'a str,
    name: Option<&'a str>,
    number: Option<&'a str>,
    headers: &'a [(&'a str, &'a str)],
}

const PLAIN: Wish<'static> = Wish {
    to: "bob",
    name: None,
    number: None,
    headers: &[],
};

fn call(world: &mut World, wish: &Wish<'_>) {
    let template = crate::pair::invite(&CallId::from_wire("a-call").expect("a name"), wish.to);
    let mut command = template;
    if let Command::Invite {
        caller_name,
        caller_number,
        headers,
        ..
    } = &mut command
    {
        *caller_name = wish.name.map(str::to_owned);
        *caller_number = wish.number.map(str::to_owned);
        *headers = wish
            .headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
    }
    world.command(command);
}

#[test]
fn name_and_number_of_the_caller_go_where_the_rfcs_want_them() {
    let mut world = World::registered(config(), 1, 7200);
    let wish = Wish {
        name: Some(r#"Al "the" \ice; <x>"#),
        number: Some("+12015550100"),
        ..PLAIN
    };
    call(&mut world, &wish);
    let request = world.request();
    assert_eq!(
        request.ids.from.display_name.as_deref(),
        Some(r#"Al "the" \ice; <x>"#)
    );
    assert_eq!(request.ids.from.uri.to_string(), "sip:alice@example.com");
    let preferred = request.headers.address(&HeaderName::PPreferredIdentity);
    assert_eq!(
        preferred.unwrap().uri.to_string(),
        "sip:+12015550100@example.com"
    );
    assert!(!request.headers.has(&HeaderName::Privacy));
}

fn with_gruus(config: Config) -> World {
    let mut world = World::new(config, 1);
    world.open(FLOW);
    let register = world.request();
    let contact = register.headers.get(&HeaderName::Contact).expect("ours");
    let contact = contact.split(";expires=").next().unwrap_or_default();
    let gruus = format!(
        "{contact};expires=7200;pub-gruu=\"sip:alice@example.com;gr=public\";temp-gruu=\"sip:t1@example.com;gr\""
    );
    world.answer(&register, 200, &[(HeaderName::Contact, &gruus)]);
    world.take_events();
    world
}

fn tells_nothing(request: &Request, secret: &str) {
    for (name, value) in request.headers.lines() {
        let own = matches!(
            name,
            HeaderName::PPreferredIdentity | HeaderName::Authorization
        );
        assert!(own || !value.contains(secret), "{name}: {value}");
    }
}

#[test]
fn a_call_that_hides_shows_itself_to_its_own_server_alone() {
    let mut world = with_gruus(config());
    let wish = Wish {
        name: Some("Alice"),
        headers: &[("Privacy", "id;critical")],
        ..PLAIN
    };
    call(&mut world, &wish);
    let request = world.request();
    assert_eq!(
        request
            .headers
            .get(&HeaderName::From)
            .unwrap()
            .split(";tag")
            .next(),
        Some(r#""Anonymous" <sip:anonymous@anonymous.invalid>"#)
    );
    assert_eq!(
        request.headers.get(&HeaderName::Privacy).as_deref(),
        Some("id;critical")
    );
    let contact = request.headers.address(&HeaderName::Contact).unwrap();
    assert_eq!(contact.uri.to_string(), "sip:t1@example.com;gr");
    let own = request.headers.address(&HeaderName::PPreferredIdentity);
    assert_eq!(own.unwrap().uri.to_string(), "sip:alice@example.com");
    tells_nothing(&request, "alice");
    tells_nothing(&request, "Alice");
    // So does what follows in that call, also before its answer, and the next one shows us again.
    let contact = (HeaderName::Contact, "<sip:bob@192.0.2.9>");
    world.answer(&request, 180, std::slice::from_ref(&contact));
    says_nothing(&mut world, &theirs(&request, "UPDATE", 9), 200);
    let mut response = answer(&request, 200, &[contact]);
    response
        .content
        .set_body("application/sdp", ANSWER.to_owned());
    world.say(FLOW, &response.to_text());
    world.request();
    world.command(Command::UpdateMedia {
        call: CallId::from_wire("a-call").unwrap(),
        sdp: "v=0".to_owned(),
    });
    let offer = world.request();
    tells_nothing(&offer, "alice");
    let mut accepted = answer(&offer, 200, &[]);
    accepted
        .content
        .set_body("application/sdp", ANSWER.to_owned());
    world.say(FLOW, &accepted.to_text());
    tells_nothing(&world.request(), "alice");
    hides_within(&mut world, &request);
    let open = crate::pair::invite(&CallId::from_wire("open").unwrap(), "bob");
    world.command(open);
    let contact = world.request().headers.address(&HeaderName::Contact);
    assert_eq!(
        contact.unwrap().uri.to_string(),
        "sip:alice@example.com;gr=public"
    );
}

fn says_nothing(world: &mut World, script: &Script, status: u16) {
    let response = answer_to(world, script);
    assert_eq!(response.status, status);
    for (name, value) in response.headers.lines() {
        assert!(
            !value.contains("alice"),
            "{} {name}: {value}",
            script.method
        );
    }
}

/// What bob says in that call of ours.
fn theirs(invite: &Request, method: &'static str, cseq: u32) -> Script {
    Script {
        from: "sip:bob@example.com",
        to: "sip:anonymous@anonymous.invalid",
        call_id: Box::leak(invite.ids.call_id.clone().into_boxed_str()),
        from_tag: "server-tag",
        ..Script::new(method).within(invite.ids.from_tag(), cseq)
    }
}

/// Whatever the far side asks in that call of ours, and whatever we ask, shows no more of us than its INVITE did.
fn hides_within(world: &mut World, invite: &Request) {
    let call = CallId::from_wire("a-call").expect("a name");
    let theirs = |method, cseq| theirs(invite, method, cseq);
    let with_sdp = |script| Script {
        body: Some(("application/sdp", "v=0 theirs")),
        ..script
    };
    says_nothing(world, &theirs("UPDATE", 10), 200);
    world.texts.clear();
    for (method, cseq) in [("UPDATE", 11), ("INVITE", 12)] {
        world.say(FLOW, &with_sdp(theirs(method, cseq)).text());
        world.command(Command::Attach {
            call: call.clone(),
            sdp: "v=0 ours".to_owned(),
        });
        let accepted = crate::called::responses(world).remove(0);
        let contact = accepted.headers.address(&HeaderName::Contact);
        assert_eq!(
            contact.expect("a Contact").uri.to_string(),
            "sip:t1@example.com;gr"
        );
    }
    world.say(FLOW, &theirs("ACK", 12).text());
    world.take_events();
    world.requests.clear();
    // A referral: its answer, its NOTIFY, and the call that follows it.
    let refer = theirs("REFER", 13).header("Refer-To: <sip:dave@example.com>");
    says_nothing(world, &refer, 200);
    let notice = world.request();
    assert_eq!(notice.method, Method::Notify);
    tells_nothing(&notice, "alice");
    world.answer(&notice, 200, &[]);
    let (follow, _) = crate::referring::carry(&call, "followed");
    world.command(follow);
    let followed = world.request();
    assert_eq!(followed.method, Method::Invite);
    tells_nothing(&followed, "alice");
    tells_nothing(&followed, "Alice");
    let privacy = followed.headers.get(&HeaderName::Privacy);
    assert_eq!(privacy.as_deref(), Some("id"));
    world.answer(&followed, 486, &[]);
    world.requests.clear();
    // One of ours.
    world.command(Command::Transfer {
        call,
        to: "sip:dave@example.com".to_owned(),
    });
    let refer = world.request();
    assert_eq!(refer.method, Method::Refer);
    tells_nothing(&refer, "alice");
    let by = refer
        .headers
        .address(&HeaderName::ReferredBy)
        .expect("a word of whom");
    assert_eq!(by.uri.to_string(), "sip:anonymous@anonymous.invalid");
    world.answer(&refer, 603, &[]);
}

#[test]
fn a_call_that_hides_does_so_over_another_flow_too() {
    let servers = ["wss://one.example.com", "wss://two.example.com"];
    let two = Config {
        servers: servers.map(str::to_owned).to_vec(),
        ..config()
    };
    let mut world = World::new(two, 1);
    for number in [0, 1] {
        let flow = FlowId(number);
        world.open(flow);
        let register = world.request();
        let contact = register.headers.get(&HeaderName::Contact).expect("ours");
        let contact = contact.split(";expires=").next().unwrap_or_default();
        let gruus = format!(
            "{contact};expires=7200;pub-gruu=\"sip:alice@example.com;gr=public\";temp-gruu=\"sip:t{number}@example.com;gr\""
        );
        let text = answer(&register, 200, &[(HeaderName::Contact, &gruus)]).to_text();
        world.say(flow, &text);
    }
    let wish = Wish {
        headers: &[("Privacy", "id")],
        ..PLAIN
    };
    call(&mut world, &wish);
    let first = world.request();
    tells_nothing(&first, "alice");
    world.answer(&first, 503, &[(HeaderName::RetryAfter, "60")]);
    let again = std::mem::take(&mut world.requests);
    let again = again.into_iter().find(|(flow, _)| *flow == FlowId(1));
    let (_, again) = again.expect("the same over the other flow");
    tells_nothing(&again, "alice");
    let contact = again.headers.address(&HeaderName::Contact).unwrap();
    assert_eq!(contact.uri.to_string(), "sip:t1@example.com;gr");
}

#[test]
fn an_anonymous_login_registers_nowhere_and_calls_from_nobody() {
    let login = Login::Anonymous {
        target_type: String::new(),
        target_id: "desk".to_owned(),
        target_version: None,
        target_params: BTreeMap::new(),
    };
    let aor = Uri::parse("sip:anonymous@anonymous.invalid").unwrap();
    let instance = "urn:uuid:00000000-0000-4000-8000-000000000003".to_owned();
    let config = Config::new("wss://edge.example.com", aor, login, instance);
    let mut world = World::new(config, 1);
    world.open(FLOW);
    assert!(world.requests.is_empty());
    assert!(world.take_events().contains(&Event::Ready));
    let wish = Wish {
        to: "sip:desk@example.com",
        ..PLAIN
    };
    call(&mut world, &wish);
    let request = world.request();
    assert_eq!(request.uri.to_string(), "sip:desk@example.com");
    assert_eq!(
        request.ids.from.uri.to_string(),
        "sip:anonymous@anonymous.invalid"
    );
    assert_eq!(
        request.headers.get(&HeaderName::Privacy).as_deref(),
        Some("id")
    );
    // A password that is asked for is not there.
    let challenge = r#"Digest realm="a", nonce="b", qop="auth""#;
    world.answer(&request, 407, &[(HeaderName::ProxyAuthenticate, challenge)]);
    let ended = world.take_events();
    let told = ended.iter().find_map(|event| match event {
        Event::Ended { detail, .. } => detail.clone(),
        _ => None,
    });
    assert!(told.unwrap().contains("password"), "{ended:?}");
}

#[test]
fn what_a_local_user_says_cannot_become_another_header() {
    let bad: &[Wish<'_>] = &[
        Wish {
            name: Some("Al\r\nX-Evil: 1"),
            ..PLAIN
        },
        Wish {
            name: Some("Al\nX-Evil: 1"),
            ..PLAIN
        },
        Wish {
            name: Some("Al\0"),
            ..PLAIN
        },
        Wish {
            number: Some("1\r\nX-Evil: 1"),
            ..PLAIN
        },
        Wish {
            number: Some("sip:1@a>\r\nX-Evil: 1"),
            ..PLAIN
        },
        Wish {
            to: "bob\r\nX-Evil: 1",
            ..PLAIN
        },
        Wish {
            to: "sip:bob@example.com>\r\nX-Evil: 1",
            ..PLAIN
        },
        Wish {
            to: "sip:bob@example.com SIP/2.0\r\nX-Evil: 1",
            ..PLAIN
        },
        Wish {
            to: "tel:+1\r\nX-Evil: 1",
            ..PLAIN
        },
        Wish {
            to: "sip:bob@example.com?Route=%3Csip:evil.example%3E",
            ..PLAIN
        },
        Wish {
            to: "sip:bob@example.com?Subject=a%0D%0AX-Evil:%201",
            ..PLAIN
        },
        Wish {
            to: "bob@exa\r\nmple.com",
            ..PLAIN
        },
        Wish {
            headers: &[("X-A", "1\r\nX-Evil: 2")],
            ..PLAIN
        },
        Wish {
            headers: &[("X A: b\r\nX-Evil", "2")],
            ..PLAIN
        },
        Wish {
            headers: &[("Via", "SIP/2.0/WS evil")],
            ..PLAIN
        },
        Wish {
            headers: &[("v", "SIP/2.0/WS evil")],
            ..PLAIN
        },
        Wish {
            headers: &[("Privacy", "id;none")],
            ..PLAIN
        },
        Wish {
            headers: &[("Privacy", "please")],
            ..PLAIN
        },
    ];
    for (number, wish) in bad.iter().enumerate() {
        let mut world = World::registered(config(), 1, 7200);
        let before = world.session.malformed();
        call(&mut world, wish);
        assert!(
            world.requests.is_empty() && world.texts.is_empty(),
            "{number}"
        );
        let told = world.take_events();
        let [Event::Ended { by, detail, .. }] = told.as_slice() else {
            panic!("{number}: {told:?}");
        };
        assert_eq!(*by, EndedBy::Local, "{number}");
        assert!(
            detail.as_ref().is_some_and(|words| words.len() > 10),
            "with a reason"
        );
        assert_eq!(world.session.malformed(), before + 1, "{number}: counted");
    }
    // What an address may bring, it brings.
    let mut world = World::registered(config(), 1, 7200);
    let wish = Wish {
        to: "sip:bob@example.com;method=REGISTER?Subject=lunch",
        ..PLAIN
    };
    call(&mut world, &wish);
    let request = world.request();
    assert_eq!(request.method, Method::Invite);
    assert_eq!(request.uri.to_string(), "sip:bob@example.com");
    assert_eq!(
        request.headers.get(&HeaderName::Subject).as_deref(),
        Some("lunch")
    );
}

#[test]
fn a_far_side_that_becomes_another_is_shown_and_addressed_as_that() {
    let mut pair = Pair::with(config(), bob_config(), 1);
    let (alices, bobs) = pair.talk();
    // Bob's side hands the call to dave: an UPDATE with another From (RFC 4916).
    pair.stopped = true;
    pair.command(
        true,
        Command::UpdateMedia {
            call: bobs,
            sdp: "v=0 dave".to_owned(),
        },
    );
    let text = pair.bob.texts.last().cloned().unwrap();
    pair.wire_cut();
    pair.stopped = false;
    let from = text.lines().find(|line| line.starts_with("From:")).unwrap();
    let (_, tag) = from.split_once(";tag=").unwrap();
    let changed = text.replace(
        from,
        &format!("From: \"Dave\" <sip:dave@example.com>;tag={tag}"),
    );
    pair.inject(false, &changed);
    let told = pair.take(false);
    let display = Event::Display {
        call: alices.clone(),
        remote: party("Dave", "dave"),
    };
    assert!(told.contains(&display), "{told:?}");
    pair.command(false, crate::pair::bye(&alices));
    let bye = pair
        .alice
        .texts
        .iter()
        .rfind(|text| text.starts_with("BYE"));
    let to = bye.unwrap().lines().find(|line| line.starts_with("To:"));
    assert!(to.unwrap().contains("sip:dave@example.com"), "{to:?}");
}

#[test]
fn a_server_that_is_believed_says_who_was_reached() {
    for (config, shown) in [(trusting(), true), (config(), false)] {
        let mut world = World::registered(config, 1, 7200);
        call(&mut world, &PLAIN);
        let request = world.request();
        let asserted = r#""Reception" <sip:9@example.com>"#;
        let lines = [
            (HeaderName::Contact, "<sip:bob@192.0.2.9>"),
            (HeaderName::PAssertedIdentity, asserted),
        ];
        world.say(FLOW, &answer(&request, 180, &lines).to_text());
        let mut response = answer(&request, 200, &lines);
        response
            .content
            .set_body("application/sdp", ANSWER.to_owned());
        world.say(FLOW, &response.to_text());
        let told = world.take_events().into_iter();
        let told: Vec<_> = told
            .filter_map(|event| match event {
                Event::Display { remote, .. } => Some(remote),
                _ => None,
            })
            .collect();
        let wanted = if shown {
            vec![party("Reception", "9")]
        } else {
            Vec::new()
        };
        assert_eq!(told, wanted, "once");
    }
}
