//! Calls whose client lost its socket, and how they come back.

use std::time::Instant;

use offhook_signaling::cause::Cause;

use crate::fault::gateway::Remedy;
use crate::switch::exchange::Exchange;
use crate::switch::leg::{LegId, State};
use crate::switch::media::{MediaCommand, Sound};
use crate::switch::timers::Timer;

impl Exchange {
    /// The leg's client is gone. An established call waits for it; another ends. Says which.
    pub(crate) fn detach(&mut self, id: LegId, now: Instant) -> bool {
        let Some(leg) = self.legs.get_mut(&id) else {
            return false;
        };
        if !leg.is_established() {
            self.hang_up(id, Cause::DESTINATION_OUT_OF_ORDER);
            return false;
        }
        // The new media can only speak what the far end already speaks.
        if let Some(codec) = leg.media.as_ref().and_then(|media| media.codec) {
            leg.codecs = vec![codec];
        }
        leg.state = State::Detached;
        leg.updating = false;
        leg.held = false;
        let partner = leg.partner;
        let limit = now + self.detached_for.unwrap_or(leg.endpoint.face.detached_for);
        self.close_media(id);
        self.timers.set(id, Timer::Limit, Some(limit));
        if let Some(partner) = partner {
            self.play(partner);
        }
        true
    }

    /// The leg's client is back: make it an offer. `silent`: mod_verto may lose the call's media in a race between the old
    /// socket and the new one, and send nothing until then.
    pub(crate) fn attach(&mut self, id: LegId, silent: Option<Remedy>) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        if leg.state != State::Detached {
            return;
        }
        leg.state = State::Reoffering;
        leg.silent = silent;
        if let Some(media) = self.open_media(id, Sound::Nothing) {
            self.ask_media(MediaCommand::CreateOffer(media));
        }
    }
}
