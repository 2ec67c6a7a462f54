//! The dialogs of one user agent, judged by the wire: offers one at a time, session timers, goodbyes, life after a lost connection.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::sip::message::{Message, param};
use crate::sip::name::Name;
use crate::sip::transactions::Key;
use crate::sip::watch::{LONGEST_PAUSE, TRANSACTION, Verdict, check};

/// How long an offer waits for the user.
const UNTAKEN: Duration = Duration::from_secs(10);

/// An agreed session timer.
#[derive(Clone, Copy, Debug)]
struct Timer {
    interval: Duration,
    /// The user agent refreshes.
    ours: bool,
    since: Instant,
    /// It has asked for a refresh since then.
    asked: bool,
}

/// A 491 that was heard.
#[derive(Clone, Copy, Debug)]
struct Glare {
    at: Instant,
    in_a_row: u8,
    waits: bool,
}

/// One dialog with its 2xx.
#[derive(Debug)]
struct Talk {
    /// The user agent placed the call.
    caller: bool,
    over: bool,
    /// An offer of the user agent, or a re-INVITE, that has no final answer.
    ours: Option<Key>,
    /// The same of the far side.
    theirs: Option<Key>,
    /// Its 2xx without ACK: the number of the INVITE, and since when.
    unacked: Option<(u32, Instant)>,
    /// A connection was lost since then: the 2xx has its time again over the next one.
    moved: Option<Instant>,
    glare: Option<Glare>,
    timer: Option<Timer>,
    /// There was no connection at all, and nothing has been said since.
    adrift: bool,
    /// The user was told of the end, and the far side was not.
    owed_bye: Option<Instant>,
}

/// How long a refresh or a goodbye may be put off by what is in its way.
const PATIENCE: Duration = Duration::from_secs(45);
/// So often an offer that meets theirs is made again.
const MOST_GLARES: u8 = 5;

/// All dialogs of one user agent.
#[derive(Debug, Default)]
pub(super) struct Talks {
    talks: BTreeMap<Name, Talk>,
    /// Early dialogs whose offer came from the far side.
    exchanged: BTreeSet<Name>,
    /// Dialogs whose 2xx held an offer that waits for the user.
    owed: BTreeMap<Name, Instant>,
    /// Calls whose end the user knows, by their Call-ID.
    ended: BTreeSet<String>,
    /// Goodbyes that were said, and whether they may be said again.
    byes: BTreeMap<Name, bool>,
    /// Goodbyes that did not arrive.
    missed: BTreeSet<Name>,
    /// Goodbyes that the next connection has to carry, unless it comes too late for them.
    unsaid: BTreeMap<Name, Instant>,
    /// Dialogs that the far side may still have after all that could be done.
    unheard: BTreeSet<Name>,
    /// Goodbyes of the far side.
    heard_byes: BTreeSet<Name>,
    /// Calls of theirs that rang with a Call-ID and have not ended: one may come twice, by two ways.
    begun: BTreeMap<String, u32>,
    /// Calls of theirs whose 2xx may have gone nowhere.
    unseen: BTreeSet<String>,
    /// Something has carried what it says since then.
    sound: Option<Instant>,
}

impl Talks {
    pub(super) fn has_ended(&self, call_id: &str) -> bool {
        self.ended.contains(call_id)
    }

    /// The far side's offer came before its answer, so that our 2xx and ACK hold none.
    pub(super) fn has_exchanged(&self, name: &Name) -> bool {
        self.exchanged.contains(name)
    }

    pub(super) fn exchange(&mut self, name: &Name) {
        self.exchanged.insert(name.clone());
    }

    /// A call of theirs begins for the user.
    pub(super) fn rings(&mut self, call_id: &str) {
        *self.begun.entry(call_id.to_owned()).or_default() += 1;
        self.ended.remove(call_id);
    }

    pub(super) fn begins_unseen(&mut self, call_id: &str) {
        self.unseen.insert(call_id.to_owned());
    }

    pub(super) fn is_owed(&self, name: &Name) -> bool {
        self.owed.contains_key(name)
    }

    pub(super) fn owes_ack(&mut self, name: &Name, now: Instant) {
        self.owed.insert(name.clone(), now);
    }

    /// Whether something carries what it says.
    pub(super) fn is_sound(&self) -> bool {
        self.sound.is_some()
    }

    /// The first registration that holds.
    pub(super) fn sound(&mut self, now: Instant) {
        self.sound = Some(now);
    }

    /// A connection is gone.
    pub(super) fn moved(&mut self, now: Instant) {
        for talk in self.talks.values_mut() {
            talk.moved = Some(now);
        }
    }

    /// The last one is gone.
    pub(super) fn unsound(&mut self, lost: bool) {
        self.sound = None;
        if lost {
            // Their ACKs wait for another copy of the 2xx.
            self.owed.clear();
        }
        for (name, talk) in self.talks.iter_mut().filter(|_| lost) {
            talk.adrift = true;
            if self.ended.contains(&name.call_id) {
                talk.over = true;
                self.byes.insert(name.clone(), true);
                self.unheard.insert(name.clone());
            }
        }
    }

    /// The user was told that the call is over.
    pub(super) fn told_end(&mut self, call_id: &str, by_network: bool, now: Instant) {
        if let Some(begun) = self.begun.get_mut(call_id) {
            *begun = begun.saturating_sub(1);
            if *begun > 0 {
                // The same call came twice, by two ways, and goes on.
                return;
            }
        }
        self.ended.insert(call_id.to_owned());
        for (name, talk) in &mut self.talks {
            if name.call_id == call_id && !talk.over {
                talk.owed_bye = self.sound.map(|_| now).filter(|_| !by_network);
                if talk.owed_bye.is_none() {
                    // Nobody can be told for now, and perhaps never.
                    talk.over = true;
                    self.byes.insert(name.clone(), true);
                    if by_network || talk.unacked.is_some() {
                        self.unheard.insert(name.clone());
                    } else {
                        self.unsaid.insert(name.clone(), now + TRANSACTION);
                    }
                }
            }
        }
    }

    /// A 2xx makes a dialog.
    pub(super) fn begins(
        &mut self,
        name: &Name,
        caller: bool,
        message: &Message<'_>,
        now: Instant,
    ) {
        let talk = Talk {
            caller,
            over: false,
            ours: None,
            theirs: None,
            unacked: None,
            moved: None,
            glare: None,
            timer: None,
            adrift: false,
            owed_bye: None,
        };
        self.talks.insert(name.clone(), talk);
        self.agree(name, caller, message, now);
    }

    /// What a 2xx says of the session's timer.
    fn agree(&mut self, name: &Name, asked: bool, message: &Message<'_>, now: Instant) {
        let Some(talk) = self.talks.get_mut(name) else {
            return;
        };
        let line = message.get("Session-Expires");
        let seconds = line.split(';').next().and_then(|text| text.parse().ok());
        let uas = param(line, "refresher") == "uas";
        talk.timer = match seconds {
            Some(seconds) => Some(Timer {
                interval: Duration::from_secs(seconds),
                ours: asked != uas,
                since: now,
                asked: false,
            }),
            // One who asked may go on alone (RFC 4028, 7.2).
            None => talk
                .timer
                .filter(|timer| asked && timer.ours)
                .map(|timer| Timer {
                    since: now,
                    asked: false,
                    ..timer
                }),
        };
    }

    // ---- what the user agent says ----

    pub(super) fn offers(
        &mut self,
        name: &Name,
        key: &Key,
        message: &Message<'_>,
        now: Instant,
    ) -> Verdict {
        let Some(talk) = self.talks.get_mut(name) else {
            return check(name.far.is_empty(), || {
                format!("{} within no dialog", key.1)
            });
        };
        check(!talk.over, || format!("{} after the goodbye", key.1))?;
        if let Some(timer) = &mut talk.timer {
            timer.asked = true;
        }
        talk.adrift = false;
        if key.1 == "UPDATE" && !message.has_sdp() {
            return Ok(());
        }
        check(talk.ours.is_none(), || {
            format!("{} while another one of ours is out", key.1)
        })?;
        check(talk.theirs.is_none() && talk.unacked.is_none(), || {
            format!("{} while one of theirs is open", key.1)
        })?;
        talk.ours = Some(key.clone());
        // Enough of them: that one was given up, and the user told. What is wanted next is another.
        if talk.glare.is_some_and(|glare| glare.in_a_row > MOST_GLARES) {
            talk.glare = None;
        }
        if let Some(glare) = &mut talk.glare
            && std::mem::take(&mut glare.waits)
        {
            let least = if talk.caller { 2_100 } else { 0 };
            let waited = now - glare.at;
            check(waited >= Duration::from_millis(least), || {
                format!("{} came again {waited:?} after a 491", key.1)
            })?;
        }
        Ok(())
    }

    pub(super) fn says_bye(&mut self, name: &Name, now: Instant) -> Verdict {
        let before = self.byes.insert(name.clone(), false);
        self.unsaid.remove(name);
        self.unheard.remove(name);
        let Some(talk) = self.talks.get_mut(name) else {
            let fits = before == Some(true) || self.unseen.contains(&name.call_id);
            return check(fits, || "a BYE within no dialog".to_owned());
        };
        talk.over = true;
        talk.owed_bye = None;
        let early = talk.unacked.filter(|(_, since)| now < *since + TRANSACTION);
        let unseen = self.unseen.contains(&name.call_id);
        check(talk.caller || early.is_none() || unseen, || {
            "a BYE of the callee before the ACK".to_owned()
        })?;
        check(!self.owed.contains_key(name), || {
            "a BYE before the ACK of their 2xx".to_owned()
        })
    }

    /// The connection of a goodbye was lost before its answer.
    pub(super) fn bye_lost(&mut self, name: &Name, said: Instant) {
        if self.may_bye_again(name) {
            self.unsaid.insert(name.clone(), said + TRANSACTION);
        }
    }

    /// A goodbye was challenged, or its connection was lost.
    /// Gives back whether it has to be: not where theirs has come meanwhile.
    pub(super) fn may_bye_again(&mut self, name: &Name) -> bool {
        match self.byes.get_mut(name) {
            Some(may) => {
                *may = true;
                !self.heard_byes.contains(name)
            }
            None => false,
        }
    }

    /// A goodbye did not arrive.
    pub(super) fn bye_missed(&mut self, name: &Name) {
        self.missed.insert(name.clone());
        self.unheard.insert(name.clone());
    }

    /// Whether the far side may still have it after all that could be done.
    pub(super) fn is_unheard(&self, name: &Name) -> bool {
        self.unheard.contains(name)
    }

    /// The same of any dialog with that Call-ID.
    pub(super) fn has_unheard(&self, call_id: &str) -> bool {
        self.unheard.iter().any(|name| name.call_id == call_id)
    }

    /// Their 2xx came, anew or again, after a goodbye that did not arrive: whoever says it still has the call. `true`: another
    /// goodbye is due.
    pub(super) fn answers_after(&mut self, name: &Name) -> bool {
        let missed = self.missed.remove(name);
        if missed {
            self.byes.insert(name.clone(), true);
        }
        missed && !self.heard_byes.contains(name)
    }

    /// Whether either side has said goodbye.
    pub(super) fn is_over(&self, name: &Name) -> bool {
        self.byes.contains_key(name) || self.heard_byes.contains(name)
    }

    /// A final answer of the user agent.
    pub(super) fn answers(
        &mut self,
        name: &Name,
        key: &Key,
        initial: bool,
        message: &Message<'_>,
        cseq: u32,
        now: Instant,
    ) {
        let taken = message.status().is_some_and(|status| status < 300);
        let method = message.method();
        if taken && method == "INVITE" && self.unsaid.remove(name).is_some() {
            // It was taken before the end, and could not be said: the goodbye waits for its ACK.
            self.unheard.insert(name.clone());
        }
        if taken && initial {
            self.begins(name, false, message, now);
        } else if taken && matches!(method, "INVITE" | "UPDATE") {
            self.agree(name, false, message, now);
        }
        if let Some(talk) = self.talks.get_mut(name) {
            if talk.theirs.as_ref() == Some(key) {
                talk.theirs = None;
            }
            if taken && method == "INVITE" {
                talk.unacked = Some((cseq, now));
                talk.moved = None;
            }
        }
    }

    // ---- what it hears ----

    /// A re-INVITE or an UPDATE with an offer. `true`: it has to be refused.
    pub(super) fn heard_offer(&mut self, name: &Name, key: &Key) -> bool {
        let Some(talk) = self.talks.get_mut(name).filter(|talk| !talk.over) else {
            return false;
        };
        if talk.ours.is_some() || talk.theirs.is_some() || talk.unacked.is_some() {
            return true;
        }
        talk.theirs = Some(key.clone());
        // Ours comes after it.
        talk.glare = None;
        false
    }

    pub(super) fn heard_ack(&mut self, name: &Name, cseq: u32) {
        if let Some(talk) = self.talks.get_mut(name)
            && talk.unacked.is_some_and(|(waits, _)| waits == cseq)
        {
            talk.unacked = None;
            talk.adrift = false;
        }
    }

    pub(super) fn heard_bye(&mut self, name: &Name) {
        self.owed.remove(name);
        self.unsaid.remove(name);
        self.heard_byes.insert(name.clone());
        if let Some(talk) = self.talks.get_mut(name) {
            talk.over = true;
            talk.owed_bye = None;
        }
    }

    /// The final answer to a re-INVITE or UPDATE.
    pub(super) fn heard_final(
        &mut self,
        name: &Name,
        key: &Key,
        message: &Message<'_>,
        status: u16,
        offer: bool,
        now: Instant,
    ) {
        self.forget_offer(name, key);
        if status < 300 {
            self.agree(name, true, message, now);
        }
        let Some(talk) = self.talks.get_mut(name) else {
            return;
        };
        match status {
            491 if offer || key.1 == "INVITE" => {
                let in_a_row = talk.glare.map_or(0, |glare| glare.in_a_row) + 1;
                talk.glare = Some(Glare {
                    at: now,
                    in_a_row,
                    waits: true,
                });
            }
            401 | 407 => {}
            200..300 => {
                // Whatever was owed after a new connection is in it.
                talk.glare = None;
                talk.adrift = false;
            }
            _ => talk.glare = None,
        }
    }

    /// It has its answer, or will never have one.
    pub(super) fn forget_offer(&mut self, name: &Name, key: &Key) {
        if let Some(talk) = self.talks.get_mut(name)
            && talk.ours.as_ref() == Some(key)
        {
            talk.ours = None;
        }
    }

    /// Its answer may have gone nowhere. It refreshes the session all the same, and the user may have given it only now.
    pub(super) fn forget_theirs(&mut self, name: &Name, key: &Key, now: Instant) {
        if let Some(talk) = self.talks.get_mut(name)
            && talk.theirs.as_ref() == Some(key)
        {
            talk.theirs = None;
            if let Some(timer) = &mut talk.timer {
                timer.since = now + UNTAKEN;
            }
        }
    }

    /// The user's answer went out with the ACK.
    pub(super) fn acked(&mut self, name: &Name) {
        self.owed.remove(name);
    }

    // ---- time ----

    pub(super) fn at_rest(&mut self, now: Instant) -> Verdict {
        self.talks.retain(|_, talk| !talk.over);
        let sound = self.sound;
        let sound_for = |span: Duration| sound.is_some_and(|since| since + span < now);
        let late = self
            .owed
            .values()
            .any(|since| *since + Duration::from_secs(11) < now);
        check(!late, || "a 2xx with an offer has no ACK".to_owned())?;
        let over = self.unsaid.iter().filter(|(_, until)| **until <= now);
        let over: Vec<Name> = over.map(|(name, _)| name.clone()).collect();
        for name in over {
            self.unsaid.remove(&name);
            self.unheard.insert(name);
        }
        check(self.unsaid.is_empty() || sound.is_none(), || {
            format!("a goodbye that was not said again: {:?}", self.unsaid)
        })?;
        for (name, talk) in &self.talks {
            let call = || format!("in {} ({})", name.call_id, name.far);
            let ended = self.ended.contains(&name.call_id);
            // It waits for the ACK, which has its time again from the next copy of the answer on.
            let moved = talk.moved.filter(|_| talk.unacked.is_some());
            if let Some(since) = talk
                .owed_bye
                .map(|since| moved.map_or(since, |at| at.max(since) + LONGEST_PAUSE))
                && now > since + TRANSACTION + Duration::from_secs(1)
            {
                let held = sound.is_some_and(|sound| sound <= since);
                check(!held, || format!("no goodbye {}", call()))?;
            }
            if ended {
                continue;
            }
            let free = talk.ours.is_none() && talk.theirs.is_none() && talk.unacked.is_none();
            check(!(talk.adrift && free && sound_for(PATIENCE)), || {
                format!("no word after the connection came back {}", call())
            })?;
            if let Some(timer) = talk.timer {
                check(
                    now <= timer.since + timer.interval + Duration::from_secs(1),
                    || format!("the session outlived its timer {}", call()),
                )?;
                let due = timer.since + timer.interval / 2 + PATIENCE;
                let missing = timer.ours && !timer.asked && now > due && free;
                let held = sound.is_some_and(|sound| sound + PATIENCE < due);
                check(!(missing && held), || {
                    format!("the session was not refreshed {}", call())
                })?;
            }
            if let Some(glare) = talk.glare
                && glare.waits
                && glare.in_a_row <= MOST_GLARES
                && free
            {
                let most = glare.at + Duration::from_millis(4_100);
                check(now <= most || !sound_for(now - glare.at), || {
                    format!("no offer again after a 491 {}", call())
                })?;
            }
            if let Some((_, since)) = talk.unacked {
                let since = talk.moved.map_or(since, |moved| moved.max(since));
                let late = now > since + TRANSACTION + Duration::from_secs(1);
                check(!(late && sound_for(TRANSACTION + PATIENCE)), || {
                    format!("no end without an ACK {}", call())
                })?;
            }
        }
        Ok(())
    }

    /// Dialogs that have no goodbye, by their Call-ID.
    pub(super) fn left(&self) -> Vec<&str> {
        self.talks
            .iter()
            .filter(|(_, talk)| !talk.over)
            .map(|(name, _)| name.call_id.as_str())
            .collect()
    }
}
