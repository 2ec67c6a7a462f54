//! One direction of a line: packets go in, and come out late, twice, in another order, or never.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::conditions::Conditions;
use crate::loss::{LossState, happens};

/// What became of the packets of one pipe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PipeCounters {
    /// Handed in.
    pub sent: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Sent while the line was cut.
    pub cut: u64,
    /// Found the queue full.
    pub overflowed: u64,
    /// Longer than the MTU.
    pub too_long: u64,
    /// Copies that were made.
    pub duplicated: u64,
    /// Took the detour.
    pub reordered: u64,
    /// Came out, copies included.
    pub arrived: u64,
}

/// One direction of a line that carries packets of any kind.
#[derive(Debug)]
pub struct Pipe<T> {
    conditions: Conditions,
    rng: StdRng,
    loss: LossState,
    cut: bool,
    /// When the line is done with what waits before it.
    idle_at: Option<Instant>,
    /// The latest arrival so far of what was not reordered.
    last: Option<Instant>,
    under_way: BTreeMap<(Instant, u64), T>,
    serial: u64,
    counters: PipeCounters,
}

impl<T: Clone> Pipe<T> {
    /// An empty pipe with chances of its own.
    #[must_use]
    pub fn new(conditions: Conditions, seed: [u8; 32]) -> Self {
        Self {
            conditions,
            rng: StdRng::from_seed(seed),
            loss: LossState::default(),
            cut: false,
            idle_at: None,
            last: None,
            under_way: BTreeMap::new(),
            serial: 0,
            counters: PipeCounters::default(),
        }
    }

    /// Other conditions from now on; what is under way arrives as it would have.
    pub fn set_conditions(&mut self, conditions: Conditions) {
        self.conditions = conditions;
    }

    /// The conditions in force.
    #[must_use]
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// While it is cut, whatever is sent is lost; what is under way already arrives.
    pub fn set_cut(&mut self, cut: bool) {
        self.cut = cut;
    }

    /// Takes a packet that is `length` bytes long on the wire.
    pub fn send(&mut self, packet: T, length: usize, now: Instant) {
        self.counters.sent += 1;
        if self.cut {
            self.counters.cut += 1;
            return;
        }
        if length > self.conditions.mtu {
            self.counters.too_long += 1;
            return;
        }
        let Some(on_the_line) = self.queue(length, now) else {
            self.counters.overflowed += 1;
            return;
        };
        // What is lost has taken its turn on the line all the same.
        if self.loss.loses(&self.conditions.loss, &mut self.rng) {
            self.counters.lost += 1;
            return;
        }
        let straight = on_the_line + self.conditions.delay + self.some(self.conditions.jitter);
        let at = if happens(self.conditions.reordering, &mut self.rng) {
            self.counters.reordered += 1;
            straight + self.conditions.detour
        } else {
            let in_order = self.last.map_or(straight, |last| last.max(straight));
            self.last = Some(in_order);
            in_order
        };
        if happens(self.conditions.duplication, &mut self.rng) {
            self.counters.duplicated += 1;
            let later = self.some(self.conditions.jitter + Duration::from_millis(1));
            self.carry(packet.clone(), at + later);
        }
        self.carry(packet, at);
    }

    /// When a packet has left the queue; `None` when there is no room in it.
    fn queue(&mut self, length: usize, now: Instant) -> Option<Instant> {
        let Some(rate) = self.conditions.rate else {
            return Some(now);
        };
        if rate.bytes_per_second == 0 {
            return None;
        }
        let takes = |bytes: usize| {
            let nanos = bytes as u128 * 1_000_000_000 / u128::from(rate.bytes_per_second);
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        };
        let begins = self.idle_at.map_or(now, |idle| idle.max(now));
        if begins.saturating_duration_since(now) > takes(rate.queue) {
            return None;
        }
        let done = begins + takes(length);
        self.idle_at = Some(done);
        Some(done)
    }

    fn some(&mut self, most: Duration) -> Duration {
        if most.is_zero() {
            return Duration::ZERO;
        }
        most.mul_f64(self.rng.random())
    }

    fn carry(&mut self, packet: T, at: Instant) {
        self.under_way.insert((at, self.serial), packet);
        self.serial += 1;
    }

    /// When the next packet arrives.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.under_way.keys().next().map(|(at, _)| *at)
    }

    /// The next packet that has arrived by `now`, and when it did.
    pub fn poll(&mut self, now: Instant) -> Option<(Instant, T)> {
        let entry = self.under_way.first_entry()?;
        if entry.key().0 > now {
            return None;
        }
        let ((at, _), packet) = entry.remove_entry();
        self.counters.arrived += 1;
        Some((at, packet))
    }

    /// Packets under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// What became of all packets so far.
    #[must_use]
    pub fn counters(&self) -> PipeCounters {
        self.counters
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conditions::{Loss, Rate};

    const MS: Duration = Duration::from_millis(1);

    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time begins at some instant"
    )]
    fn start() -> Instant {
        Instant::now()
    }

    /// Sends `count` packets of `length` bytes, one each 20 ms, and says what arrived when, counted from the start.
    fn run(
        conditions: Conditions,
        seed: u8,
        count: u32,
        length: usize,
    ) -> (Vec<(Duration, u32)>, PipeCounters) {
        let begin = start();
        let mut pipe = Pipe::new(conditions, [seed; 32]);
        let mut arrived = Vec::new();
        let mut take = |pipe: &mut Pipe<u32>, now| {
            while let Some((at, number)) = pipe.poll(now) {
                arrived.push((at - begin, number));
            }
        };
        for number in 0..count {
            let now = begin + 20 * MS * number;
            take(&mut pipe, now);
            pipe.send(number, length, now);
        }
        take(&mut pipe, begin + Duration::from_secs(1_000_000));
        assert_eq!(pipe.under_way(), 0);
        (arrived, pipe.counters())
    }

    #[test]
    fn a_perfect_line_changes_nothing() {
        let (arrived, counters) = run(Conditions::default(), 1, 100, 200);
        assert_eq!(
            arrived,
            (0..100).map(|n| (20 * MS * n, n)).collect::<Vec<_>>()
        );
        assert_eq!((counters.sent, counters.arrived), (100, 100));
    }

    #[test]
    fn delay_is_kept_and_jitter_stays_within_its_bound_and_in_order() {
        let conditions = Conditions {
            delay: 70 * MS,
            jitter: 60 * MS,
            ..Conditions::default()
        };
        let (arrived, _) = run(conditions, 2, 2_000, 200);
        assert_eq!(arrived.len(), 2_000);
        assert!(arrived.iter().map(|(_, number)| number).is_sorted());
        let spread: Vec<Duration> = arrived.iter().map(|(at, n)| *at - 20 * MS * *n).collect();
        assert!(
            spread
                .iter()
                .all(|took| (70 * MS..=130 * MS).contains(took))
        );
        assert!(
            spread.iter().any(|took| *took < 90 * MS) && spread.iter().any(|took| *took > 110 * MS)
        );
    }

    #[test]
    fn what_takes_the_detour_is_overtaken_and_what_is_doubled_comes_twice() {
        let conditions = Conditions {
            delay: 30 * MS,
            reordering: 0.1,
            detour: 50 * MS,
            duplication: 0.2,
            ..Conditions::default()
        };
        let (arrived, counters) = run(conditions, 3, 10_000, 200);
        assert!((900..1_100).contains(&counters.reordered), "{counters:?}");
        assert!(
            (1_800..2_200).contains(&counters.duplicated),
            "{counters:?}"
        );
        assert_eq!(arrived.len() as u64, 10_000 + counters.duplicated);
        let late = arrived
            .iter()
            .filter(|(at, n)| *at - 20 * MS * *n >= 80 * MS)
            .count();
        assert!(late as u64 >= counters.reordered);
        assert!(!arrived.iter().map(|(_, number)| number).is_sorted());
    }

    #[test]
    fn a_slow_line_carries_its_rate_and_its_queue_has_an_end() {
        let begin = start();
        let rate = Rate {
            bytes_per_second: 10_000,
            queue: 2_000,
        };
        let conditions = Conditions {
            rate: Some(rate),
            ..Conditions::default()
        };
        let mut pipe = Pipe::new(conditions, [4; 32]);
        for number in 0..100 {
            pipe.send(number, 1_000, begin);
        }
        // One on the line, two that wait.
        assert_eq!((pipe.under_way(), pipe.counters().overflowed), (3, 97));
        let took: Vec<Duration> = std::iter::from_fn(|| pipe.poll(begin + 3_600_000 * MS))
            .map(|(at, _)| at - begin)
            .collect();
        assert_eq!(took, [100 * MS, 200 * MS, 300 * MS]);
        pipe.send(0, 1_000, begin + 1_000 * MS);
        assert_eq!(pipe.next_deadline(), Some(begin + 1_100 * MS));
    }

    #[test]
    fn longer_than_the_mtu_or_during_a_cut_nothing_passes() {
        let begin = start();
        let mut pipe = Pipe::new(
            Conditions {
                mtu: 1_280,
                ..Conditions::default()
            },
            [5; 32],
        );
        pipe.send(1, 1_281, begin);
        pipe.send(2, 1_280, begin);
        pipe.set_cut(true);
        pipe.send(3, 100, begin);
        pipe.set_cut(false);
        pipe.send(4, 100, begin);
        let arrived: Vec<i32> = std::iter::from_fn(|| pipe.poll(begin))
            .map(|(_, n)| n)
            .collect();
        assert_eq!(arrived, [2, 4]);
        let counters = pipe.counters();
        assert_eq!((counters.too_long, counters.cut), (1, 1));
    }

    #[test]
    fn bursts_are_as_long_as_asked() {
        let conditions = Conditions {
            loss: Loss::in_bursts(0.1, 5.0),
            ..Conditions::default()
        };
        let (arrived, counters) = run(conditions, 6, 100_000, 100);
        let gaps = arrived
            .windows(2)
            .filter(|pair| pair[1].1 - pair[0].1 > 1)
            .count();
        let length = counters.lost as f64 / gaps as f64;
        assert!((4.5..5.5).contains(&length), "bursts of {length}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_same_seed_gives_the_same_history(
            seed in any::<u8>(), loss in 0.0..0.5, delay in 0_u32..300, jitter in 0_u32..300, reordering in 0.0..0.3,
            duplication in 0.0..0.3, rate in proptest::option::of(4_000_u64..100_000),
        ) {
            let conditions = Conditions {
                delay: MS * delay,
                jitter: MS * jitter,
                loss: Loss::Random(loss),
                reordering,
                detour: 40 * MS,
                duplication,
                rate: rate.map(|bytes_per_second| Rate { bytes_per_second, queue: 3_000 }),
                mtu: 1_500,
            };
            let longest = conditions.longest();
            let once = run(conditions.clone(), seed, 300, 200);
            prop_assert_eq!(&once, &run(conditions.clone(), seed, 300, 200));
            if (0.05..0.45).contains(&loss) {
                prop_assert_ne!(&once, &run(conditions, seed.wrapping_add(1), 300, 200));
            }
            let (arrived, counters) = once;
            prop_assert!(arrived.iter().map(|(at, _)| at).is_sorted());
            prop_assert!(arrived.iter().all(|(at, n)| *at - 20 * MS * *n <= longest));
            prop_assert_eq!(
                counters.arrived,
                counters.sent + counters.duplicated - counters.lost - counters.overflowed
            );
        }

        #[test]
        fn the_share_lost_is_the_share_asked_for(seed in any::<u8>(), share in 0.0..0.6, burst in 1.0..8.0) {
            for loss in [Loss::Random(share), Loss::in_bursts(share, burst)] {
                prop_assume!((loss.share() - share).abs() < 0.001);
                let (_, counters) = run(Conditions { loss, ..Conditions::default() }, seed, 30_000, 100);
                let lost = counters.lost as f64 / counters.sent as f64;
                // Five standard deviations; bursts make as many fewer independent draws as they are long.
                let off = 5.0 * (share * (1.0 - share) * 2.0 * burst / 30_000.0).sqrt() + 0.001;
                prop_assert!((lost - share).abs() < off, "{loss:?}: {lost}");
            }
        }
    }
}
