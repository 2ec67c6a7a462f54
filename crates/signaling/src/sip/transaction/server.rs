//! Requests of the far side that wait for our answers, and INVITEs that wait for their ACK (RFC 3261, 17.2; RFC 6026, 7.1).

use std::collections::BTreeMap;

use crate::sip::flow_id::FlowId;
use crate::sip::message::bare::Bare;
use crate::sip::message::ids::Ids;
use crate::sip::message::outgoing::{OutgoingResponse, Payload};
use crate::sip::message::request::Request;
use crate::sip::message::{HeaderName, Method};

/// Most requests that wait at a time; more are refused with 503, so that a flood costs bounded memory.
pub const MOST: usize = 256;
/// Room beyond that for what is about dialogs and INVITEs that are known: a flood of strangers' leaves a call its BYE. Half of it is
/// kept from INVITEs, whose refusals wait for their ACK, so that one call's offers leave another its BYE.
pub const RESERVE: usize = 128;

/// Names a request of the far side (17.2.3): branch, sender and method. An ACK names its INVITE.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerKey {
    branch: String,
    sent_by: String,
    method: String,
}

impl ServerKey {
    /// The name of a request's own transaction; with peers older than RFC 3261, whose branches mean nothing, Call-ID, tag
    /// and number take the branch's place.
    pub fn of(ids: &Ids, method: &Method) -> Self {
        let branch = match ids.via.branch() {
            "" => format!("{} {} {}", ids.call_id, ids.from_tag(), ids.cseq),
            branch => branch.to_owned(),
        };
        let method = if *method == Method::Ack {
            Method::Invite
        } else {
            method.clone()
        };
        Self {
            branch,
            sent_by: ids.via.sent_by.to_ascii_lowercase(),
            method: method.to_string(),
        }
    }

    /// The name of the INVITE that a CANCEL is about (9.2).
    pub fn cancelled(ids: &Ids) -> Self {
        Self::of(ids, &Method::Invite)
    }
}

/// A request of the far side that has no final answer, or an INVITE whose ACK is due.
#[derive(Clone, Debug)]
pub struct ServerTransaction {
    /// The connection that it came over.
    pub flow: FlowId,
    /// What every answer copies.
    pub bare: Bare,
    /// Method of the request.
    pub method: Method,
    cseq: u32,
    from_tag: String,
    /// It came outside of dialogs.
    initial: bool,
    /// It was for a `sips:` address and came over TLS, as its answer is to go.
    pub secure: bool,
    last: Option<Payload>,
    /// Tag of ours in its answers, where the request had none.
    pub tag: Option<String>,
    state: State,
    /// The connection that its final answer went over; `None`: it is to go over the next one.
    over: Option<FlowId>,
    /// That answer has left us before.
    said: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Proceeding,
    /// What is no INVITE has an answer that no connection carried.
    Answered,
    /// An INVITE was refused: its ACK is due (timer H).
    Completed,
    /// An INVITE has its 2xx: copies of it are absorbed (timer L).
    Accepted,
}

/// What a request is to its table.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrived {
    /// Not seen before.
    New,
    /// A copy of one that waits: this was the last answer to it, if there was one.
    Copy(Option<Payload>),
    /// The ACK of our refusal, which ends its transaction.
    RefusalAcked,
    /// Too many wait already.
    Full,
}

/// The table of requests that wait.
#[derive(Clone, Debug, Default)]
pub struct ServerTransactions {
    waiting: BTreeMap<ServerKey, ServerTransaction>,
}

impl ServerTransactions {
    /// Looks a request up. [`Arrived::New`] is to be followed by [`ServerTransactions::begin`], unless it is an ACK, which is
    /// no transaction of its own.
    pub fn arrive(&mut self, request: &Request) -> Arrived {
        let key = ServerKey::of(&request.ids, &request.method);
        match self.waiting.get(&key) {
            Some(known) if request.method == Method::Ack => {
                if known.state == State::Completed {
                    self.take(&key);
                    Arrived::RefusalAcked
                } else {
                    Arrived::New
                }
            }
            Some(known) => Arrived::Copy(known.last.clone()),
            None if request.method != Method::Ack && self.waiting.len() >= MOST => Arrived::Full,
            None => Arrived::New,
        }
    }

    /// How many wait.
    pub fn count(&self) -> usize {
        self.waiting.len()
    }

    /// Whether there is room for such a request about a dialog or INVITE that is known, where there is none for strangers.
    pub fn has_reserve(&self, method: &Method) -> bool {
        let room = if *method == Method::Invite {
            RESERVE / 2
        } else {
            RESERVE
        };
        self.waiting.len() < MOST + room
    }

    /// Begins a transaction; `secure`: its answers need TLS.
    pub fn begin(&mut self, request: &Request, flow: FlowId, secure: bool) -> ServerKey {
        let key = ServerKey::of(&request.ids, &request.method);
        let transaction = ServerTransaction {
            flow,
            bare: Bare::from(request),
            method: request.method.clone(),
            cseq: request.ids.cseq,
            from_tag: request.ids.from_tag().to_owned(),
            initial: request.ids.to_tag().is_empty(),
            secure,
            last: None,
            tag: None,
            state: State::Proceeding,
            over: None,
            said: false,
        };
        self.waiting.insert(key.clone(), transaction);
        key
    }

    /// Whether that request is one that came by another way already, and is served or was just answered (8.2.2.2): the same
    /// caller, call and number under another branch.
    pub fn is_merged(&self, request: &Request, key: &ServerKey) -> bool {
        let call_id = request.headers.bytes(&HeaderName::CallId);
        self.waiting.iter().any(|(known, served)| {
            known != key
                && served.method == request.method
                && served.initial
                && served.cseq == request.ids.cseq
                && Some(&served.bare.call_id) == call_id.as_ref()
                && served.from_tag == request.ids.from_tag()
        })
    }

    /// The transaction of that name, while it has no final answer or its ACK is due.
    pub fn get(&self, key: &ServerKey) -> Option<&ServerTransaction> {
        self.waiting.get(key)
    }

    /// Whether it can still be answered.
    pub fn is_open(&self, key: &ServerKey) -> bool {
        self.waiting
            .get(key)
            .is_some_and(|known| known.state == State::Proceeding)
    }

    /// Notes an answer that is being sent, over that connection if there is one, and says what it starts.
    pub fn on_answer(
        &mut self,
        key: &ServerKey,
        response: &OutgoingResponse,
        over: Option<FlowId>,
    ) -> After {
        let Some(known) = self.waiting.get_mut(key) else {
            return After::Done;
        };
        if response.status > 100 && !known.bare.has_to_tag() {
            known.tag = response.to_tag();
        }
        if response.status < 200 {
            known.last = Some(response.to_payload());
            return After::Waiting;
        }
        if known.method != Method::Invite && over.is_some() {
            // Timer J is 0: on this transport nothing is repeated.
            self.take(key);
            return After::Done;
        }
        known.last = Some(response.to_payload());
        if known.method != Method::Invite {
            known.state = State::Answered;
            return After::Owed;
        }
        if response.status < 300 {
            // Its copies are the call's (RFC 3261, 13.3.1.4).
            known.state = State::Accepted;
            return After::Accepted;
        }
        known.state = State::Completed;
        known.over = over;
        known.said = over.is_some();
        if known.said {
            After::RefusalAck
        } else {
            After::Owed
        }
    }

    /// A connection is gone: refusals without an ACK may have gone with it.
    pub fn lose(&mut self, flow: FlowId) {
        for known in self.waiting.values_mut() {
            if known.state == State::Completed && known.over == Some(flow) {
                known.over = None;
            }
        }
    }

    /// Final answers that no living connection carried, which now go over that one: those that need TLS (`secure`), or the others.
    pub fn say_owed(&mut self, flow: FlowId, secure: bool) -> Vec<Owed> {
        let owed = |known: &ServerTransaction| match known.state {
            State::Answered => true,
            State::Completed => known.over.is_none(),
            State::Proceeding | State::Accepted => false,
        };
        let waiting = self.waiting.iter_mut();
        let said: Vec<_> = waiting
            .filter(|(_, known)| known.secure == secure && owed(known))
            .filter_map(|(key, known)| {
                known.over = Some(flow);
                let answered = known.state == State::Answered;
                let first = !std::mem::replace(&mut known.said, true);
                let next = match (answered, first) {
                    (true, _) => After::Done,
                    (false, true) => After::RefusalAck,
                    (false, false) => After::Waiting,
                };
                let payload = known.last.clone()?;
                let key = key.clone();
                Some(Owed { key, payload, next })
            })
            .collect();
        for owed in &said {
            if owed.next == After::Done {
                self.take(&owed.key);
            }
        }
        said
    }

    /// Forgets a transaction: its time is over.
    pub fn end(&mut self, key: &ServerKey) -> Option<ServerTransaction> {
        self.take(key)
    }

    /// An account at rest keeps no room for requests: an empty tree would hold on to its last node.
    fn take(&mut self, key: &ServerKey) -> Option<ServerTransaction> {
        let taken = self.waiting.remove(key);
        if self.waiting.is_empty() {
            self.waiting = BTreeMap::new();
        }
        taken
    }
}

/// A final answer that goes over another connection than it was meant for.
#[derive(Debug)]
pub struct Owed {
    /// The request.
    pub key: ServerKey,
    /// The whole answer.
    pub payload: Payload,
    /// What that starts.
    pub next: After,
}

/// What an answer of ours starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Nothing: a final answer follows.
    Waiting,
    /// Timer L: copies of the INVITE are absorbed for 32 s.
    Accepted,
    /// Timer H: the ACK is due within 32 s.
    RefusalAck,
    /// The answer waits for a connection.
    Owed,
    /// Nothing: the transaction has ended.
    Done,
}
