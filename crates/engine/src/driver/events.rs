//! How events reach their readers: bounded, numbered, and told when some were lost.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::event::Event;
use crate::status::Status;

/// One event with its number and the time of day.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Grows by one from event to event.
    pub seq: u64,
    /// By this machine's clock.
    pub time: SystemTime,
    /// What happened.
    pub event: Arc<Event>,
}

/// What a subscriber gets: how things stand, and everything that happens after.
#[derive(Debug)]
pub struct Subscription {
    /// Accounts and calls at the moment of subscribing.
    pub status: Status,
    /// Number of the last event that `status` holds; the next one has `seq + 1`.
    pub seq: u64,
    /// Everything after.
    pub events: Events,
}

/// A subscriber's side of the event queue.
#[derive(Debug)]
pub struct Events {
    receiver: broadcast::Receiver<Notice>,
}

/// What a subscriber reads.
#[derive(Debug)]
pub enum Next {
    /// The next event.
    Notice(Notice),
    /// The reader was too slow: this many events are lost, the oldest ones still there follow.
    Lost(u64),
}

impl Events {
    pub(crate) const fn new(receiver: broadcast::Receiver<Notice>) -> Self {
        Self { receiver }
    }

    /// Waits for the next event; `None` when the engine has ended. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Next> {
        match self.receiver.recv().await {
            Ok(notice) => Some(Next::Notice(notice)),
            Err(RecvError::Lagged(lost)) => Some(Next::Lost(lost)),
            Err(RecvError::Closed) => None,
        }
    }
}
