//! A small internet: servers at public addresses, and sites with one machine each, most of them behind a router of their own.

use std::net::Ipv4Addr;

use crate::namespace::{INSIDE, Namespace, OUTSIDE, Translation};

/// Address of the first server.
pub const SERVER: &str = "203.0.113.1";
/// Address of the second server.
pub const SECOND: &str = "203.0.113.2";
/// Address of the third server.
pub const THIRD: &str = "203.0.113.3";

/// Address of a machine behind a router; nobody else is there.
pub const BEHIND: &str = "192.168.7.2";
/// Another address that it could have.
pub const BEHIND_TOO: &str = "192.168.7.3";
/// The router's address inside.
pub const ROUTER: &str = "192.168.7.1";

/// The machine's cable, whatever it leads to.
pub const CABLE: &str = "cable";

/// What lies between all sites, with the servers in it.
#[derive(Debug)]
pub struct Internet {
    /// The machine of the servers, which is also everybody's way to everybody else.
    pub core: Namespace,
    sites: u8,
}

/// A machine somewhere, and the router that it is behind.
#[derive(Debug)]
pub struct Site {
    /// The machine.
    pub machine: Namespace,
    /// Its router, where it has one.
    pub router: Option<Namespace>,
    /// Where everybody else begins.
    pub gateway: Ipv4Addr,
    /// By which address others see it.
    pub outside: Ipv4Addr,
    /// Another one that it could have.
    pub spare: Ipv4Addr,
}

impl Internet {
    /// Servers' addresses, and nobody else yet.
    ///
    /// # Panics
    /// When this process may not make namespaces.
    pub fn new() -> Self {
        let core = Namespace::new("internet");
        core.forward();
        for address in [SERVER, SECOND, THIRD] {
            core.ip(&["address", "add", &format!("{address}/32"), "dev", "lo"]);
        }
        // Packets to anywhere else get lost on the way, as they do out there; nobody is told that there is no way.
        core.ip(&[
            "link", "add", "nowhere", "type", "veth", "peer", "name", "void",
        ]);
        for end in ["nowhere", "void"] {
            core.ip(&["link", "set", end, "arp", "off", "up"]);
        }
        core.ip(&["route", "add", "default", "dev", "nowhere"]);
        Self { core, sites: 0 }
    }

    /// A machine behind a router of this kind; `None`: with a public address of its own.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub fn site(&mut self, translation: Option<Translation>) -> Site {
        // A network of eight addresses for each.
        let base = 8 * self.sites;
        self.sites += 1;
        let [gateway, outside, spare] =
            [1, 2, 3].map(|end| Ipv4Addr::new(198, 51, 100, base + end));
        let port = format!("site{}", self.sites);
        let (near, far) = (format!("{gateway}/29"), format!("{outside}/29"));
        let machine = Namespace::new("machine");
        let Some(translation) = translation else {
            self.core.cable((&port, &near), &machine, (CABLE, &far));
            machine.default_route(&gateway.to_string());
            return Site {
                machine,
                router: None,
                gateway,
                outside,
                spare,
            };
        };
        let router = Namespace::new("router");
        self.core.cable((&port, &near), &router, (OUTSIDE, &far));
        router.default_route(&gateway.to_string());
        let ends = [ROUTER, BEHIND].map(|address| format!("{address}/24"));
        router.cable((INSIDE, &ends[0]), &machine, (CABLE, &ends[1]));
        machine.default_route(ROUTER);
        router.nft(&translation.rules(BEHIND));
        router.forward();
        Site {
            machine,
            router: Some(router),
            gateway,
            outside,
            spare,
        }
    }
}

impl Default for Internet {
    fn default() -> Self {
        Self::new()
    }
}
