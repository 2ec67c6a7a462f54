//! How long packets should wait: learned from how late each came compared with its timestamp.
//!
//! The transit time of each packet (arrival minus media time, with an unknown constant) goes into a histogram of
//! 5 ms buckets that forgets. The wished playout point is a high quantile of it. A spike that drains within 300 ms
//! stays out, unless spikes come often. The histogram holds transit times, not times above a minimum: a lasting step
//! of the path moves the playout point once and is not learned a second time when the minimum follows.

/// Packets (half a second) before the learned spread may lower the delay.
const YOUNG: u32 = 25;
/// Width of a bucket in microseconds.
const BUCKET_US: i64 = 5_000;
/// Buckets: 2.5 s.
const BUCKETS: usize = 500;
/// Where the fastest recent packet is kept, so that there is room on both sides.
const FLOOR_BUCKET: i64 = 60;
/// Packets that make up most of the memory (10 s at 50 packets a second).
const MEMORY: u32 = 500;
/// What a packet weighs of the one after it, once there are [`MEMORY`] of them.
const KEEP: f64 = 0.998;
/// Weights are scaled down before they outgrow their precision.
const HEAVY: f64 = 1e9;
/// Part of the packets that should come in time. The rest is what FEC and concealment are for.
const QUANTILE: f64 = 0.985;
/// A packet that comes this much later than the point aimed at opens a spike.
const SPIKE_US: i64 = 60_000;
/// A spike that lasts longer is no spike.
const SPIKE_LENGTH_US: i64 = 300_000;
/// After so many spikes within [`SPIKE_MEMORY_US`] they are learned like everything else.
const SPIKES_TOLERATED: usize = 3;
/// How long a spike is remembered.
const SPIKE_MEMORY_US: i64 = 15_000_000;
/// Most packets of a spike that are kept aside.
const SPIKE_PACKETS: usize = 64;
/// The fastest packet of the last eight quarters of a second is the floor.
const FLOOR_SPAN_US: i64 = 250_000;
/// A packet whose transit differs by more than this belongs to another time line.
const JUMP_US: i64 = 2_000_000;

/// Learns the wished playout point of one stream. All times in microseconds.
#[derive(Debug)]
pub(super) struct DelayEstimator {
    histogram: Vec<f64>,
    total: f64,
    /// What the next packet weighs.
    weight: f64,
    /// Transit time at the lower edge of bucket 0.
    anchor: i64,
    learned: u32,
    floor: Floor,
    spike: Spike,
    /// Cached quantile, as transit time.
    point: i64,
}

impl DelayEstimator {
    pub(super) fn new() -> Self {
        Self {
            histogram: vec![0.0; BUCKETS],
            total: 0.0,
            weight: 1.0,
            anchor: 0,
            learned: 0,
            floor: Floor::default(),
            spike: Spike::default(),
            point: 0,
        }
    }

    /// Starts over with another time line. The spread that was learned is kept: the network is still the same.
    pub(super) fn rebase(&mut self, transit: i64, now: i64) {
        if self.learned > 0 {
            let moved = transit - self.floor.value(now).unwrap_or(transit);
            self.anchor += moved;
            self.point += moved;
        }
        self.floor = Floor::default();
        self.spike = Spike::default();
    }

    /// Whether this transit cannot belong to the time line seen so far.
    pub(super) fn is_jump(&self, transit: i64, now: i64) -> bool {
        self.floor
            .value(now)
            .is_some_and(|floor| (transit - floor).abs() > JUMP_US)
    }

    /// Too little was seen to trust the spread.
    pub(super) fn is_young(&self) -> bool {
        self.learned < YOUNG
    }

    /// Takes the transit time of one packet into account.
    pub(super) fn observe(&mut self, transit: i64, now: i64) {
        self.floor.observe(transit, now);
        self.follow_floor(now);
        if !self.is_young() && transit > self.point + SPIKE_US && !self.spike.is_usual(now) {
            if self.spike.hold(transit, now) {
                return;
            }
            // It lasts: what was held aside is how the network is now.
            for index in 0..self.spike.held {
                if let Some(&held) = self.spike.transits.get(index) {
                    self.learn(held);
                }
            }
            self.spike.held = 0;
            self.learn(transit);
        } else {
            self.spike.close(now);
            self.learn(transit);
        }
        self.point = self.quantile();
    }

    /// Transit time by which a packet should have come to be played.
    pub(super) fn point(&self) -> i64 {
        self.point
    }

    /// Transit time of the fastest packet lately.
    pub(super) fn floor(&self, now: i64) -> Option<i64> {
        self.floor.value(now)
    }

    fn learn(&mut self, transit: i64) {
        self.learned = self.learned.saturating_add(1);
        // Old packets fade because new ones weigh more; the first ones weigh the same, so the start is learned fast.
        if self.learned > MEMORY {
            self.weight /= KEEP;
        }
        if self.weight > HEAVY {
            self.histogram
                .iter_mut()
                .for_each(|weight| *weight /= HEAVY);
            self.total /= HEAVY;
            self.weight /= HEAVY;
        }
        let bucket = ((transit - self.anchor).div_euclid(BUCKET_US)).clamp(0, BUCKETS as i64 - 1);
        if let Some(weight) = self.histogram.get_mut(bucket as usize) {
            *weight += self.weight;
            self.total += self.weight;
        }
    }

    fn quantile(&self) -> i64 {
        let mut late = (1.0 - QUANTILE) * self.total;
        let mut bucket = 0;
        for (index, weight) in self.histogram.iter().enumerate().rev() {
            late -= weight;
            bucket = index;
            if late < 0.0 {
                break;
            }
        }
        self.anchor + (bucket as i64 + 1) * BUCKET_US
    }

    /// Moves the histogram so that the floor stays near its place.
    fn follow_floor(&mut self, now: i64) {
        let Some(floor) = self.floor.value(now) else {
            return;
        };
        if self.learned == 0 {
            self.anchor = floor.div_euclid(BUCKET_US) * BUCKET_US - FLOOR_BUCKET * BUCKET_US;
            return;
        }
        let off = (floor - self.anchor).div_euclid(BUCKET_US) - FLOOR_BUCKET;
        if off.abs() < FLOOR_BUCKET / 2 {
            return;
        }
        let shift = usize::try_from(off.abs()).unwrap_or(BUCKETS).min(BUCKETS);
        let fallen = if off > 0 {
            let fallen: f64 = self.histogram.iter().take(shift).sum();
            self.histogram.rotate_left(shift);
            self.histogram
                .iter_mut()
                .rev()
                .take(shift)
                .for_each(|weight| *weight = 0.0);
            (0, fallen)
        } else {
            let fallen: f64 = self.histogram.iter().rev().take(shift).sum();
            self.histogram.rotate_right(shift);
            self.histogram
                .iter_mut()
                .take(shift)
                .for_each(|weight| *weight = 0.0);
            (BUCKETS - 1, fallen)
        };
        if let Some(edge) = self.histogram.get_mut(fallen.0) {
            *edge += fallen.1;
        }
        self.anchor += off * BUCKET_US;
    }
}

/// Smallest transit time of the last two seconds.
#[derive(Debug, Default)]
struct Floor {
    spans: [Option<(i64, i64)>; 8],
}

impl Floor {
    fn observe(&mut self, transit: i64, now: i64) {
        let span = now.div_euclid(FLOOR_SPAN_US);
        let index = span.rem_euclid(8) as usize;
        if let Some(slot) = self.spans.get_mut(index) {
            *slot = match *slot {
                Some((of, least)) if of == span => Some((span, least.min(transit))),
                Some(_) | None => Some((span, transit)),
            };
        }
    }

    /// When nothing came for two seconds the last known spans still count.
    fn value(&self, now: i64) -> Option<i64> {
        let span = now.div_euclid(FLOOR_SPAN_US);
        let recent = self
            .spans
            .iter()
            .flatten()
            .filter(|(of, _)| span - of < 8)
            .map(|(_, least)| *least)
            .min();
        recent.or_else(|| self.spans.iter().flatten().map(|(_, least)| *least).min())
    }
}

/// Late packets held aside until it is known whether they were a passing spike.
#[derive(Debug)]
struct Spike {
    transits: [i64; SPIKE_PACKETS],
    held: usize,
    opened: i64,
    /// Ends of the last spikes.
    ended: [i64; SPIKES_TOLERATED],
}

impl Default for Spike {
    fn default() -> Self {
        Self {
            transits: [0; SPIKE_PACKETS],
            held: 0,
            opened: 0,
            ended: [i64::MIN / 2; SPIKES_TOLERATED],
        }
    }
}

impl Spike {
    /// Keeps the packet aside; false when the spike has lasted too long.
    fn hold(&mut self, transit: i64, now: i64) -> bool {
        if self.held == 0 {
            self.opened = now;
        }
        let Some(slot) = self.transits.get_mut(self.held) else {
            return false;
        };
        *slot = transit;
        self.held += 1;
        now - self.opened <= SPIKE_LENGTH_US
    }

    fn close(&mut self, now: i64) {
        if self.held > 0 {
            self.held = 0;
            self.ended.rotate_left(1);
            if let Some(last) = self.ended.last_mut() {
                *last = now;
            }
        }
    }

    /// Spikes come so often that they have to be lived with.
    fn is_usual(&self, now: i64) -> bool {
        self.ended.iter().all(|&end| now - end < SPIKE_MEMORY_US)
    }
}
