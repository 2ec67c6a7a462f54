//! Calls to users: from the operator, from a number that calls back, from each other.

use offhook_media::program::AudioCodec;
use offhook_media::session::media_session::Renewal;
use serde_json::json;

use crate::client::{BOTH, Client, Dialect};
use crate::phone::Phone;
use crate::process::Sandbox;

/// Answers the next call with a phone.
fn answer(client: &mut Client, phone: &Phone) -> String {
    let invite = client.expect("invite");
    let call = invite["callID"].as_str().unwrap().to_owned();
    let sdp = phone.answer(invite["sdp"].as_str().unwrap(), Renewal::Change);
    client.ask_call("answer", &call, json!({"sdp": sdp}));
    call
}

#[test]
fn the_operator_calls_and_hears_itself() {
    let mut sandbox = Sandbox::start(&[]);
    for dialect in BOTH {
        let mut client = Client::ready(&sandbox.address(), dialect, "demo-1", None);
        sandbox.write(r#"{"call":"demo-1"}"#);
        let phone = Phone::new(1);
        let call = answer(&mut client, &phone);
        phone.connected();
        phone.echo();
        client.ask_call("bye", &call, json!({}));
    }
}

#[test]
fn a_number_calls_back() {
    let sandbox = Sandbox::start(&[]);
    for dialect in BOTH {
        let mut client = Client::ready(&sandbox.address(), dialect, "demo-1", None);
        client.invite("c-1", "9171", &Phone::new(1).offer());
        client.expect("bye");
        let phone = Phone::new(1);
        answer(&mut client, &phone);
        phone.connected();
        phone.echo();
    }
}

#[test]
fn two_users_hear_each_other_and_their_digits_whatever_their_dialects() {
    let sandbox = Sandbox::start(&[]);
    let dialects = [
        (Dialect::Telnyx, Dialect::Telnyx),
        (Dialect::FreeSwitch, Dialect::FreeSwitch),
        (Dialect::Telnyx, Dialect::FreeSwitch),
    ];
    for (one, two) in dialects {
        let mut caller = Client::ready(&sandbox.address(), one, "demo-1", None);
        let mut callee = Client::ready(&sandbox.address(), two, "demo-2", None);
        let near = Phone::new(1);
        let far = Phone::new(2);
        caller.invite("c-1", "demo-2", &near.offer());
        let call = answer(&mut callee, &far);
        let sdp = caller.expect("answer");
        near.take_answer(sdp["sdp"].as_str().unwrap());
        near.hears(2);
        far.hears(1);
        caller.ask_call("info", "c-1", json!({"dtmf": "4#"}));
        callee.ask_call("info", &call, json!({"dtmf": "0"}));
        // The FreeSWITCH face offers no telephone events: such a far end hears nothing of them.
        if two == Dialect::Telnyx {
            assert_eq!((far.digit(), far.digit()), ('4', '#'));
        }
        if one == Dialect::Telnyx {
            assert_eq!(near.digit(), '0');
        }
        far.hears(1);
        near.hears(2);
        callee.ask_call("bye", &call, json!({"cause": "NORMAL_CLEARING"}));
        assert_eq!(caller.expect("bye")["cause"], "NORMAL_CLEARING");
    }
}

#[test]
fn a_bridge_speaks_what_the_caller_speaks() {
    let sandbox = Sandbox::start(&[]);
    let mut caller = Client::ready(&sandbox.address(), Dialect::Telnyx, "demo-1", None);
    let mut callee = Client::ready(&sandbox.address(), Dialect::Telnyx, "demo-2", None);
    let near = Phone::with_codecs(1, &[AudioCodec::Pcma]);
    let far = Phone::new(2);
    caller.invite("c-1", "demo-2", &near.offer());
    answer(&mut callee, &far);
    let sdp = caller.expect("answer");
    near.take_answer(sdp["sdp"].as_str().unwrap());
    near.hears(2);
    far.hears(1);
}
