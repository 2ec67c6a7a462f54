//! Event channels, conferences on them, and what else the server tells beside calls.

use std::time::Instant;

use serde_json::{Value, json};

use crate::call_id::CallId;
use crate::error::Error;
use crate::event::{ConferenceChange, Event};
use crate::verto::assistant;
use crate::verto::conference::Conference;
use crate::verto::dialog::state::Dialog;
use crate::verto::method::Method;
use crate::verto::requests::{Errand, Purpose};
use crate::verto::session::errands::check_data;
use crate::verto::session::machine::Session;

impl Session {
    // ---- events ----

    /// The server goes on with a channel that our user gave up: the request for that, or its answer, was lost.
    fn give_up_again(&mut self, channel: &str, now: Instant) {
        let purpose = Purpose::Errand(Errand::Unsubscribe);
        if self.requests.count(&purpose) == 0 {
            let params = self.with_sessid(json!({"eventChannel": [channel]}));
            self.run(Errand::Unsubscribe, Method::Unsubscribe, params, now);
        }
    }

    pub(super) fn on_channel_event(&mut self, params: &Value, now: Instant) {
        let text = |name: &str| params.get(name).and_then(Value::as_str);
        if let Some(told) = params.get("pvtData").filter(|told| told.is_object())
            && self.on_private(told, now)
        {
            return;
        }
        let names = ["data", "eventData", "pvtData"];
        let data = names.iter().find_map(|name| params.get(*name));
        let (Some(channel), Some(data)) = (text("eventChannel"), data) else {
            return;
        };
        let serial = params.get("eventSerno").and_then(Value::as_i64);
        let subscription = text("subscribedChannel").unwrap_or(channel);
        // Two of our calls may be in one conference.
        let calls: Vec<CallId> = self
            .conferences
            .iter()
            .filter(|(_, conference)| conference.channels().iter().any(|name| name == channel))
            .map(|(call, _)| call.clone())
            .collect();
        let of_conference = !calls.is_empty();
        // What is passed over counts too: whoever wants the channel again has not lost it on the way.
        let lost = serial.map_or(0, |serial| {
            let channels = &mut self.channels;
            channels.lost_before(subscription, of_conference, serial)
        });
        if !of_conference && self.channels.is_given_up(subscription) {
            return self.give_up_again(subscription, now);
        }
        // The list of members has numbers of its own and is asked for again; of all else the raw event says what is missing.
        let mut tell = lost > 0 || !of_conference;
        for call in calls {
            tell = self.on_conference_event(&call, channel, data, tell, now);
        }
        if !tell {
            return;
        }
        self.tell(Event::ChannelEvent {
            channel: channel.to_owned(),
            data: data.clone(),
            lost,
        });
    }

    /// A word for this session alone; `false` when it is not about a conference of ours.
    fn on_private(&mut self, told: &Value, now: Instant) -> bool {
        let call = told.get("callID").and_then(Value::as_str);
        let action = told.get("action").and_then(Value::as_str);
        let (Some(call), Some(action)) = (call.and_then(CallId::from_wire), action) else {
            return false;
        };
        if !self.dialogs.get(&call).is_some_and(Dialog::is_live) {
            return false;
        }
        match action {
            "conference-liveArray-join" => {
                let Some(conference) = Conference::joined(told) else {
                    return false;
                };
                let change = conference.entry();
                self.conferences.insert(call.clone(), conference);
                self.tell(Event::Conference {
                    call: call.clone(),
                    change,
                });
                if self.is_open() {
                    self.listen_in(&call, now);
                }
            }
            "conference-liveArray-part" => {
                if let Some(left) = self.conferences.remove(&call) {
                    self.channels.forget(&left.channels());
                    let change = ConferenceChange::Left;
                    self.tell(Event::Conference { call, change });
                }
            }
            _ => return false,
        }
        true
    }

    /// Says whether the event is to be told as it is, too.
    fn on_conference_event(
        &mut self,
        call: &CallId,
        channel: &str,
        data: &Value,
        lossy: bool,
        now: Instant,
    ) -> bool {
        let Some(conference) = self.conferences.get_mut(call) else {
            return lossy;
        };
        let heard = conference.on_event(channel, data);
        let tell = conference.rows != channel && (lossy || heard.other);
        if let Some(change) = heard.change {
            self.tell(Event::Conference {
                call: call.clone(),
                change,
            });
        }
        if heard.bootstrap && self.is_open() {
            self.bootstrap(call, now);
        }
        tell
    }

    fn listen_in(&mut self, call: &CallId, now: Instant) {
        if let Some(conference) = self.conferences.get(call) {
            let channels = conference.channels();
            self.subscribe(channels, false, now);
            self.bootstrap(call, now);
        }
    }

    fn bootstrap(&mut self, call: &CallId, now: Instant) {
        if let Some(conference) = self.conferences.get_mut(call) {
            let (data, channel) = (conference.bootstrap(), conference.rows.clone());
            self.broadcast(Errand::Bootstrap(call.clone()), &channel, data, now);
        }
    }

    /// Subscriptions died with the old socket.
    pub(super) fn listen_again(&mut self, now: Instant) {
        let wanted = self.channels.wanted();
        if !wanted.is_empty() {
            self.subscribe(wanted, true, now);
        }
        let calls: Vec<CallId> = self.conferences.keys().cloned().collect();
        for call in calls {
            if let Some(conference) = self.conferences.get_mut(&call) {
                conference.on_socket_back();
            }
            self.listen_in(&call, now);
        }
    }

    // ---- commands ----

    pub(super) fn moderate(
        &mut self,
        call: &CallId,
        command: String,
        member: Option<String>,
        value: Option<Value>,
        now: Instant,
    ) -> Result<(), Error> {
        let name = "conference control";
        if let Some(value) = &value {
            check_data(name, value, command.len())?;
        }
        let conference = self.conference(call, name)?;
        let channel = conference.control.clone().ok_or(Error::NoConference {
            command: name,
            fault: "we are no moderator of this conference",
        })?;
        let mut data = json!({"application": "conf-control", "command": command});
        if let Some(member) = member {
            // The server wants the number, and lists it with leading zeros.
            let number = member.trim().parse::<u64>();
            data["id"] = number.map_or_else(|_| member.into(), Value::from);
        }
        if let Some(value) = value {
            data["value"] = value;
        }
        let errand = Errand::Broadcast(name, Some(call.clone()));
        self.broadcast(errand, &channel, data, now);
        Ok(())
    }

    pub(super) fn chat_to_all(
        &mut self,
        call: &CallId,
        text: String,
        now: Instant,
    ) -> Result<(), Error> {
        let name = "conference chat";
        let conference = self.conference(call, name)?;
        let channel = conference.chat.clone().ok_or(Error::NoConference {
            command: name,
            fault: "this conference has no chat",
        })?;
        let data = json!({"action": "send", "message": text, "type": "message"});
        let errand = Errand::Broadcast(name, Some(call.clone()));
        self.broadcast(errand, &channel, data, now);
        Ok(())
    }

    fn conference(&self, call: &CallId, command: &'static str) -> Result<&Conference, Error> {
        if !self.dialogs.get(call).is_some_and(Dialog::is_live) {
            let call = call.to_string();
            return Err(Error::UnknownCall { call });
        }
        self.check_open(command)?;
        self.conferences.get(call).ok_or(Error::NoConference {
            command,
            fault: "the call is in no conference that the server shows",
        })
    }

    // ---- the rest ----

    pub(super) fn on_prompt(&mut self, params: &Value) {
        let text = |name: &str| params.get(name).and_then(Value::as_str).map(str::to_owned);
        let call = text("callID").as_deref().and_then(CallId::from_wire);
        let Some(call) = call.filter(|call| self.dialogs.get(call).is_some_and(Dialog::is_live))
        else {
            return;
        };
        self.tell(Event::Prompt {
            call,
            kind: text("type").unwrap_or_default(),
            text: text("text").unwrap_or_default(),
            pattern: text("regex"),
        });
    }

    pub(super) fn on_announcement(&mut self, params: &Value) {
        let words = match params.get("msg") {
            Some(Value::String(words)) => words.clone(),
            Some(Value::Array(words)) => {
                let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
                words.join(" ")
            }
            _ => return,
        };
        self.tell(Event::Announcement { words });
    }

    pub(super) fn on_conversation(&mut self, params: &Value) {
        let named = params.get("callID").and_then(Value::as_str);
        let named = named.and_then(CallId::from_wire);
        let call = named
            .filter(|call| self.dialogs.get(call).is_some_and(Dialog::is_live))
            .or_else(|| self.only_call());
        if let Some(event) = assistant::read(params, &self.server) {
            self.tell(Event::Assistant { call, event });
        }
    }
}
