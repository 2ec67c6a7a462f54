//! `sips:` addresses go over TLS alone (RFC 7118, 9.2; RFC 3261, 26.2.2), wherever they come from.

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use offhook_signaling::sip::config::Config;
use offhook_signaling::sip::flow_id::FlowId;
use offhook_signaling::sip::message::HeaderName;

use crate::pair::invite;
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
            let failed = |event: &Event| {
                matches!(
                    event,
                    Event::Ended { .. } | Event::SessionCommandFailed { .. }
                )
            };
            assert_eq!(world.take_events().iter().any(failed), !falls, "{to}");
        }
    }
}
