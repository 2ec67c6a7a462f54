//! Conferences with live arrays: who is in, what moderators do, and what is written there (FreeSWITCH). Nobody is mixed.

use std::collections::BTreeMap;

use offhook_signaling::cause::Cause;
use offhook_signaling::verto::method::Method;
use serde_json::{Value, json};

use crate::numbers;
use crate::verto::gateway::Gateway;
use crate::verto::session::SessionId;

/// All conferences, by number.
#[derive(Debug, Default)]
pub(super) struct Conferences(BTreeMap<String, Room>);

#[derive(Debug, Default)]
struct Room {
    members: Vec<Member>,
    /// Number of the next change.
    serial: i64,
    joined: u32,
}

#[derive(Debug, Clone)]
struct Member {
    session: SessionId,
    call: String,
    id: u32,
    name: String,
    moderator: bool,
    muted: bool,
    deaf: bool,
}

impl Member {
    fn row(&self) -> Value {
        let mut words: Vec<&str> = Vec::new();
        if self.muted {
            words.push("MUTE");
        }
        if self.deaf {
            words.push("DEAF");
        }
        if words.is_empty() {
            words.push("TALKING (FLOOR)");
        }
        json!([
            format!("{:04}", self.id),
            self.name,
            self.name,
            "opus@48000",
            words.join(" "),
            {},
            null
        ])
    }
}

impl Conferences {
    /// Whether a client is in the conference that a channel is of; the channel of moderators is granted to nobody else by
    /// name, as the real one's is not guarded by more.
    pub(super) fn grants(&self, session: SessionId, channel: &str) -> bool {
        let Some((kind, rest)) = channel.split_once('.') else {
            return false;
        };
        let room = self.0.get(rest.split('@').next().unwrap_or_default());
        let member = room.and_then(|room| room.members.iter().find(|it| it.session == session));
        kind.starts_with("conference-") && member.is_some()
    }

    fn room_of(&self, session: SessionId, call: &str) -> Option<String> {
        let is_it = |member: &Member| member.session == session && member.call == call;
        let mut rooms = self.0.iter();
        let (name, _) = rooms.find(|(_, room)| room.members.iter().any(is_it))?;
        Some(name.clone())
    }
}

fn channel(kind: &str, room: &str) -> String {
    format!("conference-{kind}.{room}@sandbox")
}

impl Gateway {
    /// A call is up: perhaps it is one into a conference. The first to come is the moderator.
    pub(super) fn enter_conference(&mut self, session: SessionId, call: &str) {
        let Some(known) = self.sessions.get(&session) else {
            return;
        };
        let number = known.calls.get(call).map(|call| call.callee.number.clone());
        let name = known.identity.name().to_owned();
        let Some(room) = number
            .filter(|number| known.face.has_features && numbers::conference(number).is_some())
        else {
            return;
        };
        let place = self.conferences.0.entry(room.clone()).or_default();
        place.joined += 1;
        let member = Member {
            session,
            call: call.to_owned(),
            id: place.joined,
            name,
            moderator: place.members.is_empty(),
            muted: false,
            deaf: false,
        };
        place.members.push(member.clone());
        self.tell_private(&member, &room, "conference-liveArray-join");
        self.tell_row(&room, "add", &member);
    }

    /// A call is over: perhaps it was one into a conference.
    pub(super) fn leave_conference(&mut self, session: SessionId, call: &str) {
        let Some(room) = self.conferences.room_of(session, call) else {
            return;
        };
        let Some(place) = self.conferences.0.get_mut(&room) else {
            return;
        };
        let Some(at) = place.members.iter().position(|member| member.call == call) else {
            return;
        };
        let member = place.members.remove(at);
        self.tell_private(&member, &room, "conference-liveArray-part");
        self.tell_row(&room, "del", &member);
        self.conferences
            .0
            .retain(|_, room| !room.members.is_empty());
    }

    fn tell_private(&mut self, member: &Member, room: &str, action: &str) {
        let Some(sessid) = self
            .sessions
            .get(&member.session)
            .map(|known| known.sessid.clone())
        else {
            return;
        };
        let mut told = json!({
            "callID": member.call,
            "action": action,
            "laChannel": channel("liveArray", room),
            "laName": format!("{room}@sandbox"),
            "role": if member.moderator { "moderator" } else { "participant" },
            "chatID": format!("conf+{room}@sandbox"),
            "conferenceMemberID": member.id,
            "canvasCount": 0,
            "chatChannel": channel("chat", room),
            "infoChannel": channel("info", room),
        });
        if member.moderator {
            told["modChannel"] = channel("mod", room).into();
        }
        let params =
            json!({"eventChannel": sessid, "eventType": "channelPvtData", "pvtData": told});
        self.request(member.session, Method::Event, &params);
    }

    fn tell_row(&mut self, room: &str, action: &str, member: &Member) {
        let Some(place) = self.conferences.0.get_mut(room) else {
            return;
        };
        let serial = place.serial;
        place.serial += 1;
        let rows = channel("liveArray", room);
        let mut data = json!({"action": action, "name": format!("{room}@sandbox"),
            "hashKey": member.call, "wireSerno": serial});
        if action != "del" {
            data["data"] = member.row();
        }
        self.publish(&rows, &data, None);
    }

    /// What a client says on a channel of a conference; `false` when it is none.
    pub(super) fn on_conference_words(
        &mut self,
        session: SessionId,
        on: &str,
        data: &Value,
    ) -> bool {
        let Some((kind, rest)) = on.split_once('.') else {
            return false;
        };
        let room = rest.split('@').next().unwrap_or_default().to_owned();
        if !self.conferences.0.contains_key(&room) {
            return false;
        }
        match kind {
            "conference-liveArray" => {
                if data.pointer("/liveArray/command").and_then(Value::as_str) == Some("bootstrap") {
                    self.tell_all_rows(session, &room);
                }
            }
            "conference-chat" => {
                let words = data
                    .get("message")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let from = self
                    .sessions
                    .get(&session)
                    .map(|it| it.identity.name().to_owned());
                let said = json!({"direction": "inbound", "message": words, "from": from,
                    "fromDisplay": from, "type": "message"});
                self.publish(on, &said, None);
            }
            "conference-mod" => self.on_moderator(&room, on, data),
            _ => return false,
        }
        true
    }

    fn tell_all_rows(&mut self, session: SessionId, room: &str) {
        let Some(place) = self.conferences.0.get(room) else {
            return;
        };
        let rows: Vec<Value> = place
            .members
            .iter()
            .map(|member| json!([member.call, member.row()]))
            .collect();
        let data = json!({"action": "bootObj", "name": format!("{room}@sandbox"),
            "wireSerno": -1, "data": rows});
        self.publish_to(session, &channel("liveArray", room), &data, None);
    }

    fn on_moderator(&mut self, room: &str, on: &str, data: &Value) {
        let command = data
            .get("command")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let id = data.get("id").and_then(Value::as_u64);
        let place = self.conferences.0.get_mut(room);
        let member = place.and_then(|place| {
            let mut members = place.members.iter_mut();
            members.find(|member| Some(u64::from(member.id)) == id)
        });
        let outcome = match member {
            None => Err("Non-Existent ID"),
            Some(member) => match command {
                "mute" | "unmute" | "tmute" => {
                    member.muted = match command {
                        "mute" => true,
                        "unmute" => false,
                        _ => !member.muted,
                    };
                    Ok(member.clone())
                }
                "deaf" | "undeaf" => {
                    member.deaf = command == "deaf";
                    Ok(member.clone())
                }
                "kick" => Ok(member.clone()),
                _ => Err("Unknown command"),
            },
        };
        let mut answer = json!({"action": "response", "conf-command": command});
        match &outcome {
            Ok(member) => answer["response"] = format!("OK {command} {}", member.id).into(),
            Err(error) => answer["error"] = (*error).into(),
        }
        self.publish(on, &answer, None);
        let Ok(member) = outcome else { return };
        if command != "kick" {
            return self.tell_row(room, "modify", &member);
        }
        if let Some(leg) = self
            .call_mut(member.session, &member.call)
            .map(|call| call.leg)
        {
            self.exchange.end_by_exchange(leg, Cause::NORMAL_CLEARING);
        }
    }
}
