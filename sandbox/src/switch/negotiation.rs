//! What clients and the media side say about SDP, and what follows from it for a leg.

use std::time::Instant;

use offhook_signaling::cause::Cause;

use crate::fault::gateway::Remedy;
use crate::switch::cause::{self, cause};
use crate::switch::exchange::{Exchange, NotNow};
use crate::switch::leg::{Leg, LegEvent, LegId, State, Then, Unanswered};
use crate::switch::media::{MediaCommand, MediaId, MediaNotice, Sound};
use crate::switch::timers::Timer;

impl Exchange {
    /// A called client answers.
    pub(crate) fn answer(&mut self, id: LegId, sdp: String) -> Result<(), NotNow> {
        self.take_answer(id, sdp, &State::Ringing, State::Accepting)
    }

    /// A client that came back answers our new offer.
    pub(crate) fn attach_answer(&mut self, id: LegId, sdp: String) -> Result<(), NotNow> {
        let rings = |leg: &Leg| leg.unanswered == Unanswered::Still && leg.state == State::Ringing;
        if self.legs.get(&id).is_some_and(rings) {
            return self.answer(id, sdp);
        }
        self.take_answer(id, sdp, &State::Reoffered, State::Reaccepting)
    }

    /// A client offers media anew within a call (new address, ICE restart).
    pub(crate) fn update(&mut self, id: LegId, sdp: String) -> Result<(), NotNow> {
        let leg = self.legs.get_mut(&id).ok_or(NotNow)?;
        let early = leg.state == State::Early && leg.endpoint.face.may_offer;
        let up = leg.state == State::Active && leg.is_established();
        if !(early || up) || leg.updating || leg.late {
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
                self.on_accepted(id, now);
            }
            MediaNotice::Agreed(codec) => {
                if let Some(media) = self.legs.get_mut(&id).and_then(|leg| leg.media.as_mut()) {
                    media.codec = Some(codec);
                }
                self.on_accepted(id, now);
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
                    sdp: Some(sdp),
                };
                self.start_ring_limit(id, now);
                self.tell(id, event);
            }
            State::Reoffering => {
                // One that rings goes on ringing, with the newer offer.
                leg.state = if leg.race.is_some() {
                    State::Ringing
                } else {
                    State::Reoffered
                };
                self.tell(id, LegEvent::Attach { sdp });
            }
            // The client wanted an offer in place of an answer.
            State::Describing { .. } => {
                leg.late = true;
                self.on_answer_made(id, sdp, now);
            }
            State::Active if leg.reoffering => self.tell(id, LegEvent::Reoffer { sdp }),
            State::Proceeding { .. }
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
        if leg.state == State::Accepting {
            if let Some(media) = &mut leg.media {
                media.accepted = true;
            }
            self.tell(id, LegEvent::Described { sdp });
            return self.on_accepted(id, now);
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
                self.catch_up(id, now);
            }
        }
        self.advance(id, now);
    }

    fn on_accepted(&mut self, id: LegId, now: Instant) {
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
                leg.unanswered = Unanswered::No;
                let caller = leg.partner;
                self.timers.set(id, Timer::Limit, None);
                self.tell(id, LegEvent::AnswerAccepted);
                self.end_rivals(id);
                self.end_referral(id);
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
                self.answer_caller(caller, now);
            }
            State::Reaccepting => {
                let unanswered = std::mem::take(&mut leg.unanswered);
                leg.state = if unanswered == Unanswered::No {
                    State::Active
                } else {
                    State::Early
                };
                let partner = leg.partner;
                self.timers.set(id, Timer::Limit, None);
                self.tell(id, LegEvent::AnswerAccepted);
                self.play(id);
                if let Some(partner) = partner {
                    self.play(partner);
                }
                match unanswered {
                    Unanswered::No => self.catch_up(id, now),
                    Unanswered::Still => self.advance(id, now),
                    Unanswered::NoMore => self.answer_caller(id, now),
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

    /// Somebody answered: the caller hears of it, once it has media.
    fn answer_caller(&mut self, id: LegId, now: Instant) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        if leg.is_away() {
            leg.unanswered = Unanswered::NoMore;
        } else if !self.answer_after_early_media(id, Sound::Nothing) {
            self.describe(id, Sound::Nothing, Then::Answer);
        } else if let Some(partner) = self.legs.get(&id).and_then(|leg| leg.partner) {
            self.play(partner);
            self.catch_up(id, now);
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
            State::Active | State::Early if leg.late => {
                self.end_by_exchange(id, Cause::INCOMPATIBLE_DESTINATION);
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
