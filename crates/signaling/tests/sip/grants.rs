//! What a registrar's 200 changes for calls: routes, addresses, keep-alives (RFC 3608, 5626, 5627, 6223, 8599).

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::event::Event;
use offhook_signaling::sip::config::{Config, Push};
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::uri::Uri;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::contract::Input;

use crate::called::{Script, responses};
use crate::pair::{answer as take, invite};
use crate::world::{FLOW, World, config};

/// Registered with those lines beside the grant, and a call is out.
fn calling(config: Config, lines: &[(HeaderName, &str)]) -> (World, Request, Request) {
    let mut world = World::new(config, 1);
    world.open(FLOW);
    let register = world.request();
    world.grant(&register, 7200, lines);
    assert!(world.take_events().contains(&Event::Ready));
    let call = CallId::from_wire("a-call").expect("a name");
    world.command(invite(&call, "bob"));
    let request = world.request();
    (world, register, request)
}

fn routes(request: &Request) -> Vec<String> {
    request.headers.all(&HeaderName::Route).collect()
}

#[test]
fn the_route_of_the_configuration_holds_until_the_registrar_names_another() {
    let edge = Config {
        routes: vec![Uri::parse("sip:edge.example.com;transport=ws;lr").unwrap()],
        ..config()
    };
    let own = "<sip:edge.example.com;transport=ws;lr>";
    let (_, register, request) = calling(edge.clone(), &[]);
    assert_eq!(routes(&register), [own]);
    assert_eq!(routes(&request), [own]);
    // RFC 3608, 6.1: in order, also over several lines; a REGISTER goes the configured way.
    let lines = [
        (
            HeaderName::ServiceRoute,
            "<sip:one.example.com;lr>, <sip:two.example.com;lr;x=y>",
        ),
        (HeaderName::ServiceRoute, "<sip:three.example.com;lr>"),
    ];
    let (mut world, register, request) = calling(edge, &lines);
    assert_eq!(
        routes(&request),
        [
            "<sip:one.example.com;lr>",
            "<sip:two.example.com;lr;x=y>",
            "<sip:three.example.com;lr>"
        ]
    );
    assert_eq!(routes(&register), [own]);
    // The next 200 has none: then there is none.
    let mut refreshes = 0;
    world.pass(Duration::from_secs(6500), |world| {
        world.handle(Input::Pong(FLOW));
        while !world.requests.is_empty() {
            let refresh = world.request();
            if refresh.method == Method::Register {
                refreshes += 1;
                assert_eq!(routes(&refresh), [own]);
                world.grant(&refresh, 7200, &[]);
            }
        }
    });
    assert_eq!(refreshes, 1);
    world.command(invite(&CallId::from_wire("other").unwrap(), "bob"));
    assert_eq!(routes(&world.request()), [own]);
}

#[test]
fn our_address_is_the_gruu_or_that_of_the_flow() {
    let contact = |request: &Request| request.headers.address(&HeaderName::Contact).unwrap().uri;
    let (_, register, request) = calling(config(), &[(HeaderName::Require, "outbound")]);
    assert!(contact(&register).param("ob").is_some());
    assert!(contact(&request).param("ob").is_some(), "RFC 5626, 4.3");
    // The registrar did not take outbound; the edge may.
    let (_, _, request) = calling(config(), &[]);
    assert!(contact(&request).param("ob").is_some());
    // The edge refuses it.
    let mut world = World::new(config(), 1);
    world.open(FLOW);
    let register = world.request();
    world.answer(&register, 439, &[]);
    let register = world.request();
    world.grant(&register, 7200, &[]);
    world.command(invite(&CallId::from_wire("a-call").unwrap(), "bob"));
    assert!(contact(&world.request()).param("ob").is_none());
    let mut world = World::new(config(), 1);
    world.open(FLOW);
    let register = world.request();
    let own = register.headers.get(&HeaderName::Contact).unwrap();
    let gruu = format!("{own};pub-gruu=\"sip:alice@example.com;gr=urn:uuid:1\"");
    let lines = [
        (HeaderName::Contact, gruu.as_str()),
        (HeaderName::Require, "outbound"),
    ];
    world.answer(&register, 200, &lines);
    world.command(invite(&CallId::from_wire("a-call").unwrap(), "bob"));
    let request = world.request();
    assert_eq!(
        contact(&request).to_string(),
        "sip:alice@example.com;gr=urn:uuid:1",
        "as it is, without ob"
    );
    // A call for it rings, and so does one whose host and parameters a gateway wrote anew.
    for target in [
        "sip:alice@example.com;gr=urn:uuid:1",
        "sip:alice@203.0.113.9:41000;transport=ws;x=y",
    ] {
        let script = Script {
            branch: format!("z9hG4bK{}", target.len()),
            call_id: Box::leak(target.to_owned().into_boxed_str()),
            ..Script::invite()
        };
        world.texts.clear();
        world.say(
            FLOW,
            &script.text().replace(
                "INVITE sip:alice@example.com ",
                &format!("INVITE {target} "),
            ),
        );
        assert_eq!(responses(&mut world)[0].status, 180, "{target}");
    }
    let stranger = Script {
        branch: "z9hG4bKstranger".to_owned(),
        call_id: "stranger",
        ..Script::invite()
    };
    world.texts.clear();
    world.say(
        FLOW,
        &stranger
            .text()
            .replace("INVITE sip:alice@", "INVITE sip:zoe@"),
    );
    assert_eq!(responses(&mut world)[0].status, 404);
}

#[test]
fn push_and_feature_tags_stand_in_the_registration_alone() {
    let wakes = Config {
        push: Some(Push {
            provider: "fcm".to_owned(),
            prid: "device;1".to_owned(),
            param: Some("project".to_owned()),
        }),
        feature_tags: vec![
            ("+sip.pnsreg".to_owned(), Some("130".to_owned())),
            ("mobility".to_owned(), Some("fixed".to_owned())),
            ("isfocus".to_owned(), None),
        ],
        ..config()
    };
    let (_, register, request) = calling(wakes, &[(HeaderName::FeatureCaps, "*;+sip.pns=\"fcm\"")]);
    let contact = register.headers.address(&HeaderName::Contact).unwrap();
    assert_eq!(contact.uri.param("pn-provider").as_deref(), Some("fcm"));
    assert!(
        contact.uri.to_string().contains("pn-prid=device"),
        "{}",
        contact.uri
    );
    assert_eq!(contact.uri.param("pn-param").as_deref(), Some("project"));
    for (name, value) in [
        ("+sip.pnsreg", "130"),
        ("mobility", "fixed"),
        ("isfocus", ""),
        ("audio", ""),
        ("+sip.ice", ""),
    ] {
        assert_eq!(contact.params.get(name), Some(value), "{name}");
    }
    assert!(
        contact
            .params
            .get("methods")
            .is_some_and(|methods| methods.contains("INVITE"))
    );
    let other = request.headers.get(&HeaderName::Contact).unwrap();
    assert!(
        !other.contains("pn-") && !other.contains("mobility"),
        "{other}"
    );
}

#[test]
fn a_200_without_our_address_is_no_registration() {
    for lines in [
        vec![],
        vec![(HeaderName::Contact, "<sip:somebody@192.0.2.3>;expires=600")],
        vec![(HeaderName::Contact, "*")],
    ] {
        let mut world = World::new(config(), 1);
        world.open(FLOW);
        let register = world.request();
        world.answer(&register, 200, &lines);
        let told = world.take_events();
        assert!(!told.contains(&Event::Ready), "{told:?}");
        let failed = |event: &Event| matches!(event, Event::Failed(_));
        assert!(told.iter().any(failed), "{told:?}");
        // And one that holds for no time is none either.
        let mut world = World::new(config(), 1);
        world.open(FLOW);
        let register = world.request();
        world.grant(&register, 0, &[]);
        assert!(!world.take_events().contains(&Event::Ready));
    }
}

#[test]
fn the_time_of_the_header_counts_where_the_contact_names_none() {
    let mut world = World::new(config(), 1);
    world.open(FLOW);
    let register = world.request();
    let own = register.headers.get(&HeaderName::Contact).unwrap();
    let own = own.split(";expires=").next().unwrap();
    world.answer(
        &register,
        200,
        &[(HeaderName::Contact, own), (HeaderName::Expires, "40")],
    );
    world.pass(Duration::from_millis(20_100), |_| ());
    assert_eq!(world.request().method, Method::Register);
}

#[test]
fn a_server_that_takes_keep_alives_by_rfc_6223_gets_them() {
    let mut world = World::new(config(), 1);
    world.open(FLOW);
    let register = world.request();
    let mut response = crate::world::answer(&register, 200, &[]);
    let via = response.content.get(&HeaderName::Via).unwrap().to_owned();
    response.content.remove(&HeaderName::Via);
    response
        .content
        .push(&HeaderName::Via, via.replace(";keep", ";keep=20"));
    let own = register.headers.get(&HeaderName::Contact).unwrap();
    response.content.push(&HeaderName::Contact, own);
    world.say(FLOW, &response.to_text());
    world.texts.clear();
    let mut alive = 0;
    world.pass(Duration::from_secs(100), |world| {
        if world
            .texts
            .pop()
            .is_some_and(|(_, text)| text == "\r\n\r\n")
        {
            alive += 1;
            world.say(FLOW, "\r\n");
        }
    });
    // Every 16 to 20 s.
    assert!((5..=6).contains(&alive), "{alive}");
}

#[test]
fn a_provisional_answer_that_is_reliable_without_a_number_gets_no_prack() {
    // SIP.js 672.
    let (mut world, _, request) = calling(config(), &[]);
    let lines = [
        (HeaderName::Contact, "<sip:bob@192.0.2.9>"),
        (HeaderName::Require, "100rel"),
    ];
    world.say(FLOW, &crate::world::answer(&request, 180, &lines).to_text());
    let lines = [
        (HeaderName::Contact, "<sip:bob@192.0.2.9>"),
        (HeaderName::RSeq, "1"),
    ];
    world.say(FLOW, &crate::world::answer(&request, 180, &lines).to_text());
    assert!(world.requests.is_empty(), "{:?}", world.requests);
    let rings = |event: &&Event| matches!(event, Event::Ringing { .. });
    assert_eq!(world.take_events().iter().filter(rings).count(), 1);
}

#[test]
fn every_message_says_how_long_it_is_and_a_longer_one_is_cut() {
    let mut world = World::registered(config(), 1, 7200);
    let script = Script::invite();
    world.say(FLOW, &(script.text() + "noise behind the body"));
    let call = world.take_events().into_iter().find_map(|event| {
        if let Event::Incoming { call, sdp, .. } = event {
            assert_eq!(
                sdp.as_deref(),
                Some(crate::pair::OFFER),
                "nothing of the noise"
            );
            Some(call)
        } else {
            None
        }
    });
    world.command(take(&call.expect("it rings")));
    for (_, text) in &world.texts {
        let (head, body) = text.split_once("\r\n\r\n").expect("a blank line");
        let length = format!("Content-Length: {}", body.len());
        assert!(head.lines().any(|line| line == length), "{head}");
    }
    // None at all is as good: the frame says where it ends (RFC 7118, 5).
    let bare = Script {
        branch: "z9hG4bKbare".to_owned(),
        call_id: "bare",
        ..Script::invite()
    };
    let text = bare.text();
    let line = text
        .lines()
        .find(|line| line.starts_with("Content-Length"))
        .unwrap();
    world.texts.clear();
    world.say(FLOW, &text.replace(&format!("{line}\r\n"), ""));
    assert_eq!(responses(&mut world)[0].status, 180);
}
