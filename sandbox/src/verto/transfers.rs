//! Transfers, blind and attended, as mod_verto takes them inside `modify`.

use std::time::Instant;

use offhook_signaling::verto::message::client::{Modify, ModifyResult};
use offhook_signaling::verto::rpc::Id;

use crate::switch::leg::LegId;
use crate::switch::transfer::NotTransferred;
use crate::verto::gateway::Gateway;
use crate::verto::session::SessionId;
use crate::verto::socket::SocketId;

/// What a request wants, and about which call.
pub(super) struct Wanted {
    pub(super) id: Option<Id>,
    pub(super) call: String,
    pub(super) leg: LegId,
    pub(super) modify: Modify,
}

impl Gateway {
    /// `transfer` and `replace`.
    pub(super) fn on_transfer(
        &mut self,
        socket: SocketId,
        session: SessionId,
        wanted: Wanted,
        now: Instant,
    ) {
        let Wanted {
            id,
            call,
            leg,
            modify,
        } = wanted;
        let able = self
            .sessions
            .get(&session)
            .is_some_and(|known| known.face.has_features);
        if !able {
            return self.refuse_call(socket, id, Some(&call), "call is not bridged");
        }
        let action = modify.action.unwrap_or_default();
        let done = if action == "transfer" {
            let Some(destination) = modify.destination else {
                return self.refuse_call(socket, id, Some(&call), "destination missing");
            };
            tracing::info!(socket = socket.0, %destination, "blind transfer");
            self.exchange.transfer(leg, &destination, now)
        } else {
            let Some(other) = modify.replace_call_id else {
                return self.refuse_call(socket, id, Some(&call), "replaceCallID missing");
            };
            let other = self.call_mut(session, &other).map(|call| call.leg);
            tracing::info!(socket = socket.0, "attended transfer");
            other
                .ok_or(NotTransferred::InvalidLeg)
                .and_then(|other| self.exchange.replace(leg, other))
        };
        match done {
            Ok(()) => {
                let result = ModifyResult {
                    call_id: Some(call),
                    action: Some(action),
                    message: Some("CALL TRANSFERRED".to_owned()),
                    ..ModifyResult::default()
                };
                self.reply(socket, id, &result);
            }
            Err(why) => {
                let text = match why {
                    NotTransferred::NotBridged => "call is not bridged",
                    NotTransferred::InvalidLeg => "invalid transfer leg",
                    NotTransferred::Failed => "transfer failed",
                };
                self.refuse_call(socket, id, Some(&call), text);
            }
        }
    }
}
