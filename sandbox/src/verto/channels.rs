//! Event channels: who listens to what, what is said there, and who is on the phone (FreeSWITCH).

use offhook_signaling::verto::method::Method;
use offhook_signaling::verto::rpc::{Id, Request};
use serde_json::{Map, Value, json};

use crate::verto::frames::SESSION_ERROR;
use crate::verto::gateway::Gateway;
use crate::verto::session::SessionId;
use crate::verto::socket::SocketId;

/// Channels that every user of the directory here may use, with all below them.
const OPEN: [&str; 2] = ["demo", "presence"];
/// Channels of one socket; more are not granted.
const MOST: usize = 256;

impl Gateway {
    pub(super) fn on_subscribe(&mut self, socket: SocketId, session: SessionId, request: &Request) {
        let (mut granted, mut refused, mut known) = (Vec::new(), Vec::new(), Vec::new());
        for channel in listed(request) {
            let allowed = self.may_use(session, &channel);
            let Some(listens) = self.sockets.get_mut(&socket).map(|it| &mut it.listens) else {
                return;
            };
            if !allowed || listens.len() >= MOST {
                refused.push(channel);
            } else if listens.contains_key(&channel) {
                known.push(channel);
            } else {
                listens.insert(channel.clone(), 0);
                granted.push(channel);
            }
        }
        let mut lists = Map::new();
        for (name, list) in [
            ("subscribedChannels", &granted),
            ("unauthorizedChannels", &refused),
            ("alreadySubscribedChannels", &known),
        ] {
            if !list.is_empty() {
                lists.insert(name.to_owned(), json!(list));
            }
        }
        self.answer_lists(
            socket,
            request.id.clone(),
            lists,
            granted.len() + known.len(),
        );
        for channel in granted {
            if let Some(user) = channel.strip_prefix("presence.") {
                let user = user.split('@').next().unwrap_or_default().to_owned();
                self.tell_presence_to(session, &user);
            }
        }
    }

    pub(super) fn on_unsubscribe(&mut self, socket: SocketId, request: &Request) {
        let Some(listens) = self.sockets.get_mut(&socket).map(|it| &mut it.listens) else {
            return;
        };
        let (gone, unknown): (Vec<String>, Vec<String>) = listed(request)
            .into_iter()
            .partition(|channel| listens.remove(channel).is_some());
        let mut lists = Map::new();
        for (name, list) in [
            ("unsubscribedChannels", &gone),
            ("notSubscribedChannels", &unknown),
        ] {
            if !list.is_empty() {
                lists.insert(name.to_owned(), json!(list));
            }
        }
        self.answer_lists(socket, request.id.clone(), lists, gone.len());
    }

    /// When nothing at all succeeded, the lists stand in an error that has no code and no text.
    fn answer_lists(
        &mut self,
        socket: SocketId,
        id: Option<Id>,
        lists: Map<String, Value>,
        succeeded: usize,
    ) {
        if succeeded > 0 {
            return self.reply(socket, id, &lists);
        }
        let refusal = json!({"jsonrpc": "2.0", "id": id, "error": lists});
        self.send(socket, refusal.to_string());
    }

    pub(super) fn on_broadcast(&mut self, socket: SocketId, session: SessionId, request: &Request) {
        let id = request.id.clone();
        let channel = request.params.get("eventChannel").and_then(Value::as_str);
        let channel = channel.unwrap_or_default().to_owned();
        if !self.may_use(session, &channel) {
            // mod_verto hides the failure in a result.
            let failed = json!({"message": "Permission Denied", "code": SESSION_ERROR});
            return self.reply(socket, id, &failed);
        }
        self.reply(socket, id, &json!({"message": "EVENT SENT"}));
        let data = request.params.get("data").cloned().unwrap_or_default();
        if self.on_conference_words(session, &channel, &data) {
            return;
        }
        let local = request
            .params
            .get("localBroadcast")
            .and_then(Value::as_bool);
        if local == Some(true) {
            self.publish(&channel, &data, Some(session));
        }
    }

    /// Whether a client may listen and speak there: the open channels, and those of its conferences.
    fn may_use(&self, session: SessionId, channel: &str) -> bool {
        let head = channel.split('.').next().unwrap_or_default();
        OPEN.contains(&head) || self.conferences.grants(session, channel)
    }

    /// Tells all who listen to a channel, or to the part of its name before the first dot; `by` is named, and not told.
    pub(super) fn publish(&mut self, channel: &str, data: &Value, by: Option<SessionId>) {
        let sender = by.and_then(|session| self.sessions.get(&session));
        let sender = sender.map(|known| (known.identity.name().to_owned(), known.sessid.clone()));
        let readers: Vec<SessionId> = self.sessions.keys().copied().collect();
        for reader in readers {
            if by != Some(reader) {
                self.publish_to(reader, channel, data, sender.as_ref());
            }
        }
    }

    /// Tells one client, if it listens.
    pub(super) fn publish_to(
        &mut self,
        reader: SessionId,
        channel: &str,
        data: &Value,
        sender: Option<&(String, String)>,
    ) {
        let socket = self.sessions.get(&reader).and_then(|known| known.socket);
        let Some(socket) = socket.and_then(|socket| self.sockets.get_mut(&socket)) else {
            return;
        };
        let head = channel.split('.').next().unwrap_or_default();
        let subscription = [channel, head]
            .into_iter()
            .find(|name| socket.listens.contains_key(*name));
        let Some(subscription) = subscription else {
            return;
        };
        let serial = socket.listens.get_mut(subscription).map(|next| {
            *next += 1;
            *next - 1
        });
        if channel.starts_with("conference-liveArray") && std::mem::take(&mut socket.loses_row) {
            return;
        }
        let mut params = json!({"eventChannel": channel, "data": data,
            "subscribedChannel": subscription, "eventSerno": serial});
        if let Some((user, sessid)) = sender {
            params["userid"] = user.clone().into();
            params["sessid"] = sessid.clone().into();
            params["fromDisplay"] = user.clone().into();
        }
        self.request(reader, Method::Event, &params);
    }

    /// A user's calls have changed.
    pub(super) fn tell_presence(&mut self, session: SessionId, state: &str) {
        let Some(known) = self.sessions.get(&session) else {
            return;
        };
        let user = known.identity.name().to_owned();
        self.publish(&presence_channel(&user), &presence(&user, state), None);
        self.with_sip(|sip, around| sip.presence_changed(&user, around));
    }

    fn tell_presence_to(&mut self, reader: SessionId, user: &str) {
        let mut theirs = self.sessions.values();
        let busy = theirs.any(|known| known.identity.name() == user && !known.calls.is_empty());
        let state = if busy { "ACTIVE" } else { "HANGUP" };
        self.publish_to(
            reader,
            &presence_channel(user),
            &presence(user, state),
            None,
        );
    }
}

fn presence_channel(user: &str) -> String {
    format!("presence.{user}@sandbox")
}

fn presence(user: &str, state: &str) -> Value {
    json!({"channelCallState": state, "channelPresenceID": format!("{user}@sandbox"),
        "presenceCallDirection": "inbound"})
}

/// One channel or a list of them.
fn listed(request: &Request) -> Vec<String> {
    match request.params.get("eventChannel") {
        Some(Value::String(name)) => vec![name.clone()],
        Some(Value::Array(names)) => names
            .iter()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}
