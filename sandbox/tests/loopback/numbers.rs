//! The numbers, with real media, in both dialects.

use std::collections::HashSet;
use std::time::Duration;

use offhook_media::session::media_session::Renewal;
use offhook_media::srtp::profile::SrtpProfile;
use serde_json::json;

use crate::client::{BOTH, Client, Dialect};
use crate::phone::Phone;
use crate::process::Sandbox;

/// Calls a number that answers; the phone is connected.
fn answered(client: &mut Client, call: &str, number: &str) -> Phone {
    let phone = Phone::new(1);
    client.invite(call, number, &phone.offer());
    let answer = client.expect("answer");
    phone.take_answer(answer["sdp"].as_str().unwrap());
    phone.connected();
    phone
}

#[test]
fn the_echo_comes_back_at_once_and_half_a_second_later() {
    let sandbox = Sandbox::start(&[]);
    for dialect in BOTH {
        let mut client = Client::ready(&sandbox.address(), dialect, "demo-1", None);
        answered(&mut client, "now", "9196").echo();
        assert_eq!(client.has("ringing"), dialect == Dialect::Telnyx);
        let phone = answered(&mut client, "later", "9195");
        let delay = phone.echo();
        assert!(delay >= Duration::from_millis(500), "{delay:?}");
        client.ask_call("bye", "later", json!({}));
        client.ask_call("bye", "now", json!({}));
    }
}

#[test]
fn the_freeswitch_face_shows_its_sdp_and_its_profile() {
    let sandbox = Sandbox::start(&[]);
    let mut client = Client::ready(&sandbox.address(), Dialect::FreeSwitch, "demo-1", None);
    let phone = Phone::new(1);
    client.invite("c-1", "9196", &phone.offer());
    let answer = client.expect("answer");
    let sdp = answer["sdp"].as_str().unwrap();
    assert!(sdp.contains("o=FreeSWITCH "), "{sdp}");
    assert!(!sdp.contains("a=mid") && !sdp.contains("a=group"), "{sdp}");
    phone.take_answer(sdp);
    assert_eq!(phone.connected(), SrtpProfile::Aes128CmHmacSha1_80);
}

#[test]
fn the_tone_and_the_speech_are_heard_without_sending_anything_back() {
    let sandbox = Sandbox::start(&[]);
    for dialect in BOTH {
        let mut client = Client::ready(&sandbox.address(), dialect, "demo-1", None);
        for number in ["9197", "9198"] {
            let phone = answered(&mut client, number, number);
            let payloads: HashSet<Vec<u8>> = (0..20).map(|_| phone.packet().0).collect();
            assert!(
                payloads.len() > 5,
                "{number}: {} different payloads",
                payloads.len()
            );
            assert!(payloads.iter().all(|payload| payload[0] != b'#'));
        }
    }
}

#[test]
fn with_a_muted_return_path_the_echo_is_silence() {
    let sandbox = Sandbox::start(&["--mute-return"]);
    let mut client = Client::ready(&sandbox.address(), Dialect::Telnyx, "demo-1", None);
    let phone = answered(&mut client, "c-1", "9196");
    for _ in 0..50 {
        assert_ne!(phone.packet().0[0], b'#');
    }
}

#[test]
fn early_media_is_heard_before_busy_and_before_the_answer() {
    let sandbox = Sandbox::start(&[]);
    for dialect in BOTH {
        let mut client = Client::ready(&sandbox.address(), dialect, "demo-1", None);
        for (number, then) in [("9189", "bye"), ("9100", "answer")] {
            let phone = Phone::new(1);
            client.invite(number, number, &phone.offer());
            let early = client.expect("media");
            phone.take_answer(early["sdp"].as_str().unwrap());
            phone.connected();
            phone.packet();
            let end = client.expect(then);
            assert!(end.get("sdp").is_none());
            if then == "bye" {
                assert_eq!(end["cause"], "USER_BUSY");
            } else {
                phone.echo();
            }
        }
    }
}

#[test]
fn calls_end_as_their_number_says() {
    let sandbox = Sandbox::start(&[]);
    for dialect in BOTH {
        let mut client = Client::ready(&sandbox.address(), dialect, "demo-1", None);
        answered(&mut client, "short", "9185");
        assert_eq!(client.expect("bye")["causeCode"], 16);
        let phone = Phone::new(1);
        for (number, code) in [("99017", 17), ("99034", 34), ("9486", 17)] {
            client.invite(number, number, &phone.offer());
            assert_eq!(client.expect("bye")["causeCode"], code);
        }
    }
}

#[test]
fn new_ice_credentials_within_a_call_keep_the_echo() {
    let sandbox = Sandbox::start(&[]);
    for dialect in BOTH {
        let mut client = Client::ready(&sandbox.address(), dialect, "demo-1", None);
        let phone = answered(&mut client, "c-1", "9196");
        phone.echo();
        let params = json!({"action": "updateMedia", "sdp": phone.restart()});
        let result = client.ask_call("modify", "c-1", params);
        phone.take_answer(result["sdp"].as_str().unwrap());
        phone.echo();
    }
}

#[test]
fn a_call_comes_back_after_its_socket_was_lost() {
    let sandbox = Sandbox::start(&[]);
    for dialect in BOTH {
        let mut client = Client::ready(&sandbox.address(), dialect, "demo-1", None);
        let phone = answered(&mut client, "c-1", "9196");
        phone.echo();
        let sessid = client.sessid.clone();
        drop(client);
        let mut client = Client::ready(&sandbox.address(), dialect, "demo-1", Some(&sessid));
        assert_eq!(client.sessid, sessid);
        let attach = client.expect("attach");
        assert_eq!(attach["callID"], "c-1");
        let answer = phone.answer(attach["sdp"].as_str().unwrap(), Renewal::Afresh);
        client.ask_call("attach", "c-1", json!({"sdp": answer}));
        phone.connected();
        phone.echo();
    }
}
