//! What the gateway does for a client beside calls, and with calls that are up.

use offhook_signaling::verto::message::client::ModifyResult;
use offhook_signaling::verto::method::Method;
use offhook_signaling::verto::rpc::Id;
use rand::RngExt;
use serde_json::{Value, json};

use crate::verto::gateway::{Gateway, SDP};
use crate::verto::network::{Act, Happening, Socket};

impl Gateway {
    pub(super) fn on_errand(
        &mut self,
        socket: Socket,
        method: Method,
        id: Option<Id>,
        params: &Value,
    ) {
        if self.odds(2) {
            // The answer is lost, so the client goes by what it was told before.
            return;
        }
        let names = params["eventChannel"].as_array().into_iter().flatten();
        let names: Vec<String> = names
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        let allowed = |name: &&String| name.as_str() != "forbidden";
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "what remains is the end of a subscription"
        )]
        match method {
            Method::FsApi if self.odds(10) => {
                self.refuse(socket, id, -32602, "Permission Denied");
            }
            Method::FsApi => self.reply(socket, id, &json!({"message": "UP"})),
            Method::Subscribe => {
                let (granted, denied): (Vec<_>, Vec<_>) = names.iter().partition(allowed);
                let (already, fresh): (Vec<&String>, Vec<&String>) = granted
                    .iter()
                    .copied()
                    .partition(|name| self.channels.contains_key(*name));
                for name in &fresh {
                    self.channels.entry(name.to_string()).or_default();
                }
                let lists = json!({
                    "subscribedChannels": fresh, "alreadySubscribedChannels": already, "unauthorizedChannels": denied
                });
                if granted.is_empty() {
                    let id = serde_json::to_string(&id).unwrap_or_default();
                    let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{lists}}}"#);
                    return self.send(socket, text);
                }
                self.reply(socket, id, &lists);
                let delay = self.soon(100, 20_000);
                self.plans.push((delay, Happening::ChannelTalk(socket)));
            }
            _ => {
                for name in &names {
                    self.channels.remove(name);
                }
                self.reply(socket, id, &json!({"unsubscribedChannels": names}));
            }
        }
    }

    /// Something on one of the channels; now and then some were lost before.
    pub(crate) fn channel_talk(&mut self, socket: Socket) {
        if self.ready_socket() != Some(socket) || self.channels.is_empty() {
            return;
        }
        let index = self.rng.random_range(0..self.channels.len());
        let skipped = if self.odds(10) { 3 } else { 0 };
        let Some((name, (next, lost))) = self.channels.iter_mut().nth(index) else {
            return;
        };
        let first = *next == 0;
        *next += skipped + 1;
        *lost = if first {
            0
        } else {
            u64::try_from(skipped).unwrap_or(0)
        };
        let event = json!({
            "eventChannel": name, "subscribedChannel": name, "eventSerno": *next - 1, "data": {"lost": *lost}
        });
        self.request(socket, Method::Event, &event);
        let delay = self.soon(1_000, 200_000);
        self.plans.push((delay, Happening::ChannelTalk(socket)));
    }

    /// What the present socket listens to.
    pub(crate) fn channels(&self) -> Vec<String> {
        self.channels.keys().cloned().collect()
    }

    pub(super) fn on_modify(
        &mut self,
        socket: Socket,
        id: Option<Id>,
        name: String,
        params: &Value,
    ) {
        let action = params["action"].as_str().unwrap_or_default();
        let mut result = ModifyResult {
            call_id: Some(name.clone()),
            ..ModifyResult::default()
        };
        match action {
            "updateMedia" => result.sdp = (!self.odds(5)).then(|| SDP.to_owned()),
            "hold" | "unhold" => {
                let held = (action == "hold") != self.odds(5);
                result.hold_state = Some(if held { "held" } else { "active" }.to_owned());
            }
            "transfer" if self.odds(30) => {
                return self.refuse(socket, id, -32002, "call is not bridged");
            }
            "transfer" => {
                result.message = Some("CALL TRANSFERRED".to_owned());
                let delay = self.soon(1, 300);
                self.plans
                    .push((delay, Happening::FarSide(name, Act::HangUp)));
            }
            other => return self.blame(&format!("asked to modify by {other}")),
        }
        self.reply(socket, id, &result);
    }
}
