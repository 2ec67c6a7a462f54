//! A conference as its live array tells it: rows with a serial number, asked for afresh when one is missing.

use serde_json::{Map, Value, json};

use crate::event::{ConferenceChange, Member, Party};

/// Lists asked for in a row without one update in order between them; the browser client gives up there too.
const MOST_BOOTSTRAPS: u32 = 3;
/// Rows of one list.
const MOST_ROWS: usize = 10_000;

/// A conference that one of our calls is in.
#[derive(Debug, Default)]
pub(crate) struct Conference {
    pub(crate) rows: String,
    name: String,
    pub(crate) chat: Option<String>,
    info: Option<String>,
    pub(crate) control: Option<String>,
    member: String,
    moderator: bool,
    serial: Option<i64>,
    bootstraps: u32,
}

/// What an event of a conference leads to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) change: Option<ConferenceChange>,
    /// The list has to be asked for.
    pub(crate) bootstrap: bool,
    /// It says something that has no change of its own.
    pub(crate) other: bool,
}

impl Conference {
    /// Reads the private event that says we are in; `None` when it names no list.
    pub(crate) fn joined(told: &Value) -> Option<Self> {
        let text = |name: &str| match told.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        Some(Self {
            rows: text("laChannel")?,
            name: text("laName").unwrap_or_default(),
            chat: text("chatChannel"),
            info: text("infoChannel"),
            control: text("modChannel"),
            member: text("conferenceMemberID").unwrap_or_default(),
            moderator: text("role").as_deref() == Some("moderator"),
            serial: None,
            bootstraps: 0,
        })
    }

    /// What our user hears first.
    pub(crate) fn entry(&self) -> ConferenceChange {
        ConferenceChange::Joined {
            name: self.name.clone(),
            moderator: self.moderator,
            member: self.member.clone(),
        }
    }

    /// The channels to listen to.
    pub(crate) fn channels(&self) -> Vec<String> {
        let others = [&self.chat, &self.info, &self.control];
        [self.rows.clone()]
            .into_iter()
            .chain(others.into_iter().flatten().cloned())
            .collect()
    }

    /// The question for the whole list.
    pub(crate) fn bootstrap(&mut self) -> Value {
        self.serial = None;
        json!({"liveArray": {"command": "bootstrap", "context": self.rows, "name": self.name}})
    }

    /// A new socket starts to count afresh.
    pub(crate) fn on_socket_back(&mut self) {
        self.serial = None;
        self.bootstraps = 0;
    }

    /// Something on one of its channels.
    pub(crate) fn on_event(&mut self, channel: &str, data: &Value) -> Heard {
        let object = data.as_object();
        if channel == self.rows {
            return object.map_or_else(Heard::default, |data| self.on_rows(data));
        }
        let change = object.and_then(|data| {
            if data.get("action").and_then(Value::as_str) == Some("response") {
                Some(reply(data))
            } else if self.chat.as_deref() == Some(channel) {
                chat(data)
            } else {
                None
            }
        });
        Heard {
            other: change.is_none(),
            change,
            bootstrap: false,
        }
    }

    fn on_rows(&mut self, data: &Map<String, Value>) -> Heard {
        let serial = data.get("wireSerno").and_then(Value::as_i64).unwrap_or(-1);
        let gap = serial >= 0 && self.serial.is_some_and(|last| serial > last + 1);
        if serial >= 0 {
            if self.serial.is_some() && !gap {
                self.bootstraps = 0;
            }
            self.serial = Some(serial);
        }
        let mut bootstrap = gap;
        let key = || text(data, "hashKey");
        let change = match data.get("action").and_then(Value::as_str) {
            Some("bootObj") => {
                let rows = data.get("data").and_then(Value::as_array);
                let members = rows.into_iter().flatten().filter_map(|row| {
                    let row = row.as_array()?;
                    Some(member(row.first()?.as_str()?.to_owned(), row.get(1)?))
                });
                bootstrap = false;
                Some(ConferenceChange::Bootstrap {
                    members: members.take(MOST_ROWS).collect(),
                })
            }
            Some("add" | "modify") => data.get("data").map(|row| ConferenceChange::Put {
                member: member(key(), row),
                at: data.get("arrIndex").and_then(Value::as_u64),
            }),
            Some("del") => Some(ConferenceChange::Remove { key: key() }),
            Some("clear" | "hide") => Some(ConferenceChange::Clear),
            Some("show") => {
                bootstrap = true;
                None
            }
            _ => None,
        };
        bootstrap = bootstrap && self.bootstraps < MOST_BOOTSTRAPS;
        self.bootstraps += u32::from(bootstrap);
        Heard {
            change,
            bootstrap,
            other: false,
        }
    }
}

fn text(data: &Map<String, Value>, name: &str) -> String {
    match data.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// A row: number in the conference, number, name, codec, status, and more that is of no use here.
fn member(key: String, row: &Value) -> Member {
    let column = |index: usize| match row.get(index) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let status = column(4);
    // With `livearray-json-status` the column is JSON inside a string.
    let status = Some(&status)
        .filter(|text| text.starts_with('{'))
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(Value::String(status));
    Member {
        key,
        id: column(0),
        number: column(1),
        name: column(2),
        codec: column(3),
        status,
    }
}

fn reply(data: &Map<String, Value>) -> ConferenceChange {
    let result = match data.get("error") {
        Some(_) => Err(text(data, "error")),
        None => Ok(text(data, "response")),
    };
    ConferenceChange::Reply {
        command: text(data, "conf-command"),
        result,
    }
}

fn chat(data: &Map<String, Value>) -> Option<ConferenceChange> {
    let words = data.get("message")?.as_str()?.to_owned();
    let said = |name: &str| data.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(ConferenceChange::Chat {
        from: Party {
            name: text(data, "fromDisplay"),
            number: text(data, "from"),
        },
        text: words,
        direction: said("direction"),
        kind: said("type"),
    })
}
