//! How legs end, and what that means for the legs they are tied to.

use offhook_signaling::cause::Cause;

use crate::switch::exchange::Exchange;
use crate::switch::leg::{EndedBy, LegEvent, LegId, State};

impl Exchange {
    /// A client hangs up, cancels or refuses.
    pub(crate) fn hang_up(&mut self, id: LegId, cause: Cause) {
        self.end(id, cause, EndedBy::Client);
    }

    /// The far end, or the exchange itself, ends a leg.
    pub(crate) fn end_by_exchange(&mut self, id: LegId, cause: Cause) {
        self.end(id, cause, EndedBy::Exchange);
    }

    /// Ends every leg.
    pub(crate) fn end_all(&mut self, cause: &Cause) {
        while let Some((&id, _)) = self.legs.first_key_value() {
            self.end_by_exchange(id, cause.clone());
        }
    }

    /// The time of a leg is over.
    pub(super) fn give_up(&mut self, id: LegId) {
        let Some(leg) = self.legs.get(&id) else {
            return;
        };
        let cause = if leg.is_established() {
            Cause::RECOVERY_ON_TIMER_EXPIRE
        } else {
            Cause::NO_ANSWER
        };
        self.end_by_exchange(id, cause);
    }

    /// The other clients that rang for the same call stop ringing.
    pub(super) fn end_rivals(&mut self, winner: LegId) {
        let race = self.legs.get_mut(&winner).and_then(|leg| leg.race.take());
        let rivals = race
            .and_then(|race| self.races.remove(&race))
            .unwrap_or_default();
        for rival in rivals {
            if rival == winner {
                continue;
            }
            if let Some(leg) = self.legs.get_mut(&rival) {
                leg.race = None;
                leg.partner = None;
            }
            self.end_by_exchange(rival, Cause::LOSE_RACE);
        }
    }

    fn end(&mut self, id: LegId, cause: Cause, by: EndedBy) {
        self.close_media(id);
        self.timers.forget(id);
        let Some(leg) = self.legs.remove(&id) else {
            return;
        };
        tracing::info!(leg = id.0, user = %leg.user, cause = cause.name(), "call ended");
        let told = cause.clone();
        self.tell(id, LegEvent::Ended { cause: told, by });

        if self.release_referral(id, &leg, &cause) {
            return;
        }
        // A client that rang: its caller goes on as long as another one rings.
        let rings_on = leg.race.is_some_and(|race| {
            let rivals = self.races.entry(race).or_default();
            rivals.retain(|rival| *rival != id);
            let rings_on = !rivals.is_empty();
            if !rings_on {
                self.races.remove(&race);
            }
            rings_on
        });
        // A caller that gives up, transferred here or not: whoever rings for it stops.
        if matches!(leg.state, State::Forking { .. }) || leg.partner.is_none() {
            for rival in self.ringing_for(id) {
                if let Some(leg) = self.legs.get_mut(&rival) {
                    leg.partner = None;
                }
                self.end_by_exchange(rival, Cause::ORIGINATOR_CANCEL);
            }
            return;
        }
        let Some(partner) = leg.partner.filter(|_| !rings_on) else {
            return;
        };
        if let Some(other) = self.legs.get_mut(&partner) {
            other.partner = None;
            self.end_by_exchange(partner, cause);
        }
    }

    /// The legs at the other end of this one: its partner, or whoever rings for it.
    pub(crate) fn tied_to(&self, id: LegId) -> Vec<LegId> {
        let partner = self.legs.get(&id).and_then(|leg| leg.partner);
        let mut tied = self.ringing_for(id);
        tied.extend(partner.filter(|partner| !tied.contains(partner)));
        tied
    }

    /// Whose leg it is.
    pub(crate) fn user_of(&self, id: LegId) -> Option<&str> {
        self.legs.get(&id).map(|leg| leg.user.as_str())
    }

    pub(super) fn ringing_for(&self, caller: LegId) -> Vec<LegId> {
        self.legs
            .iter()
            .filter(|(_, leg)| leg.partner == Some(caller))
            .map(|(id, _)| *id)
            .collect()
    }
}
