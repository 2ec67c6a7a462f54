//! The digits of a call that are sent by signalling: in order, and kept while the server cannot hear them.

use std::collections::VecDeque;

use crate::call_id::CallId;
use crate::error::Error;
use crate::event::Event;
use crate::verto::dialog::state::{Calling, Dialog, Effect, Effects, Phase, Renewal};
use crate::verto::requests::CallRequest;
use crate::verto::wording::Wish;

/// Commands for digits that may wait at a time.
const MOST_WAITING: usize = 64;

/// What was asked for and not yet confirmed, oldest first.
#[derive(Debug, Default)]
pub(super) struct Digits {
    asked: VecDeque<String>,
    /// How many of them, from the front, are under way on the present socket.
    sent: usize,
}

impl Digits {
    /// Takes the oldest one out: servers reply in the order of requests.
    fn settle(&mut self) {
        if self.asked.pop_front().is_some() {
            self.sent = self.sent.saturating_sub(1);
        }
    }
}

impl Dialog {
    pub(crate) fn dtmf(&mut self, digits: String, online: bool, fx: &mut Effects) {
        let carries = match &self.phase {
            Phase::Up | Phase::AttachOffered | Phase::Attaching => true,
            Phase::Calling(calling) => calling.has_media,
            Phase::Offered { .. } | Phase::Answering(_) => false,
            Phase::Leaving(_) | Phase::Over => false,
        };
        if !carries {
            return self.refuse(CallRequest::Dtmf.name(), fx);
        }
        if self.digits.asked.len() >= MOST_WAITING {
            return fx.push(Effect::Tell(too_many(self.call.clone())));
        }
        self.digits.asked.push_back(digits);
        self.send_digits(online, fx);
    }

    /// Sends what waits, as soon as the server hears the call.
    pub(crate) fn send_digits(&mut self, online: bool, fx: &mut Effects) {
        let heard = match &self.phase {
            Phase::Up => true,
            Phase::Calling(Calling {
                has_media, renewal, ..
            }) => *has_media && *renewal == Renewal::Settled,
            Phase::Offered { .. } | Phase::Answering(_) => false,
            Phase::AttachOffered | Phase::Attaching => false,
            Phase::Leaving(_) | Phase::Over => false,
        };
        if !heard || self.adrift || !online {
            return;
        }
        for digits in self.digits.asked.iter().skip(self.digits.sent) {
            let digits = digits.clone();
            fx.push(Effect::Send(Wish::Dtmf { digits }));
        }
        self.digits.sent = self.digits.asked.len();
    }

    /// The server replied to the oldest ones, or failed to.
    pub(super) fn digits_settled(&mut self) {
        self.digits.settle();
    }

    /// The socket is gone: those under way are said again, since a reply that is lost is rarer than digits on a dead socket.
    pub(super) fn digits_unsent(&mut self) {
        self.digits.sent = 0;
    }

    /// The call ends: what waits is never sent.
    pub(super) fn drop_digits(&mut self, fx: &mut Effects) {
        let sent = std::mem::take(&mut self.digits.sent);
        for _ in self.digits.asked.drain(..).skip(sent) {
            fx.push(Effect::Tell(CallRequest::Dtmf.failed(
                self.call.clone(),
                Error::WrongState {
                    command: CallRequest::Dtmf.name(),
                    state: "ending",
                },
            )));
        }
    }
}

fn too_many(call: CallId) -> Event {
    let error = Error::Unsayable {
        command: CallRequest::Dtmf.name(),
        fault: "too many digits wait for the server already",
    };
    CallRequest::Dtmf.failed(call, error)
}
