//! Two and three of our daemons through a real Kamailio and rtpengine.

use offhook_control::notice::Event;
use offhook_control::reply::Done;
use offhook_control::request::{Dtmf, Message, OfCall, Request, Transfer};
use offhook_tests::kamailio::Kamailio;

use crate::world::{PATIENCE, Phone};

#[test]
fn each_hears_the_other_and_nobody_while_on_hold() {
    let servers = Kamailio::start();
    let mut ann = Phone::saying(&servers, 1000, 440.0);
    let mut ben = Phone::saying(&servers, 1001, 1000.0);
    let call = ann.control.call("1001");
    let there = ben.takes_a_call();
    for phone in [&mut ann, &mut ben] {
        phone.saw("sound", |event| matches!(event, Event::FirstRtpReceived));
        phone.listens(2);
    }
    ann.control.ask::<Done>(&Request::Hold(OfCall::default()));
    ann.saw("hold", |event| matches!(event, Event::Held { on: true }));
    ben.saw("hold by the far end", |event| {
        matches!(event, Event::HeldByPeer { on: true })
    });
    ann.control.ask::<Done>(&Request::Resume(OfCall::default()));
    ann.saw("its end", |event| {
        matches!(event, Event::Held { on: false })
    });
    ben.saw("its end", |event| {
        matches!(event, Event::HeldByPeer { on: false })
    });
    let text = Message {
        call: Some(call.clone()),
        to: Some("1001".to_owned()),
        text: "see you at the gate".to_owned(),
        ..Message::default()
    };
    ann.control.ask::<Done>(&Request::Message(text));
    ben.saw(
        "the text",
        |event| matches!(event, Event::Message { text, .. } if text == "see you at the gate"),
    );
    for (from, to, name) in [(0, 1, &call), (1, 0, &there)] {
        let phones = &mut [&mut ann, &mut ben];
        phones[from].control.ask::<Done>(&Request::Dtmf(Dtmf {
            call: name.clone(),
            digits: "1#".to_owned(),
        }));
        for wanted in ['1', '#'] {
            phones[to].saw(
                "a digit",
                |event| matches!(event, Event::Dtmf { digit } if *digit == wanted),
            );
        }
    }
    ann.listens(2);
    ann.hangs_up(&call);
    ben.control.wait_ended(&there, PATIENCE);
    assert!(ann.heard(&call, 1000.0));
    assert!(ben.heard(&there, 440.0));
}

#[test]
fn a_blind_transfer_leads_the_far_end_to_a_third() {
    let servers = Kamailio::start();
    let mut ann = Phone::saying(&servers, 1000, 440.0);
    let mut ben = Phone::saying(&servers, 1001, 1000.0);
    let mut cat = Phone::saying(&servers, 1002, 700.0);
    let call = ann.control.call("1001");
    ben.takes_a_call();
    ann.saw("the answer", |event| matches!(event, Event::Answered(_)));
    ann.control.ask::<Done>(&Request::Transfer(Transfer {
        call: Some(call.clone()),
        to: Some("1002".to_owned()),
        with: None,
    }));
    let third = cat.takes_a_call();
    ann.saw("the transfer", |event| matches!(event, Event::Transferred));
    ann.control.wait_ended(&call, PATIENCE);
    cat.saw("sound", |event| matches!(event, Event::FirstRtpReceived));
    cat.listens(2);
    cat.hangs_up(&third);
    assert!(cat.heard(&third, 1000.0), "the one who was sent");
}

#[test]
fn an_attended_transfer_joins_the_two_far_ends() {
    let servers = Kamailio::start();
    let mut ann = Phone::saying(&servers, 1000, 440.0);
    let mut ben = Phone::saying(&servers, 1001, 1000.0);
    let mut cat = Phone::saying(&servers, 1002, 700.0);
    let first = ann.control.call("1001");
    ben.takes_a_call();
    ann.saw("the answer", |event| matches!(event, Event::Answered(_)));
    ann.control.ask::<Done>(&Request::Hold(OfCall::default()));
    ann.saw("hold", |event| matches!(event, Event::Held { on: true }));
    let second = ann.control.call("1002");
    cat.takes_a_call();
    ann.control.wait("the answer", PATIENCE, |notice| {
        let answered = matches!(notice.event, Event::Answered(_));
        (answered && notice.call.as_ref() == Some(&second)).then_some(())
    });
    ann.control.ask::<Done>(&Request::Transfer(Transfer {
        call: Some(first.clone()),
        to: None,
        with: Some(second),
    }));
    ann.saw("the transfer", |event| matches!(event, Event::Transferred));
    ann.control.wait_ended(&first, PATIENCE);
    // The call that replaces Cat's is hers now.
    let third = cat.control.wait(
        "the call in the old one's place",
        PATIENCE,
        |notice| match &notice.event {
            Event::Incoming { .. } | Event::Answered(_) => notice.call.clone(),
            _ => None,
        },
    );
    cat.listens(4);
    cat.hangs_up(&third);
    assert!(cat.heard(&third, 1000.0), "the one who was joined");
}

#[test]
fn nobody_there_and_somebody_elsewhere() {
    let servers = Kamailio::start();
    let mut ann = Phone::saying(&servers, 1000, 440.0);
    let call = ann.control.call("1005");
    let ended = ann.control.wait_ended(&call, PATIENCE);
    assert!(matches!(ended.sip_code, Some(404 | 480)), "{ended:?}");
    // Two devices of one user ring; one takes the call.
    let mut desk = Phone::saying(&servers, 1001, 1000.0);
    let mut door = Phone::saying(&servers, 1001, 700.0);
    let call = ann.control.call("1001");
    let lost = door.control.wait("a call", PATIENCE, |notice| {
        matches!(notice.event, Event::Incoming { .. }).then(|| notice.call.clone())
    });
    desk.takes_a_call();
    let ended = door
        .control
        .wait_ended(&lost.expect("a call's name"), PATIENCE);
    assert!(ended.answered_elsewhere, "{ended:?}");
    ann.hangs_up(&call);
}
