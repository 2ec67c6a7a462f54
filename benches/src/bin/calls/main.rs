//! Carries many calls in one process over loopback, and says what one end of a call costs.

mod report;
mod run;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use offhook_benches::ends::EndsConfig;
use offhook_benches::figures::{self, Figures};
use offhook_benches::machine;
use offhook_benches::network::{Lossy, Relay};
use offhook_media::srtp::profile::SrtpProfile;

/// Measures calls between ends of our own: both ends of every call are in this process, every figure is per end.
#[derive(Debug, Parser)]
struct Arguments {
    /// Ends of calls; a pair is two of them.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..=20_000))]
    calls: u32,
    /// Seconds of media that are measured.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// Calls that are set up at a time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    inflight: u32,
    /// Worker threads.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
    /// Stay on this core.
    #[arg(long)]
    core: Option<usize>,
    /// Real-time priority of the workers, where that is allowed; 0 for ordinary threads, as the other stacks have.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=99))]
    real_time: u8,
    /// SRTP with AES-GCM, the usual choice.
    #[arg(long, conflicts_with = "sha1")]
    gcm: bool,
    /// SRTP with AES-CM and HMAC-SHA1, as older servers want it.
    #[arg(long)]
    sha1: bool,
    /// Lose this share of all datagrams, in percent, in a network of our own (needs root and nft).
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=90))]
    loss: u32,
    /// Every packet goes through coturn, which runs beside us and is not counted.
    #[arg(long)]
    relay: bool,
    /// End with one line of JSON in place of the table.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measured(&arguments) {
        Ok(figures) => {
            figures::show(&figures, arguments.json);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            report::complain(&failure);
            ExitCode::FAILURE
        }
    }
}

fn measured(arguments: &Arguments) -> Result<Figures, run::Failure> {
    if arguments.loss > 0 {
        Lossy::enter(arguments.loss)?;
    }
    // Before this process stays on one core: coturn has the others.
    let relay = arguments.relay.then(Relay::start).transpose()?;
    let profiles = match (arguments.gcm, arguments.sha1) {
        (true, _) => vec![SrtpProfile::AeadAes128Gcm],
        (false, true) => vec![SrtpProfile::Aes128CmHmacSha1_80],
        (false, false) => SrtpProfile::USUAL.to_vec(),
    };
    let plan = run::Plan {
        ends: EndsConfig {
            pairs: arguments.calls.div_ceil(2) as usize,
            inflight: arguments.inflight as usize,
            threads: arguments.threads as usize,
            real_time: (arguments.real_time > 0).then_some(arguments.real_time),
            profiles,
            gathering: relay.as_ref().map(Relay::gathering),
        },
        span: Duration::from_secs(arguments.seconds.into()),
    };
    arguments.core.map_or(Ok(()), machine::stay_on)?;
    machine::allow_descriptors(plan.ends.pairs * 2 + 64)?;
    run::run(&plan)
}
