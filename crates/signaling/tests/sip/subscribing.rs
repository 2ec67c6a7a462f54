//! Listening to others: subscriptions from the first word to the last (RFC 6665, 3842, 3863, 4235).

use std::time::Duration;

use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use offhook_signaling::sip::flow_id::FlowId;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::contract::Input;
use serde_json::{Value, json};

use crate::called::statuses;
use crate::lasting::challenges;
use crate::world::{FLOW, World, config};

pub(crate) const PRESENCE: &str = "presence:bob@example.com";
const DIALOG: &str = "dialog:bob@example.com";
pub(crate) const OPEN: &str = "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:bob@example.com\"><tuple id=\"1\"><status>\
                    <basic>open</basic></status></tuple></presence>";
pub(crate) const PIDF: &str = "application/pidf+xml";
const DIALOG_INFO: &str = "application/dialog-info+xml";
pub(crate) const CONTACT: (HeaderName, &str) = (
    HeaderName::Contact,
    "<sip:presence@192.0.2.5:5060;transport=ws>",
);

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn pong(world: &mut World) {
    world.handle(Input::Pong(FLOW));
}

/// Lets time pass until the next request; it comes between these seconds.
fn request_between(world: &mut World, from: u64, to: u64) -> Request {
    for second in 0..to {
        if !world.requests.is_empty() {
            assert!(second >= from, "after {second} s already");
            return world.request();
        }
        world.pass(seconds(1), pong);
    }
    panic!("nothing within {to} s");
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The user asks for a channel; its SUBSCRIBE.
pub(crate) fn ask(world: &mut World, channel: &str) -> Request {
    world.command(Command::Subscribe {
        channels: names(&[channel]),
    });
    let request = world.request();
    assert_eq!(request.method, Method::Subscribe);
    request
}

pub(crate) fn registered() -> World {
    let mut world = World::registered(config(), 1, 1_000_000);
    world.texts.clear();
    world
}

/// A NOTIFY about a SUBSCRIBE, of a notifier with that tag.
pub(crate) fn notify(
    about: &Request,
    tag: &str,
    cseq: u32,
    state: &str,
    kind: &str,
    body: &str,
) -> String {
    let event = about.headers.get(&HeaderName::Event).unwrap_or_default();
    let kind = if kind.is_empty() {
        String::new()
    } else {
        format!("Content-Type: {kind}\r\n")
    };
    format!(
        "NOTIFY sip:alice@203.0.113.7:40000;transport=ws SIP/2.0\r\nVia: SIP/2.0/WS p.example;branch=z9hG4bK{tag}{cseq}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:bob@example.com>;tag={tag}\r\nTo: <sip:alice@example.com>;tag={}\r\nCall-ID: {}\r\n\
         CSeq: {cseq} NOTIFY\r\nContact: <sip:presence@192.0.2.5:5060;transport=ws>\r\nEvent: {event}\r\n\
         Subscription-State: {state}\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        about.ids.from_tag(),
        about.ids.call_id,
        body.len(),
    )
}

/// The status that a message of the far side gets.
pub(crate) fn status_of(world: &mut World, text: &str) -> u16 {
    world.texts.clear();
    world.say(FLOW, text);
    let all = statuses(world);
    assert_eq!(all.len(), 1, "{all:?}");
    all[0]
}

/// A channel that is granted for so long, its first word heard.
pub(crate) fn listening(channel: &str, expires: &str, kind: &str, body: &str) -> (World, Request) {
    let mut world = registered();
    let request = ask(&mut world, channel);
    world.answer(&request, 200, &[(HeaderName::Expires, expires), CONTACT]);
    let text = notify(
        &request,
        "server-tag",
        1,
        &format!("active;expires={expires}"),
        kind,
        body,
    );
    assert_eq!(status_of(&mut world, &text), 200);
    world.take_events();
    (world, request)
}

/// Channels as they are told; reasons are looked at where they are the matter.
fn channels(subscribed: &[&str], refused: &[&str]) -> (Vec<String>, Vec<String>) {
    (names(subscribed), names(refused))
}

/// The one event there is, in that form.
fn told(events: &[Event]) -> (Vec<String>, Vec<String>) {
    let [
        Event::Channels {
            subscribed,
            refused,
        },
    ] = events
    else {
        panic!("{events:?}");
    };
    let refused = refused.iter().map(|it| it.channel.clone());
    (subscribed.clone(), refused.collect())
}

pub(crate) fn data(events: &[Event]) -> Vec<Value> {
    events
        .iter()
        .filter_map(|event| {
            if let Event::ChannelEvent { data, .. } = event {
                Some(data.clone())
            } else {
                None
            }
        })
        .collect()
}

#[test]
fn presence_is_asked_for_granted_and_told() {
    let mut world = registered();
    let request = ask(&mut world, PRESENCE);
    assert_eq!(request.uri.to_string(), "sip:bob@example.com");
    let header = |name: &HeaderName| request.headers.get(name);
    assert_eq!(header(&HeaderName::Event).as_deref(), Some("presence"));
    assert_eq!(header(&HeaderName::Accept).as_deref(), Some(PIDF));
    assert_eq!(header(&HeaderName::Expires).as_deref(), Some("3600"));
    assert!(request.headers.has(&HeaderName::Contact));
    assert!(world.take_events().is_empty());
    world.answer(&request, 200, &[(HeaderName::Expires, "1800"), CONTACT]);
    assert_eq!(told(&world.take_events()), channels(&[PRESENCE], &[]));
    let text = notify(&request, "server-tag", 1, "active;expires=1800", PIDF, OPEN);
    assert_eq!(status_of(&mut world, &text), 200);
    let events = world.take_events();
    let [
        Event::ChannelEvent {
            channel,
            data,
            lost: 0,
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(channel, PRESENCE);
    assert_eq!(data["open"], true);
    // Said once more by the user, it is just told again.
    world.command(Command::Subscribe {
        channels: names(&[PRESENCE]),
    });
    assert!(world.requests.is_empty());
    assert_eq!(told(&world.take_events()), channels(&[PRESENCE], &[]));
}

#[test]
fn a_notification_may_come_before_the_answer_late_or_twice() {
    let mut world = registered();
    let request = ask(&mut world, PRESENCE);
    let first = notify(&request, "server-tag", 5, "active;expires=600", PIDF, OPEN);
    assert_eq!(status_of(&mut world, &first), 200);
    assert_eq!(data(&world.take_events()).len(), 1);
    world.answer(&request, 200, &[(HeaderName::Expires, "600"), CONTACT]);
    world.take_events();
    // The same again, and one that was overtaken.
    let twice = first.replace("z9hG4bK", "z9hG4bKx");
    assert_eq!(status_of(&mut world, &twice), 500);
    let late = notify(&request, "server-tag", 4, "active", PIDF, OPEN);
    assert_eq!(status_of(&mut world, &late), 500);
    // Not ours: another Call-ID, another tag of ours.
    let foreign = first.replace(&request.ids.call_id, "another");
    assert_eq!(status_of(&mut world, &foreign), 481);
    let foreign = first.replace(request.ids.from_tag(), "another");
    assert_eq!(status_of(&mut world, &foreign), 481);
    assert!(world.take_events().is_empty());
    // There is one subscription: it is refreshed once.
    let refresh = request_between(&mut world, 470, 545);
    assert!(world.requests.is_empty());
    world.answer(&refresh, 200, &[(HeaderName::Expires, "600")]);
    request_between(&mut world, 470, 545);
}

#[test]
fn refusals_are_the_last_word_or_not() {
    for status in [403, 404, 405, 489, 603] {
        let mut world = registered();
        let request = ask(&mut world, PRESENCE);
        world.answer(&request, status, &[]);
        assert_eq!(
            told(&world.take_events()),
            channels(&[], &[PRESENCE]),
            "{status}"
        );
        world.pass(seconds(3000), pong);
        assert!(world.requests.is_empty(), "{status}");
    }
    for status in [404, 603] {
        let mut world = registered();
        let request = ask(&mut world, PRESENCE);
        world.answer(&request, status, &[(HeaderName::RetryAfter, "100")]);
        request_between(&mut world, 99, 161);
    }
    let mut world = registered();
    let request = ask(&mut world, PRESENCE);
    world.answer(&request, 503, &[(HeaderName::RetryAfter, "100")]);
    assert!(matches!(world.take_events()[..], [Event::Postponed(_)]));
    world.pass(seconds(99), pong);
    assert!(world.requests.is_empty());
    world.pass(seconds(2), pong);
    let again = world.request();
    assert_ne!(again.ids.call_id, request.ids.call_id);
    // Silence is no last word either.
    let again = request_between(&mut world, 91, 155);
    // Min-Expires counts, once.
    world.answer(&again, 423, &[(HeaderName::MinExpires, "7200")]);
    let longer = world.request();
    assert_eq!(longer.headers.number(&HeaderName::Expires), Some(7200));
    assert_eq!(longer.ids.cseq, again.ids.cseq + 1);
    assert_eq!(longer.ids.call_id, again.ids.call_id);
    // And so do credentials.
    let challenge = r#"Digest realm="x", nonce="a", qop="auth""#;
    world.answer(&longer, 407, &[(HeaderName::ProxyAuthenticate, challenge)]);
    let signed = world.request();
    assert!(signed.headers.has(&HeaderName::ProxyAuthorization));
    assert_eq!(signed.headers.number(&HeaderName::Expires), Some(7200));
    world.answer(&signed, 423, &[(HeaderName::MinExpires, "9000")]);
    assert_eq!(told(&world.take_events()), channels(&[], &[PRESENCE]));
}

#[test]
fn names_that_are_none_and_too_many_are_refused() {
    let mut world = registered();
    world.command(Command::Subscribe {
        channels: names(&["presence:", "x y:bob"]),
    });
    assert!(world.requests.is_empty());
    assert_eq!(
        told(&world.take_events()),
        channels(&[], &["presence:", "x y:bob"])
    );
    let many = |from: usize, to: usize| Command::Subscribe {
        channels: (from..to).map(|n| format!("presence:u{n}")).collect(),
    };
    world.command(many(0, 257));
    assert!(matches!(
        world.take_events()[..],
        [Event::SessionCommandFailed {
            command: "subscribe",
            ..
        }]
    ));
    world.command(many(0, 200));
    world.command(many(200, 300));
    assert_eq!(world.requests.len(), 256);
    let events = world.take_events();
    let [Event::Channels { refused, .. }] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(refused.len(), 44);
}

#[test]
fn a_subscription_is_refreshed_in_time_and_made_anew_when_it_is_forgotten() {
    let (mut world, first) = listening(PRESENCE, "600", PIDF, OPEN);
    let refresh = request_between(&mut world, 470, 545);
    assert_eq!(refresh.ids.call_id, first.ids.call_id);
    assert_eq!(refresh.ids.to_tag(), "server-tag");
    assert_eq!(
        refresh.uri.to_string(),
        "sip:presence@192.0.2.5:5060;transport=ws"
    );
    world.answer(&refresh, 200, &[(HeaderName::Expires, "600")]);
    let refresh = request_between(&mut world, 470, 545);
    world.answer(&refresh, 481, &[]);
    let anew = world.request();
    assert_eq!(anew.ids.to_tag(), "");
    assert_ne!(anew.ids.call_id, first.ids.call_id);
    assert_ne!(anew.ids.from_tag(), first.ids.from_tag());
    world.answer(&anew, 200, &[(HeaderName::Expires, "600"), CONTACT]);
    let text = notify(&anew, "server-tag", 1, "active;expires=600", PIDF, OPEN);
    assert_eq!(status_of(&mut world, &text), 200);
    // Another refusal leaves it; it is asked for once more before its end.
    world.take_events();
    let refresh = request_between(&mut world, 470, 545);
    world.answer(&refresh, 500, &[]);
    let again = request_between(&mut world, 10, 65);
    assert_eq!(again.ids.call_id, anew.ids.call_id);
    world.answer(&again, 200, &[(HeaderName::Expires, "600")]);
    assert!(world.take_events().is_empty());
}

#[test]
fn a_lost_connection_renews_what_is_listened_to_and_nothing_else() {
    let (mut world, first) = listening(PRESENCE, "3600", PIDF, OPEN);
    world.pass(seconds(60), pong);
    world.close(FLOW);
    world.command(Command::Subscribe {
        channels: names(&["message-summary"]),
    });
    assert!(world.requests.is_empty());
    world.command(Command::Reconnect);
    world.open(FLOW);
    let register = world.request();
    assert_eq!(register.method, Method::Register);
    assert!(world.requests.is_empty());
    world.grant(&register, 1_000_000, &[]);
    let refresh = world.request();
    assert_eq!(refresh.ids.call_id, first.ids.call_id);
    assert_eq!(refresh.ids.to_tag(), "server-tag");
    let mailbox = world.request();
    assert_eq!(
        mailbox.headers.get(&HeaderName::Event).as_deref(),
        Some("message-summary")
    );
    assert_eq!(mailbox.uri.to_string(), "sip:alice@example.com");
    assert!(world.requests.is_empty());
    // A server that restarted knows nothing of it.
    world.answer(&refresh, 481, &[]);
    let anew = world.request();
    assert_eq!(anew.ids.to_tag(), "");
    // Lost again before the answers: both come again, once each.
    world.close(FLOW);
    world.command(Command::Reconnect);
    world.open(FLOW);
    let register = world.request();
    world.grant(&register, 1_000_000, &[]);
    let mut events: Vec<_> = std::mem::take(&mut world.requests)
        .iter()
        .map(|(_, request)| request.headers.get(&HeaderName::Event).unwrap())
        .collect();
    events.sort();
    assert_eq!(events, ["message-summary", "presence"]);
}

/// The connection is lost, and the next one is there at once.
fn connect_again(world: &mut World) {
    world.close(FLOW);
    world.command(Command::Reconnect);
    world.open(FLOW);
    let register = world.request();
    world.grant(&register, 1_000_000, &[]);
}

#[test]
fn what_a_lost_connection_may_have_taken_is_asked_for_soon_even_when_it_is_refused_first() {
    let (mut world, first) = listening(PRESENCE, "3600", PIDF, OPEN);
    world.pass(seconds(60), pong);
    connect_again(&mut world);
    let refused = world.request();
    world.answer(&refused, 500, &[]);
    // The pauses of RFC 5626, 4.5: 30 to 60 s, then up to 120 s; one that the server names is kept.
    let refused = request_between(&mut world, 30, 61);
    assert_eq!(refused.ids.call_id, first.ids.call_id);
    world.answer(&refused, 503, &[(HeaderName::RetryAfter, "100")]);
    let refused = request_between(&mut world, 100, 121);
    world.answer(&refused, 500, &[]);
    let taken = request_between(&mut world, 120, 241);
    world.answer(&taken, 200, &[(HeaderName::Expires, "3600")]);
    let news = notify(&first, "server-tag", 2, "active;expires=3600", PIDF, OPEN);
    assert_eq!(status_of(&mut world, &news), 200);
    // What is known to be as it was waits for its time.
    let refused = request_between(&mut world, 2_800, 3_300);
    world.answer(&refused, 500, &[]);
    request_between(&mut world, 150, 400);
}

/// What was to bring it was taken, and is silent: as a first SUBSCRIBE would be (RFC 6665, 4.1.2.4).
#[test]
fn what_a_lost_connection_may_have_taken_is_asked_for_anew_where_the_refresh_brings_no_word() {
    let (mut world, first) = listening(PRESENCE, "3600", PIDF, OPEN);
    world.pass(seconds(60), pong);
    connect_again(&mut world);
    let refresh = world.request();
    assert_eq!(refresh.ids.call_id, first.ids.call_id);
    world.answer(&refresh, 200, &[(HeaderName::Expires, "3600")]);
    let anew = request_between(&mut world, 32, 100);
    assert_eq!(anew.method, Method::Subscribe);
    assert_ne!(anew.ids.call_id, first.ids.call_id);
}

/// Its credentials went down with the connection: that they had no answer is no refusal.
#[test]
fn a_challenge_after_a_lost_connection_is_answered_like_the_first() {
    let (mut world, _) = listening(PRESENCE, "3600", PIDF, OPEN);
    world.command(Command::Unsubscribe {
        channels: names(&[PRESENCE]),
    });
    for nonce in ["one", "two", "three", "four"] {
        let goodbye = world.request();
        let challenge = format!("Digest realm=\"example.com\", nonce=\"{nonce}\"");
        let challenge = (HeaderName::ProxyAuthenticate, challenge.as_str());
        world.answer(&goodbye, 407, &[challenge]);
        let again = world.request();
        assert!(again.headers.has(&HeaderName::ProxyAuthorization));
        assert_eq!(again.headers.number(&HeaderName::Expires), Some(0));
        connect_again(&mut world);
    }
}

#[test]
fn the_reason_of_an_end_says_what_may_be_done() {
    // Reason, then: anew at once, after so many seconds at least, or never; refused.
    for (reason, at_once, least, refused) in [
        (";reason=deactivated", true, None, false),
        (";reason=timeout", true, None, false),
        ("", true, None, false),
        (";reason=probation;retry-after=120", false, Some(120), false),
        (";reason=giveup;retry-after=77", false, Some(77), false),
        (";reason=giveup", false, Some(30), false),
        (";reason=somethingnew", false, Some(30), false),
        (";reason=rejected", false, None, true),
        (";reason=noresource", false, None, true),
        (";reason=invariant", false, None, false),
    ] {
        let (mut world, first) = listening(PRESENCE, "3600", PIDF, OPEN);
        world.pass(seconds(60), pong);
        let state = format!("terminated{reason}");
        let text = notify(&first, "server-tag", 2, &state, "", "");
        assert_eq!(status_of(&mut world, &text), 200);
        let events = world.take_events();
        if at_once {
            let anew = world.request();
            assert_ne!(anew.ids.call_id, first.ids.call_id, "{reason}");
            assert!(events.is_empty(), "{reason}: {events:?}");
            continue;
        }
        let listed: &[&str] = if refused { &[PRESENCE] } else { &[] };
        assert_eq!(told(&events), channels(&[], listed), "{reason}");
        match least {
            Some(least) => {
                world.pass(seconds(least - 1), pong);
                assert!(world.requests.is_empty(), "{reason}");
                world.pass(seconds(40), pong);
                assert_eq!(world.requests.len(), 1, "{reason}");
            }
            None => {
                world.pass(seconds(4000), pong);
                assert!(world.requests.is_empty(), "{reason}");
            }
        }
    }
}

#[test]
fn a_subscription_that_is_moved_at_once_is_asked_for_at_once_the_first_time() {
    let (mut world, first) = listening(PRESENCE, "3600", PIDF, OPEN);
    let state = "terminated;reason=deactivated";
    let text = notify(&first, "server-tag", 2, state, "", "");
    assert_eq!(status_of(&mut world, &text), 200);
    let second = world.request();
    assert_ne!(second.ids.call_id, first.ids.call_id);
    world.answer(&second, 200, &[(HeaderName::Expires, "3600"), CONTACT]);
    let text = notify(&second, "server-tag", 1, state, "", "");
    assert_eq!(status_of(&mut world, &text), 200);
    assert!(world.requests.is_empty());
    request_between(&mut world, 29, 61);
}

#[test]
fn who_waits_for_consent_is_not_listening_yet() {
    let mut world = registered();
    let request = ask(&mut world, PRESENCE);
    world.answer(&request, 200, &[(HeaderName::Expires, "3600"), CONTACT]);
    let text = notify(&request, "server-tag", 1, "pending;expires=3600", "", "");
    assert_eq!(status_of(&mut world, &text), 200);
    let listening = |world: &mut World| {
        let told = world.take_events().into_iter().rev();
        let mut lists = told.filter_map(|event| {
            if let Event::Channels { subscribed, .. } = event {
                Some(subscribed)
            } else {
                None
            }
        });
        lists.next().unwrap_or_default()
    };
    assert!(listening(&mut world).is_empty());
    let text = notify(&request, "server-tag", 2, "active;expires=3600", PIDF, OPEN);
    assert_eq!(status_of(&mut world, &text), 200);
    assert_eq!(listening(&mut world), [PRESENCE]);
}

#[test]
fn the_dialog_of_a_subscription_hangs_on_its_connection() {
    let mut world = World::new(config(), 1);
    world.open(FLOW);
    let register = world.request();
    let own = register.headers.get(&HeaderName::Contact).unwrap();
    let gruu = format!("{own};pub-gruu=\"sip:alice@example.com;gr=urn:uuid:1\"");
    world.answer(&register, 200, &[(HeaderName::Contact, &gruu)]);
    let request = ask(&mut world, PRESENCE);
    let contact = request.headers.address(&HeaderName::Contact).unwrap().uri;
    // A presence server that takes the host for an address reaches it all the same.
    assert_eq!(contact.param("transport").as_deref(), Some("ws"));
    assert!(contact.param("gr").is_none() && contact.param("ob").is_some());
}

#[test]
fn a_server_that_ends_every_subscription_at_once_gets_no_storm() {
    let mut world = registered();
    world.command(Command::Subscribe {
        channels: names(&[PRESENCE]),
    });
    let mut count = 0;
    world.pass(seconds(3600), |world| {
        pong(world);
        while !world.requests.is_empty() {
            let request = world.request();
            count += 1;
            assert!(count < 12, "a storm");
            world.answer(&request, 200, &[(HeaderName::Expires, "3600"), CONTACT]);
            let over = notify(
                &request,
                "server-tag",
                1,
                "terminated;reason=deactivated",
                "",
                "",
            );
            assert_eq!(status_of(world, &over), 200);
        }
    });
    assert!(count < 12, "{count} in an hour");
}

#[test]
fn times_that_make_no_sense_bring_neither_a_storm_nor_the_end() {
    let forever = u64::MAX;
    for (state, most) in [
        (format!("active;expires={forever}"), 2),
        (format!("terminated;reason=giveup;retry-after={forever}"), 0),
        ("active;expires=0".to_owned(), 90),
        ("active;expires=1".to_owned(), 90),
        ("active;expires=-1".to_owned(), 2),
    ] {
        let mut world = registered();
        world.command(Command::Subscribe {
            channels: names(&[PRESENCE]),
        });
        let (mut count, mut cseq) = (0, 1);
        world.pass(seconds(1), |_| ());
        for _ in 0..600 {
            while !world.requests.is_empty() {
                let request = world.request();
                count += 1;
                cseq += 1;
                assert!(count < 100, "{state}: a storm");
                let granted = request.headers.get(&HeaderName::Expires).expect("a time");
                world.answer(&request, 200, &[(HeaderName::Expires, &granted), CONTACT]);
                let text = notify(&request, "server-tag", cseq, &state, PIDF, OPEN);
                world.say(FLOW, &text);
            }
            world.pass(seconds(1), pong);
        }
        assert!(count - 1 <= most, "{state}: {count} in ten minutes");
    }
}

fn info(version: u32, state: &str, dialogs: &str) -> String {
    format!(
        "<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" state=\"{state}\" \
         entity=\"sip:bob@example.com\">{dialogs}</dialog-info>"
    )
}

#[test]
fn lamps_follow_whole_and_partial_documents_and_a_gap_is_mended() {
    let early = "<dialog id=\"a\" call-id=\"x@y\" local-tag=\"l\" remote-tag=\"r\" direction=\"recipient\"><state>early</state>\
                 <remote><identity>sip:carol@example.com</identity></remote></dialog>";
    let (mut world, first) = listening(DIALOG, "3600", DIALOG_INFO, &info(0, "full", early));
    let mut say = |cseq, version, body: &str| {
        let body = info(version, "partial", body);
        let text = notify(
            &first,
            "server-tag",
            cseq,
            "active;expires=3590",
            DIALOG_INFO,
            &body,
        );
        assert_eq!(status_of(&mut world, &text), 200);
        let told = data(&world.take_events());
        let asked = std::mem::take(&mut world.requests).len();
        (told, asked)
    };
    let (told, asked) = say(2, 1, "<dialog id=\"b\"><state>confirmed</state></dialog>");
    assert_eq!(asked, 0);
    assert_eq!(told[0]["dialogs"].as_array().unwrap().len(), 2);
    assert_eq!(
        told[0]["dialogs"][0]["pick_up"],
        json!({"to": "sip:carol@example.com", "call_id": "x@y", "to_tag": "r", "from_tag": "l", "early_only": true})
    );
    let old = say(3, 1, "<dialog id=\"c\"><state>early</state></dialog>");
    assert_eq!(old, (Vec::new(), 0), "an older version says nothing");
    let (told, asked) = say(4, 5, "<dialog id=\"a\"><state>terminated</state></dialog>");
    assert_eq!(told.len(), 1);
    assert_eq!(asked, 1, "what was missed is asked for");
}

#[test]
fn several_notifiers_answer_one_subscribe_and_each_is_kept() {
    let mut world = registered();
    let request = ask(&mut world, DIALOG);
    world.answer(&request, 200, &[(HeaderName::Expires, "600"), CONTACT]);
    for (number, status) in [(1, 200), (2, 200), (3, 200), (4, 481), (5, 481)] {
        let tag = format!("device{number}");
        let text = notify(
            &request,
            &tag,
            1,
            "active;expires=600",
            DIALOG_INFO,
            &info(0, "full", ""),
        );
        assert_eq!(status_of(&mut world, &text), status, "{number}");
    }
    assert_eq!(data(&world.take_events()).len(), 3);
    // The one whose 2xx came never said a word: it is forgotten after 32 s, the others are refreshed.
    world.pass(seconds(470), pong);
    assert!(world.requests.is_empty());
    let mut requests = Vec::new();
    for _ in 0..75 {
        world.pass(seconds(1), pong);
        for (_, request) in std::mem::take(&mut world.requests) {
            world.answer(&request, 200, &[(HeaderName::Expires, "600")]);
            requests.push(request);
        }
    }
    let mut tags: Vec<_> = requests
        .iter()
        .map(|request| request.ids.to_tag().to_owned())
        .collect();
    tags.sort();
    assert_eq!(tags, ["device1", "device2", "device3"]);
}

/// RFC 7616, 3.4: a server refuses a count that it has seen.
#[test]
fn notifiers_of_one_subscribe_do_not_use_a_nonce_with_the_same_count() {
    let mut world = registered();
    let request = ask(&mut world, DIALOG);
    challenges(&mut world, &request, "first");
    let request = world.request();
    let credentials = |request: &Request| {
        let line = request.headers.get(&HeaderName::ProxyAuthorization)?;
        let of = |name: &str| line.split_once(name)?.1.split([',', ' ']).next();
        Some((of("nonce=")?.to_owned(), of("nc=")?.to_owned()))
    };
    let mut shown = vec![credentials(&request).unwrap()];
    world.answer(&request, 200, &[(HeaderName::Expires, "600"), CONTACT]);
    for tag in ["server-tag", "device"] {
        let state = "active;expires=600";
        let text = notify(&request, tag, 1, state, DIALOG_INFO, &info(0, "full", ""));
        assert_eq!(status_of(&mut world, &text), 200, "{tag}");
    }
    let mut refreshed = 0;
    for second in 0..1200 {
        world.pass(seconds(1), pong);
        for (_, request) in std::mem::take(&mut world.requests) {
            match credentials(&request) {
                Some(credentials) => {
                    shown.push(credentials);
                    world.answer(&request, 200, &[(HeaderName::Expires, "600")]);
                    refreshed += 1;
                }
                None => challenges(&mut world, &request, &format!("of {second}")),
            }
        }
    }
    assert!(refreshed >= 3, "{refreshed}");
    let all = shown.len();
    shown.sort();
    shown.dedup();
    assert_eq!(shown.len(), all, "{shown:?}");
}

#[test]
fn a_notifier_that_says_nothing_is_asked_again_later() {
    let mut world = registered();
    let request = ask(&mut world, PRESENCE);
    world.answer(&request, 200, &[(HeaderName::Expires, "3600"), CONTACT]);
    world.take_events();
    world.pass(seconds(31), pong);
    assert!(world.take_events().is_empty());
    world.pass(seconds(2), pong);
    assert_eq!(told(&world.take_events()), channels(&[], &[]));
    world.pass(seconds(61), pong);
    let again = world.request();
    assert_ne!(again.ids.call_id, request.ids.call_id);
}

#[test]
fn what_is_not_wanted_any_more_is_ended() {
    let (mut world, first) = listening(PRESENCE, "3600", PIDF, OPEN);
    world.command(Command::Unsubscribe {
        channels: names(&[PRESENCE]),
    });
    assert_eq!(told(&world.take_events()), channels(&[], &[]));
    let last = world.request();
    assert_eq!(last.headers.number(&HeaderName::Expires), Some(0));
    assert_eq!(last.ids.to_tag(), "server-tag");
    world.answer(&last, 200, &[(HeaderName::Expires, "0")]);
    let text = notify(
        &first,
        "server-tag",
        2,
        "terminated;reason=timeout",
        PIDF,
        OPEN,
    );
    assert_eq!(status_of(&mut world, &text), 200);
    assert!(world.take_events().is_empty());
    assert_eq!(
        status_of(&mut world, &text.replace("z9hG4bK", "z9hG4bKx")),
        481
    );
    world.pass(seconds(4000), pong);
    assert!(world.requests.is_empty());

    // And at the end of all: before the registration goes.
    let (mut world, _) = listening(PRESENCE, "3600", PIDF, OPEN);
    world.command(Command::Shutdown);
    let last = world.request();
    assert_eq!(last.method, Method::Subscribe);
    assert_eq!(last.headers.number(&HeaderName::Expires), Some(0));
    assert_eq!(world.request().method, Method::Register);
}

#[test]
fn what_ended_while_there_was_no_connection_is_asked_for_over_the_next() {
    let (mut world, first) = listening(PRESENCE, "100", PIDF, OPEN);
    world.close(FLOW);
    world.pass(seconds(200), |_| ());
    world.command(Command::Reconnect);
    world.open(FLOW);
    let register = world.request();
    world.grant(&register, 1_000_000, &[]);
    let anew = world.request();
    assert_eq!(anew.method, Method::Subscribe);
    assert_eq!(anew.ids.to_tag(), "");
    assert_ne!(anew.ids.call_id, first.ids.call_id);
    assert!(world.requests.is_empty(), "{:?}", world.requests);
}

#[test]
fn what_is_let_go_during_its_refresh_is_ended_once_that_has_its_answer() {
    let (mut world, _) = listening(PRESENCE, "100", PIDF, OPEN);
    let refresh = request_between(&mut world, 60, 75);
    world.command(Command::Unsubscribe {
        channels: names(&[PRESENCE]),
    });
    assert!(world.requests.is_empty(), "one SUBSCRIBE at a time");
    world.answer(&refresh, 200, &[(HeaderName::Expires, "100")]);
    let last = world.request();
    assert_eq!(last.headers.number(&HeaderName::Expires), Some(0));
    world.answer(&last, 200, &[(HeaderName::Expires, "0")]);
    world.pass(seconds(4000), pong);
    assert!(world.requests.is_empty(), "{:?}", world.requests);
}

#[test]
fn a_refresh_that_falls_due_while_one_is_out_is_not_said_as_well() {
    let (mut world, _) = listening(PRESENCE, "20", PIDF, OPEN);
    world.pass(seconds(9), pong);
    world.command(Command::Reconnect);
    world.open(FLOW);
    let register = world.request();
    world.grant(&register, 1_000_000, &[]);
    let refresh = world.request();
    world.pass(seconds(3), pong);
    world.answer(&refresh, 200, &[(HeaderName::Expires, "20")]);
    assert!(world.requests.is_empty(), "{:?}", world.requests);
    request_between(&mut world, 9, 11);
}

#[test]
fn a_registration_that_had_lapsed_has_everything_asked_for_once_more() {
    let mut world = World::registered(config(), 1, 64);
    let request = ask(&mut world, PRESENCE);
    world.answer(&request, 200, &[(HeaderName::Expires, "3600"), CONTACT]);
    let state = "active;expires=3600";
    let text = notify(&request, "server-tag", 1, state, PIDF, OPEN);
    assert_eq!(status_of(&mut world, &text), 200);
    let register = request_between(&mut world, 30, 34);
    world.answer(&register, 503, &[(HeaderName::RetryAfter, "60")]);
    // Meanwhile nobody reaches us: whoever tried gave the subscription up.
    let register = request_between(&mut world, 59, 95);
    assert_eq!(register.method, Method::Register);
    world.grant(&register, 7200, &[]);
    let refresh = world.request();
    assert_eq!(refresh.method, Method::Subscribe);
    assert_eq!(refresh.ids.to_tag(), "server-tag");
    assert!(world.requests.is_empty(), "{:?}", world.requests);
}

#[test]
fn what_a_lost_flow_may_have_taken_along_is_asked_for_when_it_is_back() {
    let mut config = config();
    config.servers.push("wss://two.example.com/sip".to_owned());
    let second = FlowId(1);
    let outbound = [(HeaderName::Require, "outbound")];
    let mut world = World::registered(config, 1, 1_000_000);
    let request = ask(&mut world, PRESENCE);
    world.answer(&request, 200, &[(HeaderName::Expires, "3600"), CONTACT]);
    world.open(second);
    let register = world.request();
    world.grant_on(second, &register, 1_000_000, &outbound);
    assert!(world.requests.is_empty(), "nothing was lost by it");
    world.doings.clear();
    world.close(second);
    assert!(world.requests.is_empty(), "its own flow stands");
    while world
        .doings
        .last()
        .is_none_or(|last| last != "connect flow 2")
    {
        world.pass(seconds(1), pong);
    }
    world.open(second);
    let register = world.request();
    world.grant_on(second, &register, 1_000_000, &outbound);
    let refresh = world.request();
    assert_eq!(refresh.method, Method::Subscribe);
    assert_eq!(refresh.ids.to_tag(), "server-tag");
}

#[test]
fn a_refused_channel_is_told_with_its_code_and_reason() {
    let refused = |world: &mut World| {
        let events = world.take_events();
        let [Event::Channels { refused, .. }] = &events[..] else {
            panic!("{events:?}");
        };
        let [refused] = &refused[..] else {
            panic!("{refused:?}");
        };
        assert!(!refused.reason.is_empty());
        refused.clone()
    };
    let mut world = registered();
    let request = ask(&mut world, PRESENCE);
    world.answer(&request, 489, &[]);
    let told = refused(&mut world);
    assert_eq!(
        (told.channel.as_str(), told.code, told.reason.as_str()),
        (PRESENCE, Some(489), "Bad Event")
    );
    world.command(Command::Subscribe {
        channels: names(&["presence:"]),
    });
    let told = refused(&mut world);
    assert!(told.code.is_none() && told.reason.contains("presence:bob@example.com"));
    let (mut world, first) = listening(PRESENCE, "3600", PIDF, OPEN);
    let text = notify(
        &first,
        "server-tag",
        2,
        "terminated;reason=rejected",
        "",
        "",
    );
    assert_eq!(status_of(&mut world, &text), 200);
    let told = refused(&mut world);
    assert!(
        told.code.is_none() && told.reason.contains("rejected"),
        "{told:?}"
    );
}

#[test]
fn what_is_asked_for_before_the_first_connection_is_asked_for_once_there_is_one() {
    let mut world = World::new(config(), 1);
    world.command(Command::Subscribe {
        channels: names(&[PRESENCE, DIALOG]),
    });
    world.command(Command::Unsubscribe {
        channels: names(&[DIALOG]),
    });
    assert!(world.requests.is_empty());
    world.open(FLOW);
    let register = world.request();
    assert!(world.requests.is_empty());
    world.grant(&register, 1_000_000, &[]);
    let request = world.request();
    assert_eq!(request.uri.to_string(), "sip:bob@example.com");
    assert_eq!(
        request.headers.get(&HeaderName::Event).as_deref(),
        Some("presence")
    );
    assert!(world.requests.is_empty());
}
