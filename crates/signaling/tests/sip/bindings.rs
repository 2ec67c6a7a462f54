//! Where we are registered, and what keeps us so: names, refreshes that fail, Contacts of an earlier life, flows without outbound.

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::event::{DisconnectCause, Event};
use offhook_signaling::sip::config::{Config, Push};
use offhook_signaling::sip::flow_id::FlowId;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::uri::Uri;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::contract::Input;

use crate::pair::invite;
use crate::world::{FLOW, World, answer, config};

const SECOND: FlowId = FlowId(1);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn alive(world: &mut World) {
    for flow in [FLOW, SECOND] {
        world.handle(Input::Pong(flow));
    }
}

fn of(aor: &str) -> Config {
    Config {
        aor: Uri::parse(aor).expect("an address"),
        ..config()
    }
}

/// The domain of an address of record may be an IPv6 address (RFC 3261, 25.1: `IPv6reference`).
#[test]
fn an_ipv6_domain_is_registered_at_and_called_within() {
    for (aor, registrar) in [
        ("sip:1000@[::1]", "sip:[::1]"),
        ("sip:1000@[2001:db8::9]:5070", "sip:[2001:db8::9]:5070"),
    ] {
        let mut world = World::new(of(aor), 1);
        // The independent reader knows no IPv6 addresses.
        world.spares_reader = true;
        world.open(FLOW);
        let register = world.request();
        assert_eq!(register.uri.to_string(), registrar);
        assert_eq!(register.ids.to.uri.to_string(), aor);
        world.grant(&register, 600, &[]);
        assert!(world.take_events().contains(&Event::Ready));
        world.command(invite(&CallId::from_wire("a-call").unwrap(), "2000"));
        let host = aor.split(['@', ']']).nth(1).unwrap();
        assert_eq!(world.request().uri.to_string(), format!("sip:2000@{host}]"));
    }
}

#[test]
fn a_register_that_cannot_be_written_is_told() {
    let mut world = World::new(of("tel:+12015550123"), 1);
    world.open(FLOW);
    assert!(world.requests.is_empty(), "{:?}", world.requests);
    let told = world.take_events();
    let failed = |event: &Event| matches!(event, Event::LoginFailed(_));
    let refused = |event: &Event| {
        let cause = DisconnectCause::LoginRefused;
        matches!(event, Event::Disconnected { cause: known, retry_in: Some(_) } if *known == cause)
    };
    assert!(told.iter().any(failed), "{told:?}");
    assert!(told.iter().any(refused), "{told:?}");
}

/// The edge cannot reach the registrar for a while: what that granted holds on, and so does the connection.
#[test]
fn a_refresh_that_the_edge_could_not_forward_costs_nothing_while_the_registration_holds() {
    for status in [408, 504] {
        for granted in [60, 600] {
            let mut world = World::registered(config(), 1, granted);
            world.doings.clear();
            let mut refreshes = Vec::new();
            let mut renewed = 0;
            // Every other one is forwarded.
            world.pass(seconds(u64::from(granted) * 10), |world| {
                alive(world);
                while !world.requests.is_empty() {
                    let refresh = world.request();
                    refreshes.push(refresh.ids.call_id.clone());
                    if refreshes.len() % 2 == 0 {
                        renewed += 1;
                        world.grant(&refresh, granted, &[]);
                    } else {
                        world.answer(&refresh, status, &[]);
                    }
                }
            });
            assert!(renewed >= 10, "{renewed}");
            refreshes.dedup();
            assert_eq!(refreshes.len(), 1, "they are of one registration");
            let told = world.take_events();
            let quiet = |event: &Event| matches!(event, Event::Failed(_) | Event::RegisteredAgain);
            assert!(told.iter().all(quiet), "{told:?}");
            let broken = world.doings.iter().any(|it| it.starts_with("disc"));
            assert!(!broken, "{:?}", world.doings);
        }
        // Nothing is left of it: another connection may do better.
        let mut world = World::registered(config(), 1, 60);
        world.doings.clear();
        world.pass(seconds(59), |world| {
            alive(world);
            while !world.requests.is_empty() {
                let refresh = world.request();
                world.answer(&refresh, status, &[]);
            }
        });
        assert!(!world.doings.contains(&"disconnect flow 1".to_owned()));
        world.take_events();
        let mut refreshes = 0;
        world.pass(seconds(7), |world| {
            alive(world);
            while !world.requests.is_empty() {
                let refresh = world.request();
                refreshes += 1;
                world.answer(&refresh, status, &[]);
            }
        });
        assert_eq!(refreshes, 1);
        assert!(world.doings.contains(&"disconnect flow 1".to_owned()));
        let lost = |event: &Event| matches!(event, Event::Disconnected { .. });
        assert!(world.take_events().iter().any(lost));
    }
}

/// No answer at all to a refresh is another matter: nothing says that the connection lives.
#[test]
fn a_refresh_without_any_answer_ends_the_connection() {
    let mut world = World::registered(config(), 1, 600);
    world.pass(seconds(545), alive);
    world.request();
    world.doings.clear();
    world.pass(seconds(33), alive);
    assert!(world.doings.contains(&"disconnect flow 1".to_owned()));
}

/// The device lost its power and came back: a registrar that goes by URIs shows the Contact of its earlier life first.
#[test]
fn the_contact_of_an_earlier_life_is_not_taken_for_ours() {
    let instance = "+sip.instance=\"<urn:uuid:00000000-0000-4000-8000-000000000001>\"";
    for stale in [
        format!("<sip:earlier@life.invalid>;{instance};expires=3"),
        format!("<sip:earlier@life.invalid>;{instance};reg-id=1;expires=3"),
    ] {
        for ours_shows_reg_id in [true, false] {
            if stale.contains("reg-id") && !ours_shows_reg_id {
                continue;
            }
            let mut world = World::new(config(), 1);
            world.open(FLOW);
            let register = world.request();
            let mut response = answer(&register, 200, &[(HeaderName::Contact, &stale)]);
            let mut own = register.headers.get(&HeaderName::Contact).unwrap();
            if !ours_shows_reg_id {
                own = own.replace(";reg-id=1", "");
            }
            response.content.push(
                &HeaderName::Contact,
                own.replace("expires=600", "expires=60"),
            );
            world.say(FLOW, &response.to_text());
            world.pass(seconds(29), alive);
            assert!(world.requests.is_empty(), "{stale}");
            world.pass(seconds(2), alive);
            assert_eq!(world.request().method, Method::Register);
        }
    }
}

#[test]
fn a_registrar_that_grants_next_to_nothing_is_asked_once_a_second() {
    let mut world = World::registered(config(), 1, 1);
    let mut asked = 0;
    world.pass(seconds(20), |world| {
        alive(world);
        while !world.requests.is_empty() {
            let register = world.request();
            asked += 1;
            world.grant(&register, 1, &[]);
        }
    });
    assert_eq!(asked, 20);
    // And no refresh in time is taken for a lapse.
    assert_eq!(world.take_events(), []);
}

fn on(world: &mut World, flow: FlowId) -> Option<Request> {
    let at = world
        .requests
        .iter()
        .position(|(known, _)| *known == flow)?;
    Some(world.requests.remove(at).1)
}

fn two_edges() -> Config {
    let servers = ["wss://one.example.com", "wss://two.example.com"];
    Config {
        servers: servers.map(str::to_owned).to_vec(),
        ..config()
    }
}

/// Both flows registered one Contact, which the registrar has bound to the connection of the last REGISTER.
#[test]
fn without_outbound_the_living_flow_registers_when_another_is_lost() {
    for outbound in [false, true] {
        let mut world = World::new(two_edges(), 3);
        let require = [(HeaderName::Require, "outbound")];
        let lines = if outbound { require.as_slice() } else { &[] };
        for flow in [FLOW, SECOND] {
            world.open(flow);
            let register = on(&mut world, flow).unwrap();
            world.grant_on(flow, &register, 600, lines);
        }
        for (lost, living) in [(SECOND, FLOW), (FLOW, SECOND)] {
            world.close(lost);
            let again = on(&mut world, living);
            assert_eq!(again.is_some(), !outbound, "{outbound}");
            if let Some(again) = again {
                assert_eq!(again.method, Method::Register);
                world.grant_on(living, &again, 600, lines);
            }
            // It comes back, and the one that lives has no reason to say so again.
            world.pass(seconds(6), alive);
            world.open(lost);
            let register = on(&mut world, lost).unwrap();
            world.grant_on(lost, &register, 600, lines);
            assert!(world.requests.is_empty(), "{:?}", world.requests);
        }
        // The last one has nobody to take its place.
        world.close(FLOW);
        world.requests.clear();
        world.close(SECOND);
        assert!(world.requests.is_empty(), "{:?}", world.requests);
    }
}

/// Its registrar said no to a refresh: the pause that follows stands.
#[test]
fn a_flow_that_pauses_does_not_register_for_another() {
    let mut world = World::new(two_edges(), 3);
    for (flow, granted) in [(FLOW, 1200), (SECOND, 600)] {
        world.open(flow);
        let register = on(&mut world, flow).unwrap();
        world.grant_on(flow, &register, granted, &[]);
    }
    let mut refresh = None;
    world.pass(seconds(541), |world| {
        alive(world);
        refresh = refresh.take().or_else(|| on(world, SECOND));
        if let Some(refresh) = refresh.take_if(|it| it.ids.cseq == 2) {
            world.say(SECOND, &answer(&refresh, 500, &[]).to_text());
            world.close(FLOW);
            assert!(world.requests.is_empty(), "{:?}", world.requests);
        }
    });
    // RFC 5626, 4.5: with another flow alive it was 180 s at most.
    world.pass(seconds(181), alive);
    let again = refresh.or_else(|| on(&mut world, SECOND));
    let again = again.expect("its own next try");
    assert!(again.ids.cseq > 2);
}

/// RFC 7118, appendix B.1: chosen once, and kept for the life of the user agent.
#[test]
fn our_names_stay_the_same_over_a_new_connection() {
    let mut world = World::new(config(), 1);
    let mut names = Vec::new();
    for _ in 0..3 {
        world.open(FLOW);
        let register = world.request();
        let contact = register.headers.address(&HeaderName::Contact).unwrap();
        world.grant(&register, 600, &[]);
        world.command(invite(&CallId::from_wire("a-call").unwrap(), "bob"));
        let (mut via, mut host) = (register.ids.via.sent_by, contact.uri.to_string());
        if let Some(call) = on(&mut world, FLOW) {
            let own = call.headers.address(&HeaderName::Contact).unwrap().uri;
            assert_eq!(call.ids.via.sent_by, via);
            assert_eq!(own.host(), contact.uri.host());
            world.answer(&call, 486, &[]);
        }
        names.push((std::mem::take(&mut via), std::mem::take(&mut host)));
        world.close(FLOW);
        world.requests.clear();
        world.pass(seconds(6), |_| ());
    }
    assert!(names[0].0.ends_with(".invalid"), "{names:?}");
    assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
}

#[test]
fn push_is_taken_by_the_provider_that_was_asked_for_in_any_line() {
    for (lines, taken) in [
        (&["*;+sip.pns=\"fcm\""][..], true),
        (
            &[
                "*;+sip.other",
                "*;+sip.pnsreg=\"130\", *;+SIP.PNS=\"apns,FCM\"",
            ],
            true,
        ),
        (&["*;+sip.pnsreg=\"fcm\""], false),
        (&["*;+sip.pnspurr=\"fcm\""], false),
        (&["*;+sip.pns=\"apns\""], false),
        (&["*;+sip.note=\";+sip.pns=fcm\""], false),
        (&["*;+sip.pns"], false),
    ] {
        let asks = Config {
            push: Some(Push {
                provider: "fcm".to_owned(),
                prid: "device".to_owned(),
                param: None,
            }),
            ..config()
        };
        let mut world = World::new(asks, 1);
        world.open(FLOW);
        let register = world.request();
        let lines: Vec<_> = lines
            .iter()
            .map(|it| (HeaderName::FeatureCaps, *it))
            .collect();
        world.grant(&register, 600, &lines);
        let told = world.take_events();
        let pushes = |event: &Event| matches!(event, Event::Registered { push: true, .. });
        assert_eq!(told.iter().any(pushes), taken, "{lines:?}");
    }
}
