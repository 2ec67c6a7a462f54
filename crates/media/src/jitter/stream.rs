//! Numbers of one stream made monotonic, and the moment noticed when the sender starts anew.

/// Where a packet belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the running stream, with its numbers extended.
    Running { sequence: u64, timestamp: i64 },
    /// The first of a new stream, with its numbers extended; what waits belongs to the old one.
    Fresh { sequence: u64, timestamp: i64 },
    /// So far off that only the next packet can tell whether the sender restarted.
    Suspicious,
}

/// Extends 16-bit sequence numbers and 32-bit timestamps (RFC 3550 appendix A.1).
#[derive(Debug, Default)]
pub(super) struct Stream {
    running: Option<Running>,
    /// Number expected next from a sender that seems to have restarted.
    suspect: Option<u16>,
}

#[derive(Debug)]
struct Running {
    ssrc: u32,
    sequence: u64,
    timestamp: i64,
}

/// A jump forward by more than this many packets may be a restart (RFC 3550 MAX_DROPOUT).
const MAX_DROPOUT: i16 = 3000;
/// A jump back by more than this many packets may be a restart (RFC 3550 MAX_MISORDER).
const MAX_MISORDER: i16 = 100;
/// Room below the first number, for packets that were overtaken by it.
const START: u64 = 1 << 17;

impl Stream {
    pub(super) fn place(&mut self, ssrc: u32, sequence: u16, timestamp: u32) -> Place {
        let Some(running) = self.running.as_mut().filter(|running| running.ssrc == ssrc) else {
            return self.begin(ssrc, sequence, timestamp);
        };
        let step = sequence.wrapping_sub(running.sequence as u16).cast_signed();
        if !(-MAX_MISORDER..=MAX_DROPOUT).contains(&step) {
            if self.suspect == Some(sequence) {
                return self.begin(ssrc, sequence, timestamp);
            }
            self.suspect = Some(sequence.wrapping_add(1));
            return Place::Suspicious;
        }
        self.suspect = None;
        let extended = running.sequence.saturating_add_signed(i64::from(step));
        let turned = timestamp
            .wrapping_sub(running.timestamp as u32)
            .cast_signed();
        let extended_timestamp = running.timestamp + i64::from(turned);
        if step > 0 {
            running.sequence = extended;
            running.timestamp = extended_timestamp;
        }
        Place::Running {
            sequence: extended,
            timestamp: extended_timestamp,
        }
    }

    fn begin(&mut self, ssrc: u32, sequence: u16, timestamp: u32) -> Place {
        self.suspect = None;
        let extended = START + u64::from(sequence);
        let timestamp = i64::from(timestamp);
        self.running = Some(Running {
            ssrc,
            sequence: extended,
            timestamp,
        });
        Place::Fresh {
            sequence: extended,
            timestamp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_over_their_wrap_and_back_for_a_late_packet() {
        let mut stream = Stream::default();
        assert!(matches!(
            stream.place(1, 65_534, u32::MAX - 959),
            Place::Fresh { .. }
        ));
        let Place::Running {
            sequence: a,
            timestamp: t,
        } = stream.place(1, 0, 960)
        else {
            panic!()
        };
        assert_eq!(a, START + 65_536);
        assert_eq!(t, i64::from(u32::MAX) + 961);
        let Place::Running { sequence: b, .. } = stream.place(1, 65_535, 0) else {
            panic!()
        };
        assert_eq!(b, a - 1);
    }

    #[test]
    fn one_wild_number_is_doubted_two_in_a_row_are_a_restart() {
        let mut stream = Stream::default();
        stream.place(1, 100, 0);
        assert_eq!(stream.place(1, 40_000, 7), Place::Suspicious);
        assert!(matches!(stream.place(1, 101, 960), Place::Running { .. }));
        assert_eq!(stream.place(1, 40_000, 7), Place::Suspicious);
        assert!(matches!(stream.place(1, 40_001, 967), Place::Fresh { .. }));
        assert!(
            matches!(stream.place(2, 5, 5), Place::Fresh { .. }),
            "another source starts anew at once"
        );
    }
}
