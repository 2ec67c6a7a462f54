//! Whether the limit of open files is enough for the accounts and their calls.

use nix::sys::resource::{Resource, getrlimit};

use crate::doctor::code::Code;
use crate::doctor::finding::{Finding, Place};

/// The daemon itself: the runtime, the log, the control socket with its 64 clients, files that are being read.
const OWN: u64 = 96;
/// An account's connection, and the next one while the old is still being closed.
const PER_ACCOUNT: u64 = 2;
/// A call: a media socket for each address of a machine with four, its sound, its recording.
const PER_CALL: u64 = 6;

/// This process's limit, which a daemon that is started the same way gets too.
pub(crate) fn own_limit() -> Option<u64> {
    getrlimit(Resource::RLIMIT_NOFILE)
        .ok()
        .map(|(soft, _)| soft)
}

/// Looks whether `limit` is enough.
pub(crate) fn check(accounts: usize, limit: Option<u64>, place: Place) -> Option<Finding> {
    let limit = limit?;
    let accounts = u64::try_from(accounts).unwrap_or(u64::MAX);
    let needed = accounts
        .saturating_mul(PER_ACCOUNT + PER_CALL)
        .saturating_add(OWN);
    if limit >= needed {
        return None;
    }
    let what = format!(
        "{limit} files may be open at a time, and {accounts} account{} with a call each need about {needed}",
        if accounts == 1 { "" } else { "s" }
    );
    let remedy = format!(
        "raise it: `LimitNOFILE={}` in the systemd unit, or `ulimit -n` in the shell that starts the daemon",
        needed.next_power_of_two().max(4096)
    );
    Some(Finding::new(Code::DescriptorLimit, place, &what, &remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_limit_is_enough_for_a_hundred_accounts_and_not_for_a_thousand() {
        assert_eq!(check(100, Some(1024), Place::default()), None);
        let found = check(1000, Some(1024), Place::default()).unwrap();
        assert!(found.what.contains("1024") && found.what.contains("8096"));
        assert!(
            found.remedy.contains("LimitNOFILE=8192"),
            "{}",
            found.remedy
        );
    }
}
