//! Which packet indices were seen: the replay window of one stream (RFC 3711, section 3.3.2).

/// Where an index stands to what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not seen yet.
    Fresh,
    /// Seen.
    Replay,
    /// Left of the window: cannot be told, so it counts as seen.
    TooOld,
}

/// The highest index seen and which of the 128 up to it were.
#[derive(Debug, Clone)]
pub(crate) struct ReplayWindow {
    highest: u64,
    /// Bit `n` is set when `highest - n` was seen.
    seen: u128,
}

impl ReplayWindow {
    /// How far back a late packet is still told apart from a replay: 2.5 s of 20 ms packets.
    pub(crate) const SIZE: u64 = 128;

    /// A window that has seen one index.
    pub(crate) fn starting_at(index: u64) -> Self {
        Self {
            highest: index,
            seen: 1,
        }
    }

    /// The window of a stream that ended at this index and is no longer known in full: all of it counts as seen.
    pub(crate) fn closed_at(index: u64) -> Self {
        Self {
            highest: index,
            seen: u128::MAX,
        }
    }

    pub(crate) fn highest(&self) -> u64 {
        self.highest
    }

    pub(crate) fn standing(&self, index: u64) -> Standing {
        if index > self.highest {
            return Standing::Fresh;
        }
        let age = self.highest - index;
        if age >= Self::SIZE {
            Standing::TooOld
        } else if self.seen >> age & 1 == 1 {
            Standing::Replay
        } else {
            Standing::Fresh
        }
    }

    /// Notes an index as seen. Only after its packet was authenticated.
    pub(crate) fn record(&mut self, index: u64) {
        if index > self.highest {
            let ahead = index - self.highest;
            self.seen = if ahead < Self::SIZE {
                self.seen << ahead | 1
            } else {
                1
            };
            self.highest = index;
        } else if self.highest - index < Self::SIZE {
            self.seen |= 1 << (self.highest - index);
        }
    }
}

/// The full index of a packet with sequence number `sequence` when `highest` is the highest index seen so far
/// (RFC 3711, section 3.3.1 and appendix A). Before the first wrap there is no rollover to go back to: a number that lies
/// more than half the space ahead is one far ahead then, as after a long silence of the network. `None`: it would lie
/// behind the 2^48 packets a key may protect.
pub(crate) fn guess_index(highest: u64, sequence: u16) -> Option<u64> {
    const HALF: u16 = 0x8000;
    let (rollover, last) = (highest >> 16, (highest & 0xffff) as u16);
    let rollover = if last < HALF {
        if sequence > last && sequence - last > HALF {
            rollover.saturating_sub(1)
        } else {
            rollover
        }
    } else if last - HALF > sequence {
        rollover + 1
    } else {
        rollover
    };
    (rollover <= u64::from(u32::MAX)).then_some(rollover << 16 | u64::from(sequence))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::{ReplayWindow, Standing, guess_index};

    #[test]
    fn the_guess_follows_the_nearest_rollover() {
        assert_eq!(guess_index(0x0_ffff, 0), Some(0x1_0000));
        assert_eq!(guess_index(0x1_0000, 0xffff), Some(0x0_ffff));
        assert_eq!(guess_index(0x1_7fff, 0xffff), Some(0x1_ffff));
        assert_eq!(guess_index(3, 0xffff), Some(0xffff));
        assert_eq!(guess_index(0xffff_ffff_ffff, 0), None);
    }

    proptest! {
        #[test]
        fn the_window_agrees_with_a_set(
            indices in proptest::collection::vec(1_000_u64..1_400, 1..400)
        ) {
            let mut window = ReplayWindow::starting_at(1_000);
            let mut seen = HashSet::from([1_000]);
            let mut highest = 1_000;
            for index in indices {
                let expected = if index + ReplayWindow::SIZE <= highest {
                    Standing::TooOld
                } else if seen.contains(&index) {
                    Standing::Replay
                } else {
                    Standing::Fresh
                };
                prop_assert_eq!(window.standing(index), expected);
                if expected == Standing::Fresh {
                    window.record(index);
                    seen.insert(index);
                    highest = highest.max(index);
                }
            }
        }

        #[test]
        fn the_guess_is_right_within_half_the_sequence_space(
            highest in 0x8000_u64..(1 << 40), ahead in -0x7fff_i64..=0x7fff
        ) {
            let index = highest.checked_add_signed(ahead).unwrap();
            prop_assert_eq!(guess_index(highest, (index & 0xffff) as u16), Some(index));
        }
    }
}
