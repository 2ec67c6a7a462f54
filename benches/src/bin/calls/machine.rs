//! What the system says of this process: its processor time, its memory, its limits.

use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;

use crate::run::Failure;

/// Keeps this process, and the threads it will start, on one core.
pub(crate) fn stay_on(core: usize) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    set.set(core)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .map_err(|error| Failure::Core { core, error })
}

/// Raises the limit of open descriptors to what the run needs.
pub(crate) fn allow_descriptors(needed: usize) -> Result<(), Failure> {
    let needed = needed as u64;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(Failure::Limits)?;
    if soft >= needed {
        return Ok(());
    }
    if hard < needed {
        return Err(Failure::Descriptors { needed, hard });
    }
    setrlimit(Resource::RLIMIT_NOFILE, needed, hard).map_err(Failure::Limits)
}

/// Processor time of all threads up to now.
pub(crate) fn cpu_time() -> Result<Duration, Failure> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).map_err(Failure::Limits)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.unsigned_abs()))
}

/// Resident memory in KiB.
pub(crate) fn resident_kib() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(Failure::Memory)?;
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .ok_or_else(|| Failure::Memory(std::io::ErrorKind::InvalidData.into()))
}
