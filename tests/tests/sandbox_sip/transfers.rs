//! Transfers by the real user agent, and texts.

use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use offhook_tests::sandbox::Sandbox;
use offhook_tests::sip_client::SipClient;

use crate::phone::Phone;
use crate::world::{SOON, answer, end, invite, ready};

/// A call between two users, with sound; the caller's name of it.
fn bridge(
    caller: &mut SipClient,
    callee: &mut SipClient,
    name: &str,
    near: &Phone,
    far: &Phone,
) -> offhook_signaling::call_id::CallId {
    let own = invite(caller, name, near.offer());
    answer(callee, far);
    let answered = caller.wait(SOON, |event| matches!(event, Event::Answered { .. }));
    let Event::Answered { sdp: Some(sdp), .. } = answered else {
        panic!("{answered:?}");
    };
    near.take_answer(&sdp);
    own
}

#[test]
fn a_blind_transfer_sends_the_far_end_to_a_number() {
    let sandbox = Sandbox::start(&[]);
    let (mut alice, mut bob) = (ready(&sandbox, "demo-1"), ready(&sandbox, "demo-2"));
    let (near, far) = (Phone::new(1), Phone::new(2));
    let own = bridge(&mut alice, &mut bob, "demo-2", &near, &far);
    far.hears(1);
    alice.command(Command::Transfer {
        call: own,
        to: "9196".to_owned(),
    });
    alice.wait(SOON, |event| matches!(event, Event::Transferred { .. }));
    end(&mut alice);
    // It hears itself now.
    far.hears(2);
}

#[test]
fn an_attended_transfer_joins_the_far_ends() {
    let sandbox = Sandbox::start(&[]);
    let [mut alice, mut bob, mut carol] =
        ["demo-1", "demo-2", "demo-3"].map(|user| ready(&sandbox, user));
    let phones = [Phone::new(1), Phone::new(2), Phone::new(3), Phone::new(4)];
    let one = bridge(&mut alice, &mut bob, "demo-2", &phones[0], &phones[1]);
    let two = bridge(&mut alice, &mut carol, "demo-3", &phones[3], &phones[2]);
    alice.command(Command::Replace {
        call: one,
        with: two,
    });
    alice.wait(SOON, |event| matches!(event, Event::Transferred { .. }));
    phones[1].hears(3);
    phones[2].hears(2);
}

#[test]
fn texts_go_to_users_and_come_back_from_an_echo() {
    let sandbox = Sandbox::start(&[]);
    let (mut alice, mut bob) = (ready(&sandbox, "demo-1"), ready(&sandbox, "demo-2"));
    let (near, far) = (Phone::new(1), Phone::new(2));
    let own = bridge(&mut alice, &mut bob, "demo-2", &near, &far);
    alice.command(Command::Message {
        id: 7,
        call: Some(own),
        to: String::new(),
        body: "psst".to_owned(),
    });
    bob.wait(
        SOON,
        |event| matches!(event, Event::Message { body, .. } if body == "psst"),
    );
}
