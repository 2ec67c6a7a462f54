//! Servers that die in the middle of a call, and come back.

use offhook_control::notice::Event;
use offhook_tests::kamailio::Kamailio;

use crate::world::{PATIENCE, Phone, TONE};

#[test]
fn a_killed_server_takes_no_call_along() {
    let mut servers = Kamailio::start();
    let mut phone = Phone::ready(&servers, 1000);
    let call = phone.talks_to("9196");
    phone.listens(1);
    servers.kill_proxy();
    phone.saw("the loss", |event| {
        matches!(event, Event::Recovering { on: true })
    });
    // Sound goes on meanwhile: its way leads through rtpengine, which lives.
    phone.listens(3);
    servers.restart_proxy();
    phone.saw("registration", |event| matches!(event, Event::Ready));
    phone.saw("the call's return", |event| {
        matches!(event, Event::Recovering { on: false })
    });
    phone.listens(2);
    phone.hangs_up(&call);
    assert!(phone.heard(&call, TONE));
    // The far end heard of the end too.
    assert!(servers.peer_log().contains("bye"), "{}", servers.peer_log());
    let next = phone.talks_to("9196");
    phone.hangs_up(&next);
}

#[test]
fn a_relay_that_starts_anew_gets_a_new_offer() {
    let mut servers = Kamailio::start();
    let mut phone = Phone::ready(&servers, 1000);
    let call = phone.talks_to("9196");
    phone.listens(1);
    servers.restart_relay();
    phone.saw("the lost path", |event| {
        matches!(event, Event::PathLost { .. } | Event::NoMedia { .. })
    });
    phone
        .control
        .wait("a new path or the end", PATIENCE * 2, |notice| {
            matches!(notice.event, Event::Dtls { .. } | Event::Ended(_)).then_some(())
        });
    phone.hears_on();
    let calls = phone.control.status().calls;
    assert!(calls.iter().any(|status| status.call == call), "{calls:?}");
}
