//! What is under way on the wire of a user agent, and what it owes in the same breath.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::sip::name::Name;

/// Branch and method.
pub(super) type Key = (String, String);

/// A request of the user agent.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) cseq: u32,
    pub(super) name: Name,
    /// Of a SUBSCRIBE.
    pub(super) event: String,
    pub(super) offer: bool,
    pub(super) flow: u8,
    pub(super) since: Instant,
    pub(super) provisional: bool,
    pub(super) refused: Option<u16>,
    pub(super) cancelled: Option<Instant>,
    pub(super) accepted: Option<Instant>,
    /// To tags of its 2xx.
    pub(super) tags: Vec<String>,
    /// The last reliable provisional answer of each fork.
    pub(super) rseqs: BTreeMap<String, u32>,
}

/// A request for the user agent.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) name: Name,
    pub(super) cseq: u32,
    pub(super) initial: bool,
    pub(super) offer: bool,
    pub(super) flow: u8,
    pub(super) since: Instant,
    /// Its connection was lost meanwhile: the answer may have gone nowhere.
    pub(super) blind: bool,
    pub(super) said: Option<(u16, String, Instant)>,
    /// A connection was lost after that: our 2xx has its time again over the next one.
    pub(super) moved: Option<Instant>,
    pub(super) reliable: bool,
    pub(super) rseq: Option<(u32, String, bool)>,
    /// A provisional answer held our offer: whether a PRACK has answered it.
    pub(super) early: Option<bool>,
    pub(super) rang: bool,
}

/// Something that has to be said in the same breath.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Ack(Name, u32),
    RefusalAck(Key),
    Bye(Name),
    Prack(Name, String),
    Refusal(Key),
    Answer(Key),
}
