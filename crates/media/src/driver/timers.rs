//! One timer structure for all calls of a worker: the next instant at which any call wants to be woken.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Holds at most one deadline per call, calls being small numbers.
///
/// A binary heap with lazy deletion: a deadline that was replaced stays in the heap until it comes to the top, where
/// it is recognised because it is no longer the call's present one. A call that moves its deadline with every packet
/// could fill the heap; therefore an earlier wake-up that is still in the heap is kept and only a later one is pushed
/// when that has passed.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
    /// For each call: when it wants to be woken, and the earliest entry that the heap holds for it.
    calls: Vec<Slot>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    wanted: Option<Instant>,
    queued: Option<Instant>,
}

impl Timers {
    /// Sets, moves or (`None`) removes the deadline of a call.
    pub(crate) fn set(&mut self, call: usize, wanted: Option<Instant>) {
        if call >= self.calls.len() {
            self.calls.resize(call + 1, Slot::default());
        }
        let Some(slot) = self.calls.get_mut(call) else {
            return;
        };
        slot.wanted = wanted;
        let Some(wanted) = wanted else { return };
        if slot.queued.is_none_or(|queued| wanted < queued) {
            slot.queued = Some(wanted);
            self.heap.push(Reverse((wanted, call)));
        }
    }

    /// When to wake up next at the latest; may be too early, never too late.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes one call whose deadline is `now` or before, the longest due first.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<usize> {
        while let Some(&Reverse((at, call))) = self.heap.peek() {
            if at > now {
                return None;
            }
            self.heap.pop();
            let Some(slot) = self.calls.get_mut(call) else {
                continue;
            };
            if slot.queued != Some(at) {
                continue;
            }
            slot.queued = None;
            match slot.wanted {
                Some(wanted) if wanted <= now => {
                    slot.wanted = None;
                    return Some(call);
                }
                Some(wanted) => {
                    slot.queued = Some(wanted);
                    self.heap.push(Reverse((wanted, call)));
                }
                None => {}
            }
        }
        None
    }

    /// Entries in the heap, stale ones included.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.heap.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some instant to begin at"
    )]
    fn begin() -> Instant {
        Instant::now()
    }

    proptest! {
        /// Against a plain table: every deadline fires once, in time, in order, and none that was removed.
        #[test]
        fn fires_what_a_plain_table_would(steps in prop::collection::vec((0_usize..8, prop::option::of(0_u64..50), 0_u64..10), 1..200)) {
            let start = begin();
            let mut now = start;
            let mut timers = Timers::default();
            let mut table: BTreeMap<usize, Instant> = BTreeMap::new();
            for (call, wanted, advance) in steps {
                let wanted = wanted.map(|ms| now + Duration::from_millis(ms));
                timers.set(call, wanted);
                match wanted {
                    Some(at) => { table.insert(call, at); }
                    None => { table.remove(&call); }
                }
                prop_assert!(table.values().min() >= timers.next().as_ref() || table.is_empty());
                now += Duration::from_millis(advance);
                let mut fired = Vec::new();
                while let Some(call) = timers.pop(now) {
                    fired.push(call);
                }
                fired.sort_unstable();
                let due: Vec<usize> = table.iter().filter(|(_, at)| **at <= now).map(|(call, _)| *call).collect();
                table.retain(|_, at| *at > now);
                prop_assert_eq!(fired, due);
            }
        }
    }

    #[test]
    fn a_deadline_that_moves_later_again_and_again_does_not_fill_the_heap() {
        let start = begin();
        let mut timers = Timers::default();
        for step in 0..10_000 {
            timers.set(3, Some(start + Duration::from_millis(20 + step)));
        }
        assert_eq!(timers.len(), 1);
    }

    #[test]
    fn a_removed_call_does_not_fire_for_the_next_one_of_its_number() {
        let start = begin();
        let mut timers = Timers::default();
        timers.set(0, Some(start));
        timers.set(0, None);
        timers.set(0, Some(start + Duration::from_secs(1)));
        assert_eq!(timers.pop(start), None);
        assert_eq!(timers.pop(start + Duration::from_secs(1)), Some(0));
        assert_eq!(timers.pop(start + Duration::from_secs(2)), None);
    }
}
