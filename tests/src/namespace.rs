//! Network namespaces of a test's own: machines, the cables between them, and routers that translate addresses (nft).

use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use nix::sched::{CloneFlags, setns};

/// Namespaces that this process has made.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A network namespace. It goes away with its value, and its devices with it; what runs in it has to end before.
#[derive(Debug)]
pub struct Namespace(String);

impl Namespace {
    /// A machine with nothing but loopback and, so that nothing comes back by itself that an IPv4 machine would not tell,
    /// without IPv6.
    ///
    /// # Panics
    /// When this process may not make one.
    pub fn new(role: &str) -> Self {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("offhook-{}-{number}-{role}", std::process::id());
        ip(&["netns", "add", &name]);
        let namespace = Self(name);
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace.set("ipv6/conf/all/disable_ipv6", "1");
        namespace
    }

    /// Its name, as `ip netns` lists it.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Runs `ip` in it.
    ///
    /// # Panics
    /// When `ip` refuses.
    pub fn ip(&self, arguments: &[&str]) {
        ip(&[&["-netns", self.0.as_str()], arguments].concat());
    }

    /// Runs what is appended to it as a program of this namespace.
    pub fn command(&self) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]);
        command
    }

    /// Sets a key under `/proc/sys/net`.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub fn set(&self, key: &str, value: &str) {
        let script = format!("echo {value} > /proc/sys/net/{key}");
        let done = self.command().args(["sh", "-c", &script]).status();
        assert!(done.is_ok_and(|status| status.success()), "{script}");
    }

    /// Gives rules to the packet filter, as `nft -f` reads them, all or none.
    ///
    /// # Panics
    /// When `nft` refuses.
    pub fn nft(&self, rules: &str) {
        let mut nft = self.command();
        nft.args(["nft", "-f", "-"]);
        nft.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut nft = nft.spawn().expect("ip can be run");
        let mut stdin = nft.stdin.take().expect("piped");
        stdin.write_all(rules.as_bytes()).expect("it reads");
        drop(stdin);
        let output = nft.wait_with_output().expect("it ends");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}{rules}");
    }

    /// Does something on a thread that is in this namespace: sockets that it opens are of this machine.
    ///
    /// # Panics
    /// When it does, or when the namespace cannot be entered.
    pub fn inside<T: Send>(&self, action: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.0);
        thread::scope(|scope| {
            let entered = scope.spawn(|| {
                let file = File::open(&path).expect("the namespace");
                setns(file, CloneFlags::CLONE_NEWNET).expect("the right to enter it");
                action()
            });
            entered.join().expect("what is done inside it")
        })
    }

    /// Lays a cable to another machine: the device of this name here to the one of that name there, both up, each with its
    /// address and length of prefix.
    pub fn cable(&self, here: (&str, &str), other: &Self, there: (&str, &str)) {
        let (name, far) = (here.0, there.0);
        self.ip(&[
            "link", "add", name, "type", "veth", "peer", "name", far, "netns", &other.0,
        ]);
        for (namespace, (device, address)) in [(self, here), (other, there)] {
            namespace.ip(&["address", "add", address, "dev", device]);
            namespace.ip(&["link", "set", device, "up"]);
        }
    }

    /// Everything that is not next to it goes by this router.
    pub fn default_route(&self, router: &str) {
        self.ip(&["route", "replace", "default", "via", router]);
    }

    /// Lets it carry packets of others.
    pub fn forward(&self) {
        self.set("ipv4/ip_forward", "1");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "delete", &self.0])
            .status();
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

/// What a router does to the packets of the one machine behind it (RFC 3489 section 5, RFC 4787), or lets out at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Translation {
    /// One port outside for each port inside; lets anyone in.
    FullCone,
    /// One port outside for each port inside; lets in the addresses and ports that were sent to.
    PortRestricted,
    /// A port outside for each port inside and destination; lets in that destination.
    Symmetric,
    /// As port restricted, and lets no UDP out.
    NoUdp,
    /// The same, and lets nothing out but TCP to port 443.
    OnlyTcp443,
}

/// Device of a router towards the machines behind it.
pub const INSIDE: &str = "inside";
/// Device of a router towards everybody else.
pub const OUTSIDE: &str = "outside";

impl Translation {
    /// Rules for a router between [`INSIDE`] and [`OUTSIDE`], in place of those it had. `host` is the machine behind it.
    ///
    /// Netfilter keeps the port of a flow where it can, for whatever destination, and lets back in what was sent to: with one
    /// machine behind it that is port restricted. What comes from outside unasked must leave no trace, or a flow of our own to
    /// the same far end would get another port.
    pub fn rules(self, host: &str) -> String {
        let random = if self == Self::Symmetric {
            "fully-random"
        } else {
            ""
        };
        let lets_in = match self {
            Self::FullCone => format!("iifname \"{OUTSIDE}\" ip protocol udp dnat to {host}"),
            Self::PortRestricted | Self::Symmetric | Self::NoUdp | Self::OnlyTcp443 => {
                String::new()
            }
        };
        let lets_out = match self {
            Self::NoUdp => "meta l4proto udp drop".to_owned(),
            Self::OnlyTcp443 => {
                format!("iifname \"{INSIDE}\" tcp dport != 443 drop\n meta l4proto != tcp drop")
            }
            Self::FullCone | Self::PortRestricted | Self::Symmetric => String::new(),
        };
        format!(
            "table ip translation
delete table ip translation
table ip translation {{
 chain leaving {{
 type nat hook postrouting priority srcnat
 oifname \"{OUTSIDE}\" masquerade {random}
 }}
 chain coming {{
 type nat hook prerouting priority dstnat
 {lets_in}
 }}
 chain passing {{
 type filter hook forward priority filter
 {lets_out}
 }}
 chain own {{
 type filter hook input priority filter
 iifname \"{OUTSIDE}\" ct state new drop
 }}
}}
"
        )
    }
}
