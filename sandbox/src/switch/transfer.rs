//! Sends the far end of a call somewhere else: to a number, or to the far end of another call.

use std::time::Instant;

use offhook_signaling::cause::Cause;

use crate::numbers::{self, Destination, Step};
use crate::switch::cause::cause;
use crate::switch::exchange::Exchange;
use crate::switch::leg::{LegEvent, LegId, Party, State};
use crate::switch::media::Sound;

/// Why a call is not transferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotTransferred {
    /// Nobody is at its far end.
    NotBridged,
    /// Nobody is at the far end of the other call.
    InvalidLeg,
    /// The far ends have no codec in common.
    Failed,
}

impl Exchange {
    /// Sends a leg's far end to a number, and lets the leg go.
    pub(crate) fn transfer(
        &mut self,
        id: LegId,
        dialled: &str,
        now: Instant,
    ) -> Result<(), NotTransferred> {
        let partner = self.bridged(id).ok_or(NotTransferred::NotBridged)?;
        self.let_go(id, partner);
        self.show(partner, dialled.to_owned(), String::new());
        let unknown = self
            .legs
            .get(&partner)
            .map_or(0, |leg| leg.endpoint.face.unknown_number);
        match self.destination(dialled) {
            Destination::Script(steps) => self.run(partner, steps, now),
            Destination::Unknown => self.run(partner, vec![Step::HangUp(cause(unknown))], now),
            Destination::User(user) => self.ring_for(partner, &user),
        }
        Ok(())
    }

    /// Joins the far ends of two legs, and lets both legs go.
    pub(crate) fn replace(&mut self, id: LegId, other: LegId) -> Result<(), NotTransferred> {
        let one = self.bridged(id).ok_or(NotTransferred::NotBridged)?;
        let two = self.bridged(other).ok_or(NotTransferred::InvalidLeg)?;
        if id == other || one == other {
            return Err(NotTransferred::InvalidLeg);
        }
        if self.codec(one) != self.codec(two) {
            return Err(NotTransferred::Failed);
        }
        self.let_go(id, one);
        self.let_go(other, two);
        for (leg, partner) in [(one, two), (two, one)] {
            if let Some(known) = self.legs.get_mut(&leg) {
                known.partner = Some(partner);
            }
        }
        for (leg, partner) in [(one, two), (two, one)] {
            let user = self.legs.get(&partner).map(|leg| leg.user.clone());
            self.show(leg, user.unwrap_or_default(), String::new());
            self.play(leg);
        }
        Ok(())
    }

    /// The far end of a leg that is up, with both in force.
    pub(super) fn bridged(&self, id: LegId) -> Option<LegId> {
        let leg = self
            .legs
            .get(&id)
            .filter(|leg| leg.state == State::Active)?;
        let partner = leg.partner?;
        let other = self.legs.get(&partner)?;
        (other.state == State::Active && other.partner == Some(id)).then_some(partner)
    }

    fn codec(&self, id: LegId) -> Option<offhook_media::program::AudioCodec> {
        self.legs.get(&id)?.media.as_ref()?.codec
    }

    fn let_go(&mut self, id: LegId, partner: LegId) {
        for leg in [id, partner] {
            if let Some(known) = self.legs.get_mut(&leg) {
                known.partner = None;
            }
        }
        self.end_by_exchange(id, Cause::NORMAL_CLEARING);
    }

    /// The client of a leg is told who is at its far end now.
    pub(super) fn show(&mut self, id: LegId, number: String, name: String) {
        self.tell(id, LegEvent::Display(Party { name, number }));
    }

    /// Calls a user's clients for somebody who is already up.
    fn ring_for(&mut self, id: LegId, user: &str) {
        let clients = self.clients_of(user);
        let Some(leg) = self.legs.get(&id) else {
            return;
        };
        if clients.is_empty() {
            let cause = cause(crate::switch::cause::USER_NOT_REGISTERED);
            return self.end_by_exchange(id, cause);
        }
        let caller = Party {
            name: leg.user.clone(),
            number: leg.user.clone(),
        };
        let codecs = self
            .codec(id)
            .map_or_else(|| leg.codecs.clone(), |codec| vec![codec]);
        self.ring(user, &clients, &caller, &codecs, Sound::Nothing, Some(id));
    }

    /// Where a number leads; whoever logged in under a name of their own can be called by it.
    pub(super) fn destination(&self, dialled: &str) -> Destination {
        match numbers::destination(dialled) {
            Destination::Unknown => {
                let name = numbers::user_part(dialled);
                match self.is_registered(name) {
                    true => Destination::User(name.to_owned()),
                    false => Destination::Unknown,
                }
            }
            known @ (Destination::Script(_) | Destination::User(_)) => known,
        }
    }
}
