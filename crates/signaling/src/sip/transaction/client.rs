//! Requests of ours that wait for their answers (RFC 3261, 17.1; RFC 6026, 7.2).

use std::collections::BTreeMap;

use crate::sip::flow_id::FlowId;
use crate::sip::message::outgoing::OutgoingRequest;
use crate::sip::message::response::Response;
use crate::sip::message::{HeaderName, Method};
use crate::sip::transaction::draft::{self, Draft};

/// Requests that wait at a time before those that an answer asks for (PRACK, BYE of a fork) are left out.
pub const MOST: usize = 512;
/// Room beyond that for what calls need, one by one, whatever fills the rest.
pub const RESERVE: usize = 256;
/// Requests of one call that may wait where nothing but the reserve is left.
pub const MOST_OF_CALL: usize = 16;
/// Far sides that one INVITE may be answered by; what more say is not acknowledged.
pub const MOST_ANSWERS: usize = 16;

/// One request of ours. `O` says whose it is.
#[derive(Clone, Debug)]
pub struct ClientTransaction<O> {
    /// Whose it is.
    pub owner: O,
    /// The connection that it went over.
    pub flow: FlowId,
    /// What another try would begin with.
    pub draft: Draft,
    /// Its number.
    pub cseq: u32,
    /// As it was sent.
    pub request: OutgoingRequest,
    state: State,
    /// Its 2xx that were acknowledged.
    acks: Vec<Acked>,
    /// Far sides that have not heard our goodbye, by their tag, with its number.
    missed: Vec<(String, u32)>,
}

/// A 2xx that was acknowledged: said again, it gets the same ACK again (RFC 3261, 13.2.2.4).
#[derive(Clone, Debug)]
struct Acked {
    to_tag: String,
    ack: OutgoingRequest,
}

/// How far it has come. Completed and terminated are no states here: on a reliable transport nothing is left to do after
/// the final answer (timers D and K are 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing has been heard.
    Calling,
    /// A provisional answer has been heard.
    Proceeding,
    /// An INVITE had a 2xx; others may follow from other forks.
    Accepted,
}

/// What an answer meant to its transaction.
#[derive(Debug)]
pub enum Answered<O> {
    /// Provisional; the transaction goes on.
    Provisional {
        /// Whose it is.
        owner: O,
    },
    /// A 2xx to an INVITE. The first one starts timer M.
    Accepted {
        /// Whose it is.
        owner: O,
        /// Whether it is the first.
        first: bool,
    },
    /// The end of the transaction.
    Final {
        /// All of it.
        transaction: Box<ClientTransaction<O>>,
        /// To be sent at once: the ACK of a refused INVITE.
        ack: Option<Box<OutgoingRequest>>,
    },
    /// No request of ours had that answer, or it comes too late.
    Unknown,
}

/// The table of requests that wait, by branch and method: a CANCEL has the branch of its INVITE.
#[derive(Clone, Debug)]
pub struct ClientTransactions<O> {
    waiting: BTreeMap<(String, String), Box<ClientTransaction<O>>>,
}

impl<O> Default for ClientTransactions<O> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
        }
    }
}

impl<O: Clone> ClientTransactions<O> {
    /// Begins a transaction with a request that is being sent.
    pub fn begin(
        &mut self,
        branch: &str,
        owner: O,
        flow: FlowId,
        draft: Draft,
        cseq: u32,
        request: OutgoingRequest,
    ) {
        let key = (branch.to_owned(), request.method.to_string());
        let transaction = ClientTransaction {
            owner,
            flow,
            draft,
            cseq,
            request,
            state: State::Calling,
            acks: Vec::new(),
            missed: Vec::new(),
        };
        self.waiting.insert(key, Box::new(transaction));
    }

    /// Takes an answer (17.1.3: matched by branch and the method of CSeq).
    pub fn on_response(&mut self, response: &Response) -> Answered<O> {
        let key = (
            response.ids.via.branch().to_owned(),
            response.ids.method.to_string(),
        );
        let Some(transaction) = self.waiting.get_mut(&key) else {
            return Answered::Unknown;
        };
        let is_invite = transaction.request.method == Method::Invite;
        if transaction.state == State::Accepted {
            // Provisional answers of other forks and refusals come too late.
            if response.is_success() {
                return Answered::Accepted {
                    owner: transaction.owner.clone(),
                    first: false,
                };
            }
            return Answered::Unknown;
        }
        if response.is_provisional() {
            transaction.state = State::Proceeding;
            return Answered::Provisional {
                owner: transaction.owner.clone(),
            };
        }
        if is_invite && response.is_success() {
            transaction.state = State::Accepted;
            return Answered::Accepted {
                owner: transaction.owner.clone(),
                first: true,
            };
        }
        let Some(transaction) = self.take(&key) else {
            return Answered::Unknown;
        };
        let to = response.headers.get(&HeaderName::To).unwrap_or_default();
        let ack = is_invite.then(|| Box::new(draft::refusal_ack(&transaction.request, &to)));
        Answered::Final { transaction, ack }
    }

    /// Ends a transaction without an answer: its time is over, or nobody cares any more.
    pub fn end(&mut self, branch: &str, method: &Method) -> Option<ClientTransaction<O>> {
        self.take(&(branch.to_owned(), method.to_string()))
            .map(|transaction| *transaction)
    }

    /// An account at rest keeps no room for requests: an empty tree would hold on to its last node.
    fn take(&mut self, key: &(String, String)) -> Option<Box<ClientTransaction<O>>> {
        let taken = self.waiting.remove(key);
        if self.waiting.is_empty() {
            self.waiting = BTreeMap::new();
        }
        taken
    }

    /// The transaction of that branch.
    pub fn get(&self, branch: &str, method: &Method) -> Option<&ClientTransaction<O>> {
        self.waiting
            .get(&(branch.to_owned(), method.to_string()))
            .map(|transaction| &**transaction)
    }

    /// How many wait.
    pub fn count(&self) -> usize {
        self.waiting.len()
    }

    /// Keeps the ACK of a 2xx to the INVITE with that number.
    pub fn note_ack(&mut self, call_id: &str, cseq: u32, to_tag: &str, ack: &OutgoingRequest) {
        let known = self.waiting.values_mut().find(|it| {
            it.draft.call_id == call_id && it.cseq == cseq && it.request.method == Method::Invite
        });
        if let Some(known) = known {
            known.acks.push(Acked {
                to_tag: to_tag.to_owned(),
                ack: ack.clone(),
            });
        }
    }

    /// Whether so many far sides answered that INVITE that no more of them are taken note of: each has an ACK that is kept, whose
    /// number nothing else bounds where goodbyes are answered at once.
    pub fn is_answered_out(&self, branch: &str) -> bool {
        self.get(branch, &Method::Invite)
            .is_some_and(|it| it.acks.len() >= MOST_ANSWERS)
    }

    /// A goodbye did not arrive: a 2xx of that far side, new or said again, shows that it still has the call.
    pub fn note_missed(&mut self, call_id: &str, to_tag: &str, bye: u32) {
        let invites = self
            .waiting
            .values_mut()
            .filter(|it| it.draft.call_id == call_id && it.request.method == Method::Invite);
        for invite in invites {
            let known = invite.acks.iter().any(|known| known.to_tag == to_tag);
            if known || invite.draft.to_tag().as_deref() == Some(to_tag) {
                invite.missed.retain(|(tag, _)| tag != to_tag);
                invite.missed.push((to_tag.to_owned(), bye));
            }
        }
    }

    /// Number of the goodbye that whoever says this 2xx has not heard; asked once, since another one follows.
    pub fn take_missed(&mut self, response: &Response) -> Option<u32> {
        let tag = response.ids.to_tag();
        let mut bye = None;
        for invite in self.waiting.values_mut() {
            if invite.draft.call_id == response.ids.call_id {
                let known = invite.missed.iter().position(|(known, _)| known == tag);
                bye = bye.max(known.map(|at| invite.missed.swap_remove(at).1));
            }
        }
        bye
    }

    /// The ACK that a 2xx had before.
    pub fn ack_of(&self, response: &Response) -> Option<OutgoingRequest> {
        let known = self.get(response.ids.via.branch(), &Method::Invite)?;
        let tag = response.ids.to_tag();
        let same = known.acks.iter().find(|known| known.to_tag == tag);
        same.map(|known| known.ack.clone())
    }

    /// How many of that Call-ID wait for their answers.
    pub fn count_of(&self, call_id: &str) -> usize {
        self.waiting
            .values()
            .filter(|it| it.draft.call_id == call_id && it.state != State::Accepted)
            .count()
    }

    /// Whether so many wait that a far side of that call may not make us send more: a server that answers one INVITE a thousand
    /// times gets no memory for it, and takes no other call's.
    pub fn is_flooded(&self, call_id: &str) -> bool {
        let count = self.waiting.len();
        count >= MOST + RESERVE || (count >= MOST && self.count_of(call_id) >= MOST_OF_CALL)
    }

    /// Whether a provisional answer has been heard, so that a CANCEL may be sent (9.1).
    pub fn is_proceeding(&self, branch: &str) -> bool {
        self.get(branch, &Method::Invite)
            .is_some_and(|transaction| transaction.state == State::Proceeding)
    }

    /// The connection is gone, and with it the answers (8.1.3.1): every transaction that still waited on it, with its
    /// branch. INVITEs that had their 2xx stay: copies of it may come by another connection.
    pub fn lose(&mut self, flow: FlowId) -> Vec<(String, ClientTransaction<O>)> {
        let keys: Vec<_> = self
            .waiting
            .iter()
            .filter(|(_, transaction)| {
                transaction.flow == flow && transaction.state != State::Accepted
            })
            .map(|(key, _)| key.clone())
            .collect();
        keys.into_iter()
            .filter_map(|key| Some((key.0.clone(), *self.take(&key)?)))
            .collect()
    }
}
