//! What clients and the media side say about SDP, and what follows from it for a leg.

use std::time::Instant;

use offhook_signaling::cause::Cause;

use crate::fault::gateway::Remedy;
use crate::switch::cause::{self, cause};
use crate::switch::exchange::{Exchange, NotNow};
use crate::switch::leg::{Leg, LegEvent, LegId, State, Then};
use crate::switch::media::{MediaCommand, MediaId, MediaNotice, Sound};
use crate::switch::timers::Timer;

impl Exchange {
    /// A called client answers.
    pub(crate) fn answer(&mut self, id: LegId, sdp: String) -> Result<(), NotNow> {
        self.take_answer(id, sdp, &State::Ringing, State::Accepting)
    }

    /// A client that came back answers our new offer.
    pub(crate) fn attach_answer(&mut self, id: LegId, sdp: String) -> Result<(), NotNow> {
        self.take_answer(id, sdp, &State::Reoffered, State::Reaccepting)
    }

    /// A client offers media anew within a call (new address, ICE restart).
    pub(crate) fn update(&mut self, id: LegId, sdp: String) -> Result<(), NotNow> {
        let leg = self.legs.get_mut(&id).ok_or(NotNow)?;
        if leg.state != State::Active || !leg.is_established() || leg.updating {
            return Err(NotNow);
        }
        let media = leg.media.as_ref().ok_or(NotNow)?.id;
        leg.updating = true;
        self.ask_media(MediaCommand::AcceptOffer(media, sdp));
        Ok(())
    }

    /// The media side reports. A notice of a session that is no more is dropped.
    pub(crate) fn media(&mut self, media: MediaId, notice: MediaNotice, now: Instant) {
        let Some(&id) = self.sessions.get(&media) else {
            return;
        };
        match notice {
            MediaNotice::Offer(sdp) => self.on_offer_made(id, sdp, now),
            MediaNotice::Answer(sdp) => self.on_answer_made(id, sdp, now),
            MediaNotice::AnswerAccepted => {
                if let Some(media) = self.legs.get_mut(&id).and_then(|leg| leg.media.as_mut()) {
                    media.accepted = true;
                }
                self.on_accepted(id);
            }
            MediaNotice::Agreed(codec) => {
                if let Some(media) = self.legs.get_mut(&id).and_then(|leg| leg.media.as_mut()) {
                    media.codec = Some(codec);
                }
                self.on_accepted(id);
            }
            MediaNotice::Refused(reason) => self.on_refused(id, &reason),
            MediaNotice::Connected => {
                if let Some(media) = self.legs.get_mut(&id).and_then(|leg| leg.media.as_mut()) {
                    media.connected = true;
                }
            }
            MediaNotice::Failed(reason) => {
                tracing::warn!(leg = id.0, %reason, "media failed");
                self.end_by_exchange(id, Cause::DESTINATION_OUT_OF_ORDER);
            }
            MediaNotice::Dtmf(digit) => tracing::debug!(leg = id.0, %digit, "digit in RTP"),
        }
    }

    fn take_answer(
        &mut self,
        id: LegId,
        sdp: String,
        from: &State,
        to: State,
    ) -> Result<(), NotNow> {
        let leg = self.legs.get_mut(&id).ok_or(NotNow)?;
        if leg.state != *from {
            return Err(NotNow);
        }
        let media = leg.media.as_ref().ok_or(NotNow)?.id;
        leg.state = to;
        self.ask_media(MediaCommand::AcceptAnswer(media, sdp));
        Ok(())
    }

    fn on_offer_made(&mut self, id: LegId, sdp: String, now: Instant) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        match leg.state {
            State::Offering => {
                leg.state = State::Ringing;
                let event = LegEvent::Offer {
                    endpoint: leg.endpoint.id,
                    caller: leg.caller.clone(),
                    callee: leg.callee.clone(),
                    sdp,
                };
                self.start_ring_limit(id, now);
                self.tell(id, event);
            }
            State::Reoffering => {
                leg.state = State::Reoffered;
                self.tell(id, LegEvent::Attach { sdp });
            }
            State::Proceeding { .. }
            | State::Describing { .. }
            | State::Early
            | State::Forking { .. }
            | State::Ringing
            | State::Accepting
            | State::Active
            | State::Detached
            | State::Reoffered
            | State::Reaccepting => {}
        }
    }

    fn on_answer_made(&mut self, id: LegId, sdp: String, now: Instant) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        if leg.updating {
            leg.updating = false;
            if leg
                .silent
                .take_if(|until| *until == Remedy::Update)
                .is_some()
            {
                self.play(id);
            }
            return self.tell(id, LegEvent::Updated { sdp });
        }
        let State::Describing { then } = leg.state else {
            return;
        };
        match then {
            Then::EarlyMedia => {
                leg.state = State::Early;
                self.tell(id, LegEvent::EarlyMedia { sdp });
            }
            Then::Answer => {
                leg.state = State::Active;
                let partner = leg.partner;
                self.tell(id, LegEvent::Answered { sdp: Some(sdp) });
                if let Some(partner) = partner {
                    self.play(id);
                    self.play(partner);
                }
            }
        }
        self.advance(id, now);
    }

    fn on_accepted(&mut self, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        let Some(codec) = leg
            .media
            .as_ref()
            .filter(|media| media.accepted)
            .and_then(|media| media.codec)
        else {
            return;
        };
        match leg.state {
            State::Accepting => {
                leg.state = State::Active;
                let caller = leg.partner;
                self.timers.set(id, Timer::Limit, None);
                self.tell(id, LegEvent::AnswerAccepted);
                self.end_rivals(id);
                let Some(caller) = caller else {
                    return self.play(id);
                };
                if let Some(leg) = self.legs.get_mut(&caller) {
                    leg.partner = Some(id);
                    // What the callee chose is the one codec that needs no transcoding.
                    leg.codecs = vec![codec];
                }
                let answered = |leg: &Leg| leg.state == State::Active;
                if self.legs.get(&caller).is_some_and(answered) {
                    // It was transferred here.
                    self.play(id);
                    return self.play(caller);
                }
                self.describe(caller, Sound::Nothing, Then::Answer);
            }
            State::Reaccepting => {
                leg.state = State::Active;
                let partner = leg.partner;
                self.timers.set(id, Timer::Limit, None);
                self.tell(id, LegEvent::AnswerAccepted);
                self.play(id);
                if let Some(partner) = partner {
                    self.play(partner);
                }
            }
            State::Proceeding { .. }
            | State::Describing { .. }
            | State::Early
            | State::Forking { .. }
            | State::Offering
            | State::Ringing
            | State::Active
            | State::Detached
            | State::Reoffering
            | State::Reoffered => {}
        }
    }

    fn on_refused(&mut self, id: LegId, reason: &str) {
        tracing::warn!(leg = id.0, %reason, "media refused");
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        if leg.updating {
            leg.updating = false;
            return self.tell(id, LegEvent::UpdateRefused);
        }
        match leg.state {
            State::Accepting => {
                leg.state = State::Ringing;
                self.tell(id, LegEvent::AnswerRefused);
            }
            State::Reaccepting => {
                self.tell(id, LegEvent::AnswerRefused);
                self.end_by_exchange(id, cause(cause::BEARERCAPABILITY_NOTAVAIL));
            }
            State::Describing { .. } => {
                self.end_by_exchange(id, Cause::INCOMPATIBLE_DESTINATION);
            }
            State::Offering | State::Reoffering => {
                self.end_by_exchange(id, Cause::DESTINATION_OUT_OF_ORDER);
            }
            State::Proceeding { .. }
            | State::Early
            | State::Forking { .. }
            | State::Ringing
            | State::Active
            | State::Detached
            | State::Reoffered => {}
        }
    }
}
