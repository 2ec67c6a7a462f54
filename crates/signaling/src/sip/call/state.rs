//! How far a call has come, in types.

use std::collections::VecDeque;
use std::time::Duration;

use crate::call_id::CallId;
use crate::sip::auth::authorization::Authorization;
use crate::sip::call::session_timer::SessionTimer;
use crate::sip::dialog::Dialog;
use crate::sip::flow_id::FlowId;
use crate::sip::message::outgoing::{Content, OutgoingRequest};
use crate::sip::transaction::server::ServerKey;

/// A call of one session.
#[derive(Debug)]
pub(in crate::sip) struct Call {
    pub(in crate::sip) id: CallId,
    pub(in crate::sip) flow: FlowId,
    pub(in crate::sip) auth: Authorization,
    /// Call-ID on the wire.
    pub(in crate::sip) sip_call_id: String,
    /// Smallest session interval that the way allows (RFC 4028, 7.4).
    pub(in crate::sip) least_session: Duration,
    pub(in crate::sip) phase: Phase,
}

/// `Over` is the only phase without a way out: the session forgets the call.
#[derive(Debug)]
pub(in crate::sip) enum Phase {
    Calling(Calling),
    Called(Box<Called>),
    Up(Box<Up>),
    /// The user has been told that it ended; the far side has not agreed yet.
    Leaving(Leaving),
    Over,
}

/// Our INVITE has no 2xx yet.
#[derive(Debug)]
pub(in crate::sip) struct Calling {
    /// The present INVITE's.
    pub(in crate::sip) branch: String,
    pub(in crate::sip) cseq: u32,
    /// It was sent without an offer.
    pub(in crate::sip) offerless: bool,
    /// Early dialogs.
    pub(in crate::sip) forks: Vec<Fork>,
    pub(in crate::sip) rang: bool,
    /// What was amended already, by status.
    pub(in crate::sip) amended: Vec<u16>,
    /// Where we were redirected to and have not tried (RFC 3261, 8.1.3.4), and how many were tried.
    pub(in crate::sip) redirects: VecDeque<String>,
    pub(in crate::sip) tried: Vec<String>,
}

/// One early dialog.
#[derive(Debug)]
pub(in crate::sip) struct Fork {
    pub(in crate::sip) dialog: Dialog,
    /// The last reliable provisional answer.
    pub(in crate::sip) rseq: Option<u32>,
    /// What the user was shown as its answer.
    pub(in crate::sip) answer: Option<String>,
    /// That answer came reliably: later ones do not count (RFC 6337, 3.1.1).
    pub(in crate::sip) reliable: bool,
}

/// The far side's INVITE has no answer yet.
#[derive(Debug)]
pub(in crate::sip) struct Called {
    pub(in crate::sip) key: ServerKey,
    pub(in crate::sip) dialog: Dialog,
    pub(in crate::sip) offerless: bool,
    pub(in crate::sip) session: Option<SessionTimer>,
    /// Provisional answers go reliably.
    pub(in crate::sip) reliably: bool,
    pub(in crate::sip) last_rseq: u32,
    /// A reliable provisional answer waits for its PRACK.
    pub(in crate::sip) unacked: Option<Unacked>,
    /// Status that the user refuses it with.
    pub(in crate::sip) refusal: Option<u16>,
    /// The call that this one is to replace (RFC 3891).
    pub(in crate::sip) replaces: Option<CallId>,
}

/// Something that is said again until the far side acknowledges it.
#[derive(Clone, Debug)]
pub(in crate::sip) struct Unacked {
    pub(in crate::sip) text: String,
    pub(in crate::sip) pause: Duration,
    /// RSeq of a provisional answer; CSeq of the INVITE of a 2xx.
    pub(in crate::sip) number: u32,
}

/// Both sides agreed on the call.
#[derive(Debug)]
pub(in crate::sip) struct Up {
    pub(in crate::sip) dialog: Dialog,
    /// We placed it: the owner of the Call-ID waits longer after glare (RFC 3261, 14.1).
    pub(in crate::sip) caller: bool,
    pub(in crate::sip) session: Option<SessionTimer>,
    /// Our 2xx has no ACK yet.
    pub(in crate::sip) unacked: Option<Unacked>,
    /// That 2xx held an offer: the ACK brings the answer.
    pub(in crate::sip) answer_in_ack: bool,
    /// The ACK of the last 2xx to an INVITE of ours, with that one's CSeq: repeated 2xx get it again.
    pub(in crate::sip) acked: Option<(u32, OutgoingRequest)>,
    /// A 2xx with an offer waits for our user's answer, which its ACK carries.
    pub(in crate::sip) owed_ack: Option<u32>,
    pub(in crate::sip) offer: Offer,
    /// How often in a row our offer met theirs.
    pub(in crate::sip) glares: u8,
    /// What waits until no offer is under way.
    pub(in crate::sip) wishes: VecDeque<Wish>,
    /// The description that we gave last.
    pub(in crate::sip) local_sdp: Option<String>,
    /// Digits that wait for the INFO before them.
    pub(in crate::sip) digits: VecDeque<char>,
    pub(in crate::sip) digit_out: bool,
    /// A REFER of ours is being carried out by the far side.
    pub(in crate::sip) refer: Option<Referral>,
}

/// A REFER of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sip) enum Referral {
    /// It has no answer.
    Asked,
    /// Accepted: NOTIFY tells how it goes.
    Accepted,
}

/// Who is offering what at present. Only one offer at a time (RFC 3264, 4).
#[derive(Debug)]
pub(in crate::sip) enum Offer {
    None,
    /// Our re-INVITE or UPDATE is out.
    Ours {
        kind: Wish,
    },
    /// The far side's waits for our user.
    Theirs {
        key: ServerKey,
        /// Number of their request, which the ACK repeats.
        cseq: u32,
        offerless: bool,
        session: Option<SessionTimer>,
    },
    /// Ours met theirs: it comes again after a pause.
    Waiting {
        kind: Wish,
    },
}

/// Something that needs the dialog's INVITE or UPDATE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sip) enum Wish {
    /// A new description of ours.
    Offer(String),
    /// The session's refresh.
    Refresh,
}

/// The user knows of the end; requests are still under way.
#[derive(Clone, Debug, Default)]
pub(in crate::sip) struct Leaving {
    /// Our INVITE's, cancelled or to be cancelled as soon as a provisional answer allows it.
    pub(in crate::sip) invite: Option<String>,
    pub(in crate::sip) cancelled: bool,
    /// Reason of that CANCEL.
    pub(in crate::sip) reason: Option<String>,
    /// A BYE is out, or waits for a connection.
    pub(in crate::sip) bye: Option<Box<Dialog>>,
    pub(in crate::sip) bye_sent: bool,
    /// What it says.
    pub(in crate::sip) goodbye: Content,
    /// Our 2xx has no ACK: the BYE waits for it.
    pub(in crate::sip) unacked: Option<Unacked>,
}

impl Call {
    /// The dialogs of the call, the confirmed one first.
    pub(in crate::sip) fn dialogs(&self) -> impl Iterator<Item = &Dialog> {
        let (one, many) = match &self.phase {
            Phase::Calling(calling) => (None, calling.forks.as_slice()),
            Phase::Called(called) => (Some(&called.dialog), [].as_slice()),
            Phase::Up(up) => (Some(&up.dialog), [].as_slice()),
            Phase::Leaving(leaving) => (leaving.bye.as_deref(), [].as_slice()),
            Phase::Over => (None, [].as_slice()),
        };
        one.into_iter().chain(many.iter().map(|fork| &fork.dialog))
    }

    /// Whether the user still knows it as a call.
    pub(in crate::sip) fn is_live(&self) -> bool {
        !matches!(self.phase, Phase::Leaving(_) | Phase::Over)
    }

    /// In a word, for messages.
    pub(in crate::sip) fn state_word(&self) -> &'static str {
        match &self.phase {
            Phase::Calling(_) => "not answered yet",
            Phase::Called(_) => "ringing here",
            Phase::Up(_) => "up",
            Phase::Leaving(_) | Phase::Over => "over",
        }
    }
}
