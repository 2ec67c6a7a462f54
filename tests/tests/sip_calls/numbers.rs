//! What each number does is what a kiosk sees and hears.

use offhook_control::notice::{EndedBy, Event};
use offhook_control::reply::Done;
use offhook_control::request::{Answer, Call, Dtmf, OfCall, Request};
use offhook_tests::kamailio::Kamailio;

use crate::world::{PATIENCE, Phone, TONE};

#[test]
fn echoes_and_a_tone_are_heard() {
    let servers = Kamailio::start();
    let mut phone = Phone::ready(&servers, 1000);
    for number in ["9195", "9196"] {
        let call = phone.talks_to(number);
        phone.listens(3);
        phone.hangs_up(&call);
        assert!(phone.heard(&call, TONE), "{number}");
    }
    let call = phone.talks_to("9197");
    phone.listens(3);
    phone.hangs_up(&call);
    assert!(phone.heard(&call, 440.0), "the tone of a peer");
}

#[test]
fn ringing_early_media_and_forks_come_as_they_are() {
    let servers = Kamailio::start();
    let mut phone = Phone::ready(&servers, 1000);
    // Rings until CANCEL.
    let call = phone.control.call("9180");
    phone.saw("ringing", |event| matches!(event, Event::Ringing(_)));
    phone.hangs_up(&call);
    // 180, then the echo.
    let call = phone.control.call("9181");
    phone.saw("ringing", |event| matches!(event, Event::Ringing(_)));
    phone.saw("the answer", |event| matches!(event, Event::Answered(_)));
    phone.listens(2);
    phone.hangs_up(&call);
    assert!(phone.heard(&call, TONE));
    // Two early dialogs, of which the second answers.
    let call = phone.control.call("9182");
    phone.saw("the answer", |event| matches!(event, Event::Answered(_)));
    phone.saw("sound", |event| matches!(event, Event::FirstRtpReceived));
    phone.listens(2);
    phone.hangs_up(&call);
    assert!(phone.heard(&call, TONE), "the second branch");
    // A reliable 183 with the answer.
    let call = phone.control.call("9183");
    phone.saw("early media", |event| matches!(event, Event::Early(_)));
    phone.saw("the answer", |event| matches!(event, Event::Answered(_)));
    phone.listens(2);
    phone.hangs_up(&call);
    assert!(phone.heard(&call, TONE), "after PRACK");
    assert!(servers.peer_log().contains("prack"));
    // Sound, and then busy.
    let call = phone.control.call("9189");
    phone.saw("early media", |event| matches!(event, Event::Early(_)));
    phone.saw("sound", |event| matches!(event, Event::FirstRtpReceived));
    let ended = phone.control.wait_ended(&call, PATIENCE);
    assert_eq!(
        (ended.cause.as_str(), ended.sip_code),
        ("USER_BUSY", Some(486))
    );
}

#[test]
fn refusals_and_redirections() {
    let servers = Kamailio::start();
    let mut phone = Phone::ready(&servers, 1000);
    for (number, code) in [("9404", 404), ("9480", 480), ("9486", 486), ("9603", 603)] {
        let call = phone.control.call(number);
        let ended = phone.control.wait_ended(&call, PATIENCE);
        assert_eq!(ended.sip_code, Some(code), "{number}");
    }
    for number in ["9302", "9422"] {
        let call = phone.talks_to(number);
        phone.listens(2);
        phone.hangs_up(&call);
        assert!(phone.heard(&call, TONE), "{number}");
    }
    let call = phone.talks_to("9185");
    let ended = phone.control.wait_ended(&call, PATIENCE);
    assert_eq!((ended.by, ended.answered), (EndedBy::Remote, true));
}

#[test]
fn the_far_end_holds_and_takes_the_call_back() {
    let servers = Kamailio::start();
    let mut phone = Phone::ready(&servers, 1000);
    let call = phone.control.call("9184");
    phone.saw("hold by the far end", |event| {
        matches!(event, Event::HeldByPeer { on: true })
    });
    phone.saw("its end", |event| {
        matches!(event, Event::HeldByPeer { on: false })
    });
    phone.listens(3);
    phone.hangs_up(&call);
    assert!(phone.heard(&call, TONE));
}

#[test]
fn our_hold_goes_through_glare() {
    let servers = Kamailio::start();
    let mut phone = Phone::ready(&servers, 1000);
    for number in ["9188", "9196"] {
        let call = phone.talks_to(number);
        let of_call = || OfCall {
            call: Some(call.clone()),
        };
        phone.control.ask::<Done>(&Request::Hold(of_call()));
        phone.saw("hold", |event| matches!(event, Event::Held { on: true }));
        phone.control.ask::<Done>(&Request::Resume(of_call()));
        phone.saw("its end", |event| {
            matches!(event, Event::Held { on: false })
        });
        phone.hears(&call, TONE);
        phone.hangs_up(&call);
    }
}

#[test]
fn sent_elsewhere_we_go_there() {
    let servers = Kamailio::start();
    let mut phone = Phone::ready(&servers, 1000);
    phone.control.call("9187");
    let there = phone
        .control
        .wait("the transfer", PATIENCE, |notice| match &notice.event {
            Event::Referred { followed_by, .. } => followed_by.clone(),
            _ => None,
        });
    phone.control.wait("the new call", PATIENCE, |notice| {
        let answered = matches!(notice.event, Event::Answered(_));
        (answered && notice.call.as_ref() == Some(&there)).then_some(())
    });
    phone.listens(3);
    phone.hangs_up(&there);
    assert!(phone.heard(&there, TONE));
    assert!(servers.peer_log().contains("200"), "{}", servers.peer_log());
}

#[test]
fn digits_both_ways() {
    let servers = Kamailio::start();
    let mut phone = Phone::ready(&servers, 1000);
    let call = phone.talks_to("9178");
    phone.saw("the far end's digit", |event| {
        matches!(event, Event::Dtmf { digit: '5' })
    });
    phone.control.ask::<Done>(&Request::Dtmf(Dtmf {
        call: call.clone(),
        digits: "12#".to_owned(),
    }));
    phone.listens(2);
    phone.hangs_up(&call);
}

#[test]
fn a_call_without_an_offer_of_ours() {
    let servers = Kamailio::start();
    let mut phone = Phone::ready(&servers, 1000);
    let mut other = Phone::saying(&servers, 1001, 1000.0);
    let call: offhook_control::reply::CallPlaced = phone.control.ask(&Request::Call(Call {
        number: "1001".to_owned(),
        late_offer: true,
        ..Call::default()
    }));
    other.takes_a_call();
    phone.saw("the answer", |event| matches!(event, Event::Answered(_)));
    phone.saw("sound", |event| matches!(event, Event::FirstRtpReceived));
    phone.listens(2);
    phone.hangs_up(&call.call);
    assert!(phone.heard(&call.call, 1000.0));
}

/// Whoever is called rings with the offer, and the caller's PRACK answers it (RFC 3262, 5): media stands before the answer, and is heard
/// from then on.
#[test]
fn a_call_without_an_offer_of_ours_rings_with_theirs_where_it_demands_reliability() {
    let servers = Kamailio::start();
    let reliably = "reliable_provisional = \"required\"\n";
    let mut phone = Phone::with(&servers, 1000, reliably);
    let mut other = Phone::saying(&servers, 1001, 1000.0);
    let placed: offhook_control::reply::CallPlaced = phone.control.ask(&Request::Call(Call {
        number: "1001".to_owned(),
        late_offer: true,
        ..Call::default()
    }));
    let there = other.control.wait("a call", PATIENCE, |notice| {
        let rings = matches!(notice.event, Event::Incoming { .. });
        rings.then(|| notice.call.clone()).flatten()
    });
    phone.saw("ringing", |event| matches!(event, Event::Ringing { .. }));
    other.saw("the path", |event| matches!(event, Event::Dtls { .. }));
    other.control.ask::<Done>(&Request::Answer(Answer {
        call: Some(there.clone()),
        ..Answer::default()
    }));
    phone.saw("the answer", |event| matches!(event, Event::Answered(_)));
    for phone in [&mut phone, &mut other] {
        phone.saw("sound", |event| matches!(event, Event::FirstRtpReceived));
    }
    phone.listens(2);
    phone.hangs_up(&placed.call);
    other.control.wait_ended(&there, PATIENCE);
    assert!(phone.heard(&placed.call, 1000.0));
    assert!(other.heard(&there, TONE));
}
