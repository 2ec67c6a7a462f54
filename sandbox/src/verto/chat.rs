//! Texts between users, and what a call's far end asks its user (FreeSWITCH).

use offhook_signaling::cause::Cause;
use offhook_signaling::verto::message::both::Chat;
use offhook_signaling::verto::method::Method;
use serde_json::json;

use crate::numbers::{self, Question};
use crate::switch::leg::LegId;
use crate::verto::gateway::Gateway;
use crate::verto::session::SessionId;

/// Digits that a question asks for.
const DIGITS: usize = 4;

impl Gateway {
    /// A text of a client, for a user or for the far end of a call. `SENT` does not mean that anybody gets it.
    pub(super) fn on_chat(&mut self, session: SessionId, call: &str, chat: Chat) {
        let (Some(to), Some(body)) = (chat.to, chat.body) else {
            return;
        };
        if chat.in_dialog == Some(true) {
            return self.on_words(session, call, &body);
        }
        let Some(known) = self.sessions.get(&session) else {
            return;
        };
        let from = known.identity.name().to_owned();
        let to_user = numbers::user_part(&to).to_owned();
        self.with_sip(|sip, around| sip.text(&from, &to_user, &body, around));
        self.deliver_text(&from, &to, &body);
    }

    /// Tells every client of a user a text.
    pub(super) fn deliver_text(&mut self, from: &str, to: &str, body: &str) {
        let to_user = numbers::user_part(to).to_owned();
        let readers: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, known)| known.face.has_features && known.identity.name() == to_user)
            .map(|(id, _)| *id)
            .collect();
        tracing::info!(%from, to = %to_user, readers = readers.len(), "text");
        for reader in readers {
            let text = Chat {
                from: Some(from.to_owned()),
                to: Some(to.to_owned()),
                body: Some(body.to_owned()),
                from_msg_name: Some(from.to_owned()),
                from_msg_number: Some(from.to_owned()),
                ..Chat::default()
            };
            self.request(reader, Method::Info, &json!({ "msg": text }));
        }
    }

    /// A call is up: its far end may have a question.
    pub(super) fn ask(&mut self, session: SessionId, call: &str) {
        let question = self.question(session, call);
        let (kind, text, regex) = match question {
            Some(Question::Digits) => ("dtmf", "Enter four digits", Some("^[0-9]{4}$")),
            Some(Question::Text) => ("message", "What is your name?", None),
            None => return,
        };
        let mut params = json!({"callID": call, "type": kind, "text": text});
        if let Some(regex) = regex {
            params["regex"] = regex.into();
        }
        self.request(session, Method::Prompt, &params);
    }

    /// Digits by signalling: perhaps the answer to a question. A wrong one is asked for again, a right one ends the call.
    pub(super) fn on_answer_digits(&mut self, session: SessionId, name: &str, digits: &str) {
        if self.question(session, name) != Some(Question::Digits) {
            return;
        }
        let Some(call) = self.call_mut(session, name) else {
            return;
        };
        call.typed
            .extend(digits.chars().filter(|c| "0123456789*#".contains(*c)));
        if call.typed.len() < DIGITS {
            return;
        }
        let typed = std::mem::take(&mut call.typed);
        let (leg, right) = (call.leg, typed.bytes().all(|byte| byte.is_ascii_digit()));
        if right && typed.len() == DIGITS {
            self.say_thanks(session, leg, &typed);
        } else {
            self.ask(session, name);
        }
    }

    /// Words within a call.
    fn on_words(&mut self, session: SessionId, name: &str, words: &str) {
        if self.question(session, name) == Some(Question::Text)
            && let Some(leg) = self.call_mut(session, name).map(|call| call.leg)
        {
            self.say_thanks(session, leg, words);
        }
    }

    fn say_thanks(&mut self, session: SessionId, leg: LegId, answer: &str) {
        let text = Chat {
            from: Some("question".to_owned()),
            body: Some(format!("Thank you: {answer}")),
            ..Chat::default()
        };
        self.request(session, Method::Info, &json!({ "msg": text }));
        self.exchange.end_by_exchange(leg, Cause::NORMAL_CLEARING);
    }

    fn question(&self, session: SessionId, name: &str) -> Option<Question> {
        let known = self.sessions.get(&session)?;
        let call = known.calls.get(name)?;
        known
            .face
            .has_features
            .then(|| Question::asked_at(&call.callee.number))
            .flatten()
    }
}
