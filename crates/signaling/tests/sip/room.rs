//! Room that calls have of their own: a flood of strangers' requests, or of one call's, takes no word from another call.

use offhook_signaling::call_id::CallId;
use offhook_signaling::event::Event;
use offhook_signaling::sip::message::{HeaderName, Method};

use crate::called::{Script, answer_to, ends, ringing, statuses, talking};
use crate::pair::{bye, invite};
use crate::world::{FLOW, World, answer, config};

/// Strangers' INVITEs until they are answered 503; each waits for an ACK that never comes.
fn flood(world: &mut World) {
    world.spares_reader = true;
    for number in 0..600_u32 {
        let script = Script {
            branch: format!("z9hG4bKflood{number}"),
            call_id: Box::leak(format!("flood-{number}").into_boxed_str()),
            from_tag: "strangers",
            ..Script::invite()
        };
        world.say(FLOW, &script.text());
    }
    assert_eq!(statuses(world).last(), Some(&503));
    world.take_events();
}

#[test]
fn a_call_goes_on_and_ends_during_a_flood_of_invites() {
    let (mut world, call, tag) = talking();
    flood(&mut world);
    for (cseq, (method, status)) in (2..).zip([("UPDATE", 200), ("OPTIONS", 200), ("PRACK", 481)]) {
        let script = Script::new(method).within(&tag, cseq);
        assert_eq!(answer_to(&mut world, &script).status, status, "{method}");
    }
    // Not so what only claims to be within one.
    let strange = Script::new("BYE").within("guess", 2);
    assert_eq!(answer_to(&mut world, &strange).status, 503);
    let goodbye = Script::new("BYE").within(&tag, 9);
    assert_eq!(answer_to(&mut world, &goodbye).status, 200);
    let ended = |event: &Event| matches!(event, Event::Ended { call: known, .. } if *known == call);
    assert!(world.take_events().iter().any(ended));
}

#[test]
fn a_caller_that_thinks_again_is_heard_during_a_flood_of_invites() {
    let script = Script::invite();
    let (mut world, _, _) = ringing(&script);
    flood(&mut world);
    let cancel = Script {
        branch: script.branch,
        ..Script::new("CANCEL")
    };
    world.say(FLOW, &cancel.text());
    assert_eq!(statuses(&mut world), [200, 487]);
    assert_eq!(ends(&mut world).len(), 1);
}

/// Offers of one call, each refused and none acknowledged, leave the rest its goodbye, and cost bounded memory.
#[test]
fn a_flood_of_offers_within_a_call_leaves_room_for_its_goodbye() {
    let (mut world, _, tag) = talking();
    flood(&mut world);
    for cseq in 2..600 {
        world.say(FLOW, &Script::invite().within(&tag, cseq).text());
    }
    assert_eq!(statuses(&mut world).last(), Some(&503));
    assert!(world.session.census().served <= 256 + 128);
    let goodbye = Script::new("BYE").within(&tag, 600);
    world.say(FLOW, &goodbye.text());
    assert!(statuses(&mut world).contains(&200));
    assert_eq!(ends(&mut world).len(), 1);
}

/// A server that rings for one call without end takes neither PRACK nor goodbye from the next.
#[test]
fn a_call_has_room_for_its_own_requests() {
    let contact = (HeaderName::Contact, "<sip:bob@192.0.2.9>");
    let mut world = World::registered(config(), 1, 86_400);
    world.spares_reader = true;
    let one = CallId::from_wire("one").expect("a name");
    world.command(invite(&one, "bob"));
    let first = world.request();
    let rings = |world: &mut World, sent, rseq: u32| {
        let rseq = rseq.to_string();
        let lines = [
            contact.clone(),
            (HeaderName::Require, "100rel"),
            (HeaderName::RSeq, rseq.as_str()),
        ];
        world.say(FLOW, &answer(sent, 183, &lines).to_text());
    };
    for rseq in 1..2000 {
        rings(&mut world, &first, rseq);
    }
    let pracks = world.requests.len();
    assert!((500..=512).contains(&pracks), "{pracks} PRACKs");
    world.requests.clear();
    let two = CallId::from_wire("two").expect("a name");
    world.command(invite(&two, "carol"));
    let second = world.request();
    rings(&mut world, &second, 1);
    assert_eq!(world.request().method, Method::Prack);
    world.say(FLOW, &crate::lasting::accepts(&second, "one"));
    assert_eq!(world.request().method, Method::Ack);
    world.say(FLOW, &crate::lasting::accepts(&second, "two"));
    assert_eq!(world.request().method, Method::Ack, "of the late fork");
    assert_eq!(world.request().method, Method::Bye, "to it");
    world.command(bye(&two));
    assert_eq!(world.request().method, Method::Bye);
}
