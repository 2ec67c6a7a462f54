//! `sips:` addresses go over TLS alone (RFC 7118, 9.2; RFC 3261, 26.2.2), wherever they come from.

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use offhook_signaling::sip::config::Config;
use offhook_signaling::sip::flow_id::FlowId;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};

use crate::answers::next;
use crate::called::{Script, responses};
use crate::pair::{ANSWER, answer as take, bye, invite};
use crate::world::{FLOW, World, answer, config};

const SECOND: FlowId = FlowId(1);

/// Registered at each of them.
fn at(servers: &[&str]) -> World {
    let config = Config {
        servers: servers.iter().map(|url| (*url).to_owned()).collect(),
        ..config()
    };
    let mut world = World::new(config, 1);
    for id in 0..servers.len() {
        let flow = FlowId(u8::try_from(id).expect("few of them"));
        world.open(flow);
        let register = world.request();
        world.grant_on(flow, &register, 7200, &[(HeaderName::Require, "outbound")]);
    }
    world.take_events();
    world
}

const READ: &str = "ws://one.example.com";
const SECRET: &str = "wss://two.example.com";

fn text(to: &str) -> Command {
    Command::Message {
        id: 7,
        call: None,
        to: to.to_owned(),
        body: "hello".to_owned(),
    }
}

fn watch(whom: &str) -> Command {
    Command::Subscribe {
        channels: vec![format!("presence:{whom}")],
    }
}

fn call(to: &str) -> Command {
    invite(&CallId::from_wire("a-call").expect("a name"), to)
}

#[test]
fn no_request_for_a_sips_address_goes_over_a_way_that_is_read() {
    for command in [call, text, watch] {
        let mut world = at(&[READ]);
        world.command(command("sips:bob@other.example"));
        assert!(world.requests.is_empty(), "{:?}", world.requests);
        assert!(!world.take_events().is_empty(), "nothing was told");
        let mut world = at(&[SECRET]);
        world.command(command("sips:bob@other.example"));
        assert!(world.request().uri.is_sips());
    }
    // A text looks for the flow that may carry it.
    let mut world = at(&[READ, SECRET]);
    world.command(text("sips:bob@other.example"));
    assert_eq!(world.requests.remove(0).0, SECOND);
}

#[test]
fn a_redirection_to_a_sips_address_is_followed_over_tls_alone() {
    let there = [(HeaderName::Contact, "<sips:b2@other.example>")];
    for command in [call, text, watch] {
        for (server, follows) in [(READ, false), (SECRET, true)] {
            let mut world = at(&[server]);
            world.command(command("bob"));
            let first = world.request();
            world.answer(&first, 302, &there);
            let second = world
                .requests
                .iter()
                .find(|(_, it)| it.method == first.method);
            assert_eq!(second.is_some(), follows, "{:?}", first.method);
        }
    }
}

#[test]
fn what_was_for_tls_does_not_fall_back_to_a_way_that_is_read() {
    let pause = [(HeaderName::RetryAfter, "60")];
    for command in [call, text] {
        for (to, falls) in [("sips:bob@other.example", false), ("bob", true)] {
            let mut world = at(&[SECRET, READ]);
            world.command(command(to));
            let first = world.request();
            world.say(FLOW, &answer(&first, 503, &pause).to_text());
            let second = world
                .requests
                .iter()
                .find(|(_, it)| it.method == first.method);
            assert_eq!(second.is_some(), falls, "{to}");
            let failed =
                |event: &Event| matches!(event, Event::Ended { .. } | Event::MessageFailed { .. });
            assert_eq!(world.take_events().iter().any(failed), !falls, "{to}");
        }
    }
}

const BOB: &str = "sips:bob@other.example";

fn name() -> CallId {
    CallId::from_wire("a-call").expect("a name")
}

fn contact(request: &Request) -> String {
    request
        .headers
        .get(&HeaderName::Contact)
        .unwrap_or_default()
}

fn is_secure(contact: &str) -> bool {
    let secure = contact.starts_with("<sips:");
    assert!(secure || contact.starts_with("<sip:"), "{contact}");
    secure
}

/// The call to them over the first flow is up, and has no request out.
fn up(world: &mut World, to: &str) {
    world.command(call(to));
    let request = world.request();
    assert_eq!(request.method, Method::Invite);
    assert_eq!(is_secure(&contact(&request)), to == BOB);
    let lines = [
        (HeaderName::Contact, "<sip:bob@192.0.2.9>"),
        (
            HeaderName::Allow,
            "INVITE, ACK, BYE, UPDATE, MESSAGE, REFER",
        ),
    ];
    accept(world, FLOW, &request, &lines);
    assert_eq!(world.request().method, Method::Ack);
    world.take_events();
}

fn accept(world: &mut World, flow: FlowId, request: &Request, lines: &[(HeaderName, &str)]) {
    let mut response = answer(request, 200, lines);
    let content = &mut response.content;
    content.set_body("application/sdp", ANSWER.to_owned());
    world.say(flow, &response.to_text());
}

/// The flow is there again, and registered.
fn back(world: &mut World, flow: FlowId) {
    world.command(Command::Reconnect);
    world.open(flow);
    let register = world.request();
    assert_eq!(register.method, Method::Register);
    world.grant_on(flow, &register, 7200, &[(HeaderName::Require, "outbound")]);
}

fn media() -> Command {
    Command::UpdateMedia {
        call: name(),
        sdp: "v=0 other".to_owned(),
    }
}

fn within(body: &str) -> Command {
    Command::Message {
        id: 7,
        call: Some(name()),
        to: String::new(),
        body: body.to_owned(),
    }
}

#[test]
fn our_address_at_who_is_called_by_sips_is_one_of_sips() {
    let mut world = at(&[SECRET]);
    up(&mut world, BOB);
    world.command(media());
    let offer = world.request();
    assert!(is_secure(&contact(&offer)));
    // As where a call is sent on to such an address, and nowhere else.
    for (there, secure) in [
        ("<sips:b2@other.example>", true),
        ("<sip:b2@other.example>", false),
    ] {
        let mut world = at(&[SECRET]);
        world.command(call("bob"));
        let first = world.request();
        assert!(!is_secure(&contact(&first)));
        world.answer(&first, 302, &[(HeaderName::Contact, there)]);
        assert_eq!(world.request().method, Method::Ack);
        assert_eq!(is_secure(&contact(&world.request())), secure);
    }
    // And where the nearest server is named so (RFC 3261, 8.1.1.8).
    let mut world = World::new(config(), 1);
    world.open(FLOW);
    let register = world.request();
    let by = (HeaderName::ServiceRoute, "<sips:edge.example.com;lr>");
    world.grant(&register, 7200, &[by]);
    world.command(call("bob"));
    assert!(is_secure(&contact(&world.request())));
}

#[test]
fn a_gruu_of_ours_reads_as_one_of_sips_where_it_has_to() {
    let mut world = World::new(config(), 1);
    world.open(FLOW);
    let register = world.request();
    let gruu = ";expires=7200;pub-gruu=\"sip:alice@example.com;gr=public\"";
    let own = contact(&register);
    let own = own.split(";expires=").next().unwrap_or_default();
    world.answer(
        &register,
        200,
        &[(HeaderName::Contact, &format!("{own}{gruu}"))],
    );
    for (to, wanted) in [
        (BOB, "<sips:alice@example.com;gr=public>"),
        ("bob", "<sip:alice@example.com;gr=public>"),
    ] {
        let id = CallId::from_wire(to).expect("a name");
        world.command(invite(&id, to));
        assert_eq!(contact(&world.request()), wanted);
    }
}

#[test]
fn who_watches_a_sips_address_is_told_at_one() {
    let mut world = at(&[SECRET]);
    for (whom, secure) in [(BOB, true), ("bob", false)] {
        world.command(watch(whom));
        let first = world.request();
        assert_eq!(is_secure(&contact(&first)), secure);
        world.answer(
            &first,
            302,
            &[(HeaderName::Contact, "<sips:b2@other.example>")],
        );
        assert!(is_secure(&contact(&world.request())));
    }
    // What was sent on to one does not go over a way that is read when its server wants none.
    let mut world = at(&[SECRET, READ]);
    world.command(watch("bob"));
    let there = [(HeaderName::Contact, "<sips:b2@other.example>")];
    world.answer(&world.requests[0].1.clone(), 302, &there);
    let second = world.requests.remove(1).1;
    world.requests.clear();
    world.answer(&second, 503, &[(HeaderName::RetryAfter, "60")]);
    assert!(world.requests.is_empty(), "{:?}", world.requests);
}

#[test]
fn what_was_for_sips_is_not_sent_on_to_less() {
    let there = [(HeaderName::Contact, "<sip:b2@other.example>")];
    for command in [call, text, watch] {
        let mut world = at(&[SECRET]);
        world.command(command(BOB));
        let first = world.request();
        world.answer(&first, 302, &there);
        let again = world
            .requests
            .iter()
            .any(|(_, it)| it.method == first.method);
        assert!(!again, "{:?}", world.requests);
        assert!(!world.take_events().is_empty(), "nothing was told");
    }
}

/// What its server wants none of for now goes by the next that may carry it, whatever stands between.
#[test]
fn a_text_to_a_sips_address_passes_over_what_is_read() {
    let mut world = at(&[
        "wss://one.example.com",
        "ws://two.example.com",
        "wss://three.example.com",
    ]);
    world.command(text(BOB));
    let first = world.request();
    assert_eq!(first.method, Method::Message);
    world.answer(&first, 503, &[(HeaderName::RetryAfter, "60")]);
    let (flow, second) = next(&mut world, &Method::Message).expect("another try");
    assert_eq!(flow, FlowId(2));
    assert_eq!(second.uri.to_string(), BOB);
}

#[test]
fn a_call_to_a_sips_address_looks_for_the_flow_that_may_carry_it() {
    let mut world = at(&[READ, SECRET]);
    world.command(call(BOB));
    assert_eq!(world.requests.remove(0).0, SECOND);
    // While that is not there, there is none.
    let mut world = at(&[READ, SECRET]);
    world.close(SECOND);
    world.command(call(BOB));
    assert!(world.requests.is_empty(), "{:?}", world.requests);
    let ended = |event: &Event| matches!(event, Event::Ended { .. });
    assert!(world.take_events().iter().any(ended));
}

#[test]
fn a_call_by_sips_waits_for_tls_where_another_goes_on_over_what_is_left() {
    for (to, waits) in [(BOB, true), ("bob", false)] {
        let mut world = at(&[SECRET, READ]);
        up(&mut world, to);
        world.close(FLOW);
        if !waits {
            assert_eq!(world.requests.remove(0).0, SECOND);
            continue;
        }
        world.command(media());
        assert!(world.requests.is_empty(), "{:?}", world.requests);
        world.command(within("hello"));
        let refused = |event: &Event| matches!(event, Event::MessageFailed { .. });
        assert!(world.take_events().iter().any(refused));
        back(&mut world, FLOW);
        let (flow, offer) = world.requests.remove(0);
        assert_eq!((flow, &offer.method), (FLOW, &Method::Invite));
        assert!(is_secure(&contact(&offer)));
        accept(&mut world, FLOW, &offer, &[]);
        let (flow, ack) = world.requests.remove(0);
        assert_eq!((flow, ack.method), (FLOW, Method::Ack));
        // A goodbye, too.
        world.close(FLOW);
        world.requests.clear();
        world.command(bye(&name()));
        assert!(world.requests.is_empty(), "{:?}", world.requests);
        back(&mut world, FLOW);
        let (flow, goodbye) = world.requests.remove(0);
        assert_eq!((flow, goodbye.method), (FLOW, Method::Bye));
    }
}

#[test]
fn a_call_by_sips_that_finds_no_tls_for_long_is_over() {
    let mut world = at(&[SECRET, READ]);
    up(&mut world, BOB);
    world.close(FLOW);
    world.pass(std::time::Duration::from_secs(31 * 60), |world| {
        world.handle(offhook_signaling::sip::session::contract::Input::Pong(
            SECOND,
        ));
        world.say(SECOND, "\r\n");
    });
    let ended = |event: &Event| matches!(event, Event::Ended { .. });
    assert!(world.take_events().iter().any(ended));
    let said = world
        .requests
        .iter()
        .find(|(flow, it)| *flow == SECOND && it.method != Method::Register);
    assert!(said.is_none(), "{said:?}");
}

/// A request of carol's for our address of `sips:`.
fn by_sips(script: &Script) -> String {
    let text = script.text();
    text.replacen(" sip:alice@", " sips:alice@", 1)
}

#[test]
fn who_calls_us_by_sips_gets_an_address_of_sips_and_answers_over_tls() {
    let plain = Script::invite().text();
    let routed = Script::invite()
        .header("Record-Route: <sips:edge.example.com;lr>")
        .text();
    let routed_plainly = Script::invite()
        .header("Record-Route: <sip:edge.example.com;lr>")
        .text()
        .replace("Contact: <sip:", "Contact: <sips:");
    let of_sips = Script::invite()
        .text()
        .replace("Contact: <sip:", "Contact: <sips:");
    for (server, text, secure) in [
        (SECRET, by_sips(&Script::invite()), true),
        (SECRET, routed, true),
        (SECRET, of_sips, true),
        (SECRET, routed_plainly, false),
        (SECRET, plain, false),
        // A server that cannot have it from TLS is taken as it is.
        (READ, by_sips(&Script::invite()), false),
    ] {
        let mut world = at(&[server]);
        world.texts.clear();
        world.say(FLOW, &text);
        let Some(Event::Incoming { call, .. }) = world.take_events().pop() else {
            panic!("no call");
        };
        world.command(take(&call));
        let said = responses(&mut world);
        let codes: Vec<_> = said.iter().map(|it| it.status).collect();
        assert_eq!(codes, [180, 200]);
        for response in said {
            let contact = response.headers.get(&HeaderName::Contact);
            assert_eq!(is_secure(&contact.unwrap_or_default()), secure, "{text}");
        }
    }
}

#[test]
fn what_answers_a_request_by_sips_waits_for_tls() {
    let mut world = at(&[SECRET, READ]);
    world.texts.clear();
    world.say(FLOW, &by_sips(&Script::invite()));
    let Some(Event::Incoming { call, .. }) = world.take_events().pop() else {
        panic!("no call");
    };
    world.command(take(&call));
    let tag = responses(&mut world)[0].ids.to_tag().to_owned();
    // Its copies find no way.
    world.close(FLOW);
    world.pass(std::time::Duration::from_secs(3), |_| ());
    assert!(responses(&mut world).is_empty());
    back(&mut world, FLOW);
    let (flow, _) = world.texts.remove(0);
    assert_eq!(flow, FLOW);
    world.texts.clear();
    world.say(FLOW, &by_sips(&Script::new("ACK").within(&tag, 1)));
    // Nor does the answer to an offer whose connection is gone.
    let mut offer = Script::invite().within(&tag, 2);
    offer.branch = "z9hG4bKagain".to_owned();
    world.say(FLOW, &by_sips(&offer));
    world.texts.clear();
    world.close(FLOW);
    world.command(Command::RefuseOffer { call, status: 488 });
    assert!(world.texts.is_empty(), "{:?}", world.texts);
    back(&mut world, FLOW);
    let (flow, said) = world.texts.remove(0);
    assert_eq!(flow, FLOW);
    assert!(said.starts_with("SIP/2.0 488 "), "{said}");
}

#[test]
fn word_of_a_referral_within_a_call_by_sips_waits_for_tls() {
    for (to, waits) in [(BOB, true), ("bob", false)] {
        let mut world = at(&[SECRET, READ]);
        world.command(call(to));
        let request = world.request();
        accept(
            &mut world,
            FLOW,
            &request,
            &[(HeaderName::Contact, "<sip:bob@192.0.2.9>")],
        );
        let ack = world.request();
        let mut refer = Script::new("REFER")
            .within(request.ids.from_tag(), 1)
            .header("Refer-To: <sip:dave@example.com>")
            .header("Referred-By: <sip:carol@example.com>");
        refer.from_tag = "server-tag";
        let text = refer.text().replace("call-of-carol", &ack.ids.call_id);
        world.texts.clear();
        world.say(FLOW, &text);
        let taken = responses(&mut world).remove(0);
        assert_eq!(taken.status, 200);
        let own = taken.headers.get(&HeaderName::Contact);
        assert_eq!(is_secure(&own.unwrap_or_default()), waits);
        let notice = world.request();
        assert_eq!(notice.method, Method::Notify);
        assert_eq!(is_secure(&contact(&notice)), waits);
        // It has no answer when the connection is lost: said again where it may be.
        world.close(FLOW);
        let again = |(flow, it): &(FlowId, Request)| *flow == SECOND && it.method == Method::Notify;
        assert_eq!(
            world.requests.iter().any(again),
            !waits,
            "{:?}",
            world.requests
        );
    }
}
