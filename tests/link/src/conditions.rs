//! What a line does to what is sent over it, one way.

use std::time::Duration;

/// One direction of a line. The default is a perfect one: no delay, no limit, nothing lost.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditions {
    /// Every packet takes at least this long.
    pub delay: Duration,
    /// On top of the delay, evenly between nothing and this. By itself it never changes the order of packets.
    pub jitter: Duration,
    /// What is lost.
    pub loss: Loss,
    /// Share of packets that take [`detour`](Self::detour) longer and are overtaken by those behind them.
    pub reordering: f64,
    /// How much longer a reordered packet takes.
    pub detour: Duration,
    /// Share of packets that arrive twice; the copy comes up to the jitter and one millisecond later.
    pub duplication: f64,
    /// How fast, and how much may wait; `None` is as fast as one likes.
    pub rate: Option<Rate>,
    /// The longest packet that passes, headers included; longer ones are lost without a word.
    pub mtu: usize,
}

/// How much passes in a second, and what waits before a slower line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Bytes a second, headers included; zero lets nothing pass.
    pub bytes_per_second: u64,
    /// Bytes that may wait. What finds no room is lost (tail drop).
    pub queue: usize,
}

/// Which packets a line loses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// Each with this chance, independent of all others.
    Random(f64),
    /// In bursts: a chain of two states that is asked once for each packet (Gilbert-Elliott).
    Bursts {
        /// Chance to go from the good state to the bad one.
        worsens: f64,
        /// Chance to go back: bursts last `1 / recovers` packets in the mean.
        recovers: f64,
        /// Share lost in the good state.
        good: f64,
        /// Share lost in the bad state.
        bad: f64,
    },
}

impl Loss {
    /// No packet is lost.
    pub const NONE: Self = Self::Random(0.0);

    /// Bursts of `length` packets in the mean in which all is lost, so that `share` of all packets is.
    #[must_use]
    pub fn in_bursts(share: f64, length: f64) -> Self {
        let share = share.clamp(0.0, 0.99);
        let recovers = 1.0 / length.max(1.0);
        Self::Bursts {
            worsens: (recovers * share / (1.0 - share)).min(1.0),
            recovers,
            good: 0.0,
            bad: 1.0,
        }
    }

    /// The share of packets that is lost in the long run.
    #[must_use]
    pub fn share(&self) -> f64 {
        match *self {
            Self::Random(share) => share,
            Self::Bursts {
                worsens,
                recovers,
                good,
                bad,
            } => {
                let turns = worsens + recovers;
                let in_bad = if turns > 0.0 { worsens / turns } else { 0.0 };
                good * (1.0 - in_bad) + bad * in_bad
            }
        }
    }
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: Loss::NONE,
            reordering: 0.0,
            detour: Duration::ZERO,
            duplication: 0.0,
            rate: None,
            mtu: 1500,
        }
    }
}

impl Conditions {
    /// The longest that anything which arrives is under way.
    #[must_use]
    pub fn longest(&self) -> Duration {
        let queued = self.rate.map_or(Duration::ZERO, |rate| {
            let bytes = rate.queue + self.mtu;
            Duration::from_secs_f64(bytes as f64 / rate.bytes_per_second.max(1) as f64)
        });
        self.delay + self.jitter * 2 + self.detour + queued + Duration::from_millis(1)
    }
}
