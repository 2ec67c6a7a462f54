//! What is said to all of a call's links, heard while it asks for the addresses behind names: not every responder answers to who asked.

use crate::driver::bind::bind_group;
use crate::driver::event_loop::EventLoop;

/// The one socket that it takes.
#[derive(Debug, Default)]
pub(super) enum Hearing {
    #[default]
    Nothing,
    /// By this socket of the loop.
    By(usize),
    /// The system gives none: answers to us alone have to do.
    Refused,
}

impl Hearing {
    pub(super) const fn socket(&self) -> Option<&usize> {
        match self {
            Self::By(socket) => Some(socket),
            Self::Nothing | Self::Refused => None,
        }
    }
}

impl EventLoop {
    /// Begins to listen when a call has questions, and ends when it has none any more.
    pub(super) fn hear_names(&mut self, index: usize) {
        let Some(call) = self.calls.get_mut(index) else {
            return;
        };
        match (call.session.is_asking_names(), &call.hearing) {
            (false, Hearing::Nothing) | (true, Hearing::By(_) | Hearing::Refused) => {}
            (false, Hearing::By(_) | Hearing::Refused) => {
                if let Hearing::By(socket) = std::mem::take(&mut call.hearing) {
                    self.close_socket(socket);
                }
            }
            (true, Hearing::Nothing) => {
                let sockets = call.sockets.iter();
                let hosts: Vec<_> = sockets
                    .filter_map(|socket| self.sockets.get(*socket))
                    .map(|socket| socket.local.ip())
                    .collect();
                let bound = bind_group(&hosts).ok();
                let watched =
                    bound.and_then(|(socket, group)| self.watch_socket(socket, group, index).ok());
                if let Some(call) = self.calls.get_mut(index) {
                    call.hearing = watched.map_or(Hearing::Refused, Hearing::By);
                }
            }
        }
    }
}
