//! Numbers whose behaviour is signalling's alone.

use std::time::Duration;

use offhook_signaling::cause::Cause;
use offhook_signaling::command::Command;
use offhook_signaling::event::{EndedBy, Event};
use offhook_tests::kamailio::Kamailio;

use crate::world::{SOON, bye, call, ready};

fn end(event: &Event) -> (EndedBy, Cause, Option<u16>) {
    let Event::Ended { by, cause, sip, .. } = event else {
        panic!("no end: {event:?}");
    };
    (*by, cause.clone(), sip.code)
}

fn ended(event: &Event) -> bool {
    matches!(event, Event::Ended { .. })
}

#[test]
fn ringing_cancelled_redirected_refused() {
    let servers = Kamailio::start();
    let mut client = ready(&servers, 1000);
    // Rings until CANCEL.
    let rings = call(&client, "9180");
    client.wait(SOON, |event| matches!(event, Event::Ringing { .. }));
    bye(&client, &rings);
    assert_eq!(end(&client.wait(SOON, ended)).0, EndedBy::Local);
    // 302 to the echo.
    let moved = call(&client, "9302");
    client.wait(SOON, |event| {
        matches!(event, Event::Answered { sdp: Some(_), .. })
    });
    bye(&client, &moved);
    client.wait(SOON, ended);
    for (number, code) in [
        ("9404", 404),
        ("9480", 480),
        ("9486", 486),
        ("9488", 488),
        ("9603", 603),
    ] {
        call(&client, number);
        assert_eq!(end(&client.wait(SOON, ended)).2, Some(code), "{number}");
    }
    // 503 with Retry-After is not for calls to try again by themselves.
    call(&client, "9503");
    assert_eq!(end(&client.wait(SOON, ended)).2, Some(503));
}

#[test]
fn an_extension_and_an_interval_are_amended() {
    let servers = Kamailio::start();
    let mut client = ready(&servers, 1000);
    // 420 for everything that it lists; 422 with Min-SE 1800, then the echo.
    call(&client, "9420");
    assert_eq!(end(&client.wait(SOON, ended)).2, Some(420));
    let longer = call(&client, "9422");
    client.wait(SOON, |event| matches!(event, Event::Answered { .. }));
    bye(&client, &longer);
    client.wait(SOON, ended);
}

#[test]
fn answered_held_and_hung_up_by_the_far_side() {
    let servers = Kamailio::start();
    let mut client = ready(&servers, 1900);
    // 180, answered after half a second.
    let answered = call(&client, "9181");
    client.wait(SOON, |event| matches!(event, Event::Ringing { .. }));
    client.wait(SOON, |event| {
        matches!(event, Event::Answered { sdp: Some(_), .. })
    });
    bye(&client, &answered);
    client.wait(SOON, ended);
    // BYE with a Reason after two seconds.
    call(&client, "9185");
    client.wait(SOON, |event| matches!(event, Event::Answered { .. }));
    assert_eq!(end(&client.wait(SOON, ended)).0, EndedBy::Remote);
    // Two early dialogs, the second answers.
    let forked = call(&client, "9182");
    client.wait(SOON, |event| matches!(event, Event::Answered { .. }));
    bye(&client, &forked);
    client.wait(SOON, ended);
}

#[test]
fn reliable_early_media_then_an_answer_without_a_description() {
    let servers = Kamailio::start();
    let mut client = ready(&servers, 1000);
    let early = call(&client, "9183");
    client.wait(SOON, |event| matches!(event, Event::EarlyMedia { .. }));
    // The 200 says nothing of media: what counts is what came reliably before it, and it is told again.
    client.wait(SOON, |event| {
        matches!(event, Event::Answered { sdp: Some(_), .. })
    });
    assert!(
        servers.peer_log().contains("prack"),
        "{}",
        servers.peer_log()
    );
    bye(&client, &early);
    client.wait(SOON, ended);
    // Early media, then busy: the Reason says why.
    call(&client, "9189");
    client.wait(SOON, |event| matches!(event, Event::EarlyMedia { .. }));
    let (by, cause, code) = end(&client.wait(SOON, ended));
    assert_eq!(
        (by, cause, code),
        (EndedBy::Remote, Cause::USER_BUSY, Some(486))
    );
}

#[test]
fn offers_of_the_far_side_and_ours_that_meets_a_491() {
    let servers = Kamailio::start();
    let mut client = ready(&servers, 1000);
    // Holds after one second, resumes after two.
    let held = call(&client, "9184");
    let answered = client.wait(SOON, |event| matches!(event, Event::Answered { .. }));
    let Event::Answered { sdp: Some(_), .. } = answered else {
        panic!("{answered:?}");
    };
    for _ in 0..2 {
        client.wait(SOON, |event| {
            matches!(event, Event::Offer { sdp: Some(_), .. })
        });
        client.command(Command::Attach {
            call: held.clone(),
            sdp: crate::world::OFFER.replace("actpass", "passive"),
        });
        client.wait(SOON, |event| matches!(event, Event::Confirmed { .. }));
    }
    bye(&client, &held);
    client.wait(SOON, ended);
    // The first re-INVITE gets 491.
    let glare = call(&client, "9188");
    client.wait(SOON, |event| matches!(event, Event::Answered { .. }));
    client.command(Command::UpdateMedia {
        call: glare.clone(),
        sdp: crate::world::OFFER.replace("4611732 2", "4611732 3"),
    });
    client.wait(SOON, |event| matches!(event, Event::MediaUpdated { .. }));
    bye(&client, &glare);
    client.wait(SOON, ended);
}

#[test]
fn digits_of_the_far_side_and_silence_of_a_server() {
    let servers = Kamailio::start();
    let mut client = ready(&servers, 1000);
    let digits = call(&client, "9178");
    client.wait(SOON, |event| {
        matches!(event, Event::Digit { digit: '5', .. })
    });
    bye(&client, &digits);
    client.wait(SOON, ended);
    // 180 and nothing more: cancelled by us.
    let nothing = call(&client, "9001");
    client.wait(SOON, |event| matches!(event, Event::Ringing { .. }));
    bye(&client, &nothing);
    client.wait(SOON, ended);
    // No answer of any kind: 32 s.
    call(&client, "9000");
    let (by, _, _) = end(&client.wait(Duration::from_secs(40), ended));
    assert_eq!(by, EndedBy::Timeout);
}

#[test]
fn two_users_call_each_other_and_a_call_comes_from_the_other_side() {
    let servers = Kamailio::start();
    let mut alice = ready(&servers, 1010);
    let mut bob = ready(&servers, 1930);
    let own = call(&alice, "1930");
    let incoming = bob.wait(SOON, |event| matches!(event, Event::Incoming { .. }));
    let Event::Incoming {
        call: bobs,
        caller,
        sdp: Some(_),
        ..
    } = incoming
    else {
        panic!("{incoming:?}");
    };
    assert_eq!(caller.number, "1010");
    bob.command(Command::Answer {
        call: bobs.clone(),
        sdp: crate::world::OFFER.replace("actpass", "active"),
        headers: Vec::new(),
        client_state: None,
        trickle: None,
    });
    bob.wait(SOON, |event| matches!(event, Event::Confirmed { .. }));
    alice.wait(SOON, |event| {
        matches!(event, Event::Answered { sdp: Some(_), .. })
    });
    alice.command(Command::Message {
        id: 7,
        call: Some(own),
        to: String::new(),
        body: "hello".to_owned(),
    });
    bob.wait(
        SOON,
        |event| matches!(event, Event::Message { body, .. } if body == "hello"),
    );
    bye(&bob, &bobs);
    assert_eq!(end(&alice.wait(SOON, ended)).0, EndedBy::Remote);
    bob.wait(SOON, ended);
    // From the trunk: rings here, and is cancelled there after a while.
    let realm = servers.realm().to_owned();
    let to = format!("sip:1010@{realm}");
    servers.peer(&[
        "send",
        "--to",
        &to,
        "--method",
        "MESSAGE",
        "--body",
        "from the trunk",
    ]);
    alice.wait(SOON, |event| matches!(event, Event::Message { call: None, body, .. } if body == "from the trunk"));
}
