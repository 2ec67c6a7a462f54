//! The TURN server that carries the call is killed, and there is another one; or it is out of reach for a while.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};

use nix::sys::signal::Signal;
use offhook_tests::daemon::Config;
use offhook_tests::internet::{Internet, SECOND, THIRD};
use offhook_tests::turn_server::{PASSWORD, TurnServer, USER};

use crate::links::replaced_address;
use crate::world::{Outage, SOON, each, is_possible};

/// What an account says that may use no path but by these relays.
fn by_relays_alone(files: &Config, transport: &str) -> String {
    let password = files.secret("turn.password", PASSWORD);
    let relays = [SECOND, THIRD].map(|address| {
        format!(
            "{{ url = \"turn:{address}?transport={transport}\", username = {USER:?}, password_file = {password:?} }}"
        )
    });
    format!(
        "ice_policy = \"relay-only\"\nice_servers = [{}]\n",
        relays.join(", ")
    )
}

#[test]
fn a_cable_is_pulled_under_a_call_by_a_relay() {
    if !is_possible(&["turnserver"]) {
        return;
    }
    let mut internet = Internet::new();
    let _servers = [SECOND, THIRD].map(|address| TurnServer::start_in(&internet.core, address));
    let files = Config::new();
    let keys = by_relays_alone(&files, "udp");
    each(&mut internet, &keys, |user, site| {
        for seconds in [5, 20] {
            user.talk("link under a relayed call down", SOON, |_| {
                Outage::of_cable(&site.machine, seconds)
            });
        }
    });
}

/// The relay is as far away as the address that it is reached from.
#[test]
fn an_address_is_replaced_under_a_call_by_a_relay() {
    if !is_possible(&["turnserver"]) {
        return;
    }
    let mut internet = Internet::new();
    let _servers = [SECOND, THIRD].map(|address| TurnServer::start_in(&internet.core, address));
    let files = Config::new();
    for transport in ["udp", "tcp"] {
        let keys = by_relays_alone(&files, transport);
        each(&mut internet, &keys, |user, site| {
            let what = format!("address under a call by TURN over {transport} replaced");
            user.talk(&what, SOON, |_| replaced_address(&site.machine));
        });
    }
}

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
        let keys = by_relays_alone(&files, transport);
        // Nobody's relay is gone before all talk; then the one that most talk by is, and the other one stays.
        let (all_talk, by_third) = (Barrier::new(3), AtomicUsize::new(0));
        each(&mut internet, &keys, |user, _| {
            let what = format!("TURN over {transport} killed");
            user.talk(&what, SOON, |user| {
                let ours = user.local_candidate();
                assert!(ours.starts_with("relay "), "{ours}");
                by_third.fetch_add(usize::from(ours.contains(THIRD)), Ordering::SeqCst);
                all_talk.wait();
                let most = usize::from(by_third.load(Ordering::SeqCst) > 1);
                Outage::during(|| {
                    let server = servers[most].lock().expect("nobody panics with it");
                    server.program.signal(Signal::SIGKILL);
                })
            });
        });
    }
}
