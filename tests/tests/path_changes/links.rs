//! The machine's link fails for a while, or the way behind it does, or its address is replaced.

use std::thread::sleep;
use std::time::Duration;

use offhook_tests::internet::{BEHIND, BEHIND_TOO, CABLE, Internet, ROUTER};
use offhook_tests::namespace::Namespace;

use crate::world::{Outage, SOON, each, is_possible};

/// Seconds without a path.
const OUTAGES: [u64; 3] = [1, 5, 20];

/// Everything that the router would pass on is lost.
const CUT: &str = "table ip cut {\n chain passing {\n type filter hook forward priority -5\n policy drop\n }\n }\n";

/// The machine has another address, and a moment later a route from there.
pub(crate) fn replaced_address(machine: &Namespace) -> Outage {
    Outage::during(|| {
        for (change, address) in [("delete", BEHIND), ("add", BEHIND_TOO)] {
            machine.ip(&["address", change, &format!("{address}/24"), "dev", CABLE]);
        }
        machine.default_route(ROUTER);
    })
}

#[test]
fn a_cable_is_pulled_and_an_address_replaced() {
    if !is_possible(&[]) {
        return;
    }
    each(&mut Internet::new(), "", |user, site| {
        for seconds in OUTAGES {
            user.talk("link down", SOON, |_| {
                Outage::of_cable(&site.machine, seconds)
            });
        }
        user.talk("address replaced", SOON, |_| {
            replaced_address(&site.machine)
        });
    });
}

#[test]
fn the_way_behind_the_router_is_cut() {
    if !is_possible(&[]) {
        return;
    }
    each(&mut Internet::new(), "", |user, site| {
        for seconds in OUTAGES {
            user.talk("way cut", SOON, |_| {
                let router = site.router.as_ref().expect("a router");
                Outage::during(|| {
                    router.nft(CUT);
                    sleep(Duration::from_secs(seconds));
                    router.nft("delete table ip cut\n");
                })
            });
        }
    });
}
