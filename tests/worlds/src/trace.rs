//! One number for everything that happened in a world.

/// FNV-1a, 64 bit: no need for strength, only for the same number on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace(u64);

impl Default for Trace {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Trace {
    /// Adds a named happening.
    pub fn note(&mut self, kind: &str, what: &str) {
        for byte in kind.bytes().chain([0]).chain(what.bytes()).chain([1]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) {
        for byte in number.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// The hash so far.
    pub fn hash(&self) -> u64 {
        self.0
    }
}
