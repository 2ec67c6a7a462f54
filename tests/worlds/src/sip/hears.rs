//! The wire of one user agent: what it hears, and what that makes it owe.

use std::time::{Duration, Instant};

use crate::sip::message::{Message, param};
use crate::sip::name::Name;
use crate::sip::transactions::{Due, Key, Served};
use crate::sip::watch::{TRANSACTION, Watch};

impl Watch {
    pub(super) fn heard(&mut self, flow: u8, text: &str, now: Instant) {
        self.expire(now);
        let Some(message) = Message::read(text) else {
            return;
        };
        match message.status() {
            Some(status) => self.heard_answer(flow, &message, status, now),
            None => self.heard_request(flow, &message, now),
        }
    }

    fn heard_request(&mut self, flow: u8, message: &Message<'_>, now: Instant) {
        let method = message.method();
        let name = Name::of_heard(message);
        let key = (message.branch().to_owned(), method.to_owned());
        if method == "ACK" {
            let invite = (key.0, "INVITE".to_owned());
            let refused = |it: &Served| matches!(it.said, Some((300.., _, _)));
            if self.servers.get(&invite).is_some_and(refused) {
                self.servers.remove(&invite);
            }
            return self.talks.heard_ack(&name, message.cseq());
        }
        if self.servers.contains_key(&key) {
            return;
        }
        let initial = method == "INVITE" && name.near.is_empty();
        if matches!(method, "INVITE" | "UPDATE")
            && !initial
            && (message.has_sdp() || method == "INVITE")
            && self.talks.heard_offer(&name, &key)
        {
            self.due.push(Due::Refusal(key.clone()));
        }
        match method {
            "NOTIFY" if !message.get("Event").starts_with("refer") => {
                self.listens.hears_notice(flow, &key, &name, message);
            }
            "PRACK" => {
                let rack: Vec<_> = message.get("RAck").split(' ').collect();
                for served in self.servers.values_mut() {
                    if served.initial
                        && served.name.call_id == name.call_id
                        && served.name.far == name.far
                        && let Some((last, _, acked)) = &mut served.rseq
                    {
                        let named = rack.first() == Some(&last.to_string().as_str());
                        *acked |= named;
                        if let Some(answered) = &mut served.early {
                            *answered |= named && message.has_sdp();
                        }
                    }
                }
            }
            "BYE" => {
                self.ended.insert(name.call_id.clone());
                self.due.push(Due::Answer(key.clone()));
            }
            "CANCEL" => {
                self.ended.insert(name.call_id.clone());
                let invite = (key.0.clone(), "INVITE".to_owned());
                let open = |it: &Served| it.said.is_none() && !it.blind;
                if self.servers.get(&invite).is_some_and(open) {
                    self.due.push(Due::Answer(invite));
                }
                self.due.push(Due::Answer(key.clone()));
            }
            _ => {}
        }
        self.servers.insert(
            key,
            Served {
                name,
                cseq: message.cseq(),
                initial,
                offer: message.has_sdp(),
                flow,
                since: now,
                blind: false,
                said: None,
                moved: None,
                reliable: message.lists("Require", "100rel"),
                rseq: None,
                early: None,
                rang: false,
            },
        );
    }

    fn heard_answer(&mut self, flow: u8, message: &Message<'_>, status: u16, now: Instant) {
        let key = (message.branch().to_owned(), message.method().to_owned());
        let Some(client) = self.clients.get_mut(&key) else {
            return;
        };
        let name = Name::of_sent(message);
        let method = key.1.as_str();
        if status < 200 {
            if client.accepted.is_some() {
                return;
            }
            client.provisional = true;
            let rseq = message.number("RSeq");
            let rseq = rseq.filter(|_| message.lists("Require", "100rel"));
            if let (Some(rseq), "INVITE") = (rseq, method) {
                let last = client.rseqs.get(&name.far).copied();
                let next = last.is_none_or(|last| rseq == last + 1);
                let known = next || last == Some(rseq);
                let in_turn = next | (known && self.lost_pracks.remove(&name));
                let open = client.cancelled.is_none() && !self.talks.has_ended(&name.call_id);
                if in_turn && open {
                    client.rseqs.insert(name.far.clone(), rseq);
                    let first = !self.talks.has_exchanged(&name);
                    if message.has_sdp() && !client.offer && first {
                        self.talks.exchange(&name);
                    } else {
                        let rack = format!("{rseq} {} INVITE", client.cseq);
                        self.due.push(Due::Prack(name, rack));
                    }
                }
            }
            return;
        }
        if method == "INVITE" && status < 300 {
            return self.heard_accepted(&key, &name, message, now);
        }
        let (invite_name, offer) = (client.name.clone(), client.offer);
        let event = client.event.clone();
        if status == 407 {
            self.again.insert(name.call_id.clone());
        }
        if method == "INVITE" {
            // Its ACK takes it away.
            client.refused = Some(status);
            self.ended.insert(name.call_id.clone());
            if let (503, Some(pause)) = (status, message.number("Retry-After")) {
                self.avoided = Some(now + Duration::from_secs(pause.into()));
            }
            self.due.push(Due::RefusalAck(key.clone()));
        } else {
            self.clients.remove(&key);
        }
        if method == "BYE" && status == 407 {
            if self.talks.may_bye_again(&invite_name) {
                self.due.push(Due::Bye(invite_name));
            }
            return;
        }
        if method == "BYE" && status >= 300 && status != 481 {
            self.talks.bye_missed(&invite_name);
        }
        if method == "SUBSCRIBE" {
            let asked = (&invite_name, event.as_str());
            return self.listens.hears_answer(flow, asked, message, status, now);
        }
        if method == "REGISTER" {
            return self.heard_registrar(flow, message, status, now);
        }
        if matches!(method, "INVITE" | "UPDATE") {
            self.talks
                .heard_final(&invite_name, &key, message, status, offer, now);
        }
    }

    fn heard_accepted(&mut self, key: &Key, name: &Name, message: &Message<'_>, now: Instant) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        if client.refused.is_some() {
            return;
        }
        let within = !client.name.far.is_empty();
        let first = client.accepted.is_none();
        let accepted = *client.accepted.get_or_insert(now);
        if self.talks.is_owed(name) {
            // Its ACK waits for our user.
            return;
        }
        if now >= accepted + TRANSACTION {
            // Timer M fires at this very instant.
            return;
        }
        self.due.push(Due::Ack(name.clone(), client.cseq));
        let known = client.tags.contains(&name.far);
        if !known {
            client.tags.push(name.far.clone());
        }
        let ended = self.talks.has_ended(&name.call_id);
        if within {
            let offer = client.offer;
            self.talks.heard_final(name, key, message, 200, offer, now);
        }
        if within || known {
            if self.talks.answers_after(name) {
                self.due.push(Due::Bye(name.clone()));
            }
            return;
        }
        let wanted = first && !ended && client.cancelled.is_none();
        if !client.offer && wanted {
            // The answer to its offer is our user's.
            if !self.talks.has_exchanged(name) {
                self.due.pop();
                self.talks.owes_ack(name, now);
            }
        }
        if !wanted {
            self.due.push(Due::Bye(name.clone()));
        }
        self.talks.begins(name, true, message, now);
    }

    fn heard_registrar(&mut self, flow: u8, message: &Message<'_>, status: u16, now: Instant) {
        match status {
            200..=299 => {
                let contact = message.all("Contact").next().unwrap_or_default();
                if let Some((_, gruu)) = contact.split_once("pub-gruu=\"") {
                    let gruu = gruu.trim_end_matches('"').to_owned();
                    self.gruus.insert(flow, gruu);
                }
                let expires = param(contact, "expires");
                let Ok(expires) = expires.parse() else {
                    self.grants.remove(&flow);
                    return;
                };
                if self.grants.is_empty() {
                    self.talks.sound(now);
                    self.answers_move(now, now);
                }
                if !self.grants.contains_key(&flow) && !self.registered.insert(flow) {
                    self.listens.registered_again();
                }
                self.grants.insert(flow, now + Duration::from_secs(expires));
                self.refused.remove(&flow);
                self.paces.remove(&flow);
            }
            401 | 407 | 423 | 420 | 439 => self.paces.entry(flow).or_default().amends = true,
            // What was granted before holds on.
            _ => {
                self.refused.insert(flow);
                let pace = self.paces.entry(flow).or_default();
                let named = message.number("Retry-After");
                pace.named = named.map(|pause| now + Duration::from_secs(pause.into()));
                pace.failed(&self.backoff, now);
                if named == Some(0) && pace.is_first() {
                    pace.earliest = None;
                }
            }
        }
    }
}
