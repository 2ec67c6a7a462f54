//! One number for everything that happened in a world.

use std::time::Duration;

/// FNV-1a, 64 bit: no need for strength, only for the same number on every machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    hash: u64,
    /// Virtual time of the next notes, for the story.
    at: Duration,
    story: Option<Vec<String>>,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            at: Duration::ZERO,
            story: None,
        }
    }
}

impl Trace {
    /// Keeps every note as a line too, to be read by a person.
    pub fn with_story() -> Self {
        Self {
            story: Some(Vec::new()),
            ..Self::default()
        }
    }

    /// Moves the virtual clock of the story.
    pub fn clock(&mut self, at: Duration) {
        self.at = at;
    }

    /// The lines so far.
    pub fn story(&self) -> &[String] {
        self.story.as_deref().unwrap_or_default()
    }

    /// Adds a named happening.
    pub fn note(&mut self, kind: &str, what: &str) {
        if let Some(story) = &mut self.story {
            story.push(format!("{:9.3} {kind} {what}", self.at.as_secs_f64()));
        }
        for byte in kind.bytes().chain([0]).chain(what.bytes()).chain([1]) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) {
        for byte in number.to_le_bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// The hash so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}
