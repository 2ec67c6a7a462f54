//! Two users behind port restricted NATs talk directly, and one of the NATs forgets it: there is no way back but by a relay.

use offhook_tests::daemon::Config;
use offhook_tests::internet::{Internet, SECOND, SERVER};
use offhook_tests::kamailio::Kamailio;
use offhook_tests::namespace::Translation;
use offhook_tests::phone::Phone;
use offhook_tests::sound;
use offhook_tests::turn_server::TurnServer;

use crate::routers::other_ports;
use crate::world::{PATIENCE, SOON, is_possible};

#[test]
fn a_call_between_users_leaves_a_forgotten_way_for_a_relay() {
    if !is_possible(&["turnserver", "kamailio", "rtpengine"]) {
        return;
    }
    let mut internet = Internet::new();
    let turn = TurnServer::start_in(&internet.core, SECOND);
    let servers = Kamailio::start_in(&internet.core, SERVER);
    let users = [(1000, 440.0), (1001, 1000.0)];
    let sites = users.map(|_| internet.site(Some(Translation::PortRestricted)));
    let [mut ann, mut ben] = [0, 1].map(|place: usize| {
        let config = Config::new().with("[media]\ncodecs = [\"pcmu\"]");
        let keys = turn.keys(&config, SECOND);
        let machine = &sites[place].machine;
        Phone::of(
            Phone::start(machine, config, &servers, users[place], &keys),
            users[place],
        )
    });
    let here = ann.control.call(&ben.number);
    let there = ben.takes_a_call();
    ann.is_through(&here);
    ben.is_through(&there);
    ann.hears(&here, ben.tone);
    ben.hears(&there, ann.tone);
    assert!(!ann.path(&here).is_relayed(), "{:?}", ann.path(&here));
    let outage = other_ports(&sites[0]);
    for (who, phone, call, tone) in [
        ("the caller", &ann, &here, ben.tone),
        ("the other", &ben, &there, ann.tone),
    ] {
        let heard = sound::wait_for_whole_tone(&phone.recording(call), tone, PATIENCE);
        let what = format!("NAT of one of two users rebound, {who}");
        outage.judge(&what, &heard, SOON, || {
            format!("{:#?}", phone.control.events())
        });
    }
    for path in [ann.path(&here), ben.path(&there)] {
        assert!(path.is_relayed(), "{path:?}");
    }
}
