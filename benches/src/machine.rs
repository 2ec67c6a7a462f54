//! What the system says of this process: its processor time, its memory, its limits.

use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;

/// Why the system does not let us measure.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no such core, or it is not ours.
    #[error("cannot stay on core {core} ({error}): choose another")]
    Core {
        /// Which.
        core: usize,
        /// What the system says.
        error: nix::Error,
    },
    /// Limits or times cannot be read or set.
    #[error("cannot read or set this process's limits or times: {0}")]
    Limits(nix::Error),
    /// Too few files may be open.
    #[error(
        "{needed} open files are needed, {hard} are allowed: raise the hard limit (ulimit -Hn)"
    )]
    Descriptors {
        /// How many would do.
        needed: u64,
        /// How many are allowed.
        hard: u64,
    },
    /// `/proc` does not say.
    #[error("cannot read a process's figures from /proc: {0}")]
    Proc(std::io::Error),
}

/// Keeps this process, and the threads it will start, on one core.
///
/// # Errors
/// When the system does not let us.
pub fn stay_on(core: usize) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    set.set(core)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .map_err(|error| Failure::Core { core, error })
}

/// Raises the limit of open descriptors to what the run needs.
///
/// # Errors
/// When so many are not allowed.
pub fn allow_descriptors(needed: usize) -> Result<(), Failure> {
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
///
/// # Errors
/// When the system does not say.
pub fn cpu_time() -> Result<Duration, Failure> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).map_err(Failure::Limits)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.unsigned_abs()))
}

/// Processor time of another process up to now, in steps of the kernel's tick (proc_pid_stat(5)).
///
/// # Errors
/// When `/proc` does not say.
pub fn cpu_time_of(process: u32) -> Result<Duration, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).map_err(Failure::Proc)?;
    // Behind the name, which may hold anything, come state and others; user and system time are the 12th and 13th.
    let ticks = stat.rsplit_once(')').and_then(|(_, rest)| {
        let mut words = rest.split_whitespace().skip(11);
        let (user, system) = (words.next()?.parse::<u64>(), words.next()?.parse::<u64>());
        Some(user.ok()? + system.ok()?)
    });
    let ticks = ticks.ok_or_else(|| Failure::Proc(std::io::ErrorKind::InvalidData.into()))?;
    Ok(Duration::from_millis(ticks * 10))
}

/// Resident memory in KiB.
///
/// # Errors
/// When `/proc` does not say.
pub fn resident_kib() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(Failure::Proc)?;
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .ok_or_else(|| Failure::Proc(std::io::ErrorKind::InvalidData.into()))
}

/// What the machine kept from this process since its start: the threads were ready to run and did not.
#[derive(Debug, Clone, Copy)]
pub struct Withheld {
    /// Other threads had the core.
    pub queued: Duration,
    /// The host of a virtual machine had it, all cores together.
    pub stolen: Duration,
}

impl Withheld {
    /// As far as the kernel tells; zero where it does not.
    #[must_use]
    pub fn so_far() -> Self {
        Self {
            queued: queued(),
            stolen: stolen(),
        }
    }

    /// What was added since then.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            queued: self.queued.saturating_sub(before.queued),
            stolen: self.stolen.saturating_sub(before.stolen),
        }
    }
}

/// The second figure of each thread's `schedstat`, in ns (proc_pid_schedstat).
fn queued() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    let waits = threads.filter_map(|thread| {
        let line = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    Duration::from_nanos(waits.sum())
}

/// The eighth figure of the `cpu` line of `/proc/stat`, in ticks of 10 ms (proc_stat(5)).
fn stolen() -> Duration {
    let ticks = std::fs::read_to_string("/proc/stat")
        .ok()
        .and_then(|stat| stat.split_whitespace().nth(8)?.parse::<u64>().ok());
    Duration::from_millis(ticks.unwrap_or(0).saturating_mul(10))
}
