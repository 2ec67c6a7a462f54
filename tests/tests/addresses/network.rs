//! Two machines and the cable between them: network namespaces of the test's own, joined by a veth pair.

use std::process::Command;

use offhook_tests::namespace::Namespace;

/// Where the server is; nothing else is in its namespace, so this address is in nobody's way.
pub(crate) const SERVER: &str = "10.77.0.1";

/// Another address of the server, which the client has no neighbours in: a route leads there.
pub(crate) const BEYOND: &str = "10.78.0.1";

/// Addresses that the client has, one after the other.
const CLIENT: [&str; 2] = ["10.77.0.2", "10.77.0.3"];

/// The cable's end, under the same name in both namespaces.
const CABLE: &str = "cable";

/// A server's and a client's machine.
pub(crate) struct Network {
    server: Namespace,
    client: Namespace,
    /// Which of its addresses the client has.
    place: usize,
}

impl Network {
    pub(crate) fn new() -> Self {
        let network = Self {
            server: Namespace::new("server"),
            client: Namespace::new("client"),
            place: 0,
        };
        network.client.set("ipv4/conf/all/promote_secondaries", "1");
        let [server, client] = [SERVER, CLIENT[0]].map(|address| format!("{address}/24"));
        network
            .server
            .cable((CABLE, &server), &network.client, (CABLE, &client));
        network
            .server
            .ip(&["address", "add", &format!("{BEYOND}/32"), "dev", CABLE]);
        network.route("add");
        network
    }

    /// What is appended to it runs at the server.
    pub(crate) fn at_server(&self) -> Command {
        self.server.command()
    }

    /// What is appended to it runs at the client.
    pub(crate) fn at_client(&self) -> Command {
        self.client.command()
    }

    /// The client's address.
    pub(crate) fn here(&self) -> &'static str {
        CLIENT[self.place]
    }

    /// The client gets its other address, then loses the one it had.
    pub(crate) fn move_client(&mut self) {
        let before = self.here();
        self.place = 1 - self.place;
        for (change, address) in [("add", self.here()), ("delete", before)] {
            let address = format!("{address}/24");
            self.client.ip(&["address", change, &address, "dev", CABLE]);
        }
    }

    /// Gives the client the route to the server's other address (`add`), or takes it away (`delete`).
    pub(crate) fn route(&self, change: &str) {
        self.client
            .ip(&["route", change, &format!("{BEYOND}/32"), "via", SERVER]);
    }

    /// Pulls the cable at the client's end, or puts it in again.
    pub(crate) fn link(&self, state: &str) {
        self.client.ip(&["link", "set", CABLE, state]);
    }
}
