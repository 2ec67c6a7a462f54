//! Floods, and strangers who would have us believe or fetch something.

use offhook_signaling::call_id::CallId;
use offhook_signaling::event::Event;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::contract::Input;

use crate::hostile::{
    Names, SDP, STAGES, Stage, Target, answered, options, request, seconds, strangers,
};
use crate::pair::{ANSWER, OFFER, answer as take, bye, invite};
use crate::world::{FLOW, World, answer, config};

#[test]
fn a_flood_of_any_method_is_answered_and_forgotten() {
    for method in [
        "OPTIONS",
        "NOTIFY",
        "SUBSCRIBE",
        "MESSAGE",
        "REGISTER",
        "NOSUCH",
        "INFO",
    ] {
        for stage in [Stage::Registered, Stage::Callee] {
            let mut target = Target::at(stage);
            for number in 0..300 {
                let text = request(
                    method,
                    &strangers(number),
                    &format!("z9hG4bKf{number}"),
                    1,
                    &["Event: presence", "Content-Type: application/x"],
                    "x",
                );
                let got = target.hears(text.as_bytes());
                assert_eq!(got.len(), 1, "{method}: each its one answer");
                target.world.requests.clear();
            }
            target.world.take_events();
            target
                .world
                .pass(seconds(70), |world| world.handle(Input::Pong(FLOW)));
            target.world.doings.clear();
            target.world.requests.clear();
            target.stays_unmoved(method, stage);
        }
    }
}

#[test]
fn a_flood_within_the_call_neither_ends_it_nor_fills_memory() {
    let mut target = Target::at(Stage::Callee);
    let names = target.names.clone();
    let mut refused = 0;
    for number in 0..2000_u32 {
        let text = request(
            "INVITE",
            &names,
            &format!("z9hG4bKre{number}"),
            number + 2,
            &[SDP],
            OFFER,
        );
        refused += target.hears(text.as_bytes()).len();
    }
    assert!(refused >= 1990, "{refused}");
    let told = target.world.take_events();
    let offers = told
        .iter()
        .filter(|event| matches!(event, Event::Offer { .. }));
    assert_eq!((offers.count(), told.len()), (1, 1), "one offer at a time");
    target.world.command(bye(target.call.as_ref().unwrap()));
}

#[test]
fn a_server_that_answers_one_invite_a_thousand_times_gets_no_memory_for_it() {
    let call = CallId::from_wire("ours").unwrap();
    let calling = || {
        let mut world = World::registered(config(), 1, 86_400);
        world.command(invite(&call, "bob"));
        let sent = world.request();
        world.spares_reader = true;
        (world, sent)
    };
    let contact = (HeaderName::Contact, "<sip:bob@192.0.2.9>");
    let (mut world, sent) = calling();
    for number in 0..3000 {
        let rseq = number.to_string();
        let lines = [
            contact.clone(),
            (HeaderName::Require, "100rel"),
            (HeaderName::RSeq, rseq.as_str()),
        ];
        world.say(FLOW, &answer(&sent, 183, &lines).to_text());
    }
    let pracks = world.requests.len();
    assert!((1..=512).contains(&pracks), "{pracks} PRACKs");
    let (mut world, sent) = calling();
    for number in 0..3000 {
        let mut response = answer(&sent, 200, std::slice::from_ref(&contact));
        response
            .content
            .set_body("application/sdp", ANSWER.to_owned());
        let text = response.to_text();
        let tag = format!("tag{number}");
        world.say(FLOW, &text.replace("server-tag", &tag));
    }
    // ACK and BYE for each that is taken note of.
    assert!(world.requests.len() <= 2 * 17, "{}", world.requests.len());
    // When its time is over nothing is left, and the call is what it was.
    world.pass(seconds(40), |world| world.handle(Input::Pong(FLOW)));
    world.requests.clear();
    world.command(bye(&call));
    assert_eq!(world.request().method.to_string(), "BYE");
    // Nor does one that hears our goodbyes at once, so that none of them waits.
    let (mut world, sent) = calling();
    let (mut acks, mut said) = (0, 0);
    for number in 0..3000 {
        let mut response = answer(&sent, 200, std::slice::from_ref(&contact));
        response
            .content
            .set_body("application/sdp", ANSWER.to_owned());
        let tag = format!("tag{number}");
        world.say(FLOW, &response.to_text().replace("server-tag", &tag));
        while !world.requests.is_empty() {
            let request = world.request();
            said += 1;
            if request.method == Method::Bye {
                world.answer(&request, 200, &[]);
            } else {
                assert_eq!(request.method, Method::Ack);
                acks += 1;
            }
        }
    }
    assert!((2..=17).contains(&acks), "{acks} ACKs");
    assert_eq!(said, 2 * acks - 1, "a BYE for each but the first");
    assert!(world.session.malformed() >= 2900, "the others are counted");
}

#[test]
fn an_address_at_home_or_nowhere_is_never_asked_for() {
    for contact in [
        "<sip:bob@10.0.0.1:5999;transport=udp>",
        "<sip:bob@127.0.0.1>",
        "<sip:bob@[::1]:5060>",
        "<sip:bob@abc.invalid;transport=ws>",
        "<sips:bob@169.254.169.254>",
    ] {
        let mut world = World::registered(config(), 1, 86_400);
        // The other reader knows no IPv6.
        world.spares_reader = true;
        let text = request("INVITE", &strangers(1), "z9hG4bKi", 1, &[SDP], OFFER);
        let text = text.replace("<sip:bob@10.0.0.1:5999;transport=ws>", contact);
        world.say(FLOW, &text);
        let tag = answered(&mut world)[0].1.clone();
        let call = world.take_events().into_iter().find_map(|event| {
            if let Event::Incoming { call, .. } = event {
                Some(call)
            } else {
                None
            }
        });
        let call = call.expect("it rings");
        world.command(take(&call));
        let names = Names {
            ours: tag,
            ..strangers(1)
        };
        world.say(FLOW, &request("ACK", &names, "z9hG4bKa", 1, &[], ""));
        world.doings.clear();
        world.command(bye(&call));
        let (flow, goodbye) = world.requests.remove(0);
        assert_eq!(flow, FLOW, "over the connection that is there");
        assert_eq!(format!("<{}>", goodbye.uri), contact);
        assert!(world.doings.is_empty(), "{:?}", world.doings);
    }
}

#[test]
fn what_a_stranger_asserts_and_where_a_ring_tone_lies_is_not_believed_and_not_fetched() {
    let mut target = Target::at(Stage::Registered);
    let lines = [
        SDP,
        "P-Asserted-Identity: \"The Bank\" <sip:bank@example.com>",
        "Alert-Info: <http://192.0.2.66/steal?you=alice>",
        "Call-Info: <https://192.0.2.66/icon.png>;purpose=icon",
        "Error-Info: <sip:loop@192.0.2.66>",
    ];
    target.hears(request("INVITE", &strangers(1), "z9hG4bKi", 1, &lines, OFFER).as_bytes());
    let told = target.world.take_events();
    let [Event::Incoming { caller, .. }] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!((caller.name.as_str(), caller.number.as_str()), ("", "bob"));
    assert!(target.world.requests.is_empty() && target.world.doings.is_empty());
}

#[test]
fn noise_of_every_kind_is_survived() {
    let genuine = options(1);
    let noise: Vec<Vec<u8>> = (0..500_usize)
        .map(|number| {
            let mut bytes = genuine.clone().into_bytes();
            let at = (number * 7919) % bytes.len();
            bytes[at] = u8::try_from((number * 31) % 256).expect("a byte");
            bytes.truncate(bytes.len() - number % 50);
            bytes
        })
        .collect();
    for stage in STAGES {
        let mut target = Target::at(stage);
        for bytes in &noise {
            target.hears(bytes);
        }
        for odd in [
            &b""[..],
            b"\0",
            b"\r\n\r\n\r\n",
            b"\r",
            b"\n\n",
            b"SIP/2.0",
            b"SIP/2.0 200",
            &[0xff; 70_000],
        ] {
            target.hears(odd);
        }
        // A letter may have made another method or name of it, never a call of ours.
        let ends = |event: &Event| matches!(event, Event::Ended { .. } | Event::Offer { .. });
        assert!(!target.world.take_events().iter().any(ends));
    }
}
