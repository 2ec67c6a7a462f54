//! The requests that wait for a reply, and what each was for.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use crate::call_id::CallId;
use crate::deadlines::Deadline;
use crate::error::Error;
use crate::event::Event;
use crate::verto::method::Method;

/// What a request about a call was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallRequest {
    Invite,
    Answer,
    Attach,
    Bye,
    Dtmf,
    UpdateMedia,
    Hold,
    Transfer,
    Replace,
    /// A text, by the number of its command.
    Message(u64),
    Info,
    Candidate,
}

impl CallRequest {
    /// The request in words for messages to a person.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Invite => "call",
            Self::Answer => "answer",
            Self::Attach => "attach",
            Self::Bye => "hang up",
            Self::Dtmf => "DTMF",
            Self::UpdateMedia => "media update",
            Self::Hold => "hold",
            Self::Transfer => "transfer",
            Self::Replace => "attended transfer",
            Self::Message(_) => "message",
            Self::Info => "info",
            Self::Candidate => "candidate",
        }
    }

    /// Whether the user waits for its outcome by itself, beside the call's own course.
    pub(crate) fn is_wish(self) -> bool {
        match self {
            Self::Invite | Self::Answer | Self::Attach | Self::Bye | Self::Candidate => false,
            Self::Dtmf | Self::UpdateMedia | Self::Hold | Self::Message(_) | Self::Info => true,
            Self::Transfer | Self::Replace => true,
        }
    }

    /// That it failed, for its user.
    pub(crate) fn failed(self, call: CallId, error: Error) -> Event {
        if let Self::Message(id) = self {
            let call = Some(call);
            Event::MessageFailed { call, id, error }
        } else if self == Self::UpdateMedia {
            Event::MediaUpdateFailed { call, error }
        } else {
            Event::CommandFailed { call, error }
        }
    }

    pub(crate) fn deadline(self) -> Deadline {
        match self {
            Self::Invite => Deadline::InviteReply,
            Self::Answer => Deadline::AnswerReply,
            Self::Attach => Deadline::AttachReply,
            Self::Bye => Deadline::ByeReply,
            Self::Dtmf | Self::Message(_) | Self::Info | Self::Candidate => Deadline::InfoReply,
            Self::UpdateMedia => Deadline::MediaUpdateReply,
            Self::Hold | Self::Transfer | Self::Replace => Deadline::ModifyReply,
        }
    }
}

/// What a request was for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The login of a fresh socket.
    Login,
    /// A login on a socket that is already logged in.
    LoginAgain,
    GatewayState,
    Probe,
    Call(CallId, CallRequest),
    /// Something that a command about no call asked for, or that belongs to a conference.
    Errand(Errand),
}

/// What was asked for beside calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// Listen; `user`: our user's channels, not a conference's.
    Subscribe {
        user: bool,
    },
    Unsubscribe,
    /// Something said on a channel, by the name of its command, perhaps about a call.
    Broadcast(&'static str, Option<CallId>),
    /// The rows of a conference.
    Bootstrap(CallId),
    Api(u64),
    /// Another question of our user's, by its number and the name of its command.
    Question(u64, &'static str),
    /// No more push messages; what it says names our login, and is written each time it is sent.
    DisablePush(u64),
    /// A text, by the number of its command.
    Message(u64),
    Converse(CallId),
}

impl Errand {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Subscribe { .. } => "subscribe",
            Self::Unsubscribe => "unsubscribe",
            Self::Broadcast(name, _) => name,
            Self::Bootstrap(_) => "conference list",
            Self::Api(_) => "server command",
            Self::Question(_, name) => name,
            Self::DisablePush(_) => "end of push messages",
            Self::Message(_) => "message",
            Self::Converse(_) => "conversation",
        }
    }
}

impl Purpose {
    pub(crate) fn deadline(&self) -> Deadline {
        match self {
            Self::Login | Self::LoginAgain => Deadline::LoginReply,
            Self::GatewayState => Deadline::GatewayReply,
            Self::Probe => Deadline::ProbeReply,
            Self::Call(_, request) => request.deadline(),
            Self::Errand(Errand::Api(_)) => Deadline::ApiReply,
            Self::Errand(_) => Deadline::InfoReply,
        }
    }
}

/// One request under way.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) purpose: Purpose,
    pub(crate) method: Method,
    /// Kept to say it again when the server first wants another login; null for logins, which are never repeated.
    pub(crate) params: Value,
    /// How often it was said again after such a login.
    pub(crate) repeats: u8,
}

/// Replies that may come late; a server that is that slow is left.
const MOST_OVERDUE: usize = 16;

/// The requests under way. Each has a deadline, so the table is as small as the time limits are short.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    pending: BTreeMap<String, Pending>,
    /// Given up for want of a reply, which still counts if it comes on the same socket.
    overdue: VecDeque<(String, Pending)>,
}

impl Requests {
    pub(crate) fn insert(&mut self, id: String, pending: Pending) {
        self.pending.insert(id, pending);
    }

    pub(crate) fn take(&mut self, id: &str) -> Option<Pending> {
        self.pending.remove(id)
    }

    /// A reply has come late, or in time.
    pub(crate) fn take_replied(&mut self, id: &str) -> Option<Pending> {
        let late = |requests: &mut Self| {
            let at = requests.overdue.iter().position(|(known, _)| known == id)?;
            requests.overdue.remove(at).map(|(_, pending)| pending)
        };
        self.take(id).or_else(|| late(self))
    }

    /// No reply came in time.
    pub(crate) fn keep_overdue(&mut self, id: String, pending: Pending) {
        if self.overdue.len() == MOST_OVERDUE {
            self.overdue.pop_front();
        }
        self.overdue.push_back((id, pending));
    }

    /// Takes all of them, in the order of their ids; nothing can be late any more.
    pub(crate) fn take_all(&mut self) -> Vec<Pending> {
        self.overdue.clear();
        std::mem::take(&mut self.pending).into_values().collect()
    }

    pub(crate) fn count(&self, purpose: &Purpose) -> usize {
        self.pending
            .values()
            .filter(|pending| pending.purpose == *purpose)
            .count()
    }

    /// Forgets those of a call; gives back their ids.
    pub(crate) fn forget_call(&mut self, call: &CallId) -> Vec<String> {
        let of_call = |pending: &Pending| matches!(&pending.purpose, Purpose::Call(whose, _) if whose == call);
        let ids: Vec<String> = self
            .pending
            .iter()
            .filter(|(_, pending)| of_call(pending))
            .map(|(id, _)| id.clone())
            .collect();
        for id in &ids {
            self.pending.remove(id);
        }
        ids
    }
}
