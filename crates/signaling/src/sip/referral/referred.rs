//! One REFER of the far side, from its arrival until its last word was heard (RFC 3515, 2.4).

use std::collections::VecDeque;
use std::time::Instant;

use crate::call_id::CallId;
use crate::sip::auth::authorization::Authorization;
use crate::sip::call::headers::Guise;
use crate::sip::dialog::Dialog;
use crate::sip::flow_id::FlowId;
use crate::sip::referral::wanted::Wanted;
use crate::sip::transaction::server::ServerKey;

/// Referrals that may follow one another, each within the call that the one before led to.
pub(in crate::sip) const MOST_IN_A_ROW: u8 = 5;
/// Most that are under way at a time.
pub(in crate::sip) const MOST: usize = 16;
/// Most of one call that are.
pub(in crate::sip) const MOST_OF_CALL: usize = 4;

/// A REFER that our user may carry out. It lives on when its call ends: who transfers often hangs up at once.
#[derive(Debug)]
pub(in crate::sip) struct Referred {
    pub(in crate::sip) wanted: Wanted,
    /// The call that it is about.
    pub(in crate::sip) call: Option<CallId>,
    /// It came within a call's own dialog, whose numbers it shares.
    pub(in crate::sip) shares: bool,
    /// Where its NOTIFYs go; of a shared dialog a copy that is kept in step.
    pub(in crate::sip) dialog: Dialog,
    pub(in crate::sip) flow: FlowId,
    pub(in crate::sip) auth: Authorization,
    /// How many came before it in a row.
    pub(in crate::sip) depth: u8,
    /// How our address reads in that dialog; our user may hide in the call that it came within.
    pub(in crate::sip) guise: Guise,
    pub(in crate::sip) stage: Stage,
    pub(in crate::sip) telling: Telling,
    /// Value of Event in its NOTIFYs.
    pub(in crate::sip) event: String,
    /// Number of the REFER, by which its subscription may be named though its NOTIFYs do not (RFC 3515, 2.4.6).
    pub(in crate::sip) cseq: u32,
    /// When the subscription ends by itself.
    pub(in crate::sip) ends: Instant,
    /// What the far side has not been told, the oldest first: never more than one provisional status and the final one.
    queue: VecDeque<Notice>,
    /// The NOTIFY that has no answer.
    out: Option<Notice>,
    /// The last status, also when nobody asked for it.
    last: Notice,
    /// Anything was told yet.
    begun: bool,
}

/// How far it is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sip) enum Stage {
    /// The user has not said anything.
    Asked,
    /// That call does it.
    Carried(CallId),
    /// There is a final status.
    Done,
}

/// Who hears of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sip) enum Telling {
    /// NOTIFYs tell.
    Subscribed,
    /// RFC 4488: no NOTIFYs; the answer to the REFER waits for the user's word.
    Owed(ServerKey),
    /// Nobody.
    Nobody,
}

/// One NOTIFY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sip) struct Notice {
    pub(in crate::sip) status: u16,
    pub(in crate::sip) reason: String,
    /// Reason of `terminated`.
    pub(in crate::sip) over: Option<&'static str>,
}

impl Referred {
    pub(in crate::sip) fn new(
        wanted: Wanted,
        dialog: Dialog,
        shares: bool,
        depth: u8,
        flow: FlowId,
        ends: Instant,
    ) -> Self {
        let guise = Guise {
            hides: false,
            secure: dialog.secure,
        };
        Self {
            wanted,
            call: None,
            shares,
            dialog,
            flow,
            auth: Authorization::default(),
            depth,
            guise,
            stage: Stage::Asked,
            telling: Telling::Nobody,
            event: "refer".to_owned(),
            cseq: 0,
            ends,
            queue: VecDeque::new(),
            out: None,
            last: Notice {
                status: 100,
                reason: String::new(),
                over: None,
            },
            begun: false,
        }
    }

    /// Whether a SUBSCRIBE's Event, without spaces, is about it.
    pub(in crate::sip) fn has_event(&self, event: &str) -> bool {
        self.event.eq_ignore_ascii_case(event)
            || event.eq_ignore_ascii_case(&format!("refer;id={}", self.cseq))
    }

    /// Notes a status that is to be told. The same one again says nothing, nor one after the final one.
    pub(in crate::sip) fn note(&mut self, status: u16, reason: &str) {
        let is_final = status >= 200;
        let known = self.last.status;
        if self.stage == Stage::Done || known >= 200 {
            return;
        }
        if known == status && std::mem::replace(&mut self.begun, true) {
            return;
        }
        if is_final {
            self.stage = Stage::Done;
        }
        self.last = Notice {
            status,
            reason: reason.to_owned(),
            over: is_final.then_some("noresource"),
        };
        let last = self.last.clone();
        self.queue_up(last);
    }

    /// The subscriber is told how it stands, though nothing changed (RFC 6665, 4.2.1.2).
    pub(in crate::sip) fn note_again(&mut self, over: Option<&'static str>) {
        let notice = Notice {
            over: over.or(self.last.over),
            ..self.last.clone()
        };
        self.queue_up(notice);
    }

    fn queue_up(&mut self, notice: Notice) {
        if self.telling != Telling::Subscribed {
            return;
        }
        self.queue.retain(|waiting| waiting.over.is_some());
        self.queue.push_back(notice);
        self.queue.truncate(2);
    }

    /// The next NOTIFY, unless one is out.
    pub(in crate::sip) fn next(&mut self) -> Option<Notice> {
        if self.out.is_some() {
            return None;
        }
        self.out = self.queue.pop_front();
        self.out.clone()
    }

    /// The NOTIFY that is out was taken, or refused for good.
    pub(in crate::sip) fn on_told(&mut self) {
        let last = self.out.take();
        if last.is_some_and(|notice| notice.over.is_some()) {
            self.hush();
        }
    }

    /// The NOTIFY that is out is to be said again.
    pub(in crate::sip) fn on_unheard(&mut self) {
        if let Some(notice) = self.out.take() {
            self.queue.push_front(notice);
        }
    }

    /// Nobody listens any more.
    pub(in crate::sip) fn hush(&mut self) {
        self.telling = Telling::Nobody;
        self.queue.clear();
    }

    /// Nothing about it is under way any more.
    pub(in crate::sip) fn is_over(&self) -> bool {
        self.stage == Stage::Done && self.out.is_none() && self.queue.is_empty()
    }
}
