//! Transfers of ours: the far side is asked to call somebody else, and tells how it goes (RFC 3515, 5589, 7647).

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};

use crate::called::{Script, answer_to, talking};
use crate::pair::{ANSWER, Pair, bye, invite};
use crate::referring::{CONTACT, OVER, carry};
use crate::world::{FLOW, World, answer};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A transfer of ours is out, to a far side with that Contact and those abilities.
fn transferring(contact: &str, supported: &str) -> (World, CallId, String, Request) {
    let script = Script {
        headers: vec![
            format!("Contact: {contact}"),
            format!("Supported: {supported}"),
        ],
        ..Script::invite()
    };
    let (mut world, call, tag) = crate::called::ringing(&script);
    world.command(crate::pair::answer(&call));
    world.say(FLOW, &Script::new("ACK").within(&tag, 1).text());
    world.take_events();
    world.texts.clear();
    world.command(Command::Transfer {
        call: call.clone(),
        to: "dave".to_owned(),
    });
    let refer = world.request();
    assert_eq!(refer.method, Method::Refer);
    (world, call, tag, refer)
}

const GRUU: &str = "<sip:carol@example.com;gr=urn:uuid:7>";

fn told(tag: &str, call_id: &str, cseq: u32, body: &'static str, state: &str) -> Script {
    let mut script = Script {
        body: Some(("message/sipfrag;version=2.0", body)),
        ..Script::new("NOTIFY")
    }
    .within(tag, cseq)
    .header("Event: refer")
    .header(&format!("Subscription-State: {state}"));
    script.call_id = Box::leak(call_id.to_owned().into_boxed_str());
    script
}

#[test]
fn a_far_side_with_a_gruu_is_referred_outside_of_the_dialog() {
    let (mut world, call, tag, refer) = transferring(GRUU, "tdialog, gruu");
    assert_ne!(refer.ids.call_id, "call-of-carol");
    assert_eq!(refer.ids.to_tag(), "");
    assert_eq!(refer.uri.to_string(), "sip:carol@example.com;gr=urn:uuid:7");
    assert!(refer.headers.lists(&HeaderName::Require, "tdialog"));
    assert_eq!(
        refer.headers.other("Target-Dialog"),
        Some(format!("call-of-carol;local-tag=carols;remote-tag={tag}"))
    );
    // A NOTIFY may come before the answer; a stranger's tag is not taken after it.
    let own = refer.ids.from_tag().to_owned();
    let id = refer.ids.call_id.clone();
    let first = told(&own, &id, 7, "SIP/2.0 100 Trying", "active;expires=60");
    assert_eq!(answer_to(&mut world, &first).status, 200);
    world.answer(&refer, 202, &[]);
    let mut stranger = told(&own, &id, 8, "SIP/2.0 200 OK", OVER);
    stranger.from_tag = "strangers";
    assert_eq!(answer_to(&mut world, &stranger).status, 481);
    assert!(world.take_events().is_empty());
    let last = told(&own, &id, 9, "SIP/2.0 200 OK", OVER);
    assert_eq!(answer_to(&mut world, &last).status, 200);
    assert_eq!(
        world.take_events().first(),
        Some(&Event::Transferred { call })
    );
    assert_eq!(world.request().method, Method::Bye);
}

#[test]
fn a_far_side_that_cannot_be_referred_from_outside_is_referred_inside() {
    let (mut world, call, _, refer) = transferring(GRUU, "tdialog");
    world.answer(&refer, 420, &[(HeaderName::Unsupported, "tdialog")]);
    let inside = world.request();
    assert_eq!(inside.method, Method::Refer);
    assert_eq!(inside.ids.call_id, "call-of-carol");
    assert!(!inside.headers.has(&HeaderName::Require));
    world.answer(&inside, 603, &[]);
    assert!(
        matches!(&world.take_events()[..], [Event::CommandFailed { call: known, .. }] if *known == call)
    );
    // Who does not know Target-Dialog is not asked so in the first place, nor one without a GRUU.
    for (contact, supported) in [(GRUU, "gruu"), ("<sip:c@192.0.2.1>", "tdialog")] {
        let (_, _, _, refer) = transferring(contact, supported);
        assert_eq!(refer.ids.call_id, "call-of-carol");
    }
}

/// SIP.js 0.21 ends the subscription with every word of it, the first included.
#[test]
fn a_far_side_that_ends_its_word_at_the_beginning_may_go_on_with_it() {
    let (mut world, call, tag, refer) = transferring("<sip:carol@192.0.2.7>", "gruu");
    world.answer(&refer, 202, &[]);
    let words = [
        "SIP/2.0 100 Trying",
        "SIP/2.0 180 Ringing",
        "SIP/2.0 200 OK",
    ];
    for (cseq, word) in (2..).zip(words) {
        assert!(world.take_events().is_empty());
        let notice = told(&tag, "call-of-carol", cseq, word, OVER);
        assert_eq!(answer_to(&mut world, &notice).status, 200);
    }
    assert_eq!(
        world.take_events().first(),
        Some(&Event::Transferred { call })
    );
}

#[test]
fn a_far_side_that_says_no_more_about_a_transfer_is_told_of() {
    let failed = |world: &mut World| {
        let events = world.take_events();
        matches!(&events[..], [Event::CommandFailed { .. }])
    };
    let pong = |world: &mut World| {
        world.handle(offhook_signaling::sip::session::contract::Input::Pong(FLOW));
    };
    let contact = "<sip:carol@192.0.2.7>";
    let (mut world, call, tag, refer) = transferring(contact, "gruu");
    world.command(Command::Transfer {
        call: call.clone(),
        to: "erin".to_owned(),
    });
    assert!(failed(&mut world), "one at a time");
    world.answer(&refer, 202, &[]);
    world.pass(seconds(31), pong);
    assert!(world.take_events().is_empty());
    world.pass(seconds(2), pong);
    assert!(failed(&mut world));
    // Then another try is free; this one ends without a word.
    world.command(Command::Transfer {
        call: call.clone(),
        to: "erin".to_owned(),
    });
    let refer = world.request();
    world.answer(&refer, 202, &[]);
    let over = told(&tag, "call-of-carol", 2, "", OVER);
    assert_eq!(answer_to(&mut world, &over).status, 200);
    assert!(failed(&mut world));
    // And here the subscription just runs out.
    world.command(Command::Transfer {
        call: call.clone(),
        to: "erin".to_owned(),
    });
    let refer = world.request();
    world.answer(&refer, 202, &[]);
    let trying = told(
        &tag,
        "call-of-carol",
        3,
        "SIP/2.0 100 Trying",
        "active;expires=60",
    );
    assert_eq!(answer_to(&mut world, &trying).status, 200);
    world.pass(seconds(59), pong);
    assert!(world.take_events().is_empty());
    world.pass(seconds(2), pong);
    assert!(failed(&mut world));
    world.command(bye(&call));
    assert_eq!(world.request().method, Method::Bye);
}

#[test]
fn an_attended_transfer_waits_for_the_second_call_to_be_answered() {
    let (mut world, first, _) = talking();
    let second = CallId::from_wire("second").unwrap();
    world.command(invite(&second, "dave"));
    let out = world.request();
    world.answer(&out, 180, &[CONTACT]);
    let join = Command::Replace {
        call: first,
        with: second.clone(),
    };
    world.command(join.clone());
    assert!(world.requests.is_empty(), "no REFER while it rings");
    let hidden = (HeaderName::Contact, "<sip:xyz@abc.invalid;transport=ws;ob>");
    let mut response = answer(&out, 200, &[hidden]);
    response
        .content
        .set_body("application/sdp", ANSWER.to_owned());
    world.say(FLOW, &response.to_text());
    assert_eq!(world.request().method, Method::Ack);
    let refer = world.request();
    assert_eq!(refer.method, Method::Refer);
    assert_eq!(refer.ids.call_id, "call-of-carol");
    // Its Contact is of no use to others, its user's address is; the tags as dave sees them.
    let to = refer.headers.get(&HeaderName::ReferTo).unwrap();
    let expected = format!(
        "<sip:dave@example.com?Replaces={}%3Bto-tag%3Dserver-tag%3Bfrom-tag%3D{}>",
        out.ids.call_id,
        out.ids.from_tag()
    );
    assert_eq!(to, expected);

    // When the second call comes to nothing, so does the transfer.
    let (mut world, first, _) = talking();
    world.command(invite(&second, "dave"));
    let out = world.request();
    world.command(join);
    world.take_events();
    world.answer(&out, 486, &[]);
    let events = world.take_events();
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::CommandFailed { call, .. } if *call == first)),
        "{events:?}"
    );
    assert!(
        world
            .requests
            .iter()
            .all(|(_, it)| it.method != Method::Refer)
    );
}

#[test]
fn two_of_us_transfer_each_other() {
    let mut pair = Pair::new(7);
    let (alices, bobs) = pair.talk();
    let transfer = |to: &str| Command::Transfer {
        call: alices.clone(),
        to: to.to_owned(),
    };
    let carried = |pair: &mut Pair, number: u8| {
        let asked = pair.take(true);
        let referred = |event: &Event| matches!(event, Event::Referred { call, within: true, .. } if *call == bobs);
        assert!(asked.iter().any(referred), "{asked:?}");
        let (command, new) = carry(&bobs, &format!("carried-{number}"));
        pair.command(true, command);
        new
    };
    // Nobody of that name: the call between the two stays.
    pair.command(false, transfer("nobody"));
    carried(&mut pair, 1);
    let told = pair.take(false);
    assert!(
        matches!(told[..], [Event::CommandFailed { .. }]),
        "{told:?}"
    );
    pair.take(true);
    // To alice herself, by another call.
    pair.command(false, transfer("alice"));
    let new = carried(&mut pair, 2);
    let told = pair.take(false);
    let [Event::Incoming { call: second, .. }] = &told[..] else {
        panic!("{told:?}");
    };
    pair.command(false, crate::pair::answer(second));
    let told = pair.take(false);
    assert!(
        told.contains(&Event::Transferred {
            call: alices.clone()
        }),
        "{told:?}"
    );
    let over = |call: &CallId, events: &[Event]| {
        let ended =
            |event: &&Event| matches!(event, Event::Ended { call: known, .. } if known == call);
        events.iter().filter(ended).count()
    };
    assert_eq!(over(&alices, &told), 1);
    let told = pair.take(true);
    assert_eq!((over(&bobs, &told), over(&new, &told)), (1, 0));
    pair.pass(seconds(100));
    assert!(pair.take(true).is_empty(), "the new call goes on");
}
