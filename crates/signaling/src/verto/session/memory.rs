//! What the next process should know of this session.

use std::time::Instant;

use crate::deadlines::{Deadline, Owner};
use crate::event::Event;
use crate::remembered::Remembered;
use crate::verto::dialect::differences::SessidRule;
use crate::verto::session::machine::Session;

impl Session {
    /// Tells it as it is now.
    pub(super) fn remember(&mut self, now: Instant) {
        let gateway = self.config.dialect.gateway_fields;
        let state = Remembered {
            instance: None,
            sessid: self.memory.sessid.clone(),
            voice_sdk_id: self.memory.voice_sdk_id.clone().filter(|_| gateway),
            at: self.clock.local(now),
        };
        self.tell(Event::Remember { state });
    }

    /// A session with calls is worth recovering only while the server remembers it: its age is told with the first call, and
    /// again and again.
    pub(super) fn remember_calls(&mut self, now: Instant) {
        let told = self.deadlines.is_set(Deadline::Remember, &Owner::Session);
        if self.calls() > 0 && self.is_open() && !told {
            self.remember(now);
            let at = now + self.config.timers.remember;
            self.deadlines.set(Deadline::Remember, Owner::Session, at);
        }
    }

    /// We go in peace, or another took our place: a gateway's names lead nowhere any more, while a device keeps its own.
    pub(super) fn remember_the_end(&mut self) {
        if let SessidRule::Server { .. } = self.config.dialect.sessid
            && self.memory.sessid.is_some()
        {
            let state = Remembered::default();
            self.tell(Event::Remember { state });
        }
    }
}
