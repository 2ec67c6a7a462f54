//! What this machine allows: looked at before the start, so that our own limit is never taken for the server's.

use std::fs;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Files that the process has open beside users and calls.
const BESIDE: u64 = 128;

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

/// Raises the limit of open files as far as `calls` need it. Each has a connection to the server and, for each address of this
/// machine, a socket for its media.
pub(crate) fn prepare(calls: u64, addresses: u64) -> Result<(), LimitError> {
    let needed = calls * (1 + addresses) + BESIDE;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(LimitError::System)?;
    if hard < needed {
        return Err(LimitError::Files {
            calls,
            needed,
            hard,
        });
    }
    if soft < needed {
        setrlimit(Resource::RLIMIT_NOFILE, needed, hard).map_err(LimitError::System)?;
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

    #[test]
    fn our_own_limit_is_named_as_ours() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let error = prepare(hard, 1).unwrap_err().to_string();
        assert!(error.starts_with("our own limit"), "{error}");
        assert!(prepare(1, 1).is_ok());
    }
}
