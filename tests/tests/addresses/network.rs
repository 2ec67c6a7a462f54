//! Two machines and the cable between them: network namespaces of the test's own, joined by a veth pair.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where the server is; nothing else is in its namespace, so this address is in nobody's way.
pub(crate) const SERVER: &str = "10.77.0.1";

/// Addresses that the client has, one after the other.
const CLIENT: [&str; 2] = ["10.77.0.2", "10.77.0.3"];

/// The cable's end, under the same name in both namespaces.
const CABLE: &str = "cable";

/// Namespaces that this process has made.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A namespace that goes away with its value; so does what is in it.
struct Namespace(String);

impl Namespace {
    fn new(role: &str) -> Self {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("offhook-{}-{number}-{role}", std::process::id());
        ip(&["netns", "add", &name]);
        let namespace = Self(name);
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace
    }

    fn ip(&self, arguments: &[&str]) {
        ip(&[&["-netns", self.0.as_str()], arguments].concat());
    }

    /// Runs what is appended to it as a program of this namespace.
    fn command(&self) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]);
        command
    }

    fn set(&self, key: &str, value: &str) {
        let script = format!("echo {value} > /proc/sys/net/{key}");
        let done = self.command().args(["sh", "-c", &script]).status();
        assert!(done.is_ok_and(|status| status.success()), "{script}");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "delete", &self.0])
            .status();
    }
}

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
        // Without IPv6 nothing comes back by itself that an IPv4 machine would not tell.
        network.client.set("ipv6/conf/all/disable_ipv6", "1");
        network.client.set("ipv4/conf/all/promote_secondaries", "1");
        network.server.ip(&[
            "link",
            "add",
            CABLE,
            "type",
            "veth",
            "peer",
            "name",
            CABLE,
            "netns",
            &network.client.0,
        ]);
        for (namespace, address) in [(&network.server, SERVER), (&network.client, CLIENT[0])] {
            namespace.ip(&["address", "add", &format!("{address}/24"), "dev", CABLE]);
            namespace.ip(&["link", "set", CABLE, "up"]);
        }
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

    /// Pulls the cable at the client's end, or puts it in again.
    pub(crate) fn link(&self, state: &str) {
        self.client.ip(&["link", "set", CABLE, state]);
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output();
    let output = output.expect("ip can be run");
    assert!(
        output.status.success(),
        "ip {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
}
