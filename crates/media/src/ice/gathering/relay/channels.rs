//! Short headers for the peers that most goes to (RFC 8656, section 12).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::ice::gathering::framing::CHANNELS;

/// Peers that get a channel; all others go by indications.
const MAX_CHANNELS: usize = 64;
/// How long a channel lasts, and when it is bound anew.
const LIFETIME: Duration = Duration::from_secs(600);
const REFRESH: Duration = Duration::from_secs(540);
/// Before a channel is asked for again whose request nobody answered.
const ASK_AGAIN: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Asked,
    Bound {
        until: Instant,
        /// `None`: that is under way.
        refresh: Option<Instant>,
    },
    /// It ran out, or nobody answered; it may be asked for again from then on. No other peer may have its number for a while.
    Unbound(Instant),
    Refused,
}

/// A channel; its number is its place.
#[derive(Debug, Clone, Copy)]
struct Channel {
    peer: SocketAddr,
    state: State,
    used: Instant,
}

/// The channels of an allocation.
#[derive(Debug, Default)]
pub(super) struct Channels(Vec<Channel>);

impl Channels {
    fn of(&mut self, number: u16) -> Option<&mut Channel> {
        let place = number.checked_sub(CHANNELS.start)?;
        self.0.get_mut(usize::from(place))
    }

    fn place_of(&self, peer: SocketAddr) -> Option<usize> {
        self.0.iter().position(|channel| channel.peer == peer)
    }

    pub(super) fn peer(&self, number: u16) -> Option<SocketAddr> {
        let place = number.checked_sub(CHANNELS.start)?;
        self.0.get(usize::from(place)).map(|channel| channel.peer)
    }

    /// The channel that is bound to this peer.
    pub(super) fn bound(&self, peer: SocketAddr) -> Option<u16> {
        let place = self.place_of(peer)?;
        matches!(self.0[place].state, State::Bound { .. }).then(|| number(place))
    }

    /// Something goes to this peer; the number to ask for, if it is `wanted` that it has one, and it is time to ask.
    pub(super) fn number(&mut self, peer: SocketAddr, wanted: bool, now: Instant) -> Option<u16> {
        let Some(place) = self.place_of(peer) else {
            let has_room = wanted && self.0.len() < MAX_CHANNELS;
            return has_room.then(|| {
                self.0.push(Channel {
                    peer,
                    state: State::Asked,
                    used: now,
                });
                number(self.0.len() - 1)
            });
        };
        let channel = &mut self.0[place];
        channel.used = now;
        match channel.state {
            State::Unbound(again) if wanted && now >= again => {
                channel.state = State::Asked;
                Some(number(place))
            }
            State::Unbound(_) | State::Asked | State::Bound { .. } | State::Refused => None,
        }
    }

    /// The peer that it is bound to now.
    pub(super) fn granted(&mut self, number: u16, now: Instant) -> Option<SocketAddr> {
        let channel = self.of(number)?;
        channel.state = State::Bound {
            until: now + LIFETIME,
            refresh: Some(now + REFRESH),
        };
        Some(channel.peer)
    }

    pub(super) fn refused(&mut self, number: u16) {
        if let Some(channel) = self.of(number) {
            channel.state = State::Refused;
        }
    }

    /// What is bound stays so for its time.
    pub(super) fn unanswered(&mut self, number: u16, now: Instant) {
        let Some(channel) = self.of(number) else {
            return;
        };
        let again = now + ASK_AGAIN;
        if let State::Bound { until, refresh } = &mut channel.state
            && now < *until
        {
            *refresh = Some(again);
        } else {
            channel.state = State::Unbound(again);
        }
    }

    /// The next one to bind anew, where something goes by it.
    pub(super) fn expiring(&mut self, now: Instant) -> Option<u16> {
        for (place, channel) in self.0.iter_mut().enumerate() {
            let State::Bound { until, refresh } = &mut channel.state else {
                continue;
            };
            if now >= *until {
                channel.state = State::Unbound(now);
            } else if refresh.is_some_and(|it| now >= it && channel.used + LIFETIME / 2 > it) {
                *refresh = None;
                return Some(number(place));
            }
        }
        None
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = |channel: &Channel| match channel.state {
            State::Bound { until, refresh } => {
                let refresh = refresh.filter(|it| channel.used + LIFETIME / 2 > *it);
                Some(refresh.unwrap_or(until))
            }
            State::Asked | State::Unbound(_) | State::Refused => None,
        };
        self.0.iter().filter_map(due).min()
    }
}

/// There are fewer places than numbers.
fn number(place: usize) -> u16 {
    CHANNELS.start + u16::try_from(place).unwrap_or_default()
}
