//! The run itself: calls are set up, loss comes and goes, and what should stay is looked at every few seconds.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use offhook_benches::clip::{Clip, Shared};
use offhook_benches::ends::{self, Ends, EndsConfig};
use offhook_benches::machine::{self, allow_descriptors, cpu_time, resident_kib};
use offhook_benches::network::{self, Lossy};
use offhook_media::audio::program::AudioProgram;
use offhook_media::codec::settings::OpusSettings;
use offhook_media::graph::sink::Sink;
use offhook_media::graph::source::Source;
use offhook_media::program::{CallKey, Program, SLOT};
use offhook_media::quality::statistics::Statistics;
use offhook_media::srtp::profile::SrtpProfile;

use crate::series::Series;

/// The loss in percent, one after the other, again and again.
const LOSS: [u32; 8] = [0, 1, 5, 10, 30, 2, 0, 20];

/// How often memory and descriptors are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// Growth that is too much, in KiB per hour and call.
const GROWTH: f64 = 1.0;

/// How far the slots of a call may be from the time passed: what a late wake-up at either end of the run may account for.
const DRIFT: Duration = Duration::from_millis(100);

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) calls: usize,
    pub(crate) audio: usize,
    pub(crate) span: Duration,
    pub(crate) every: Duration,
    pub(crate) threads: usize,
}

/// Why the run has no verdict.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Machine(#[from] machine::Failure),
    #[error(transparent)]
    Network(#[from] network::Failure),
    #[error(transparent)]
    Ends(#[from] ends::Failure),
    #[error("cannot count this process's descriptors: {0}")]
    Descriptors(std::io::Error),
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Verdict {
    calls: usize,
    judged: Duration,
    growth: f64,
    descriptors: (f64, f64),
    /// The greatest of all ends.
    drift: f64,
    lost_percent: f64,
    cpu_percent: f64,
}

impl Verdict {
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.growth >= GROWTH {
            faults.push(format!(
                "memory grows by {:.2} KiB per hour and call",
                self.growth
            ));
        }
        if self.descriptors.0 < self.descriptors.1 {
            let (least, most) = self.descriptors;
            faults.push(format!("descriptors went from {least} to {most}"));
        }
        if self.drift > DRIFT.as_secs_f64() {
            faults.push(format!("a call's clock is {:.3} s off", self.drift));
        }
        faults
    }
}

/// What an end has sent by when.
#[derive(Debug, Clone, Copy, Default)]
struct Clock {
    first: Option<(Duration, u64)>,
    last: Option<(Duration, u64)>,
    received: u64,
    lost: i64,
}

impl Clock {
    fn look(&mut self, statistics: &Statistics) {
        let slots = statistics.outbound.packets_sent + statistics.local.slots_skipped;
        let now = (statistics.at, slots);
        // Before its first packets an end may wait for the other.
        if slots > 0 {
            self.first.get_or_insert(now);
        }
        self.last = Some(now);
        self.received = statistics.inbound.packets_received;
        self.lost = statistics.inbound.packets_lost;
    }

    /// In seconds, ahead or behind.
    fn drift(&self) -> f64 {
        let (Some((begun, before)), Some((at, slots))) = (self.first, self.last) else {
            return f64::INFINITY;
        };
        let passed = at.saturating_sub(begun).as_secs_f64();
        let counted = (slots - before) as f64 * SLOT.as_secs_f64();
        (counted - passed).abs()
    }
}

type Clocks = Arc<[Mutex<Clock>]>;

pub(crate) fn run(plan: &Plan) -> Result<Verdict, Failure> {
    // While this process has one thread.
    let network = Lossy::enter(0)?;
    allow_descriptors(plan.calls * 2 + 64)?;
    let clocks: Clocks = (0..plan.calls * 2).map(|_| Mutex::default()).collect();
    let ends = start(plan, &clocks)?;
    ends.set_up()?;

    let (begun, cpu_before) = (Instant::now(), cpu_time()?);
    let (mut memory, mut descriptors) = (Series::default(), Series::default());
    let settled = plan.span / 4;
    let mut looks = 0;
    let mut told = None;
    while begun.elapsed() < plan.span {
        let turn = (begun.elapsed().as_secs() / plan.every.as_secs().max(1)) as usize;
        if told != Some(turn) {
            let percent = LOSS[turn % LOSS.len()];
            network.lose(percent)?;
            told = Some(turn);
            say(begun.elapsed(), percent, resident_kib()?, &clocks);
        }
        looks += 1;
        // The span that is watched.
        thread::sleep(
            (LOOK * looks)
                .min(plan.span)
                .saturating_sub(begun.elapsed()),
        );
        ends.check()?;
        let at = begun.elapsed();
        memory.push(at, resident_kib()?);
        descriptors.push(at, open_descriptors()?);
    }
    let verdict = Verdict {
        calls: plan.calls,
        judged: plan.span - settled,
        growth: memory.slope_per_hour(settled).unwrap_or_default() / plan.calls as f64,
        descriptors: descriptors.range(settled).unwrap_or_default(),
        drift: each(&clocks).map(|clock| clock.drift()).fold(0.0, f64::max),
        lost_percent: lost_percent(&clocks),
        cpu_percent: (cpu_time()? - cpu_before).as_secs_f64() / begun.elapsed().as_secs_f64()
            * 100.0,
    };
    network.lose(0)?;
    ends.hang_up()?;
    Ok(verdict)
}

fn start(plan: &Plan, clocks: &Clocks) -> Result<Ends, ends::Failure> {
    let config = EndsConfig {
        pairs: plan.calls,
        inflight: 16,
        threads: plan.threads,
        real_time: Some(10),
        profiles: SrtpProfile::USUAL.to_vec(),
        gathering: None,
    };
    let shared = Arc::new(Shared::default());
    let audible = plan.audio as u64;
    let program = move |call: CallKey| -> Box<dyn Program> {
        if call.0 / 2 < audible {
            let tone = Source::tone(300.0 + call.0 as f64);
            Box::new(AudioProgram::new(
                OpusSettings::default(),
                tone,
                Sink::discard(),
            ))
        } else {
            Box::new(Clip::new(Arc::clone(&shared)))
        }
    };
    let clocks = Arc::clone(clocks);
    Ends::start(config, program, move |call, statistics| {
        let index = usize::try_from(call.0).unwrap_or(usize::MAX);
        if let Some(clock) = clocks.get(index) {
            let mut clock = clock.lock().unwrap_or_else(PoisonError::into_inner);
            clock.look(statistics);
        }
    })
}

fn each(clocks: &Clocks) -> impl Iterator<Item = Clock> + '_ {
    clocks
        .iter()
        .map(|clock| *clock.lock().unwrap_or_else(PoisonError::into_inner))
}

fn lost_percent(clocks: &Clocks) -> f64 {
    let lost = each(clocks).map(|clock| clock.lost).sum::<i64>() as f64;
    let received = each(clocks).map(|clock| clock.received).sum::<u64>() as f64;
    lost / (lost + received).max(1.0) * 100.0
}

fn open_descriptors() -> Result<u64, Failure> {
    let listed = std::fs::read_dir("/proc/self/fd").map_err(Failure::Descriptors)?;
    Ok(listed.count() as u64)
}

#[expect(
    clippy::print_stdout,
    reason = "the figures are what such a program is for"
)]
fn say(at: Duration, percent: u32, resident: u64, clocks: &Clocks) {
    let drift = each(clocks)
        .map(|clock| clock.drift())
        .filter(|drift| drift.is_finite())
        .fold(0.0, f64::max);
    println!(
        "{:>6} s  loss {percent:>2} %  {resident:>7} KiB resident  {:.1} % lost so far  {drift:.3} s greatest drift",
        at.as_secs(),
        lost_percent(clocks)
    );
}

/// Prints it; failure when something does not stay.
#[expect(
    clippy::print_stdout,
    reason = "the figures are what such a program is for"
)]
pub(crate) fn tell(verdict: &Verdict) -> ExitCode {
    println!(
        "{} calls, judged over {} s: memory {:+.3} KiB per hour and call, descriptors {} to {}, greatest drift {:.3} s, \
         {:.1} % of packets lost, {:.1} % of a core",
        verdict.calls,
        verdict.judged.as_secs(),
        verdict.growth,
        verdict.descriptors.0,
        verdict.descriptors.1,
        verdict.drift,
        verdict.lost_percent,
        verdict.cpu_percent,
    );
    let faults = verdict.faults();
    for fault in &faults {
        println!("fault: {fault}");
    }
    if faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a person reads why there is no verdict"
)]
pub(crate) fn complain(failure: &Failure) -> ExitCode {
    eprintln!("soak: {failure}");
    ExitCode::FAILURE
}
