//! The meter of a run.

use std::time::{Duration, Instant};

use crate::arguments::Plan;
use crate::figures::{Figures, show};
use crate::machine::{Failure, Withheld, cpu_time, resident_kib};

/// How long all calls settle before the measurement.
pub const SETTLE: Duration = Duration::from_millis(1500);
/// What is still on its way arrives within this time.
pub const DRAIN: Duration = Duration::from_millis(300);
/// A slot that runs later than this is late.
pub const LATE: Duration = Duration::from_millis(5);
/// From one packet of an end to the next.
pub const SLOT: Duration = Duration::from_millis(20);
/// Bytes of a payload: Opus at 32 kbit/s.
pub const PAYLOAD: [u8; 80] = [0x78; 80];

/// Counted over all ends from the beginning.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Packets handed to the stacks.
    pub sent: u64,
    /// Packets that the stacks handed out.
    pub received: u64,
    /// Slots that ran late.
    pub late: u64,
    /// Datagrams that the kernel refused.
    pub send_errors: u64,
}

/// Processor and memory of a run.
#[derive(Debug)]
pub struct Meter {
    rss: u64,
    cpu: Duration,
    setup: Duration,
    before: Option<(Counts, Duration, Instant, Withheld)>,
    figures: Figures,
}

impl Meter {
    /// Before the first end is made.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn start() -> Result<Self, Failure> {
        Ok(Self {
            rss: resident_kib()?,
            cpu: cpu_time()?,
            setup: Duration::ZERO,
            before: None,
            figures: Figures::default(),
        })
    }

    /// All ends are connected.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn set_up(&mut self, mut took: Vec<Duration>) -> Result<(), Failure> {
        self.setup = cpu_time()? - self.cpu;
        took.sort_unstable();
        let percentile = |part: f64| {
            let index = ((took.len() as f64 - 1.0) * part).round() as usize;
            took.get(index).map_or(0.0, |took| took.as_secs_f64() * 1e3)
        };
        self.figures.calls = took.len();
        self.figures.setup_p50_ms = percentile(0.5);
        self.figures.setup_p99_ms = percentile(0.99);
        self.figures.setups_per_cpu_second = took.len() as f64 / self.setup.as_secs_f64().max(1e-9);
        Ok(())
    }

    /// The span that is measured begins.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn begin(&mut self, counts: Counts) -> Result<(), Failure> {
        self.before = Some((counts, cpu_time()?, Instant::now(), Withheld::so_far()));
        Ok(())
    }

    /// The span that is measured ends.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn end(&mut self, counts: Counts) -> Result<(), Failure> {
        let Some((before, cpu_before, begun, withheld)) = self.before else {
            return Ok(());
        };
        let (cpu, span) = (cpu_time()? - cpu_before, begun.elapsed());
        let withheld = Withheld::so_far().since(withheld);
        let packets = counts.sent - before.sent;
        let figures = &mut self.figures;
        figures.seconds = span.as_secs_f64();
        figures.packets = packets;
        figures.late = counts.late - before.late;
        figures.late_in_setup = before.late;
        figures.run_delay_ms = withheld.queued.as_secs_f64() * 1e3;
        figures.steal_ms = withheld.stolen.as_secs_f64() * 1e3;
        figures.cpu_us_per_frame = cpu.as_secs_f64() * 1e6 / packets.max(1) as f64;
        figures.cpu_percent = cpu.as_secs_f64() / span.as_secs_f64() * 100.0;
        let grown = resident_kib()?.saturating_sub(self.rss);
        figures.rss_kib_per_call = grown as f64 / figures.calls.max(1) as f64;
        Ok(())
    }

    /// Prints it all, once nothing is under way any more.
    pub fn show(mut self, counts: Counts, plan: &Plan) {
        self.figures.lost = counts.sent.cast_signed() - counts.received.cast_signed();
        self.figures.send_errors = counts.send_errors;
        show(&self.figures, plan.json);
    }
}
