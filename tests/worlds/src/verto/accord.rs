//! What the gateway, and whoever is behind it, does of its own accord.

use std::time::{Duration, Instant};

use offhook_signaling::verto::message::login::GatewayState;
use offhook_signaling::verto::message::server::{ServerBye, ServerCall};
use offhook_signaling::verto::method::Method;
use serde_json::Value;

use crate::verto::gateway::{Call, Gateway, about};
use crate::verto::network::{Act, Happening, Socket};

impl Gateway {
    pub(crate) fn far_side(&mut self, name: &str, act: Act) {
        let socket = self
            .connection
            .as_ref()
            .filter(|connection| connection.logged_in)
            .map(|connection| connection.socket);
        let Some(call) = self.calls.get_mut(name) else {
            return;
        };
        let Some(socket) = socket.filter(|_| call.detached.is_none() || act == Act::Offer) else {
            if act == Act::HangUp {
                self.far_ended.insert(name.to_owned());
                self.calls.remove(name);
            }
            return;
        };
        match act {
            Act::Ring => self.request(socket, Method::Ringing, &about(name, false)),
            Act::Media => {
                let first = !std::mem::replace(&mut call.media, true);
                self.request(socket, Method::Media, &about(name, first));
            }
            Act::Answer => {
                let media = std::mem::replace(&mut call.media, true);
                call.answered = true;
                self.request(socket, Method::Answer, &about(name, !media));
                // Some say it twice.
                if self.odds(5) {
                    self.request(socket, Method::Answer, &about(name, true));
                }
                self.plan_talk(name);
            }
            Act::Display => {
                let display = ServerCall {
                    display_name: Some("Other".into()),
                    ..about(name, false)
                };
                self.request(socket, Method::Display, &display);
            }
            Act::Renegotiate | Act::Offer => self.offer(socket, name),
            Act::HangUp => {
                self.far_ended.insert(name.to_owned());
                self.calls.remove(name);
                let cause = Some("NORMAL_CLEARING".to_owned());
                let bye = ServerBye {
                    call_id: Some(name.to_owned()),
                    cause,
                    cause_code: Some(16),
                    ..ServerBye::default()
                };
                self.request(socket, Method::Bye, &bye);
            }
        }
    }

    pub(crate) fn somebody_calls(&mut self) {
        let Some(socket) = self.ready_socket() else {
            return;
        };
        self.serial += 1;
        let name = format!("in-{}", self.serial);
        self.calls.insert(
            name.clone(),
            Call {
                answered: false,
                media: false,
                detached: None,
            },
        );
        let invite = ServerCall {
            display_direction: Some("outbound".into()),
            ..about(&name, true)
        };
        self.request(socket, Method::Invite, &invite);
        if self.odds(40) {
            let at = self.soon(500, 20_000);
            self.plans.push((at, Happening::FarSide(name, Act::HangUp)));
        }
    }

    pub(crate) fn ping(&mut self, socket: Socket, now: Instant) {
        let Some(connection) = self
            .connection
            .as_ref()
            .filter(|connection| connection.socket == socket)
        else {
            return;
        };
        let quiet = now - connection.heard >= Duration::from_secs(30);
        let delay = self.soon(15_000, 30_000);
        self.plans.push((delay, Happening::GatewayPing(socket)));
        if quiet || self.dialect.gateway_fields {
            self.request(socket, Method::Ping, &Value::Object(serde_json::Map::new()));
        }
    }

    pub(crate) fn punt(&mut self) {
        if let Some(socket) = self.ready_socket() {
            self.request(socket, Method::Punt, &Value::Null);
            // The other client has our calls now, and what was on its way to us is not heard.
            self.calls.clear();
            if let Some(connection) = &mut self.connection {
                connection.punted = true;
            }
        }
    }

    pub(crate) fn say_state(&mut self, state: &'static str) {
        if let Some(socket) = self.ready_socket().filter(|_| self.dialect.gateway_fields) {
            let state = GatewayState {
                state: Some(state.to_owned()),
                call_report_id: None,
            };
            self.request(socket, Method::GatewayState, &state);
        }
    }

    pub(super) fn ready_socket(&self) -> Option<Socket> {
        self.connection
            .as_ref()
            .filter(|connection| connection.logged_in && !connection.punted)
            .map(|connection| connection.socket)
    }
}
