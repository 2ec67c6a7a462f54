//! Calls whose client lost its socket, and how they come back; and new media for calls whose client did not.

use std::time::{Duration, Instant};

use offhook_signaling::cause::Cause;

use crate::fault::gateway::Remedy;
use crate::switch::exchange::Exchange;
use crate::switch::leg::{Leg, LegId, State, Unanswered};
use crate::switch::media::{MediaCommand, Sound};
use crate::switch::timers::Timer;

/// How long a client may leave new media unanswered on a healthy socket.
const RENEGOTIATION: Duration = Duration::from_secs(60);

impl Exchange {
    /// The leg's client is gone. An established call waits for it; another ends, unless it is to be kept. Says which.
    pub(crate) fn detach(&mut self, id: LegId, keep_unanswered: bool, now: Instant) -> bool {
        let Some(leg) = self.legs.get_mut(&id) else {
            return false;
        };
        let unanswered = keep_unanswered && leg.may_wait_unanswered();
        if !leg.is_established() && !unanswered {
            self.hang_up(id, Cause::DESTINATION_OUT_OF_ORDER);
            return false;
        }
        if unanswered {
            leg.unanswered = Unanswered::Still;
        }
        keep_codec(leg);
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
        leg.silent = silent;
        self.offer_anew(id);
    }

    /// The leg's client is there, and gets an offer of new media all the same.
    pub(crate) fn renegotiate(&mut self, id: LegId, now: Instant) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        if leg.state != State::Active || !leg.is_established() || leg.updating {
            return;
        }
        keep_codec(leg);
        let partner = leg.partner;
        self.close_media(id);
        if let Some(partner) = partner {
            self.play(partner);
        }
        let limit = Some(now + RENEGOTIATION);
        self.timers.set(id, Timer::Limit, limit);
        self.offer_anew(id);
    }

    fn offer_anew(&mut self, id: LegId) {
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.state = State::Reoffering;
        }
        if let Some(media) = self.open_media(id, Sound::Nothing) {
            self.ask_media(MediaCommand::CreateOffer(media));
        }
    }
}

/// The new media can only speak what the far end already speaks.
fn keep_codec(leg: &mut Leg) {
    if let Some(codec) = leg.media.as_ref().and_then(|media| media.codec) {
        leg.codecs = vec![codec];
    }
}
