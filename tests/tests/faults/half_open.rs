//! Sockets that are open at one end only.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use offhook_control::reply::AccountState;
use offhook_tests::tamper::{Tamper, Way};

use crate::world::both;

/// From the first unanswered probe to the word that the server is gone.
const FOUND_WITHIN: Duration = Duration::from_secs(10);

fn is_found(fault: &'static str) {
    both(|scene| {
        let pings = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&pings);
        let tamper = Tamper::start(&scene.server(), move |way, text| {
            if way == Way::ToServer && text.contains(".ping\"") && text.contains("\"params\"") {
                noted.lock().expect("no panic").push(Instant::now());
            }
            Some(text)
        });
        // At once, or so long after the login: before the first ping of an idle line is due.
        let planned = scene.dialect == "freeswitch";
        if planned {
            scene.fault(&format!("{fault}-after=12:1"));
        }
        let mut world = scene.at(&tamper.url);
        world.until_ready();
        let call = world.talk();
        pings.lock().expect("no panic").clear();
        if !planned {
            world.scene.fault(fault);
        }
        let trouble = world.trouble();
        let found = Instant::now();
        let probed = pings.lock().expect("no panic").first().copied();
        let waited = found - probed.expect("a probe");
        assert!(waited <= FOUND_WITHIN, "{}: {waited:?}", scene.dialect);
        assert_eq!(trouble.state, AccountState::Waiting);
        assert!(trouble.reason.contains("does not answer"), "{trouble:?}");
        world.comes_back(&call);
        world.check_told();
        assert_eq!(world.scene.logins(), 2);
    });
}

#[test]
fn a_server_that_writes_or_reads_nothing_is_found_and_the_call_lives_on() {
    std::thread::scope(|scope| {
        for fault in ["silent", "deaf"] {
            scope.spawn(|| is_found(fault));
        }
    });
}
