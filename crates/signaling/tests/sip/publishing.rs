//! Our own presence at the server (RFC 3903).

use std::time::Duration;

use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::contract::Input;
use offhook_signaling::sip::subscription::presence;

use crate::world::{FLOW, World, config};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn pong(world: &mut World) {
    world.handle(Input::Pong(FLOW));
}

fn publish(open: bool, note: &str) -> Command {
    Command::Publish {
        open,
        note: Some(note.to_owned()).filter(|note| !note.is_empty()),
    }
}

fn published(open: bool, note: &str) -> Event {
    Event::Published {
        open,
        note: Some(note.to_owned()).filter(|note| !note.is_empty()),
    }
}

fn etag(request: &Request) -> Option<String> {
    request.headers.get(&HeaderName::SipIfMatch)
}

fn take(world: &mut World, request: &Request, etag: &str) {
    let lines = [(HeaderName::SipETag, etag), (HeaderName::Expires, "600")];
    world.answer(request, 200, &lines);
}

/// Something is published under the name `e1`.
fn shown() -> World {
    let mut world = World::registered(config(), 1, 1_000_000);
    world.command(publish(true, ""));
    let request = world.request();
    take(&mut world, &request, "e1");
    assert_eq!(world.take_events(), [published(true, "")]);
    world
}

fn next_request(world: &mut World, within: u64) -> Request {
    for _ in 0..within {
        if !world.requests.is_empty() {
            return world.request();
        }
        world.pass(seconds(1), pong);
    }
    panic!("nothing within {within} s");
}

#[test]
fn presence_is_published_refreshed_changed_and_taken_back() {
    let mut world = World::registered(config(), 1, 1_000_000);
    world.command(publish(true, "at <home>"));
    let first = world.request();
    assert_eq!(first.method, Method::Publish);
    assert_eq!(first.uri.to_string(), "sip:alice@example.com");
    assert_eq!(
        first.headers.get(&HeaderName::Event).as_deref(),
        Some("presence")
    );
    assert_eq!(
        first.content_type().as_deref(),
        Some("application/pidf+xml")
    );
    assert_eq!(etag(&first), None);
    let body = presence::read(std::str::from_utf8(&first.body).unwrap()).unwrap();
    assert_eq!(
        (&body["open"], &body["note"]),
        (&true.into(), &"at <home>".into())
    );
    assert!(world.take_events().is_empty());
    take(&mut world, &first, "e1");
    assert_eq!(world.take_events(), [published(true, "at <home>")]);
    // A refresh has no body, and brings a new name.
    world.pass(seconds(475), pong);
    assert!(world.requests.is_empty());
    let refresh = next_request(&mut world, 70);
    assert_eq!(etag(&refresh).as_deref(), Some("e1"));
    assert!(refresh.body.is_empty());
    take(&mut world, &refresh, "e2");
    assert!(world.take_events().is_empty());
    world.command(publish(false, ""));
    let change = world.request();
    assert_eq!(etag(&change).as_deref(), Some("e2"));
    assert!(!change.body.is_empty());
    take(&mut world, &change, "e3");
    assert_eq!(world.take_events(), [published(false, "")]);
    world.command(Command::Shutdown);
    let last = world.request();
    assert_eq!(etag(&last).as_deref(), Some("e3"));
    assert_eq!(last.headers.number(&HeaderName::Expires), Some(0));
    assert!(last.body.is_empty());
    assert_eq!(world.request().method, Method::Register);
}

#[test]
fn a_server_that_forgot_it_gets_all_of_it_anew() {
    let mut world = shown();
    let refresh = next_request(&mut world, 550);
    world.answer(&refresh, 412, &[]);
    let anew = world.request();
    assert_eq!(etag(&anew), None);
    assert!(!anew.body.is_empty());
    // Once more 412 makes no sense and no loop.
    world.answer(&anew, 412, &[]);
    assert!(world.requests.is_empty());
    assert!(matches!(
        world.take_events()[..],
        [Event::SessionCommandFailed {
            command: "presence",
            ..
        }]
    ));
}

#[test]
fn longer_times_and_credentials_are_given_and_other_refusals_are_the_last_word() {
    let mut world = World::registered(config(), 1, 1_000_000);
    world.command(publish(true, ""));
    let first = world.request();
    world.answer(&first, 423, &[(HeaderName::MinExpires, "7200")]);
    let longer = world.request();
    assert_eq!(longer.headers.number(&HeaderName::Expires), Some(7200));
    assert_eq!(longer.body, first.body);
    let challenge = r#"Digest realm="x", nonce="a", qop="auth""#;
    world.answer(&longer, 401, &[(HeaderName::WwwAuthenticate, challenge)]);
    let signed = world.request();
    assert!(signed.headers.has(&HeaderName::Authorization));
    world.answer(&signed, 489, &[]);
    assert!(matches!(
        world.take_events()[..],
        [Event::SessionCommandFailed {
            command: "presence",
            ..
        }]
    ));
    world.pass(seconds(10_000), pong);
    assert!(world.requests.is_empty());
    // The next wish is a new one.
    world.command(publish(true, ""));
    let again = world.request();
    assert!(again.headers.has(&HeaderName::Authorization));
    take(&mut world, &again, "e1");
    assert_eq!(world.take_events(), [published(true, "")]);
}

#[test]
fn what_may_pass_is_tried_again_after_a_pause() {
    let mut world = World::registered(config(), 1, 1_000_000);
    world.command(publish(true, ""));
    let first = world.request();
    world.answer(&first, 503, &[(HeaderName::RetryAfter, "100")]);
    assert!(matches!(world.take_events()[..], [Event::Postponed(_)]));
    world.pass(seconds(99), pong);
    assert!(world.requests.is_empty());
    let again = next_request(&mut world, 3);
    assert_eq!(again.body, first.body);
    take(&mut world, &again, "e1");
    assert_eq!(world.take_events(), [published(true, "")]);
}

#[test]
fn wishes_that_come_too_fast_are_said_one_after_the_other_and_only_the_last() {
    let mut world = World::registered(config(), 1, 1_000_000);
    world.command(publish(true, "1"));
    world.command(publish(true, "2"));
    world.command(publish(false, "3"));
    let first = world.request();
    assert!(world.requests.is_empty());
    take(&mut world, &first, "e1");
    assert!(world.take_events().is_empty());
    let last = world.request();
    assert_eq!(etag(&last).as_deref(), Some("e1"));
    assert!(String::from_utf8_lossy(&last.body).contains("<note>3</note>"));
    take(&mut world, &last, "e2");
    assert_eq!(world.take_events(), [published(false, "3")]);
    world.command(publish(true, &"x".repeat(2000)));
    assert!(matches!(
        world.take_events()[..],
        [Event::SessionCommandFailed {
            command: "presence",
            ..
        }]
    ));
}

#[test]
fn a_lost_connection_repeats_only_what_had_no_answer() {
    let back = |world: &mut World| {
        world.command(Command::Reconnect);
        world.open(FLOW);
        let register = world.request();
        world.grant(&register, 1_000_000, &[]);
    };
    let mut world = shown();
    world.close(FLOW);
    back(&mut world);
    assert!(world.requests.is_empty(), "the server has it still");
    world.command(publish(false, ""));
    world.request();
    world.close(FLOW);
    back(&mut world);
    let again = world.request();
    assert_eq!(again.method, Method::Publish);
    assert!(!again.body.is_empty());
    world.take_events();
    take(&mut world, &again, "e2");
    assert_eq!(world.take_events(), [published(false, "")]);
    // Without a connection it waits for one.
    world.close(FLOW);
    world.command(publish(true, ""));
    assert!(world.requests.is_empty());
    back(&mut world);
    assert_eq!(world.request().method, Method::Publish);
}

#[test]
fn a_publication_that_is_sent_elsewhere_is_refused_in_words_and_goes_round_nowhere() {
    let mut world = World::registered(config(), 1, 1_000_000);
    world.command(publish(true, ""));
    let first = world.request();
    let there = [(HeaderName::Contact, "<sip:other@example.com>")];
    world.answer(&first, 302, &there);
    let told = world.take_events();
    assert!(
        matches!(&told[..], [Event::SessionCommandFailed { command: "presence", error }]
            if error.to_string().contains("302")),
        "{told:?}"
    );
    world.pass(seconds(10_000), pong);
    assert!(world.requests.is_empty(), "{:?}", world.requests);
}
