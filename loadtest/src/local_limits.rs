//! What this machine allows: looked at before the start, so that our own limit is never taken for the server's.

use std::fs;
use std::net::IpAddr;

use if_addrs::{IfOperStatus, Interface};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use offhook_engine::vocabulary::IceServer;
use url::{Host, Url};

/// Files that the process has open beside users and calls.
const BESIDE: u64 = 128;
/// A call has no more sockets for its media than these, however many addresses the machine has.
const MOST_SOCKETS: u64 = 8;
/// Nor more connections to TURN servers: some names have several addresses, and each is asked.
const MOST_STREAMS: u64 = 8;

/// Open files of one call, beside its user's connection to the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PerCall {
    /// For its media.
    pub(crate) sockets: u64,
    /// To TURN servers over TCP and TLS.
    pub(crate) streams: u64,
}

/// Why this machine cannot carry that load.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LimitError {
    #[error(
        "our own limit: {calls} calls need {needed} open files and {hard} are allowed; raise it (`ulimit -Hn {needed}`, `LimitNOFILE=` in a unit)"
    )]
    Files { calls: u64, needed: u64, hard: u64 },
    #[error(
        "our own limit: {calls} calls need {needed} ports and {available} are to be had (net.ipv4.ip_local_port_range)"
    )]
    Ports {
        calls: u64,
        needed: u64,
        available: u64,
    },
    #[error("the limit of open files cannot be read or raised: {0}")]
    System(Errno),
}

/// How many sockets a call's media may have here: one for each address, of loopback only where the server is on this machine too or nothing
/// else is up. The engine reads the same list by the same rule, kept in the media crate; here it is only counted.
pub(crate) fn media_sockets(server: &str) -> u64 {
    let Ok(interfaces) = if_addrs::get_if_addrs() else {
        return MOST_SOCKETS;
    };
    let up = |interface: &&Interface| {
        let state = &interface.oper_status;
        !interface.is_link_local() && matches!(state, IfOperStatus::Up | IfOperStatus::Unknown)
    };
    let usable: Vec<IpAddr> = interfaces.iter().filter(up).map(Interface::ip).collect();
    sockets_of(&usable, is_here(server))
}

fn sockets_of(usable: &[IpAddr], with_loopback: bool) -> u64 {
    let (loopback, others): (Vec<&IpAddr>, Vec<&IpAddr>) =
        usable.iter().partition(|address| address.is_loopback());
    let count = match with_loopback || others.is_empty() {
        true => loopback.len() + others.len(),
        false => others.len(),
    };
    (count as u64).clamp(1, MOST_SOCKETS)
}

/// Whether the server's URL names this machine.
fn is_here(server: &str) -> bool {
    let url = Url::parse(server).ok();
    match url.as_ref().and_then(Url::host) {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// How many connections to TURN servers a call may have.
pub(crate) fn turn_streams(servers: &[IceServer]) -> u64 {
    match servers.iter().any(|server| server.protocol.is_stream()) {
        true => MOST_STREAMS,
        false => 0,
    }
}

/// Raises the limit of open files as far as it goes: what one call needs can only be reckoned. Refuses `calls` that would need more.
pub(crate) fn prepare(calls: u64, each: PerCall) -> Result<(), LimitError> {
    let needed = calls
        .saturating_mul(1 + each.sockets + each.streams)
        .saturating_add(BESIDE);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(LimitError::System)?;
    if hard < needed {
        return Err(LimitError::Files {
            calls,
            needed,
            hard,
        });
    }
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(LimitError::System)?;
    }
    // TCP and UDP count their ports apart, and each address has its own: one connection or one socket a call.
    let available = local_ports();
    match available < calls {
        true => Err(LimitError::Ports {
            calls,
            needed: calls,
            available,
        }),
        false => Ok(()),
    }
}

/// How many ports the kernel gives out; where it does not say, all of them.
fn local_ports() -> u64 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut bounds = range.split_whitespace().map(str::parse::<u64>);
    match (bounds.next(), bounds.next()) {
        (Some(Ok(first)), Some(Ok(last))) => (last + 1).saturating_sub(first),
        _ => 65_535,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts;
    use crate::args::DialectName;

    const EACH: PerCall = PerCall {
        sockets: 1,
        streams: 0,
    };

    #[test]
    fn our_own_limit_is_named_as_ours() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let error = prepare(hard, EACH).unwrap_err().to_string();
        assert!(error.starts_with("our own limit"), "{error}");
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, hard / 2, hard).unwrap();
        prepare(1, EACH).unwrap();
        assert_eq!(
            getrlimit(Resource::RLIMIT_NOFILE).unwrap(),
            (hard, hard),
            "whatever one call needs"
        );
    }

    #[test]
    fn loopback_has_sockets_where_the_server_is_on_it_or_nothing_else_is_up() {
        let addresses = |texts: &[&str]| -> Vec<IpAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let machine = addresses(&["127.0.0.1", "::1", "192.0.2.7", "2001:db8::7"]);
        assert_eq!(sockets_of(&machine, false), 2);
        assert_eq!(sockets_of(&machine, true), 4);
        assert_eq!(sockets_of(&addresses(&["127.0.0.1", "::1"]), false), 2);
        assert_eq!(sockets_of(&[], false), 1);
        assert_eq!(sockets_of(&machine.repeat(4), true), MOST_SOCKETS);
        for here in ["ws://127.0.0.1:8081", "wss://[::1]/", "ws://LOCALHOST:5"] {
            assert!(is_here(here), "{here}");
        }
        for elsewhere in ["ws://10.0.0.1:8081", "wss://pbx.example"] {
            assert!(!is_here(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn sockets_of_every_address_and_connections_to_turn_servers_are_reckoned_with() {
        assert!((1..=MOST_SOCKETS).contains(&media_sockets("ws://127.0.0.1:1")));
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let calls = (hard - BESIDE) / 10;
        let many = PerCall {
            sockets: 8,
            streams: 8,
        };
        assert!(
            prepare(calls, many)
                .unwrap_err()
                .to_string()
                .contains("open files")
        );
        let telnyx = accounts::ice_servers("wss://rtc.telnyx.com", DialectName::Telnyx);
        assert_eq!(turn_streams(&telnyx), MOST_STREAMS);
        let own = accounts::ice_servers("ws://127.0.0.1:1", DialectName::Telnyx);
        assert_eq!(turn_streams(&own), 0);
    }
}
