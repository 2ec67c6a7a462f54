//! Bursts and gaps of loss in one incoming stream, as RFC 3611 section 4.7.2 tells them apart.

/// Packets that must be heard in a row for a burst to be over: what RFC 3611 section 4.7.2 recommends.
pub const MINIMUM_GAP: u8 = 16;

/// Counts bursts in the order of sequence numbers.
///
/// A burst begins and ends with a packet that was not heard, holds more than one of them, and nowhere [`MINIMUM_GAP`]
/// heard ones in a row. Everything else is gap, a lonely loss included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bursts {
    packets: u64,
    burst_packets: u64,
    burst_losses: u64,
    gap_losses: u64,
    bursts: u64,
    /// The run that may be a burst: packets from its first loss on, losses, and heard packets since the last one.
    run: Run,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Run {
    span: u64,
    losses: u64,
    heard: u64,
}

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BurstFigures {
    /// Share of packets not heard within bursts, 0 to 1.
    pub burst_density: f64,
    /// Share of packets not heard in the gaps.
    pub gap_density: f64,
    /// Mean length of a burst in packets.
    pub burst_packets: f64,
    /// Mean length of a gap in packets. The call begins and ends with one.
    pub gap_packets: f64,
    /// How many bursts there were.
    pub bursts: u64,
}

impl Bursts {
    /// The next packet was heard.
    pub const fn heard(&mut self) {
        self.packets += 1;
        if self.run.losses == 0 {
            return;
        }
        self.run.heard += 1;
        if self.run.heard >= MINIMUM_GAP as u64 {
            self.settle();
        }
    }

    /// The next packet was lost, or thrown away.
    pub const fn missed(&mut self) {
        self.packets += 1;
        self.run.span += self.run.heard + 1;
        self.run.heard = 0;
        self.run.losses += 1;
    }

    /// Another stream follows: its packets are counted with these, but no burst reaches over.
    pub(super) const fn settle(&mut self) {
        if self.run.losses > 1 {
            self.bursts += 1;
            self.burst_packets += self.run.span;
            self.burst_losses += self.run.losses;
        } else {
            self.gap_losses += self.run.losses;
        }
        self.run = Run {
            span: 0,
            losses: 0,
            heard: 0,
        };
    }

    /// The figures up to now; a burst that lasts is counted as one.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "packets of one call stay far below 2^52"
    )]
    pub fn figures(&self) -> BurstFigures {
        let mut all = *self;
        all.settle();
        let share = |part: u64, whole: u64| {
            if whole == 0 {
                0.0
            } else {
                part as f64 / whole as f64
            }
        };
        let gap_packets = all.packets - all.burst_packets;
        BurstFigures {
            burst_density: share(all.burst_losses, all.burst_packets),
            gap_density: share(all.gap_losses, gap_packets),
            burst_packets: share(all.burst_packets, all.bursts),
            gap_packets: share(gap_packets, all.bursts + 1),
            bursts: all.bursts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `x` was not heard, anything else was.
    fn of(packets: &str) -> BurstFigures {
        let mut bursts = Bursts::default();
        for packet in packets.chars() {
            if packet == 'x' {
                bursts.missed();
            } else {
                bursts.heard();
            }
        }
        bursts.figures()
    }

    #[test]
    fn lonely_losses_are_gap_and_close_ones_are_a_burst() {
        let gap = ".".repeat(16);
        // One lonely loss among 33 packets.
        let lonely = of(&format!("{gap}x{gap}"));
        assert_eq!((lonely.bursts, lonely.burst_density), (0, 0.0));
        assert!((lonely.gap_density - 1.0 / 33.0).abs() < 1e-9);
        // A burst of five packets, three of them lost, between two gaps of 16.
        let burst = of(&format!("{gap}xx..x{gap}"));
        assert_eq!((burst.bursts, burst.burst_packets), (1, 5.0));
        assert_eq!((burst.burst_density, burst.gap_density), (0.6, 0.0));
        assert_eq!(burst.gap_packets, 16.0);
        // Fifteen heard packets do not end a burst, sixteen do.
        assert_eq!(of(&format!("x{}x", &gap[1..])).burst_packets, 17.0);
        assert_eq!(of(&format!("x{gap}x")).bursts, 0);
    }

    #[test]
    fn a_stream_without_loss_or_without_packets_is_all_gap() {
        assert_eq!(of(""), BurstFigures::default());
        let clean = of(&".".repeat(500));
        assert_eq!((clean.bursts, clean.gap_packets), (0, 500.0));
        let dead = of(&"x".repeat(10));
        assert_eq!((dead.burst_density, dead.burst_packets), (1.0, 10.0));
    }
}
