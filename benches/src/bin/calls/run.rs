//! One run: sets the calls up, a few at a time, lets them talk, and counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use offhook_benches::clip::{Clip, Shared};
use offhook_benches::ends::{self, Ends, EndsConfig};
use offhook_benches::figures::Figures;
use offhook_benches::machine::{self, Withheld, cpu_time, resident_kib};
use offhook_benches::network;
use offhook_media::quality::statistics::Statistics;

/// How long all calls settle before the measurement: each tells its statistics once in this time.
const SETTLE: Duration = Duration::from_millis(1500);
/// What is still on its way arrives within this time.
const DRAIN: Duration = Duration::from_millis(300);

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) ends: EndsConfig,
    pub(crate) span: Duration,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Machine(#[from] machine::Failure),
    #[error(transparent)]
    Network(#[from] network::Failure),
    #[error(transparent)]
    Ends(#[from] ends::Failure),
}

pub(crate) fn run(plan: &Plan) -> Result<Figures, Failure> {
    let ends = plan.ends.pairs * 2;
    let shared = Arc::new(Shared::default());
    let late: Arc<[AtomicU64]> = (0..ends).map(|_| AtomicU64::new(0)).collect();
    let run = Ends::start(
        plan.ends.clone(),
        {
            let shared = Arc::clone(&shared);
            move |_| Box::new(Clip::new(Arc::clone(&shared)))
        },
        {
            let late = Arc::clone(&late);
            move |call, statistics| {
                let index = usize::try_from(call.0).unwrap_or(usize::MAX);
                if let Some(late) = late.get(index) {
                    let slots = statistics.local.slots_late + statistics.local.slots_skipped;
                    late.store(slots, Ordering::Relaxed);
                }
            }
        },
    )?;

    let rss_before = resident_kib()?;
    let cpu_before = cpu_time()?;
    let mut setups = run.set_up()?;
    let setup_cpu = cpu_time()? - cpu_before;

    // A measurement lasts as long as it was asked to: nothing is waited for here.
    std::thread::sleep(SETTLE);
    let sum_late = || {
        late.iter()
            .map(|late| late.load(Ordering::Relaxed))
            .sum::<u64>()
    };
    let (late_in_setup, frames_before) = (sum_late(), shared.frames.load(Ordering::Relaxed));
    let (cpu_before, begun) = (cpu_time()?, Instant::now());
    let withheld_before = Withheld::so_far();
    // The span that is measured.
    std::thread::sleep(plan.span);
    let withheld = Withheld::so_far().since(withheld_before);
    let frames = shared.frames.load(Ordering::Relaxed) - frames_before;
    let (cpu, span) = (cpu_time()? - cpu_before, begun.elapsed());
    let rss = resident_kib()?.saturating_sub(rss_before);

    shared.quiet.store(true, Ordering::Relaxed);
    // Packets still under way are no loss.
    std::thread::sleep(DRAIN);
    let last = run.hang_up()?;

    setups.sort_unstable();
    let percentile = |part: f64| {
        let index = ((setups.len() as f64 - 1.0) * part).round() as usize;
        setups
            .get(index)
            .map_or(0.0, |setup| setup.as_secs_f64() * 1e3)
    };
    let sum = |figure: &dyn Fn(&Statistics) -> u64| last.iter().map(figure).sum::<u64>();
    let sent = sum(&|statistics| statistics.outbound.packets_sent);
    let received = sum(&|statistics| statistics.inbound.packets_received);
    Ok(Figures {
        calls: ends,
        seconds: span.as_secs_f64(),
        packets: frames,
        lost: sent.cast_signed() - received.cast_signed(),
        late: sum(&|statistics| statistics.local.slots_late + statistics.local.slots_skipped)
            - late_in_setup,
        late_in_setup,
        run_delay_ms: withheld.queued.as_secs_f64() * 1e3,
        steal_ms: withheld.stolen.as_secs_f64() * 1e3,
        send_errors: sum(&|statistics| statistics.local.send_errors),
        cpu_us_per_frame: cpu.as_secs_f64() * 1e6 / frames.max(1) as f64,
        cpu_percent: cpu.as_secs_f64() / span.as_secs_f64() * 100.0,
        rss_kib_per_call: rss as f64 / ends as f64,
        setup_p50_ms: percentile(0.5),
        setup_p99_ms: percentile(0.99),
        setups_per_cpu_second: ends as f64 / setup_cpu.as_secs_f64().max(1e-9),
    })
}
