//! The TURN server that carries the call is killed; there is another one.

use std::sync::{Barrier, Mutex};

use nix::sys::signal::Signal;
use offhook_tests::daemon::Config;
use offhook_tests::internet::{Internet, SECOND, THIRD};
use offhook_tests::turn_server::{PASSWORD, TurnServer, USER};

use crate::world::{Outage, SOON, each, is_possible};

#[test]
fn a_relay_is_killed() {
    if !is_possible(&["turnserver"]) {
        return;
    }
    let mut internet = Internet::new();
    for transport in ["udp", "tcp"] {
        let servers = [SECOND, THIRD]
            .map(|address| Mutex::new(TurnServer::start_in(&internet.core, address)));
        let files = Config::new();
        let password = files.secret("turn.password", PASSWORD);
        let relays = [SECOND, THIRD].map(|address| {
            format!(
                "{{ url = \"turn:{address}?transport={transport}\", username = {USER:?}, password_file = {password:?} }}"
            )
        });
        let keys = format!(
            "ice_policy = \"relay-only\"\nice_servers = [{}]\n",
            relays.join(", ")
        );
        // Nobody's relay is gone before all talk.
        let all_talk = Barrier::new(3);
        each(&mut internet, &keys, |user, _| {
            let what = format!("TURN over {transport} killed");
            user.talk(&what, SOON, |user| {
                let ours = user.local_candidate();
                assert!(ours.starts_with("relay "), "{ours}");
                let used = usize::from(ours.contains(THIRD));
                all_talk.wait();
                Outage::during(|| {
                    let server = servers[used].lock().expect("nobody panics with it");
                    server.program.signal(Signal::SIGKILL);
                })
            });
        });
    }
}
