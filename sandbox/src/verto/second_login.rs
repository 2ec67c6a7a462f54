//! What becomes of a user's older clients when the same user logs in once more.

use std::time::Instant;

use clap::ValueEnum;

use crate::verto::gateway::Gateway;
use crate::verto::mishaps::UNREGISTERED;
use crate::verto::session::SessionId;

/// What a second login does to the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SecondLogin {
    /// As each server does: Telnyx is silent, FreeSWITCH lets both ring.
    #[default]
    Usual,
    /// The older client is punted.
    Punt,
    /// The older client is no longer registered, and the gateway says so (Telnyx).
    Unreged,
    /// The older client is no longer called, and told nothing.
    Silent,
}

impl Gateway {
    /// A user has logged in with this session.
    pub(super) fn displace_others(&mut self, session: SessionId, now: Instant) {
        let choice = self.config.second_login;
        let Some(newest) = self.sessions.get_mut(&session) else {
            return;
        };
        newest.unregistered = false;
        if choice == SecondLogin::Usual {
            return;
        }
        let identity = newest.identity.clone();
        let others: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(id, known)| {
                **id != session && known.identity == identity && known.socket.is_some()
            })
            .map(|(id, _)| *id)
            .collect();
        for other in others {
            tracing::info!(user = identity.name(), ?choice, "second login");
            if choice == SecondLogin::Punt {
                self.punt(other, now);
                continue;
            }
            self.exchange.unregister(other.endpoint());
            let Some(known) = self.sessions.get_mut(&other) else {
                continue;
            };
            if choice == SecondLogin::Unreged {
                known.unregistered = true;
                if let Some(socket) = known.socket {
                    self.tell_state(socket, UNREGISTERED);
                }
            }
        }
    }
}
