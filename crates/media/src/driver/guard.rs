//! A panic while one call is handled ends that call, and no other.
//!
//! There should be none: whatever comes from outside is checked. But a worker carries thousands of calls, and code of others is among
//! what handles them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::driver::event::{CallEvent, OpenError};
use crate::driver::event_loop::EventLoop;
use crate::driver::handle::Command;
use crate::program::CallKey;
use crate::session::error::MediaError;

/// Does something that may panic; `None`: it did.
///
/// What it borrows is looked at afterwards, in whatever state it was left ([`AssertUnwindSafe`]): either it belongs to one call, which is
/// then dropped whole, or to the loop, whose tables are changed by single steps of the standard library and of `slab`, each done or not.
/// Buffers of the loop that were lent out are replaced by empty ones before they are.
pub(super) fn unwinding<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

impl EventLoop {
    /// Does something for one call, which ends if that panics.
    pub(super) fn guarded(&mut self, index: usize, work: impl FnOnce(&mut Self)) {
        if unwinding(|| work(self)).is_none() {
            self.give_up(index);
        }
    }

    /// Carries a command out; the call that it is for ends if that panics.
    pub(super) fn carry_out_guarded(&mut self, command: Command) {
        let Some(key) = command.call() else {
            // Those for all calls are guarded call by call.
            return self.carry_out(command);
        };
        let opens = matches!(command, Command::Open { .. });
        if unwinding(|| self.carry_out(command)).is_some() {
            return;
        }
        match self.index_of(key) {
            Some(index) => self.give_up(index),
            None if opens => self.give_up_opening(key),
            None => {}
        }
    }

    /// Ends a call that panicked.
    pub(super) fn give_up(&mut self, index: usize) {
        let key = self.calls.get(index).map(|call| call.key);
        tracing::error!(
            call = key.map(|key| key.0),
            "a panic ended the media of one call: please report this as a bug"
        );
        // The owner's sink, too, may be what panicked.
        let _ = unwinding(|| self.remove(index, Some(MediaError::Panicked)));
    }

    fn give_up_opening(&mut self, key: CallKey) {
        tracing::error!(
            call = key.0,
            "a panic kept a call from being opened: please report this as a bug"
        );
        let orphans = self.sockets.iter();
        let orphans = orphans.filter(|(_, socket)| !self.calls.contains(socket.call));
        let orphans: Vec<usize> = orphans.map(|(index, _)| index).collect();
        for socket in orphans {
            self.close_socket(socket);
        }
        let failed = CallEvent::OpenFailed(OpenError::Panicked);
        let _ = unwinding(|| self.sink.event(key, failed));
    }
}
