//! What far ends want us to call in their place (REFER, RFC 3515), and our own presence (RFC 3903).

use std::sync::Arc;
use std::time::Instant;

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::Party;

use crate::call::state::{Ringback, Shown, Sounding};
use crate::core::check::check_text;
use crate::core::machine::{Core, Phase};
use crate::error::Error;
use crate::event::{Event, EventKind};
use crate::output::{AccountKey, CallMedia, Output};
use crate::protocol::Transfers;

/// Status for whoever may not send us elsewhere.
const DECLINE: u16 = 603;
/// Status for a wish that has no room.
const BUSY: u16 = 486;
/// Wishes of an account that may wait for its user.
const MOST_REFERRALS: usize = 16;

/// A far end's wish that we call somebody else.
pub(super) struct Referral {
    /// Names the wish; also the call within which it came, if there is one.
    pub(super) call: CallId,
    pub(super) within: bool,
    pub(super) to: String,
    pub(super) by: Option<Party>,
    pub(super) replaces: bool,
}

impl Core {
    pub(super) fn on_referred(&mut self, account: AccountKey, wish: Referral, now: Instant) {
        let Some(entry) = self.accounts.get_mut(account.0) else {
            return;
        };
        let policy = entry.profile.transfers;
        let full = self.calls.len() >= self.max_calls || self.phase != Phase::Running;
        let id = wish.call.clone();
        let (mut followed_by, mut refused) = (None, None);
        match policy {
            _ if full || entry.referrals.len() >= MOST_REFERRALS => refused = Some(BUSY),
            Transfers::Refuse => refused = Some(DECLINE),
            // What comes without a call comes from somebody whom nobody here talks with.
            Transfers::Follow if wish.within => {
                let call = CallId::random(&mut self.rng);
                self.place_referred(account, call.clone(), &wish.to, id.clone(), now);
                followed_by = Some(call);
            }
            Transfers::Follow | Transfers::Ask => {
                entry.referrals.insert(id.clone(), wish.to.clone());
            }
        }
        if let Some(status) = refused {
            let call = id.clone();
            let refuse = Command::RefuseRefer { call, status };
            self.outbox.push_back(Output::Signaling(account, refuse));
        }
        let told = EventKind::Referred {
            to: wish.to,
            by: wish.by.map(|by| by.number),
            replaces: wish.replaces,
            followed_by,
            refused: refused.is_some(),
        };
        self.tell_of(account, Some(id), told, now);
    }

    /// Carries out what a far end wanted with `Referred`: a new call, whose name is returned. Its progress is told to the far end.
    ///
    /// # Errors
    /// When nobody wants anything under this name any more, or there are too many calls.
    pub fn follow(&mut self, wish: &CallId, now: Instant) -> Result<CallId, Error> {
        if self.calls.len() >= self.max_calls {
            return Err(Error::TooManyCalls {
                limit: self.max_calls,
            });
        }
        let (account, to) = self.take_referral(wish)?;
        let call = CallId::random(&mut self.rng);
        self.place_referred(account, call.clone(), &to, wish.clone(), now);
        Ok(call)
    }

    /// Refuses what a far end wanted with `Referred`.
    ///
    /// # Errors
    /// When nobody wants anything under this name any more, or the status refuses nothing.
    pub fn refuse_transfer(&mut self, wish: &CallId, sip_code: Option<u16>) -> Result<(), Error> {
        let status = sip_code.unwrap_or(DECLINE);
        if !(400..700).contains(&status) {
            return Err(Error::Unsendable {
                what: "the SIP status",
                why: format!("{status} refuses nothing: it has to be from 400 to 699"),
            });
        }
        let (account, _) = self.take_referral(wish)?;
        let call = wish.clone();
        let refuse = Command::RefuseRefer { call, status };
        self.outbox.push_back(Output::Signaling(account, refuse));
        Ok(())
    }

    /// Shows others whether calls are welcome (SIP), with words for people; the event `Published` follows.
    ///
    /// # Errors
    /// When the account is unknown or not ready, or the words are too long.
    pub fn publish(
        &mut self,
        account: Option<&str>,
        open: bool,
        note: Option<String>,
    ) -> Result<(), Error> {
        if let Some(note) = &note {
            check_text(note)?;
        }
        let account = self.find_ready(account)?;
        let command = Command::Publish { open, note };
        self.outbox.push_back(Output::Signaling(account, command));
        Ok(())
    }

    fn take_referral(&mut self, wish: &CallId) -> Result<(AccountKey, String), Error> {
        let found = self.accounts.iter_mut().enumerate();
        let taken = found
            .filter_map(|(key, entry)| Some((AccountKey(key), entry.referrals.remove(wish)?)))
            .next();
        taken.ok_or(Error::NoReferral)
    }

    fn place_referred(
        &mut self,
        account: AccountKey,
        call: CallId,
        to: &str,
        wish: CallId,
        now: Instant,
    ) {
        let Some(entry) = self.accounts.get(account.0) else {
            return;
        };
        let profile = &entry.profile;
        let shown = Shown {
            name: profile.caller_name.clone(),
            number: profile.caller_number.clone(),
            codecs: self.preferred_codecs.clone(),
            refer: Some(wish),
            ..Shown::default()
        };
        let sounding = Sounding {
            media: CallMedia::default(),
            muted: profile.start_muted,
            ringback: Ringback {
                tone: self.ringback,
                told: profile.protocol.tells_ringing(),
            },
        };
        self.place(account, call, to, shown, sounding, now);
    }

    /// Tells something about a call, or about what has a call's name.
    pub(super) fn tell_of(
        &mut self,
        account: AccountKey,
        call: Option<CallId>,
        kind: EventKind,
        now: Instant,
    ) {
        let Some(entry) = self.accounts.get(account.0) else {
            return;
        };
        self.outbox.push_back(Output::Event(Event {
            account: Arc::clone(&entry.profile.name),
            call,
            ids: None,
            at: entry.at(now),
            kind,
        }));
    }
}
