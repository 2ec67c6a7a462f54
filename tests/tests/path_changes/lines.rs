//! A call over an emulated line, late, lossy and narrow, behind an emulated NAT.

use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::Duration;

use offhook_tests::internet::{Internet, SERVER};
use offhook_tests::line::Line;
use offhook_tests::sandbox::Sandbox;
use offhook_tests::{figures, skip};

use crate::world::{Outage, SOON, User, is_possible};

/// A distant mobile network on a bad day; DTLS and SRTP fit into its packets.
const ROUGH: &str = "delay=60 jitter=20 reordering=0.01 detour=30 loss=0.02 burst=2 duplication=0.01 rate=64000 mtu=1280";

#[test]
fn a_call_over_a_rough_line_outlives_cuts_and_a_forgetful_nat() {
    if !is_possible(&[]) || !skip::have_device("/dev/net/tun") {
        return;
    }
    let internet = Internet::new();
    let sandbox = Sandbox::start_by(internet.core.command(), &format!("{SERVER}:0"), &[]);
    let outside = Ipv4Addr::new(198, 51, 100, 250);
    let mut line = Line::lay(&internet.core, "port-restricted", outside, ROUGH);
    let mut user = User::new(&line.machine, "telnyx", "demo-1", &sandbox.ready, "");
    for seconds in [1, 5] {
        user.talk("rough line cut", SOON, |_| {
            Outage::during(|| {
                line.order("cut");
                sleep(Duration::from_secs(seconds));
                line.order("mend");
            })
        });
    }
    user.talk("NAT of a rough line rebound", SOON, |_| {
        Outage::during(|| line.order("rebind"))
    });
    figures::show(&line.end());
}
