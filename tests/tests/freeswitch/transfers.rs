//! Transfers: blind to a number and to a user, attended, and those that fail.

use std::collections::BTreeSet;

use offhook_control::notice::Event;
use offhook_control::reply::CallState;

use crate::phone::{PATIENCE, Phone, server};

/// Two phones in a call; the first placed it.
fn pair(one: &mut Phone, other: &mut Phone, number: &str) -> (String, String) {
    let call = one.control.call(number);
    let theirs = other.answer();
    one.wait_for(&call, "the answer", |event| {
        matches!(event, Event::Answered(_))
    });
    (call, theirs)
}

fn shows(phone: &mut Phone, call: &str, wanted: &str) {
    phone.wait_for(
        call,
        "who is there now",
        |event| matches!(event, Event::Display { number, .. } if number == wanted),
    );
}

#[test]
fn the_far_end_is_sent_to_a_number_and_to_a_user() {
    let sandbox = server();
    let mut desk = Phone::new(&sandbox, "demo-1");
    let mut guest = Phone::new(&sandbox, "demo-2");
    let (ours, theirs) = pair(&mut desk, &mut guest, "demo-2");
    desk.run(&["transfer", "--to", "9197", &ours]);
    desk.wait_for(&ours, "the transfer", |event| {
        matches!(event, Event::Transferred)
    });
    let ended = desk.ended(&ours);
    assert_eq!(ended.cause, "NORMAL_CLEARING");
    assert!(desk.calls().is_empty());
    shows(&mut guest, &theirs, "9197");
    guest.hears(&theirs);
    guest.run(&["hangup", &theirs]);
    guest.ended(&theirs);

    // To somebody who rings, and answers.
    let mut third = Phone::new(&sandbox, "demo-3");
    let (ours, theirs) = pair(&mut desk, &mut guest, "demo-2");
    desk.run(&["transfer", "--to", "demo-3", &ours]);
    desk.ended(&ours);
    let taken = third.answer();
    guest.hears(&theirs);
    third.hears(&taken);
    third.run(&["hangup", &taken]);
    assert_eq!(guest.ended(&theirs).cause, "NORMAL_CLEARING");
}

#[test]
fn two_calls_are_joined_and_ours_end() {
    let sandbox = server();
    let mut desk = Phone::new(&sandbox, "demo-1");
    let mut one = Phone::new(&sandbox, "demo-2");
    let mut other = Phone::new(&sandbox, "demo-3");
    let (first, of_one) = pair(&mut desk, &mut one, "demo-2");
    desk.run(&["hold", &first]);
    desk.wait_for(&first, "hold", |event| {
        matches!(event, Event::Held { on: true })
    });
    let (second, of_other) = pair(&mut desk, &mut other, "demo-3");
    desk.run(&["transfer", &first, "--with", &second]);
    let mut ended = BTreeSet::new();
    desk.control.wait("the end of both", PATIENCE, |notice| {
        if matches!(notice.event, Event::Ended(_)) {
            ended.extend(notice.call.clone());
        }
        (ended == BTreeSet::from([first.clone(), second.clone()])).then_some(())
    });
    assert!(desk.calls().is_empty());
    shows(&mut one, &of_one, "demo-3");
    shows(&mut other, &of_other, "demo-2");
    one.hears(&of_one);
    other.hears(&of_other);
    one.run(&["hangup", &of_one]);
    assert_eq!(other.ended(&of_other).cause, "NORMAL_CLEARING");
}

#[test]
fn a_transfer_that_fails_leaves_the_call_as_it_was() {
    let sandbox = server();
    let mut desk = Phone::new(&sandbox, "demo-1");
    // An echo has no partner that could be sent anywhere.
    let call = desk.call("9196");
    desk.run(&["transfer", "--to", "9197", &call]);
    let failed = |phone: &mut Phone, call: &str, words: &str| {
        phone.wait_for(call, "the failure", |event| {
            matches!(event, Event::RequestFailed { reason, remedy: Some(remedy), .. }
                if reason.contains(words) && remedy.contains("an announcement"))
        });
    };
    failed(&mut desk, &call, "call is not bridged");
    desk.hears(&call);
    let other = desk.call("9197");
    desk.run(&["transfer", &call, "--with", &other]);
    failed(&mut desk, &call, "call is not bridged");
    let calls = desk.calls();
    assert_eq!(calls.len(), 2, "{calls:?}");
    for status in &calls {
        assert_ne!(status.state, CallState::Ringing);
    }
    for call in [call, other] {
        desk.run(&["hangup", &call]);
        desk.ended(&call);
    }

    // A number that does not exist takes the far end with it, not us: ours has ended as a transfer.
    let mut guest = Phone::new(&sandbox, "demo-2");
    let (ours, theirs) = pair(&mut desk, &mut guest, "demo-2");
    desk.run(&["transfer", "--to", "0815", &ours]);
    desk.ended(&ours);
    assert_eq!(guest.ended(&theirs).cause, "NO_ROUTE_DESTINATION");
}
