//! Calls with sound: numbers, users, both ways.

use offhook_signaling::cause::Cause;
use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use offhook_tests::sandbox::Sandbox;

use crate::phone::Phone;
use crate::world::{SOON, answer, bye, call, end, ended, invite, ready};

#[test]
fn the_echo_is_heard_and_so_is_the_tone() {
    let sandbox = Sandbox::start(&[]);
    let mut client = ready(&sandbox, "demo-1");
    let phone = Phone::new(1);
    let echo = call(&mut client, "9196", &phone);
    phone.hears(1);
    bye(&client, &echo);
    end(&mut client);
    let phone = Phone::new(1);
    let tone = call(&mut client, "9197", &phone);
    phone.hears_the_sandbox();
    bye(&client, &tone);
    end(&mut client);
}

#[test]
fn two_sip_users_hear_each_other_and_their_digits() {
    let sandbox = Sandbox::start(&[]);
    let (mut alice, mut bob) = (ready(&sandbox, "demo-1"), ready(&sandbox, "demo-2"));
    let (near, far) = (Phone::new(1), Phone::new(2));
    let own = invite(&alice, "demo-2", near.offer());
    alice.wait(SOON, |event| matches!(event, Event::Ringing { .. }));
    let theirs = answer(&mut bob, &far);
    let answered = alice.wait(SOON, |event| matches!(event, Event::Answered { .. }));
    let Event::Answered { sdp: Some(sdp), .. } = answered else {
        panic!("{answered:?}");
    };
    near.take_answer(&sdp);
    near.hears(2);
    far.hears(1);
    alice.command(Command::Dtmf {
        call: own,
        digits: "4".to_owned(),
    });
    assert_eq!(far.digit(), '4');
    bye(&bob, &theirs);
    let event = alice.wait(SOON, ended);
    assert!(
        matches!(&event, Event::Ended { cause, .. } if *cause == Cause::NORMAL_CLEARING),
        "{event:?}"
    );
    bob.wait(SOON, ended);
}

#[test]
fn early_media_is_heard_before_the_answer() {
    let sandbox = Sandbox::start(&[]);
    let mut client = ready(&sandbox, "demo-1");
    for number in ["9100", "9183"] {
        let phone = Phone::new(1);
        let own = invite(&client, number, phone.offer());
        let early = client.wait(SOON, |event| matches!(event, Event::EarlyMedia { .. }));
        let Event::EarlyMedia { sdp, .. } = early else {
            panic!("{early:?}");
        };
        phone.take_answer(&sdp);
        if number == "9100" {
            phone.hears_the_sandbox();
        } else {
            phone.hears(1);
        }
        client.wait(SOON, |event| matches!(event, Event::Answered { .. }));
        phone.hears(1);
        bye(&client, &own);
        end(&mut client);
    }
}

#[test]
fn the_sandbox_calls_with_an_offer_and_without() {
    let mut sandbox = Sandbox::start(&[]);
    let mut client = ready(&sandbox, "demo-1");
    sandbox.call("demo-1");
    let phone = Phone::new(1);
    let own = answer(&mut client, &phone);
    phone.hears(1);
    bye(&client, &own);
    end(&mut client);
    sandbox.call_late("demo-1");
    let phone = Phone::new(1);
    let own = answer(&mut client, &phone);
    let confirmed = client.wait(SOON, |event| {
        matches!(
            event,
            Event::Confirmed { .. } | Event::MediaUpdated { .. } | Event::Answered { .. }
        )
    });
    if let Event::MediaUpdated { sdp, .. } | Event::Answered { sdp: Some(sdp), .. } = &confirmed {
        phone.take_answer(sdp);
        phone.hears(1);
    } else {
        panic!("{confirmed:?}");
    }
    bye(&client, &own);
    end(&mut client);
}
