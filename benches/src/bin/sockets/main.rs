//! What one socket for many calls would save, and datagrams read and written many at a time: the kernel's part of a frame, ours of
//! three ways beside each other in one run.
//!
//! As the media driver does it, calls are due in groups, a millisecond apart. Far ends have a socket each, as media servers have a
//! port for each call, so that every datagram has an address of its own; what they do is not counted.

mod ways;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use offhook_benches::machine;

use crate::ways::{Cost, Far, Measured, OneSocket, SocketEach};

/// The slots of 20 ms that calls are spread over.
const GROUPS: usize = 20;

/// Datagrams of a call's size to and from far ends on loopback: a socket for each call, one for all of them, and one that takes
/// many datagrams in a system call.
#[derive(Debug, Parser)]
struct Arguments {
    /// Calls.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(20..=10_000))]
    calls: u32,
    /// Frames of each call.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    frames: u32,
    /// The core to stay on.
    #[arg(long, default_value_t = 0)]
    core: usize,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "sockets: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let calls = arguments.calls as usize;
    machine::stay_on(arguments.core)?;
    machine::allow_descriptors(2 * calls + 64)?;
    let group = calls.div_ceil(GROUPS);
    let far = Far::new(calls)?;
    let ways: [(&str, Box<dyn Measured>); 3] = [
        ("a socket for each call", Box::new(SocketEach::new(&far)?)),
        ("one socket", Box::new(OneSocket::new(&far, 1)?)),
        (
            "one socket, many at a time",
            Box::new(OneSocket::new(&far, group)?),
        ),
    ];
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{calls} calls, {group} at a time; us a frame: sent, waited for and read"
    )?;
    let mut first = None;
    for (name, mut way) in ways {
        let cost = measure(way.as_mut(), &far, group, arguments.frames)?;
        let frames = f64::from(arguments.frames) * f64::from(arguments.calls);
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / frames;
        let (sent, read) = (micros(cost.sent), micros(cost.read));
        let whole = sent + read;
        let part = whole / *first.get_or_insert(whole);
        writeln!(
            out,
            "{name:<28} {sent:>6.2} + {read:>5.2} = {whole:>6.2}   {part:>5.2}"
        )?;
    }
    Ok(())
}

/// The cost of so many frames of every call; a few before them are not counted.
fn measure(
    way: &mut dyn Measured,
    far: &Far,
    group: usize,
    frames: u32,
) -> Result<Cost, Box<dyn std::error::Error>> {
    const SETTLING: u32 = 10;
    let mut cost = Cost::default();
    for frame in 0..frames + SETTLING {
        for start in (0..far.len()).step_by(group) {
            let calls = start..(start + group).min(far.len());
            let before = ways::thread_time()?;
            way.send(calls.clone())?;
            let sent = ways::thread_time()?;
            far.send_back(calls.clone())?;
            let back = ways::thread_time()?;
            way.receive(calls.len())?;
            let read = ways::thread_time()?;
            if frame >= SETTLING {
                cost.sent += sent - before;
                cost.read += read - back;
            }
        }
    }
    Ok(cost)
}
