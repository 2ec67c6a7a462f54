//! Push messages (Telnyx): which clients can be woken, and what waits for those that were. The messages themselves go nowhere.

use std::time::Instant;

use offhook_signaling::verto::message::login::{DisablePush, LoginParams};
use offhook_signaling::verto::rpc::Request;
use serde_json::{Map, Value, json};

use crate::switch::leg::Endpoint;
use crate::verto::calls::NO_CALL;
use crate::verto::credentials::Identity;
use crate::verto::frames::PERMISSION_DENIED;
use crate::verto::gateway::Gateway;
use crate::verto::session::SessionId;
use crate::verto::socket::SocketId;

impl Gateway {
    /// A login may name a device to wake.
    pub(super) fn note_device(&mut self, session: SessionId, login: Request) {
        let Some(user) = self.pushed_user(session) else {
            return;
        };
        let variables = login
            .read::<LoginParams>()
            .ok()
            .and_then(|login| login.user_variables);
        if variables.as_ref().is_some_and(names_device) {
            self.exchange.set_device(&user, true);
        }
    }

    /// The device was woken: what waits for it rings there now. Which call the client asks for is not looked at.
    pub(super) fn on_attach_calls(
        &mut self,
        socket: SocketId,
        session: SessionId,
        request: &Request,
        now: Instant,
    ) {
        let id = request.id.clone();
        let rings = match (self.pushed_user(session), self.sessions.get(&session)) {
            (Some(user), Some(known)) => {
                let client = Endpoint {
                    id: session.endpoint(),
                    face: known.face,
                };
                self.exchange.wake(&user, client, now)
            }
            (None, _) | (_, None) => 0,
        };
        if rings == 0 {
            return self.refuse_call(socket, id, None, NO_CALL);
        }
        self.reply(socket, id, &json!({"message": "CALLS ATTACHED"}));
    }

    pub(super) fn on_disable_push(
        &mut self,
        socket: SocketId,
        session: SessionId,
        request: &Request,
    ) {
        let id = request.id.clone();
        let wish = request.clone().read::<DisablePush>().unwrap_or_default();
        let named = wish.user.is_some() || wish.login_token.is_some();
        let Some(user) = self
            .pushed_user(session)
            .filter(|_| named && names_device(&wish.push))
        else {
            return self.refuse(socket, id, PERMISSION_DENIED, "Permission Denied");
        };
        self.exchange.set_device(&user, false);
        tracing::info!(user, "no more push messages");
        self.reply(
            socket,
            id,
            &json!({"message": "push notifications are off"}),
        );
    }

    /// The user of a client that push messages may be sent to.
    fn pushed_user(&self, session: SessionId) -> Option<String> {
        let known = self.sessions.get(&session)?;
        match &known.identity {
            Identity::User(user) if known.face.telnyx_ids => Some(user.clone()),
            Identity::User(_) | Identity::Guest | Identity::Anonymous(_) => None,
        }
    }
}

fn names_device(variables: &Map<String, Value>) -> bool {
    let token = variables.get("push_device_token").and_then(Value::as_str);
    token.is_some_and(|token| !token.is_empty())
}
