//! The router forgets what it translated: the call goes on from another port or address outside, and nobody here is told.

use offhook_tests::internet::{BEHIND, Internet};
use offhook_tests::namespace::{OUTSIDE, Translation};

use crate::world::{Outage, SOON, each, is_possible};

#[test]
fn a_nat_takes_other_ports() {
    if !is_possible(&[]) {
        return;
    }
    each(&mut Internet::new(), "", |user, site| {
        user.talk("NAT rebound, other port", SOON, |_| {
            let gateway = site.gateway.to_string();
            let router = site.router.as_ref().expect("a router");
            // New flows get ports by chance.
            router.nft(&Translation::Symmetric.rules(BEHIND));
            Outage::during(|| {
                // What was masqueraded by a link that went down is forgotten.
                router.ip(&["link", "set", OUTSIDE, "down"]);
                router.ip(&["link", "set", OUTSIDE, "up"]);
                router.default_route(&gateway);
            })
        });
    });
}

#[test]
fn a_nat_takes_another_address() {
    if !is_possible(&[]) {
        return;
    }
    each(&mut Internet::new(), "", |user, site| {
        user.talk("NAT rebound, other address", SOON, |_| {
            let gateway = site.gateway.to_string();
            let address = format!("{}/29", site.spare);
            let router = site.router.as_ref().expect("a router");
            Outage::during(|| {
                router.ip(&["address", "flush", "dev", OUTSIDE]);
                router.ip(&["address", "add", &address, "dev", OUTSIDE]);
                router.default_route(&gateway);
            })
        });
    });
}
