//! What the fuzzer's bytes do to datagrams under way: let through, lose, repeat, change, invent.

/// A step of an exchange between two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instruction<'a> {
    /// The oldest datagram under way arrives.
    Deliver,
    /// It is lost.
    Lose,
    /// It arrives, and stays under way.
    Repeat,
    /// It goes behind all the others.
    Delay,
    /// It arrives with this byte of it changed.
    Change {
        /// Which byte; beyond the end stands for the last.
        at: usize,
        /// What is added to it, never 0.
        by: u8,
    },
    /// It arrives cut to this length.
    Cut(usize),
    /// This arrives at an end, from nowhere.
    Invent {
        /// Which end.
        end: usize,
        /// What arrives.
        bytes: &'a [u8],
    },
    /// So many milliseconds pass.
    Wait(u16),
    /// An end has something to say of its own.
    Speak(usize),
}

/// The next instruction, and the bytes behind it; `None`: nothing is left.
pub(crate) fn next(data: &[u8]) -> Option<(Instruction<'_>, &[u8])> {
    let (&code, rest) = data.split_first()?;
    let number = |rest: &[u8]| usize::from(rest.first().copied().unwrap_or(0));
    let after = |rest: &'_ [u8], count: usize| rest.len().min(count);
    Some(match code % 16 {
        0..=4 => (Instruction::Deliver, rest),
        5 => (Instruction::Lose, rest),
        6 => (Instruction::Repeat, rest),
        7 => (Instruction::Delay, rest),
        8 | 9 => {
            let at = number(rest) | number(rest.get(1..).unwrap_or_default()) << 8;
            let by = rest.get(2).copied().unwrap_or(1).max(1);
            (Instruction::Change { at, by }, &rest[after(rest, 3)..])
        }
        10 => (Instruction::Cut(number(rest)), &rest[after(rest, 1)..]),
        11 | 12 => {
            let length = number(rest);
            let rest = &rest[after(rest, 1)..];
            let (bytes, rest) = rest.split_at(after(rest, length));
            let end = usize::from(code >> 4 & 1);
            (Instruction::Invent { end, bytes }, rest)
        }
        13 => {
            let span = u16::try_from(number(rest)).unwrap_or(0) * 8;
            (Instruction::Wait(span), &rest[after(rest, 1)..])
        }
        _ => (Instruction::Speak(usize::from(code >> 4 & 1)), rest),
    })
}

/// Datagrams under way between two ends, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    under_way: std::collections::VecDeque<(usize, Vec<u8>)>,
}

/// More than this under way is a loop of two ends.
const MOST: usize = 4096;

impl Wire {
    /// An end sends a datagram to the other one.
    ///
    /// # Panics
    /// When far too many are under way.
    pub(crate) fn send(&mut self, from: usize, bytes: Vec<u8>) {
        self.under_way.push_back((1 - from, bytes));
        assert!(self.under_way.len() <= MOST, "two ends that never rest");
    }

    /// What arrives by this instruction, and where.
    pub(crate) fn apply(&mut self, instruction: Instruction<'_>) -> Option<(usize, Vec<u8>)> {
        match instruction {
            Instruction::Deliver => self.under_way.pop_front(),
            Instruction::Lose => {
                self.under_way.pop_front();
                None
            }
            Instruction::Repeat => self.under_way.front().cloned(),
            Instruction::Delay => {
                let first = self.under_way.pop_front()?;
                self.under_way.push_back(first);
                None
            }
            Instruction::Change { at, by } => {
                let (to, mut bytes) = self.under_way.pop_front()?;
                let last = bytes.len().checked_sub(1)?;
                let byte = bytes.get_mut(at.min(last))?;
                *byte = byte.wrapping_add(by);
                Some((to, bytes))
            }
            Instruction::Cut(length) => {
                let (to, mut bytes) = self.under_way.pop_front()?;
                bytes.truncate(length);
                Some((to, bytes))
            }
            Instruction::Invent { end, bytes } => Some((end, bytes.to_vec())),
            Instruction::Wait(_) | Instruction::Speak(_) => None,
        }
    }
}
