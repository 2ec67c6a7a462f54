//! The flight last sent and when to repeat it (RFC 6347, section 4.2.4).

use std::time::{Duration, Instant};

use crate::dtls::record::renumber;

/// A repeat never waits longer than this: a call is being set up and someone listens to silence.
const LONGEST: Duration = Duration::from_millis(500);

/// Our last flight, kept until the far end's next one is complete, and beyond where the far end has none to send.
#[derive(Debug)]
pub(crate) struct Flight {
    first_wait: Duration,
    wait: Duration,
    due: Option<Instant>,
    datagrams: Vec<Vec<u8>>,
    next_record: u64,
}

impl Flight {
    pub(crate) fn new(first_wait: Duration) -> Self {
        Self {
            first_wait,
            wait: first_wait,
            due: None,
            datagrams: Vec::new(),
            next_record: 0,
        }
    }

    /// Takes a new flight, with fresh record numbers, and starts the clock of its repeats.
    pub(crate) fn sent(&mut self, datagrams: Vec<Vec<u8>>, now: Instant) -> Vec<Vec<u8>> {
        self.wait = self.first_wait;
        self.due = Some(now + self.wait);
        self.datagrams = datagrams;
        self.numbered()
    }

    /// Takes the implementation's own repeat of the flight.
    pub(crate) fn repeated(&mut self, datagrams: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        self.datagrams = datagrams;
        self.numbered()
    }

    /// The flight once more, from memory.
    pub(crate) fn numbered(&mut self) -> Vec<Vec<u8>> {
        let mut datagrams = self.datagrams.clone();
        for datagram in &mut datagrams {
            renumber(datagram, &mut self.next_record);
        }
        datagrams
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether it is time to repeat; the next repeat is then twice as far away.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.due.is_some_and(|due| now >= due);
        if is_due {
            self.wait = (self.wait * 2).min(LONGEST.max(self.first_wait));
            self.due = Some(now + self.wait);
        }
        is_due
    }

    /// No more repeats by the clock.
    pub(crate) fn rest(&mut self) {
        self.due = None;
    }

    /// No more repeats at all.
    pub(crate) fn forget(&mut self) {
        self.due = None;
        self.datagrams = Vec::new();
    }
}
