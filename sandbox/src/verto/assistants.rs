//! Clients without credentials: each talks to one assistant, in calls and in texts.

use offhook_signaling::cause::Cause;
use offhook_signaling::verto::message::login::AnonymousLoginParams;
use offhook_signaling::verto::method::Method;
use offhook_signaling::verto::rpc::Request;
use serde_json::Value;

use crate::assistant::message;
use crate::assistant::settings::RefusesAt;
use crate::numbers::Step;
use crate::verto::calls::NO_CALL;
use crate::verto::credentials::{Identity, Refused, Target};
use crate::verto::frames::{INVALID_REQUEST, empty};
use crate::verto::gateway::Gateway;
use crate::verto::session::{SessionId, Talk};
use crate::verto::socket::SocketId;

/// The only kind of target there is.
const ASSISTANT: &str = "ai_assistant";

impl Gateway {
    /// Reads a login without credentials: whom it is for, and the session that it names.
    pub(super) fn read_anonymous(
        &self,
        request: Request,
    ) -> Result<(Identity, Option<String>), Refused> {
        // Some clients name the conversation beside the target's parameters.
        let beside = request.params.get("conversation_id").cloned();
        let params: AnonymousLoginParams = request.read().map_err(|_| Refused::NoLogin)?;
        let id = params.target_id.filter(|id| !id.is_empty());
        let (Some(ASSISTANT), Some(id)) = (params.target_type.as_deref(), id) else {
            return Err(Refused::NoTarget);
        };
        let inside = params
            .target_params
            .and_then(|mut params| params.remove("conversation_id"));
        let conversation = match inside.or(beside) {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => Some(name),
            Some(_) => return Err(Refused::NoConversation),
        };
        if let Some(name) = &conversation
            && self.config.assistant.refuses_at == RefusesAt::Login
            && !self.assistants.knows(name, &id)
        {
            return Err(Refused::NoConversation);
        }
        let target = Target {
            id,
            version: params.target_version_id,
            conversation,
        };
        Ok((Identity::Anonymous(target), params.sessid))
    }

    /// What a new session says to its assistant: an old conversation, or a new one.
    pub(super) fn talk(&mut self, identity: &Identity) -> Option<Talk> {
        let Identity::Anonymous(target) = identity else {
            return None;
        };
        let conversation = match &target.conversation {
            Some(name) => self
                .assistants
                .knows(name, &target.id)
                .then(|| name.clone()),
            None => {
                let name = self.uuid();
                self.assistants.begin(name.clone(), &target.id);
                Some(name)
            }
        };
        Some(Talk {
            conversation,
            greeted: false,
        })
    }

    /// What becomes of a call of this session, whatever it dialled; `None` when it has no assistant.
    pub(super) fn assistant_script(&mut self, session: SessionId) -> Option<Vec<Step>> {
        let talk = self.sessions.get(&session)?.talk.as_ref()?;
        if talk.conversation.is_some() {
            let sound = self.config.assistant.voice.sound();
            return Some(vec![Step::Ring, Step::Answer(sound)]);
        }
        self.request(session, Method::Conversation, &message::no_conversation());
        Some(vec![Step::HangUp(Cause::NORMAL_TEMPORARY_FAILURE)])
    }

    /// Tells a new session how its assistant wants to be shown.
    pub(super) fn greet(&mut self, session: SessionId) {
        let talk = self
            .sessions
            .get_mut(&session)
            .and_then(|known| known.talk.as_mut());
        if let Some(talk) = talk
            && !std::mem::replace(&mut talk.greeted, true)
        {
            self.request(session, Method::Conversation, &message::widget_settings());
        }
    }

    /// Whether this session may do this to a call: an action of `modify`.
    pub(super) fn may_modify(&self, session: SessionId, action: &str) -> bool {
        !self.is_anonymous(session) || self.config.assistant.allows(action)
    }

    /// Whether this session may send digits.
    pub(super) fn may_send_digits(&self, session: SessionId) -> bool {
        !self.is_anonymous(session) || self.config.assistant.allows_dtmf()
    }

    fn is_anonymous(&self, session: SessionId) -> bool {
        self.sessions
            .get(&session)
            .is_some_and(|known| known.talk.is_some())
    }

    /// Something said to the assistant.
    pub(super) fn on_conversation(
        &mut self,
        socket: SocketId,
        session: SessionId,
        request: &Request,
    ) {
        let id = request.id.clone();
        let known = self.sessions.get(&session);
        let Some(talk) = known.and_then(|known| known.talk.as_ref()) else {
            return self.on_unknown_method(socket, request);
        };
        let in_call = known.is_some_and(|known| !known.calls.is_empty());
        let conversation = talk.conversation.clone().filter(|_| in_call);
        let (Some(conversation), Some(said)) = (conversation, message::read(&request.params))
        else {
            tracing::warn!(
                socket = socket.0,
                in_call,
                "said to an assistant, and not understood"
            );
            return match (id, in_call) {
                (None, _) => {}
                (id, false) => self.refuse_call(socket, id, None, NO_CALL),
                (id, true) => self.refuse(socket, id, INVALID_REQUEST, "Invalid Request"),
            };
        };
        if id.is_some() {
            self.reply(socket, id, &empty());
        }
        for told in self.assistants.hear(&conversation, said) {
            self.request(session, Method::Conversation, &told);
        }
    }
}
