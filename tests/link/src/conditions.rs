//! What a line does to what is sent over it, one way.

use std::str::FromStr;
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

/// The text is none of [`Conditions`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoConditions(String);

impl std::fmt::Display for NoConditions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoConditions {}

/// Words such as `delay=60 loss=0.05 burst=3`, in any order; what is not said is as on a perfect line. Times are in milliseconds
/// (`delay`, `jitter`, `detour`), shares between 0 and 1 (`loss`, `reordering`, `duplication`), `burst` in packets, `rate` in bytes a
/// second, `queue` and `mtu` in bytes.
impl FromStr for Conditions {
    type Err = NoConditions;

    fn from_str(text: &str) -> Result<Self, NoConditions> {
        let mut conditions = Self::default();
        let (mut loss, mut burst, mut queue) = (0.0, 1.0, 16_000);
        let mut rate = None;
        for word in text.split_whitespace() {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let number = value.parse::<f64>().ok();
            let number = number.filter(|number| (0.0..=1e9).contains(number));
            let number = number.ok_or_else(|| NoConditions(format!("no number in {word:?}")))?;
            let time = Duration::from_secs_f64(number / 1000.0);
            match name {
                "delay" => conditions.delay = time,
                "jitter" => conditions.jitter = time,
                "detour" => conditions.detour = time,
                "loss" => loss = number,
                "burst" => burst = number,
                "reordering" => conditions.reordering = number,
                "duplication" => conditions.duplication = number,
                "rate" => rate = Some(number as u64),
                "queue" => queue = number as usize,
                "mtu" => conditions.mtu = number as usize,
                _ => return Err(NoConditions(format!("a line has no {name:?}"))),
            }
        }
        conditions.loss = if burst > 1.0 {
            Loss::in_bursts(loss, burst)
        } else {
            Loss::Random(loss)
        };
        conditions.rate = rate.map(|bytes_per_second| Rate {
            bytes_per_second,
            queue,
        });
        Ok(conditions)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_from_words() {
        let read = "delay=60 jitter=20.5 loss=0.05 burst=3 rate=16000 queue=3000 mtu=1280";
        let read: Conditions = read.parse().unwrap();
        assert_eq!(read.delay, Duration::from_millis(60));
        assert_eq!(read.jitter, Duration::from_micros(20_500));
        assert_eq!(read.loss, Loss::in_bursts(0.05, 3.0));
        assert_eq!(read.rate.map(|rate| rate.queue), Some(3_000));
        assert_eq!(read.mtu, 1280);
        assert_eq!("".parse(), Ok(Conditions::default()));
        for wrong in ["delay", "delay=", "delay=-1", "delay=NaN", "speed=1"] {
            assert!(wrong.parse::<Conditions>().is_err(), "{wrong}");
        }
    }
}
