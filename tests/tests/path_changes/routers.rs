//! The router forgets what it translated: the call goes on from another port or address outside, and nobody here is told.

use offhook_tests::internet::{BEHIND, Internet};
use offhook_tests::namespace::{OUTSIDE, Translation};

use crate::world::{Outage, SOON, each, is_possible};

#[test]
fn a_nat_is_rebound() {
    if !is_possible(&[]) {
        return;
    }
    each(&mut Internet::new(), "", |user| {
        user.talk("NAT rebound, other port", SOON, |user| {
            let gateway = user.site.gateway.to_string();
            let router = user.router();
            // New flows get ports by chance.
            router.nft(&Translation::Symmetric.rules(BEHIND));
            Outage::during(|| {
                // What was masqueraded by a link that went down is forgotten.
                router.ip(&["link", "set", OUTSIDE, "down"]);
                router.ip(&["link", "set", OUTSIDE, "up"]);
                router.default_route(&gateway);
            })
        });
        user.talk("NAT rebound, other address", SOON, |user| {
            let gateway = user.site.gateway.to_string();
            let address = format!("{}/29", user.site.spare);
            let router = user.router();
            Outage::during(|| {
                router.ip(&["address", "flush", "dev", OUTSIDE]);
                router.ip(&["address", "add", &address, "dev", OUTSIDE]);
                router.default_route(&gateway);
            })
        });
    });
}
