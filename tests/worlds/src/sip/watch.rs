//! The wire of one user agent, judged by the RFCs alone: its transactions, its numbers, its acknowledgements.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use offhook_signaling::sip::config::FlowBackoff;

use crate::sip::listens::Listens;
use crate::sip::message::Message;
use crate::sip::name::Name;
use crate::sip::pace::Pace;
use crate::sip::talks::Talks;
use crate::sip::transactions::{Client, Due, Key, Served};
use crate::sip::world::PATIENCE;

pub(super) type Verdict = Result<(), String>;

/// T2: the longest pause between two copies of an answer.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// 64 x T1.
pub(super) const TRANSACTION: Duration = Duration::from_secs(32);
/// RFC 3261, 16.6: so long who called waits without a word.
const CALLER_PATIENCE: Duration = Duration::from_secs(180);

pub(super) fn check(holds: bool, fault: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(fault()) }
}

/// Everything that the wire has shown.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) clients: BTreeMap<Key, Client>,
    pub(super) servers: BTreeMap<Key, Served>,
    /// The last number of each dialog, registration and call.
    pub(super) numbers: BTreeMap<Name, u32>,
    pub(super) branches: BTreeSet<Key>,
    pub(super) talks: Talks,
    pub(super) listens: Listens,
    pub(super) due: Vec<Due>,
    /// When the registration of each flow ends.
    pub(super) grants: BTreeMap<u8, Instant>,
    /// The address that each registration brought (RFC 5627).
    pub(super) gruus: BTreeMap<u8, String>,
    /// Flows that were registered once.
    pub(super) registered: BTreeSet<u8>,
    /// Flows whose registrar would not renew what it granted.
    pub(super) refused: BTreeSet<u8>,
    /// How each flow's registrations fare.
    pub(super) paces: BTreeMap<u8, Pace>,
    pub(super) backoff: FlowBackoff,
    pub(super) invited: bool,
    /// No flow may carry calls before this, by a 503.
    pub(super) avoided: Option<Instant>,
    /// Early dialogs whose PRACK was lost with its connection: a copy of what it was for asks for another.
    pub(super) lost_pracks: BTreeSet<Name>,
    /// Calls within which something was challenged.
    pub(super) again: BTreeSet<String>,
    /// Calls that the far side has ended, by their Call-ID.
    pub(super) ended: BTreeSet<String>,
}

impl Watch {
    pub(super) fn new(backoff: FlowBackoff) -> Self {
        Self {
            clients: BTreeMap::new(),
            servers: BTreeMap::new(),
            numbers: BTreeMap::new(),
            branches: BTreeSet::new(),
            talks: Talks::default(),
            listens: Listens::default(),
            due: Vec::new(),
            grants: BTreeMap::new(),
            gruus: BTreeMap::new(),
            registered: BTreeSet::new(),
            refused: BTreeSet::new(),
            paces: BTreeMap::new(),
            backoff,
            invited: false,
            avoided: None,
            lost_pracks: BTreeSet::new(),
            again: BTreeSet::new(),
            ended: BTreeSet::new(),
        }
    }

    pub(super) fn is_avoided(&self, now: Instant) -> bool {
        self.avoided.is_some_and(|until| until > now)
    }

    /// Whether the far side has said that the call is over, or will not be.
    pub(super) fn heard_end(&self, call_id: &str) -> bool {
        self.ended.contains(call_id)
    }

    /// Whether a registration holds.
    pub(super) fn is_registered(&self) -> bool {
        !self.grants.is_empty()
    }

    /// Requests that have no answer and come again and again in a quiet world.
    pub(super) fn refreshing(&self) -> usize {
        let refreshes = |key: &&Key| matches!(key.1.as_str(), "REGISTER" | "SUBSCRIBE");
        self.clients.keys().filter(refreshes).count()
    }

    /// Whether an INVITE has left since this was asked last.
    pub(super) fn take_invited(&mut self) -> bool {
        std::mem::take(&mut self.invited)
    }

    // ---- what the user agent says ----

    pub(super) fn sent(&mut self, flow: u8, text: &str, now: Instant) -> Verdict {
        if text.trim().is_empty() {
            return Ok(());
        }
        let message = Message::read(text).ok_or("what was sent cannot be read")?;
        match message.status() {
            Some(status) => self.answered(&message, status, text, now),
            None => self.asked(flow, &message, now),
        }
    }

    fn asked(&mut self, flow: u8, message: &Message<'_>, now: Instant) -> Verdict {
        self.expire(now);
        let method = message.method();
        let name = Name::of_sent(message);
        let key = (message.branch().to_owned(), method.to_owned());
        if method == "ACK" {
            return self.acknowledged(message, &name);
        }
        if method == "CANCEL" {
            let invite = (key.0.clone(), "INVITE".to_owned());
            let client = self.clients.get_mut(&invite);
            let client = client.ok_or("a CANCEL of no INVITE")?;
            check(client.provisional, || {
                "a CANCEL before any provisional answer".to_owned()
            })?;
            let open = client.refused.is_none() && client.accepted.is_none();
            check(
                open && client.cancelled.is_none() && client.cseq == message.cseq(),
                || "a CANCEL that is too late, or has another number".to_owned(),
            )?;
            client.cancelled = Some(now);
        } else {
            self.number(message, &name)?;
        }
        check(self.branches.insert(key.clone()), || {
            format!("{method} with a branch that was used")
        })?;
        if matches!(method, "INVITE" | "UPDATE" | "REFER") {
            let gruu = self.gruus.get(&flow);
            check(
                gruu.is_none_or(|gruu| gruu == message.address("Contact")),
                || format!("{method} from an address that is not {gruu:?}"),
            )?;
        }
        match method {
            "REGISTER" => self.registers(flow, now)?,
            "SUBSCRIBE" => self.listens.asks(flow, &name, message, now)?,
            "PRACK" => {
                let due = Due::Prack(name.clone(), message.get("RAck").to_owned());
                let at = self.due.iter().position(|it| *it == due);
                match at {
                    Some(at) => drop(self.due.remove(at)),
                    // Where the answer held an offer, our user had to be asked; a challenge asks for it again.
                    None => check(
                        message.has_sdp() || self.again.contains(&name.call_id),
                        || format!("a PRACK that nothing asked for: {}", message.get("RAck")),
                    )?,
                }
            }
            "BYE" => {
                self.due.retain(|due| *due != Due::Bye(name.clone()));
                self.talks.says_bye(&name, now)?;
            }
            "INVITE" | "UPDATE" => {
                self.invited |= method == "INVITE";
                self.talks.offers(&name, &key, message, now)?;
            }
            _ => {}
        }
        self.clients.insert(
            key,
            Client {
                cseq: message.cseq(),
                name,
                event: message.get("Event").to_owned(),
                offer: message.has_sdp(),
                flow,
                since: now,
                provisional: false,
                refused: None,
                cancelled: None,
                accepted: None,
                tags: Vec::new(),
                rseqs: BTreeMap::new(),
            },
        );
        Ok(())
    }

    /// Numbers go up: by one with registrations, in dialogs from where the INVITE left off.
    fn number(&mut self, message: &Message<'_>, name: &Name) -> Verdict {
        let base = Name {
            far: String::new(),
            ..name.clone()
        };
        let cseq = message.cseq();
        let last = self.numbers.get(name).or_else(|| self.numbers.get(&base));
        let last = last.copied().unwrap_or(0);
        let fits = if message.method() == "REGISTER" {
            cseq == last + 1
        } else {
            cseq > last
        };
        check(fits, || {
            format!("{} has number {cseq} after {last}", message.method())
        })?;
        self.numbers.insert(name.clone(), cseq);
        Ok(())
    }

    fn registers(&mut self, flow: u8, now: Instant) -> Verdict {
        let twice = self
            .clients
            .iter()
            .any(|(key, it)| key.1 == "REGISTER" && it.flow == flow && it.refused.is_none());
        check(!twice, || "a REGISTER while another one is out".to_owned())?;
        let pace = self.paces.entry(flow).or_default();
        if std::mem::take(&mut pace.amends) {
            return Ok(());
        }
        pace.allows(now)
    }

    /// A person said: try again, or the address is another one.
    pub(super) fn hurried(&mut self) {
        self.paces.clear();
    }

    fn acknowledged(&mut self, message: &Message<'_>, name: &Name) -> Verdict {
        let invite = (message.branch().to_owned(), "INVITE".to_owned());
        if let Some(client) = self.clients.remove(&invite) {
            self.due.retain(|it| *it != Due::RefusalAck(invite.clone()));
            return check(client.refused.is_some() && !message.has_sdp(), || {
                "an ACK of no refusal".to_owned()
            });
        }
        let cseq = message.cseq();
        let of_it = |client: &&Client| {
            client.cseq == cseq
                && client.name.call_id == name.call_id
                && client.name.near == name.near
                && client.tags.contains(&name.far)
        };
        let client = self.clients.values().find(of_it);
        let client = client.ok_or("an ACK of no 2xx")?;
        if client.offer {
            check(!message.has_sdp(), || {
                "an ACK with an answer to no offer".to_owned()
            })?;
        } else if !message.has_sdp() && !self.talks.has_exchanged(name) && !self.talks.is_over(name)
        {
            // Without an answer there is no call.
            self.due.push(Due::Bye(name.clone()));
        }
        let due = Due::Ack(name.clone(), cseq);
        self.due.retain(|it| *it != due);
        self.talks.acked(name);
        Ok(())
    }

    fn answered(
        &mut self,
        message: &Message<'_>,
        status: u16,
        text: &str,
        now: Instant,
    ) -> Verdict {
        let key = (message.branch().to_owned(), message.method().to_owned());
        let Some(served) = self.servers.get_mut(&key) else {
            return Err(format!("{status} to no {} that waits", key.1));
        };
        if let Some((before, same, _)) = &served.said {
            let copies = same == text;
            return check(copies, || {
                format!("{} is answered twice: {before}, then {status}", key.1)
            });
        }
        let method = key.1.as_str();
        if status < 200 {
            if served.initial && !std::mem::replace(&mut served.rang, true) {
                self.talks.rings(&served.name.call_id);
            }
            let Some(rseq) = message.number("RSeq") else {
                return Ok(());
            };
            check(served.reliable, || {
                "a reliable answer that nobody asked for".to_owned()
            })?;
            // The first one holds the offer where the INVITE has none, and no other does (RFC 3262, 5); copies are looked at below.
            let copy = served.rseq.as_ref().is_some_and(|it| it.0 == rseq);
            let owed = !served.offer && served.rseq.is_none();
            check(copy || message.has_sdp() == owed, || {
                format!("RSeq {rseq} with an offer where it is owed: {owed}")
            })?;
            if owed {
                served.early = Some(false);
            }
            return match &mut served.rseq {
                Some((last, same, _)) if *last == rseq => {
                    check(same == text, || format!("RSeq {rseq} says two things"))
                }
                Some((last, _, acked)) if *acked && rseq == *last + 1 => {
                    served.rseq = Some((rseq, text.to_owned(), false));
                    Ok(())
                }
                Some((last, _, acked)) => {
                    Err(format!("RSeq {rseq} after {last}, acknowledged: {acked}"))
                }
                None => {
                    served.rseq = Some((rseq, text.to_owned(), false));
                    check(rseq > 0, || "RSeq 0".to_owned())
                }
            };
        }
        served.said = Some((status, text.to_owned(), now));
        if self.grants.is_empty() && status < 300 {
            // No connection carries it for certain: it has its time again over the next one.
            served.moved = Some(now);
        }
        let refusal = Due::Refusal(key.clone());
        if self.due.contains(&refusal) {
            check(status >= 300, || {
                "an offer was taken while another one was under way".to_owned()
            })?;
        }
        let answer = Due::Answer(key.clone());
        self.due.retain(|due| *due != refusal && *due != answer);
        if matches!(method, "INVITE" | "UPDATE") && status < 300 {
            check(served.early != Some(false), || {
                "a 2xx before our offer has its answer".to_owned()
            })?;
            let needs = (served.offer || method == "INVITE") && served.early.is_none();
            check(message.has_sdp() == needs, || {
                format!(
                    "{status} to {method} with a description: {}, needed: {needs}",
                    message.has_sdp()
                )
            })?;
        }
        let name = Name {
            near: message.to_tag().to_owned(),
            ..served.name.clone()
        };
        let (initial, cseq) = (served.initial, served.cseq);
        if method == "BYE" && status != 500 {
            // One whose number goes back is none.
            self.talks.heard_bye(&served.name);
        }
        if method == "NOTIFY" {
            self.listens.answers(&key, status, now)?;
        }
        if method != "INVITE" {
            self.servers.remove(&key);
        }
        self.talks.answers(&name, &key, initial, message, cseq, now);
        Ok(())
    }

    /// A connection of it is gone, by its own knowledge.
    pub(super) fn lost(&mut self, flow: u8, now: Instant) {
        self.expire(now);
        let held = self.grants.remove(&flow).is_some();
        self.gruus.remove(&flow);
        let asks = |(key, it): (&Key, &Client)| key.1 == "REGISTER" && it.flow == flow;
        let asked = self.clients.iter().any(asks);
        let pace = self.paces.entry(flow).or_default();
        pace.amends = false;
        if held {
            pace.held();
        } else if asked {
            pace.failed(&self.backoff, now);
        }
        self.refused.remove(&flow);
        let (talks, listens) = (&mut self.talks, &mut self.listens);
        let pracks = &mut self.lost_pracks;
        self.clients.retain(|key, client| {
            let stays = client.flow != flow || client.accepted.is_some();
            if !stays {
                talks.forget_offer(&client.name, key);
                match key.1.as_str() {
                    "BYE" => talks.bye_lost(&client.name, client.since),
                    "PRACK" => drop(pracks.insert(client.name.clone())),
                    "SUBSCRIBE" => {
                        let asked = (&client.name, client.since);
                        // Its own time may end at the same instant, and which came first is not seen.
                        let lost = client.since + TRANSACTION > now;
                        listens.unanswered(asked, &client.event, lost, now);
                    }
                    _ => {}
                }
            }
            stays
        });
        self.listens.lost(flow);
        self.answers_move(now, now);
        let talks = &mut self.talks;
        for (key, served) in &mut self.servers {
            if served.flow == flow {
                served.blind = true;
                talks.forget_theirs(&served.name, key, now);
            }
            if served.initial && served.blind {
                // Its 2xx may have gone nowhere, and the goodbye after it is the first word of that dialog.
                talks.begins_unseen(&served.name.call_id);
            }
        }
        if self.grants.is_empty() {
            self.talks.unsound(true);
        }
    }

    /// A connection carries no answers any more: it is gone, or its registration is, perhaps because it is dead; or the first one
    /// that is registered carries them now. Each 2xx without ACK has its time again over the next one, from `anew` on.
    pub(super) fn answers_move(&mut self, now: Instant, anew: Instant) {
        self.talks.moved(anew);
        for served in self.servers.values_mut() {
            if matches!(served.said, Some((200..300, _, _))) {
                served.moved = Some(now);
            }
        }
    }

    /// After each step: nothing that had to be said is left.
    pub(super) fn settled(&mut self) -> Verdict {
        let left = std::mem::take(&mut self.due);
        check(left.is_empty(), || format!("not said: {left:?}"))
    }

    /// Transactions whose time is over.
    pub(super) fn expire(&mut self, now: Instant) {
        self.clients.retain(|key, client| {
            let end = match (client.accepted, client.cancelled) {
                (Some(at), _) | (None, Some(at)) => at + TRANSACTION,
                _ if key.1 == "INVITE" && client.provisional => {
                    client.since + PATIENCE + TRANSACTION
                }
                _ => client.since + TRANSACTION,
            };
            let stays = now <= end;
            if !stays {
                self.talks.forget_offer(&client.name, key);
                match key.1.as_str() {
                    "BYE" => self.talks.bye_missed(&client.name),
                    "SUBSCRIBE" => {
                        let asked = (&client.name, client.since);
                        self.listens.unanswered(asked, &client.event, false, now);
                    }
                    _ => {}
                }
            }
            stays
        });
    }

    /// What has been pending for too long, beside how much the session has pending by its own count.
    pub(super) fn at_rest(&mut self, requests: usize, served: usize, now: Instant) -> Verdict {
        self.expire(now);
        let mut silent = None;
        self.servers.retain(|key, it| {
            let patience = match (&it.said, it.initial) {
                (Some((_, _, at)), _) => {
                    // Also where our user has hung up meanwhile: its 2xx waits for a connection, and the goodbye for its ACK.
                    let anew = it.moved.map(|moved| moved + PATIENCE + CALLER_PATIENCE);
                    return now <= anew.map_or(*at, |anew| anew.max(*at)) + TRANSACTION;
                }
                (None, true) => PATIENCE,
                (None, false) => TRANSACTION,
            };
            let spare = match (it.blind, it.initial) {
                (false, _) => Duration::ZERO,
                // An answer that no connection carried waits for one as long as who asked waits for it; the dialog outlives the
                // connection too, and with it what the user said to a request in it meanwhile.
                (true, _) => CALLER_PATIENCE,
            };
            let stays = now <= it.since + patience + spare;
            if !stays && !it.blind {
                silent = Some(key.1.clone());
            }
            stays
        });
        check(silent.is_none(), || {
            format!("{silent:?} was never answered")
        })?;
        check(requests <= self.clients.len(), || {
            format!(
                "{requests} requests wait in the session, and {} may: {:?}",
                self.clients.len(),
                self.clients.keys()
            )
        })?;
        check(served <= self.servers.len(), || {
            format!(
                "{served} requests are being answered by the session, and {} may: {:?}",
                self.servers.len(),
                self.servers.keys()
            )
        })?;
        let over: Vec<u8> = self
            .grants
            .iter()
            .filter(|(_, end)| **end <= now)
            .map(|(flow, _)| *flow)
            .collect();
        for flow in over {
            // Only because its refresh has no answer, or was refused.
            let asks = |(key, it): (&Key, &Client)| key.1 == "REGISTER" && it.flow == flow;
            let refused = self.refused.contains(&flow);
            check(refused || self.clients.iter().any(asks), || {
                format!("the registration of flow {flow} lapsed")
            })?;
            self.grants.remove(&flow);
            self.gruus.remove(&flow);
            // It is noticed with the next copy.
            self.answers_move(now, now + LONGEST_PAUSE);
            if self.grants.is_empty() {
                self.talks.unsound(false);
            }
        }
        self.listens.at_rest(self.talks.is_sound(), now)?;
        self.talks.at_rest(now)
    }
}
