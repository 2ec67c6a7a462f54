//! The way out of one socket: messages in their order, and what may go wrong with them.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use offhook_signaling::sip::message::outgoing::Payload;

use crate::verto::gateway::Output;
use crate::verto::socket::SocketId;

/// Messages that may wait on a line that stalls; one more cuts it.
const MAX_WAITING: usize = 1000;

/// What goes out.
#[derive(Debug)]
pub(crate) enum Item {
    Text(String),
    /// A binary message, of which SIP knows some.
    Bytes(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16),
}

impl From<Payload> for Item {
    fn from(payload: Payload) -> Self {
        match payload {
            Payload::Text(text) => Self::Text(text),
            Payload::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

/// One socket's way out.
#[derive(Debug, Default)]
pub(crate) struct Line {
    waiting: VecDeque<(Instant, Item)>,
    /// What each item waits behind the one before.
    stall: Duration,
    /// Nothing but the end goes out any more.
    silent: bool,
    /// Messages that went out since the login.
    written: u32,
    cut_behind: Option<u32>,
    cut_inside: Option<u32>,
    cut_now: bool,
    ended: bool,
}

impl Line {
    pub(crate) fn stall(&mut self, time: Duration) {
        self.stall = time;
    }

    pub(crate) fn silence(&mut self) {
        self.silent = true;
    }

    pub(crate) fn cut(&mut self) {
        self.cut_now = true;
    }

    /// Cuts behind the message of this number, the next one being the first.
    pub(crate) fn cut_behind(&mut self, number: NonZeroU32) {
        self.cut_behind = Some(self.written.saturating_add(number.get()));
    }

    /// Cuts in the middle of the message of this number, the next one being the first.
    pub(crate) fn cut_inside(&mut self, number: NonZeroU32) {
        self.cut_inside = Some(self.written.saturating_add(number.get()));
    }

    pub(crate) fn put(&mut self, item: Item, now: Instant) {
        if self.waiting.len() >= MAX_WAITING {
            tracing::warn!("cut: too many messages wait");
            return self.cut();
        }
        let before = self.waiting.back().map_or(now, |(at, _)| now.max(*at));
        self.waiting.push_back((before + self.stall, item));
    }

    /// When the next item goes out.
    pub(crate) fn due(&self) -> Option<Instant> {
        let (at, _) = self.waiting.front()?;
        (!self.ended).then_some(*at)
    }

    /// The next thing that goes out by now.
    pub(crate) fn next(&mut self, socket: SocketId, now: Instant) -> Option<Output> {
        while !self.ended {
            if self.cut_now {
                self.ended = true;
                return Some(Output::Cut { socket });
            }
            if self.waiting.front().is_none_or(|(at, _)| *at > now) {
                return None;
            }
            let (_, item) = self.waiting.pop_front()?;
            match item {
                Item::Close(code) => {
                    self.ended = true;
                    return Some(Output::Close { socket, code });
                }
                Item::Text(_) | Item::Bytes(_) | Item::Pong(_) if self.silent => {}
                Item::Pong(payload) => return Some(Output::Pong { socket, payload }),
                Item::Text(text) => return Some(self.write(socket, Payload::Text(text))),
                Item::Bytes(bytes) => return Some(self.write(socket, Payload::Bytes(bytes))),
            }
        }
        None
    }

    fn write(&mut self, socket: SocketId, payload: Payload) -> Output {
        self.written = self.written.saturating_add(1);
        if self.cut_inside == Some(self.written) {
            self.ended = true;
            return Output::CutFrame { socket, payload };
        }
        self.cut_now = self.cut_behind == Some(self.written);
        match payload {
            Payload::Text(text) => Output::Send { socket, text },
            Payload::Bytes(bytes) => Output::SendBytes { socket, bytes },
        }
    }
}
