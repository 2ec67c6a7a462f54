//! Offers of ours within a call, late offers, and legs that take the place of others (SIP).

use std::time::Instant;

use offhook_media::program::AudioCodec;
use offhook_media::session::config::Hold;
use offhook_signaling::cause::Cause;

use crate::switch::exchange::{ClientCall, Exchange, NotNow, OwnCall};
use crate::switch::leg::{Endpoint, Leg, LegEvent, LegId, Party, State, Then};
use crate::switch::media::{MediaCommand, Sound};
use crate::switch::offered;

impl Exchange {
    /// Offers a client media anew, with our side of the direction; the offer comes as [`LegEvent::Reoffer`].
    pub(crate) fn reoffer(&mut self, id: LegId, hold: Hold) -> Result<(), NotNow> {
        let leg = self.legs.get_mut(&id).ok_or(NotNow)?;
        if leg.state != State::Active || leg.updating || leg.late || leg.reoffering {
            return Err(NotNow);
        }
        let media = leg.media.as_ref().ok_or(NotNow)?.id;
        leg.reoffering = true;
        self.ask_media(MediaCommand::Hold(media, hold));
        self.ask_media(MediaCommand::CreateOffer(media));
        Ok(())
    }

    /// The client's answer to such an offer; `None`: it refused it.
    pub(crate) fn reoffer_answered(&mut self, id: LegId, sdp: Option<String>) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        leg.reoffering = false;
        if let (Some(media), Some(sdp)) = (&leg.media, sdp) {
            let media = media.id;
            self.ask_media(MediaCommand::AcceptAnswer(media, sdp));
        }
    }

    /// The client's answer to the offer that it got as an answer.
    pub(crate) fn late_answer(&mut self, id: LegId, sdp: String) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        if let Some(media) = leg.media.as_ref().filter(|_| leg.late) {
            let media = media.id;
            leg.late = false;
            self.ask_media(MediaCommand::AcceptAnswer(media, sdp));
        }
    }

    /// Rings a client that is to make the offer itself.
    pub(super) fn ring_without_offer(
        &mut self,
        user: &str,
        endpoint: Endpoint,
        call: &OwnCall,
        now: Instant,
    ) {
        let id = LegId(self.next_serial());
        let leg = Leg {
            sound: call.sound,
            ..Leg::new(
                endpoint,
                user.to_owned(),
                call.caller.clone(),
                Party::user(user),
                State::Ringing,
            )
            .with(call.codecs.clone())
        };
        let event = LegEvent::Offer {
            endpoint: endpoint.id,
            caller: leg.caller.clone(),
            callee: leg.callee.clone(),
            sdp: None,
        };
        self.legs.insert(id, leg);
        self.start_ring_limit(id, now);
        self.tell(id, event);
    }

    /// A client that was called without an offer answers with its own; the answer comes as [`LegEvent::Described`].
    pub(crate) fn answer_with_offer(&mut self, id: LegId, sdp: String) -> Result<(), NotNow> {
        let leg = self.legs.get_mut(&id).ok_or(NotNow)?;
        if leg.state != State::Ringing || leg.media.is_some() {
            return Err(NotNow);
        }
        leg.state = State::Accepting;
        if let Some(media) = self.open_media(id, Sound::Nothing) {
            self.ask_media(MediaCommand::AcceptOffer(media, sdp));
        }
        Ok(())
    }

    /// A client's call takes the place of another leg (RFC 3891): of one that is up, or that rings.
    pub(crate) fn take_over(&mut self, call: ClientCall, old: LegId) -> Result<LegId, NotNow> {
        let leg = self.legs.get(&old).ok_or(NotNow)?;
        let (up, sound) = (leg.state == State::Active, leg.sound);
        if !up && !leg.is_ringing() {
            return Err(NotNow);
        }
        let far = leg.partner;
        let codecs = match far.and_then(|far| self.legs.get(&far)) {
            None => call.codecs.clone(),
            Some(far) => match far.media.as_ref().and_then(|media| media.codec) {
                Some(codec) => vec![codec],
                None => common(&far.codecs, &call.codecs),
            },
        };
        if codecs.is_empty() {
            return Err(NotNow);
        }
        let id = LegId(self.next_serial());
        let state = State::Proceeding { offer: call.offer };
        let leg = Leg {
            partner: far,
            ..Leg::new(
                call.endpoint,
                call.user,
                call.caller,
                Party::user(&call.dialled),
                state,
            )
            .with(codecs.clone())
        };
        self.legs.insert(id, leg);
        if let Some(leg) = self.legs.get_mut(&old) {
            leg.partner = None;
        }
        let far_answered = far.and_then(|far| self.legs.get(&far));
        let far_answered = far_answered.is_some_and(|far| far.state == State::Active);
        if let Some(leg) = far.and_then(|far| self.legs.get_mut(&far)) {
            leg.partner = Some(id);
            if !far_answered {
                leg.codecs = codecs;
            }
        }
        self.end_rivals(old);
        let gone = if up {
            Cause::NORMAL_CLEARING
        } else {
            Cause::PICKED_OFF
        };
        self.end_by_exchange(old, gone);
        self.describe(id, sound, Then::Answer);
        if let Some(far) = far.filter(|_| !far_answered) {
            self.describe(far, Sound::Nothing, Then::Answer);
        }
        Ok(id)
    }
}

/// Codecs for a bridge without a transcoder: one.
fn common(theirs: &[AudioCodec], ours: &[AudioCodec]) -> Vec<AudioCodec> {
    let both = theirs.iter().find(|codec| ours.contains(codec));
    both.copied().into_iter().collect()
}

/// Codecs that a client's offer leaves: all where there is none yet.
pub(crate) fn offered_or_all(offer: Option<&str>) -> Vec<AudioCodec> {
    offer.map_or_else(|| offhook_media::sdp::codec::ALL.to_vec(), offered::codecs)
}
