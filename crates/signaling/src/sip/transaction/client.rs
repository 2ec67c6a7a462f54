//! Requests of ours that wait for their answers (RFC 3261, 17.1; RFC 6026, 7.2).

use std::collections::BTreeMap;

use crate::sip::flow_id::FlowId;
use crate::sip::message::outgoing::OutgoingRequest;
use crate::sip::message::response::Response;
use crate::sip::message::{HeaderName, Method};
use crate::sip::transaction::draft::{self, Draft};

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
    waiting: BTreeMap<(String, String), ClientTransaction<O>>,
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
        };
        self.waiting.insert(key, transaction);
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
        let Some(transaction) = self.waiting.remove(&key) else {
            return Answered::Unknown;
        };
        let to = response.headers.get(&HeaderName::To).unwrap_or_default();
        let ack = is_invite.then(|| Box::new(draft::refusal_ack(&transaction.request, &to)));
        Answered::Final {
            transaction: Box::new(transaction),
            ack,
        }
    }

    /// Ends a transaction without an answer: its time is over, or nobody cares any more.
    pub fn end(&mut self, branch: &str, method: &Method) -> Option<ClientTransaction<O>> {
        self.waiting
            .remove(&(branch.to_owned(), method.to_string()))
    }

    /// The transaction of that branch.
    pub fn get(&self, branch: &str, method: &Method) -> Option<&ClientTransaction<O>> {
        self.waiting.get(&(branch.to_owned(), method.to_string()))
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
            .filter_map(|key| Some((key.0.clone(), self.waiting.remove(&key)?)))
            .collect()
    }
}
