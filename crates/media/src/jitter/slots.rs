//! Packets that wait, by sequence number; their memory is used again and again.

/// A packet that waits for its turn.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) sequence: u64,
    /// Extended timestamp, or `None` when the packet holds no sound (its number is known to be used elsewhere).
    pub(super) sound: Option<Sound>,
    pub(super) arrived_us: i64,
}

/// The part of a packet that only sound has.
#[derive(Debug)]
pub(super) struct Sound {
    pub(super) timestamp: i64,
    pub(super) duration: i64,
    pub(super) carries_previous: bool,
    pub(super) starts_silence: bool,
    pub(super) describes_noise: bool,
    pub(super) payload: Vec<u8>,
}

/// A window of the sequence: as many packets as it has slots.
#[derive(Debug)]
pub(super) struct Slots {
    slots: Vec<Option<Stored>>,
    spare: Vec<Vec<u8>>,
    waiting: usize,
}

/// Room for a usual telephone payload; longer ones grow their buffer once.
const PAYLOAD_ROOM: usize = 200;
/// Payload buffers made in advance.
const SPARE: usize = 12;

impl Slots {
    pub(super) fn new(capacity: usize) -> Self {
        let mut spare = Vec::with_capacity(capacity);
        spare.resize_with(SPARE.min(capacity), || Vec::with_capacity(PAYLOAD_ROOM));
        let mut slots = Vec::with_capacity(capacity);
        slots.resize_with(capacity, || None);
        Self {
            slots,
            spare,
            waiting: 0,
        }
    }

    pub(super) fn capacity(&self) -> u64 {
        self.slots.len() as u64
    }

    fn index(&self, sequence: u64) -> usize {
        (sequence % self.slots.len() as u64) as usize
    }

    pub(super) fn get(&self, sequence: u64) -> Option<&Stored> {
        self.slots
            .get(self.index(sequence))?
            .as_ref()
            .filter(|stored| stored.sequence == sequence)
    }

    /// A payload buffer with these bytes in it.
    pub(super) fn payload(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut payload = self
            .spare
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(PAYLOAD_ROOM));
        payload.clear();
        payload.extend_from_slice(bytes);
        payload
    }

    /// Puts a packet in; whatever held its slot is forgotten.
    pub(super) fn put(&mut self, stored: Stored) {
        let index = self.index(stored.sequence);
        if let Some(slot) = self.slots.get_mut(index) {
            if let Some(old) = slot.replace(stored) {
                self.recycle(old);
            } else {
                self.waiting += 1;
            }
        }
    }

    pub(super) fn take(&mut self, sequence: u64) -> Option<Stored> {
        let index = self.index(sequence);
        let slot = self.slots.get_mut(index)?;
        if slot.as_ref()?.sequence != sequence {
            return None;
        }
        self.waiting -= 1;
        slot.take()
    }

    /// Gives the memory of a packet back.
    pub(super) fn recycle(&mut self, stored: Stored) {
        if let Some(sound) = stored.sound
            && self.spare.len() < self.spare.capacity()
        {
            self.spare.push(sound.payload);
        }
    }

    /// The first packet at or after `from`.
    pub(super) fn first_from(&self, from: u64) -> Option<&Stored> {
        if self.waiting == 0 {
            return None;
        }
        (from..from + self.capacity()).find_map(|sequence| self.get(sequence))
    }

    /// Forgets every packet before `sequence`; returns how many.
    pub(super) fn drop_before(&mut self, sequence: u64) -> u64 {
        let mut dropped = 0;
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            if slot
                .as_ref()
                .is_some_and(|stored| stored.sequence < sequence)
                && let Some(old) = slot.take()
            {
                self.waiting -= 1;
                dropped += 1;
                self.recycle(old);
            }
        }
        dropped
    }

    pub(super) fn clear(&mut self) -> u64 {
        self.drop_before(u64::MAX)
    }
}
