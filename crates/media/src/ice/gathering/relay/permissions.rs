//! Whose datagrams the server lets pass (RFC 8656, section 9).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Addresses of peers that permissions are asked for.
const MAX_PEERS: usize = 64;
/// How long a permission lasts, and when it is asked for anew.
const LIFETIME: Duration = Duration::from_secs(300);
const REFRESH: Duration = Duration::from_secs(240);
/// Before a permission is asked for again whose request nobody answered.
const ASK_AGAIN: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Asked for.
    Asked,
    Granted {
        until: Instant,
        /// `None`: that is under way.
        refresh: Option<Instant>,
    },
    /// The server refuses it.
    Refused,
    /// Nobody answered; it may be asked for again from then on.
    Unanswered(Instant),
}

#[derive(Debug, Clone, Copy)]
struct Permission {
    state: State,
    /// Something was sent to it then. What nothing is sent to is let go.
    used: Instant,
}

/// Whether something may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permitted {
    Now,
    /// For some time yet: it is to be asked for anew.
    Ending,
    Not,
}

/// The permissions of an allocation.
#[derive(Debug, Default)]
pub(super) struct Permissions(BTreeMap<IpAddr, Permission>);

impl Permissions {
    pub(super) fn has(&self, ip: IpAddr, now: Instant) -> bool {
        let granted =
            |it: &Permission| matches!(it.state, State::Granted { until, .. } if now < until);
        self.0.get(&ip).is_some_and(granted)
    }

    /// Something is to be sent there.
    pub(super) fn uses(&mut self, ip: IpAddr, now: Instant) -> Permitted {
        let Some(permission) = self.0.get_mut(&ip) else {
            return Permitted::Not;
        };
        permission.used = now;
        match permission.state {
            State::Granted { until, refresh } if now < until => match refresh {
                Some(refresh) if now >= refresh => Permitted::Ending,
                _ => Permitted::Now,
            },
            State::Granted { .. } | State::Asked | State::Refused | State::Unanswered(_) => {
                Permitted::Not
            }
        }
    }

    /// Something waits for a permission: whether it is to be asked for now. `None`: there will be none.
    pub(super) fn ask(&mut self, ip: IpAddr, now: Instant) -> Option<bool> {
        match self.0.get(&ip).map(|it| it.state) {
            None if self.0.len() >= MAX_PEERS => return None,
            None => {}
            Some(State::Unanswered(again)) if now >= again => {}
            Some(State::Granted { until, refresh }) if now >= until && refresh.is_some() => {}
            Some(State::Asked | State::Granted { .. }) => return Some(false),
            Some(State::Refused | State::Unanswered(_)) => return None,
        }
        let state = State::Asked;
        self.0.insert(ip, Permission { state, used: now });
        Some(true)
    }

    pub(super) fn granted(&mut self, ip: IpAddr, now: Instant) {
        let state = State::Granted {
            until: now + LIFETIME,
            refresh: Some(now + REFRESH),
        };
        let known = self.0.entry(ip);
        known
            .and_modify(|it| it.state = state)
            .or_insert(Permission { state, used: now });
    }

    pub(super) fn refused(&mut self, ip: IpAddr) {
        if let Some(permission) = self.0.get_mut(&ip) {
            permission.state = State::Refused;
        }
    }

    /// What stands goes on to stand for its time.
    pub(super) fn unanswered(&mut self, ip: IpAddr, now: Instant) {
        let Some(permission) = self.0.get_mut(&ip) else {
            return;
        };
        let again = now + ASK_AGAIN;
        if let State::Granted { until, refresh } = &mut permission.state
            && now < *until
        {
            *refresh = Some(again);
        } else {
            permission.state = State::Unanswered(again);
        }
    }

    /// The next one to ask for anew; those that are of no use any more are forgotten.
    pub(super) fn expiring(&mut self, now: Instant) -> Option<IpAddr> {
        self.0.retain(|_, it| match it.state {
            State::Granted { until, refresh } => now < until || refresh.is_none(),
            State::Asked | State::Refused | State::Unanswered(_) => true,
        });
        for (ip, permission) in &mut self.0 {
            if let State::Granted { refresh, .. } = &mut permission.state
                && refresh.is_some_and(|it| now >= it && permission.used + REFRESH > it)
            {
                *refresh = None;
                return Some(*ip);
            }
        }
        None
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = |it: &Permission| match it.state {
            State::Granted {
                until,
                refresh: Some(refresh),
            } => Some(match it.used + REFRESH > refresh {
                true => refresh,
                false => until,
            }),
            // What is asked has a deadline of its own.
            State::Granted { refresh: None, .. }
            | State::Asked
            | State::Refused
            | State::Unanswered(_) => None,
        };
        self.0.values().filter_map(due).min()
    }
}
