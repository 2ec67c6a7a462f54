//! The bounded queue between whoever speaks and the connection that writes.

use futures_util::task::AtomicWaker;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};
use tokio::sync::mpsc;

/// Puts messages into a connection's queue, from beside the stream that owns the connection. Cheap to clone.
///
/// What goes to a connection that has ended goes nowhere: its last item says that it ended.
#[derive(Debug, Clone)]
pub struct Outbox {
    messages: mpsc::UnboundedSender<Said>,
    wishes: Arc<Wishes>,
    limit: usize,
}

/// What stands beside the queue: how full it is, and what a full queue must not stop.
#[derive(Debug, Default)]
struct Wishes {
    /// Bytes of the messages that wait.
    waiting: AtomicUsize,
    ping: AtomicBool,
    close: AtomicBool,
    waker: AtomicWaker,
}

/// The queue is full: the server does not read. The message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{waiting} bytes wait for the server to read and no more fit; close the connection")]
pub struct OutboxFull {
    /// How many bytes wait.
    pub waiting: usize,
}

impl Outbox {
    /// Queues a text message. One fits into an empty queue however long it is.
    ///
    /// # Errors
    /// The queue is full.
    pub fn send(&self, text: String) -> Result<(), OutboxFull> {
        self.put(Said::Text(text))
    }

    /// Queues a binary message, on the same terms.
    ///
    /// # Errors
    /// The queue is full.
    pub fn send_bytes(&self, bytes: Vec<u8>) -> Result<(), OutboxFull> {
        self.put(Said::Bytes(bytes))
    }

    fn put(&self, message: Said) -> Result<(), OutboxFull> {
        let length = message.len();
        let waiting = self.wishes.waiting.fetch_add(length, Ordering::AcqRel);
        if waiting > 0 && waiting.saturating_add(length) > self.limit {
            self.wishes.waiting.fetch_sub(length, Ordering::AcqRel);
            return Err(OutboxFull { waiting });
        }
        // One that has ended takes no more, and is not full either.
        let _ = self.messages.send(message);
        Ok(())
    }

    /// Asks for a WebSocket ping with empty payload. FreeSWITCH takes a payload for a message, so there never is one.
    pub fn ping(&self) {
        self.wishes.ping.store(true, Ordering::Release);
        self.wishes.waker.wake();
    }

    /// Asks for a close (code 1000) after what is queued.
    pub fn close(&self) {
        self.wishes.close.store(true, Ordering::Release);
        self.wishes.waker.wake();
    }
}

/// The reading end, within the connection.
#[derive(Debug)]
pub(super) struct Queued {
    messages: mpsc::UnboundedReceiver<Said>,
    wishes: Arc<Wishes>,
}

/// A message that waits.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Text(String),
    Bytes(Vec<u8>),
}

impl Said {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// What the connection should write next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outgoing {
    Ping,
    Message(Said),
    Close,
}

/// A queue for messages of so many bytes in all.
pub(super) fn outbox(limit: usize) -> (Outbox, Queued) {
    // Its bound is in bytes, and `Outbox::send` keeps it.
    let (sender, receiver) = mpsc::unbounded_channel();
    let wishes = Arc::new(Wishes::default());
    (
        Outbox {
            messages: sender,
            wishes: Arc::clone(&wishes),
            limit,
        },
        Queued {
            messages: receiver,
            wishes,
        },
    )
}

impl Queued {
    /// The next thing to write. A close comes last, once.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Outgoing> {
        self.wishes.waker.register(cx.waker());
        if self.wishes.ping.swap(false, Ordering::AcqRel) {
            return Poll::Ready(Outgoing::Ping);
        }
        // Read before the queue: what was queued before the close is then surely seen first.
        let close = self.wishes.close.load(Ordering::Acquire);
        match self.messages.poll_recv(cx) {
            Poll::Ready(Some(message)) => {
                let length = message.len();
                self.wishes.waiting.fetch_sub(length, Ordering::AcqRel);
                Poll::Ready(Outgoing::Message(message))
            }
            Poll::Ready(None) => Poll::Ready(Outgoing::Close),
            Poll::Pending if close && self.messages.is_empty() => {
                self.wishes.close.store(false, Ordering::Release);
                Poll::Ready(Outgoing::Close)
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
