//! When what has to be looked at again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// A table of deadlines, one for each key.
#[derive(Debug)]
pub(super) struct Deadlines<K> {
    queue: BTreeSet<(Instant, K)>,
    at: BTreeMap<K, Instant>,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Self {
            queue: BTreeSet::new(),
            at: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Clone> Deadlines<K> {
    /// Sets or moves a deadline.
    pub(super) fn set(&mut self, key: K, at: Instant) {
        self.clear(&key);
        self.at.insert(key.clone(), at);
        self.queue.insert((at, key));
    }

    /// Removes a deadline.
    pub(super) fn clear(&mut self, key: &K) {
        if let Some(at) = self.at.remove(key) {
            self.queue.remove(&(at, key.clone()));
        }
    }

    /// The earliest.
    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes one that has come.
    pub(super) fn due(&mut self, now: Instant) -> Option<K> {
        let (at, key) = self.queue.first()?;
        if *at > now {
            return None;
        }
        let key = key.clone();
        self.clear(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_earliest_comes_first_and_a_moved_one_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut table = Deadlines::default();
        table.set("a", at(5));
        table.set("b", at(2));
        table.set("b", at(7));
        table.set("c", at(9));
        table.clear(&"c");
        assert_eq!(table.next(), Some(at(5)));
        assert_eq!(table.due(at(4)), None);
        assert_eq!(table.due(at(8)), Some("a"));
        assert_eq!(table.due(at(8)), Some("b"));
        assert_eq!(table.due(at(99)), None);
    }
}
