//! What servers and proxies say of themselves beside an answer (RFC 7616, 3.5): their own proof of the password, and the next nonce.

use md5::Md5;
use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use offhook_signaling::sip::message::outgoing::OutgoingResponse;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};
use sha2::Digest;

use crate::pair::{ANSWER, bye, invite};
use crate::world::{FLOW, World, answer, config};

fn md5(text: &str) -> String {
    let sum = Md5::digest(text.as_bytes());
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A parameter of the request's answer to the challenge.
fn said(request: &Request, name: &str) -> String {
    let line = request.headers.get(&HeaderName::ProxyAuthorization);
    let line = line.expect("an answer");
    let value = line
        .split([',', ' '])
        .find_map(|part| part.strip_prefix(&format!("{name}=")));
    value.expect("a parameter").trim_matches('"').to_owned()
}

/// The proof of a proxy that knows that password, over the body of its answer where that counts.
fn proof(request: &Request, password: &str, body: &str) -> String {
    let secret = md5(&format!("alice:example.com:{password}"));
    let qop = said(request, "qop");
    let body = if qop == "auth-int" {
        format!(":{}", md5(body))
    } else {
        String::new()
    };
    let asked = md5(&format!(":{}{body}", request.uri));
    let sum = md5(&format!(
        "{secret}:one:{}:{}:{qop}:{asked}",
        said(request, "nc"),
        said(request, "cnonce")
    ));
    format!("rspauth=\"{sum}\", qop={qop}")
}

/// A request that was challenged, and sent anew.
fn challenged(command: Command, qop: &str) -> (World, Request) {
    let mut world = World::registered(config(), 1, 7200);
    world.command(command);
    let first = world.request();
    let challenge = format!(r#"Digest realm="example.com", nonce="one", qop="{qop}""#);
    world.answer(&first, 407, &[(HeaderName::ProxyAuthenticate, &challenge)]);
    let second = world
        .requests
        .iter()
        .position(|(_, it)| it.method == first.method);
    let second = world.requests.remove(second.expect("another try")).1;
    (world, second)
}

fn accepted(request: &Request, body: &str, info: &str) -> OutgoingResponse {
    let contact = (HeaderName::Contact, "<sip:bob@192.0.2.9;transport=ws>");
    let mut response = answer(request, 200, &[contact, (HeaderName::Expires, "600")]);
    response
        .content
        .push_named("Proxy-Authentication-Info", info);
    response.content.push_named("SIP-ETag", "e1");
    if !body.is_empty() {
        response
            .content
            .set_body("application/sdp", body.to_owned());
    }
    response
}

#[test]
fn a_wrong_proof_is_told_whatever_it_came_with_and_ends_nothing() {
    let call = CallId::from_wire("a-call").unwrap();
    let doubts = |world: &mut World| {
        let events = world.take_events();
        let told = |event: &&Event| matches!(event, Event::LoginFailed(_));
        let failed = |event: &Event| {
            matches!(
                event,
                Event::Ended { .. }
                    | Event::SessionCommandFailed { .. }
                    | Event::MessageFailed { .. }
                    | Event::Failed(_)
            )
        };
        assert!(!events.iter().any(failed), "{events:?}");
        events.iter().filter(told).count()
    };
    let commands = [
        invite(&call, "bob"),
        Command::Message {
            id: 7,
            call: None,
            to: "bob".to_owned(),
            body: "hello".to_owned(),
        },
        Command::Subscribe {
            channels: vec!["presence:bob".to_owned()],
        },
        Command::Publish {
            open: true,
            note: None,
        },
    ];
    for command in commands {
        for qop in ["auth", "auth-int"] {
            for (password, wrong) in [("secret of alice", 0), ("another", 1)] {
                let (mut world, request) = challenged(command.clone(), qop);
                world.take_events();
                let body = if request.method == Method::Invite {
                    ANSWER
                } else {
                    ""
                };
                let info = proof(&request, password, body);
                world.say(FLOW, &accepted(&request, body, &info).to_text());
                assert_eq!(doubts(&mut world), wrong, "{:?} {qop}", request.method);
                if request.method != Method::Invite {
                    continue;
                }
                // The call works, and the rest of it brings no more of that.
                world.requests.clear();
                world.command(bye(&call));
                let goodbye = world.request();
                let info = proof(&goodbye, password, "");
                world.say(FLOW, &accepted(&goodbye, "", &info).to_text());
                let told = world.take_events();
                let again = |event: &Event| matches!(event, Event::LoginFailed(_));
                assert!(!told.iter().any(again), "{told:?}");
            }
        }
    }
}

#[test]
fn the_next_nonce_of_a_proxy_is_used() {
    let call = CallId::from_wire("a-call").unwrap();
    let (mut world, request) = challenged(invite(&call, "bob"), "auth");
    world.say(
        FLOW,
        &accepted(&request, ANSWER, "nextnonce=\"two\"").to_text(),
    );
    world.requests.clear();
    world.command(bye(&call));
    let goodbye = world.request();
    assert_eq!(said(&goodbye, "nonce"), "two");
    assert_eq!(said(&goodbye, "nc"), "00000001");
}
