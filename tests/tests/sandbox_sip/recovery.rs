//! Lost connections and forgotten flows, as the real user agent takes them.

use std::time::Duration;

use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use offhook_tests::sandbox::Sandbox;
use offhook_tests::sip_client::SipClient;

use crate::phone::Phone;
use crate::world::{SOON, answer, bye, call, end, invite, ready};

#[test]
fn a_call_goes_on_over_the_next_connection() {
    let mut sandbox = Sandbox::start(&[]);
    let mut client = ready(&sandbox, "demo-1");
    let phone = Phone::new(1);
    let own = call(&mut client, "9196", &phone);
    for fault in ["drop", "cut-frame", "punt"] {
        sandbox.fault_for("demo-1", fault);
        client.wait(SOON, |event| matches!(event, Event::Disconnected { .. }));
        client.wait(SOON, |event| *event == Event::Ready);
        phone.hears(1);
    }
    bye(&client, &own);
    end(&mut client);
}

#[test]
fn a_silent_connection_is_left_for_another() {
    let mut sandbox = Sandbox::start(&["--sip-flow-timer", "2"]);
    let mut client = ready(&sandbox, "demo-1");
    sandbox.fault_for("demo-1", "silent");
    let patience = Duration::from_secs(40);
    client.wait(patience, |event| {
        matches!(event, Event::Disconnected { .. })
    });
    client.wait(SOON, |event| *event == Event::Ready);
}

#[test]
fn a_forgotten_flow_is_reached_again_with_its_next_registration() {
    let mut sandbox = Sandbox::start(&["--fault", "short-registrations=12@demo-2"]);
    let (mut alice, mut bob) = (ready(&sandbox, "demo-1"), ready(&sandbox, "demo-2"));
    alice.command(Command::Subscribe {
        channels: vec!["presence:demo-2@sandbox.example".to_owned()],
    });
    // Whether he can be reached shows.
    let shown = |alice: &mut SipClient, open: bool| {
        // Within the life of a registration he comes back by himself.
        alice.wait(
            Duration::from_secs(20),
            |event| matches!(event, Event::ChannelEvent { data, .. } if data["open"] == open),
        );
    };
    shown(&mut alice, true);
    sandbox.fault_for("demo-2", "forget-flow");
    shown(&mut alice, false);
    invite(&alice, "demo-2", Phone::new(1).offer());
    assert_eq!(end(&mut alice), Some(480));
    shown(&mut alice, true);
    let far = Phone::new(2);
    invite(&alice, "demo-2", Phone::new(1).offer());
    alice.wait(SOON, |event| matches!(event, Event::Ringing { .. }));
    let theirs = answer(&mut bob, &far);
    bye(&bob, &theirs);
    end(&mut bob);
}
