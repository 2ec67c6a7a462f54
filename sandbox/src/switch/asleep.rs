//! Users who are away and can be woken by a push message: calls to them wait until they ask for them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::switch::exchange::{Exchange, OwnCall, RING_LIMIT};
use crate::switch::leg::{Endpoint, LegId, State};
use crate::switch::media::Sound;
use crate::switch::timers::Timer;

/// Most calls that wait for one user.
const MOST_WAITING: usize = 8;

/// Who can be woken, and what waits for them.
#[derive(Debug, Default)]
pub(super) struct Asleep {
    /// Users whose clients named a device at their login.
    devices: BTreeSet<String>,
    waiting: BTreeMap<String, Vec<Waiting>>,
}

/// A call that nobody rings for yet.
#[derive(Debug)]
pub(super) enum Waiting {
    /// Of another client.
    Caller(LegId),
    /// Of the sandbox itself, which waits until then.
    Own(OwnCall, Instant),
}

impl Exchange {
    /// A push message can wake the user, or no longer.
    pub(crate) fn set_device(&mut self, user: &str, known: bool) {
        if known {
            self.asleep.devices.insert(user.to_owned());
        } else {
            self.asleep.devices.remove(user);
        }
    }

    /// Sends a push message to the user, and keeps the call. `false`: there is no device to send it to.
    pub(super) fn push(&mut self, user: &str, call: Waiting, now: Instant) -> bool {
        if !self.asleep.devices.contains(user) {
            return false;
        }
        let legs = &self.legs;
        let waiting = self.asleep.waiting.entry(user.to_owned()).or_default();
        waiting.retain(|call| match call {
            Waiting::Caller(id) => legs.contains_key(id),
            Waiting::Own(_, until) => *until > now,
        });
        if waiting.len() >= MOST_WAITING {
            return false;
        }
        if let Waiting::Caller(id) = call {
            self.timers.set(id, Timer::Limit, Some(now + RING_LIMIT));
        }
        waiting.push(call);
        tracing::info!(user, "push message: a call waits");
        true
    }

    /// A client that was woken asks for what waits; says how many calls ring there now.
    pub(crate) fn wake(&mut self, user: &str, client: Endpoint, now: Instant) -> usize {
        let waiting = self.asleep.waiting.remove(user).unwrap_or_default();
        let mut rings = 0;
        for call in waiting {
            match call {
                Waiting::Caller(id) => {
                    let Some(leg) = self.legs.get(&id) else {
                        continue;
                    };
                    if !matches!(leg.state, State::Forking { .. }) {
                        continue;
                    }
                    let (caller, codecs) = (leg.caller.clone(), leg.codecs.clone());
                    self.timers.set(id, Timer::Limit, None);
                    self.ring(user, &[client], &caller, &codecs, Sound::Nothing, Some(id));
                }
                Waiting::Own(_, until) if until <= now => continue,
                Waiting::Own(call, _) => {
                    self.ring(
                        user,
                        &[client],
                        &call.caller,
                        &call.codecs,
                        call.sound,
                        None,
                    );
                }
            }
            rings += 1;
        }
        rings
    }
}
