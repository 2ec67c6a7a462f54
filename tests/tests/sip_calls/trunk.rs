//! Calls from the far side of a real Kamailio, where a scripted peer without ICE or encryption stands behind rtpengine; and what
//! Kamailio tells of a user.

use offhook_control::notice::Event;
use offhook_control::reply::Done;
use offhook_control::request::{Channels, Publish, Request};
use offhook_tests::kamailio::Kamailio;
use serde_json::Value;

use crate::world::{PATIENCE, Phone, TONE, config_at};

/// The peer calls with these arguments; the kiosk takes the call and lives it. Gives back what the peer heard, in packets.
fn called(
    servers: &Kamailio,
    phone: &mut Phone,
    arguments: &[&str],
    meanwhile: impl FnOnce(&mut Phone),
) -> u64 {
    let to = format!("sip:1000@{}", servers.realm());
    let told = std::thread::scope(|scope| {
        let peer = scope.spawn(|| {
            let mut all = vec!["call", "--to", to.as_str()];
            all.extend(arguments);
            servers.peer(&all)
        });
        let call = phone.takes_a_call();
        phone.saw("sound", |event| matches!(event, Event::FirstRtpReceived));
        meanwhile(phone);
        let ended = phone.control.wait_ended(&call, PATIENCE);
        assert!(ended.answered, "{ended:?}");
        assert!(phone.heard(&call, TONE), "{arguments:?}: its own echo");
        peer.join().expect("the peer's words")
    });
    let lines = told
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let heard = lines.filter_map(|line| line["rtp_rx"].as_u64()).next_back();
    heard.unwrap_or_else(|| panic!("the peer tells nothing of media: {told}"))
}

#[test]
fn a_call_from_the_trunk_with_and_without_an_offer_and_held_by_it() {
    let servers = Kamailio::start();
    let mut phone = Phone::ready(&servers, 1000);
    let heard = called(&servers, &mut phone, &["--seconds", "3"], |_| ());
    assert!(heard > 50, "{heard} packets");
    // INVITE without an offer: ours is in the answer, theirs in the ACK.
    let late = ["--late-offer", "--seconds", "3"];
    let heard = called(&servers, &mut phone, &late, |_| ());
    assert!(heard > 50, "{heard} packets");
    let held = ["--hold", "--seconds", "3"];
    called(&servers, &mut phone, &held, |phone| {
        for on in [true, false] {
            phone.saw(
                "hold by the far end",
                |event| matches!(event, Event::HeldByPeer { on: now } if *now == on),
            );
        }
    });
}

#[test]
fn numbers_and_calls_from_the_trunk_over_tls() {
    let servers = Kamailio::start();
    let trust = format!("ca_file = {:?}\n", servers.certificate());
    let config = config_at(servers.wss_url(), &servers, 1000, TONE, &trust);
    let mut phone = Phone::launch(config);
    // An echo after 180; a session timer that is ours to keep.
    for number in ["9181", "9186"] {
        let call = phone.talks_to(number);
        phone.listens(2);
        phone.hangs_up(&call);
        assert!(phone.heard(&call, TONE), "{number}");
    }
    let heard = called(&servers, &mut phone, &["--seconds", "3"], |_| ());
    assert!(heard > 50, "{heard} packets");
}

#[test]
fn presence_goes_through_its_server() {
    let servers = Kamailio::start();
    // This presence server takes the host of a Contact for an address, which a GRUU has not.
    let mut ann = Phone::ready(&servers, 1000);
    let mut ben = Phone::ready(&servers, 1001);
    let presence = format!("presence:1001@{}", servers.realm());
    let channels = Channels {
        account: None,
        channels: vec![presence.clone()],
    };
    ann.control.ask::<Done>(&Request::Watch(channels));
    for open in [true, false] {
        ben.control.ask::<Done>(&Request::Publish(Publish {
            account: None,
            open,
            note: Some("at the gate".to_owned()),
        }));
        ben.saw(
            "what others see",
            |event| matches!(event, Event::Published { open: now, .. } if *now == open),
        );
        ann.saw("the same", |event| match event {
            Event::Channel { channel, data, .. } => {
                *channel == presence && data["open"] == open && data["note"] == "at the gate"
            }
            _ => false,
        });
    }
}
