//! Sends the far end of a call elsewhere while the call goes on, and tells its client what came of it (SIP's REFER).

use std::time::Instant;

use offhook_media::sdp::codec::ALL;
use offhook_signaling::cause::Cause;

use crate::numbers::{Destination, Step};
use crate::switch::cause::{self, cause};
use crate::switch::exchange::Exchange;
use crate::switch::leg::{FarEndGoes, Leg, LegEvent, LegId, Party, State};
use crate::switch::media::Sound;
use crate::switch::transfer::NotTransferred;

impl Exchange {
    /// A client wants its far end sent to a number. What came of it is told by [`LegEvent::Referred`]; the leg goes on.
    pub(crate) fn refer(
        &mut self,
        id: LegId,
        dialled: &str,
        now: Instant,
    ) -> Result<(), NotTransferred> {
        let leg = self.legs.get(&id).filter(|leg| leg.state == State::Active);
        let leg = leg.ok_or(NotTransferred::InvalidLeg)?;
        if self.is_ahead(id) {
            self.postpone(id, FarEndGoes::To(dialled.to_owned()));
            return Ok(());
        }
        let unknown = leg.endpoint.face.unknown_number;
        let partner = self.bridged(id);
        match self.destination(dialled) {
            Destination::Unknown => self.tell_referred(id, Err(cause(unknown))),
            Destination::Script(steps) => match verdict(&steps) {
                Err(why) => self.tell_referred(id, Err(why)),
                Ok(()) => {
                    if let Some(partner) = partner {
                        self.part(id, partner);
                        self.show(partner, dialled.to_owned(), String::new());
                        self.run(partner, steps, now);
                    }
                    self.tell_referred(id, Ok(()));
                }
            },
            Destination::User(user) => self.refer_to_user(id, partner, &user),
        }
        Ok(())
    }

    /// Joins the far ends of two legs, those that are scripted too, and lets both legs go.
    pub(crate) fn join(&mut self, id: LegId, other: LegId) -> Result<(), NotTransferred> {
        if let Some(ahead) = [id, other].into_iter().find(|leg| self.is_ahead(*leg)) {
            let with = if ahead == id { other } else { id };
            self.postpone(ahead, FarEndGoes::Join(with));
            return Ok(());
        }
        let sound = |exchange: &Self, id| exchange.legs.get(&id).map(|leg: &Leg| leg.sound);
        let (one, two) = (self.bridged(id), self.bridged(other));
        let left = match (one, two) {
            (Some(_), Some(_)) => return self.replace(id, other),
            (Some(one), None) => Some((one, id, sound(self, other))),
            (None, Some(two)) => Some((two, other, sound(self, id))),
            (None, None) => None,
        };
        if let Some((stays, goes, sound)) = left {
            self.part(goes, stays);
            if let Some(leg) = self.legs.get_mut(&stays) {
                leg.sound = sound.unwrap_or(Sound::Nothing);
            }
            self.play(stays);
        }
        for leg in [id, other] {
            self.end_by_exchange(leg, Cause::NORMAL_CLEARING);
        }
        Ok(())
    }

    /// A leg is in the call now: what the client of its far end wanted of it meanwhile is done.
    pub(super) fn catch_up(&mut self, id: LegId, now: Instant) {
        let partner = self.legs.get(&id).and_then(|leg| leg.partner);
        let ahead = partner.and_then(|partner| Some((partner, self.legs.get_mut(&partner)?)));
        let Some((ahead, leg)) = ahead else {
            return;
        };
        let done = match leg.sends_far_end.take() {
            Some(FarEndGoes::To(number)) => self.refer(ahead, &number, now),
            Some(FarEndGoes::Join(other)) => self.join(ahead, other),
            None => return,
        };
        if done.is_err() {
            tracing::warn!(leg = ahead.0, "a transfer that waited cannot be done");
        }
    }

    /// A leg is in a call whose other end is not yet: a caller's answer is still being made, or a client is away.
    fn is_ahead(&self, id: LegId) -> bool {
        let leg = self.legs.get(&id).filter(|leg| leg.state == State::Active);
        let far = leg.and_then(|leg| self.legs.get(&leg.partner?));
        far.is_some_and(|far| far.partner == Some(id) && far.state != State::Active)
    }

    fn postpone(&mut self, id: LegId, goes: FarEndGoes) {
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.sends_far_end = Some(goes);
        }
    }

    fn refer_to_user(&mut self, id: LegId, partner: Option<LegId>, user: &str) {
        let clients = self.clients_of(user);
        let Some(leg) = self.legs.get(&id) else {
            return;
        };
        if clients.is_empty() {
            let cause = cause(cause::USER_NOT_REGISTERED);
            return self.tell_referred(id, Err(cause));
        }
        let (caller, codecs, sound) = match partner.and_then(|partner| self.legs.get(&partner)) {
            Some(far) => {
                let codec = far.media.as_ref().and_then(|media| media.codec);
                let codecs = codec.map_or_else(|| far.codecs.clone(), |codec| vec![codec]);
                (Party::user(&far.user), codecs, Sound::Nothing)
            }
            None => (Party::user(&leg.callee.number), ALL.to_vec(), leg.sound),
        };
        for ringing in self.ring(user, &clients, &caller, &codecs, sound, partner) {
            if let Some(leg) = self.legs.get_mut(&ringing) {
                leg.referrer = Some(id);
            }
        }
    }

    /// A leg that rings for a referral has answered: its referrer has no far end any more.
    pub(super) fn end_referral(&mut self, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        let partner = leg.partner;
        let Some(referrer) = leg.referrer.take() else {
            return;
        };
        if let Some(partner) = partner {
            self.part(referrer, partner);
        }
        self.tell_referred(referrer, Ok(()));
    }

    /// A leg ended that has to do with a referral; says whether nothing else follows from its end.
    pub(super) fn release_referral(&mut self, id: LegId, leg: &Leg, cause: &Cause) -> bool {
        // The referrer has gone: what it began goes on without it.
        let begun: Vec<LegId> = self
            .legs
            .iter()
            .filter(|(_, other)| other.referrer == Some(id))
            .map(|(id, _)| *id)
            .collect();
        for ringing in &begun {
            if let Some(other) = self.legs.get_mut(ringing) {
                other.referrer = None;
            }
        }
        if !begun.is_empty() {
            if let Some(far) = leg.partner.and_then(|far| self.legs.get_mut(&far)) {
                far.partner = None;
            }
            if let Some(far) = leg.partner {
                self.play(far);
            }
            return true;
        }
        // The far end has gone: nobody is to be called for it.
        let calling: Vec<LegId> = self
            .ringing_for(id)
            .into_iter()
            .filter(|ringing| {
                let ringing = self.legs.get(ringing);
                ringing.is_some_and(|ringing| ringing.referrer.is_some() && ringing.is_ringing())
            })
            .collect();
        for ringing in calling {
            if let Some(other) = self.legs.get_mut(&ringing) {
                other.partner = None;
            }
            self.end_by_exchange(ringing, Cause::ORIGINATOR_CANCEL);
        }
        // It rang for a referral: the call goes on as it was when nobody else rings.
        let Some(referrer) = leg.referrer else {
            return false;
        };
        let rivals = leg.race.and_then(|race| self.races.get_mut(&race));
        let rings_on = rivals.is_some_and(|rivals| {
            rivals.retain(|rival| *rival != id);
            !rivals.is_empty()
        });
        if !rings_on {
            if let Some(race) = leg.race {
                self.races.remove(&race);
            }
            self.tell_referred(referrer, Err(cause.clone()));
        }
        true
    }

    /// Two legs of a bridge have nothing to do with each other any more.
    fn part(&mut self, one: LegId, two: LegId) {
        for (leg, other) in [(one, two), (two, one)] {
            if let Some(leg) = self.legs.get_mut(&leg)
                && leg.partner == Some(other)
            {
                leg.partner = None;
                leg.sound = Sound::Nothing;
            }
        }
        self.play(one);
    }

    fn tell_referred(&mut self, id: LegId, outcome: Result<(), Cause>) {
        self.tell(id, LegEvent::Referred { outcome });
    }
}

/// Whether a script ends in an answer.
fn verdict(steps: &[Step]) -> Result<(), Cause> {
    for step in steps {
        match step {
            Step::Answer(_) => return Ok(()),
            Step::HangUp(cause) => return Err(cause.clone()),
            Step::Ring | Step::Early(_) | Step::Wait(_) | Step::CallBack(_) => {}
        }
    }
    Err(Cause::NO_ANSWER)
}
