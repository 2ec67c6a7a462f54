//! How far a call has come, in types.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::call_id::CallId;
use crate::event::{Event, Party};
use crate::sip::auth::authorization::Authorization;
use crate::sip::call::headers::Guise;
use crate::sip::call::session_timer::SessionTimer;
use crate::sip::call::trickle::Trickle;
use crate::sip::config::DtmfInfo;
use crate::sip::dialog::Dialog;
use crate::sip::flow_id::FlowId;
use crate::sip::message::outgoing::{Content, OutgoingRequest, Payload};
use crate::sip::message::uri::Uri;
use crate::sip::session::core::Core;
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
    /// The REFER of the far side that this call carries out.
    pub(in crate::sip) refer: Option<CallId>,
    /// How many REFERs in a row led to it.
    pub(in crate::sip) depth: u8,
    /// Status that refused it, for the one who referred us.
    pub(in crate::sip) verdict: Option<u16>,
    /// How our address reads. A secure one's requests take TLS (RFC 3261, 12.2.1.1; RFC 7118, 9.2): without such a connection it has
    /// none.
    pub(in crate::sip) guise: Guise,
    /// The far side as the user was shown it.
    pub(in crate::sip) shown: Party,
    /// Candidates that follow the descriptions.
    pub(in crate::sip) trickle: Trickle,
    /// What the far side's last description says of its media ([`super::offers::media_of`]).
    pub(in crate::sip) their_media: u64,
    /// What is offered in place of an offer that is refused for what it describes.
    pub(in crate::sip) reserve: Option<String>,
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
    /// Whose early media was told last, by its tag.
    pub(in crate::sip) heard: Option<String>,
    pub(in crate::sip) rang: bool,
    /// What was amended already, by status.
    pub(in crate::sip) amended: Vec<u16>,
    /// Where we were redirected to and have not tried (RFC 3261, 8.1.3.4), and how many were tried.
    pub(in crate::sip) redirects: VecDeque<String>,
    pub(in crate::sip) tried: Vec<String>,
    /// Connections that could not carry it to its target.
    pub(in crate::sip) tried_flows: Vec<FlowId>,
    /// The last word on its way that was told.
    pub(in crate::sip) progress: u16,
    /// Early dialogs that ended by a reliable 199, whose PRACK may have to be said again.
    pub(in crate::sip) gone: Vec<Fork>,
}

/// One early dialog.
#[derive(Debug)]
pub(in crate::sip) struct Fork {
    pub(in crate::sip) dialog: Dialog,
    /// The last reliable provisional answer.
    pub(in crate::sip) rseq: Option<u32>,
    /// The PRACK of that was lost with its connection: a copy of the answer asks for another.
    pub(in crate::sip) lost_prack: bool,
    /// Its answer, which the user was shown unless it is barred.
    pub(in crate::sip) answer: Option<String>,
    /// That answer came reliably: later ones do not count (RFC 6337, 3.1.1).
    pub(in crate::sip) reliable: bool,
    /// It was an offer, since our INVITE had none: the PRACK with that number waits for our user's answer.
    pub(in crate::sip) owed_prack: Option<u32>,
    /// Their UPDATE with a further offer waits for our user's answer (RFC 3311, 5.2).
    pub(in crate::sip) owed_update: Option<ServerKey>,
    /// Our answer to what was offered in it.
    pub(in crate::sip) local: Option<String>,
    /// The network lets no early media through to us (RFC 5009): its answer says nothing before the call's.
    pub(in crate::sip) barred: bool,
}

/// The far side's INVITE has no answer yet.
#[derive(Debug)]
pub(in crate::sip) struct Called {
    /// Number of the INVITE, which its ACK repeats; PRACK and UPDATE count on from it.
    pub(in crate::sip) cseq: u32,
    pub(in crate::sip) key: ServerKey,
    pub(in crate::sip) dialog: Dialog,
    pub(in crate::sip) first_offer: FirstOffer,
    /// Our user has taken it, with these headers: the 2xx waits for the PRACK of our offer (RFC 3262, 5).
    pub(in crate::sip) taken: Option<Vec<(String, String)>>,
    pub(in crate::sip) session: Option<SessionTimer>,
    /// Provisional answers go reliably.
    pub(in crate::sip) reliably: bool,
    pub(in crate::sip) last_rseq: u32,
    /// A reliable provisional answer waits for its PRACK.
    pub(in crate::sip) unacked: Option<Unacked>,
    /// Status that the user refuses it with.
    pub(in crate::sip) refusal: Option<u16>,
    /// The call that this one is to replace (RFC 3891).
    pub(in crate::sip) replaces: Option<Replaced>,
}

/// Whose offer a call of theirs begins with, and how far that has come before its 2xx (RFC 3262, 5; RFC 6337, 2.1).
#[derive(Clone, Debug)]
pub(in crate::sip) enum FirstOffer {
    /// The INVITE held one: the 2xx answers it.
    Theirs,
    /// It held none: ours goes with the 2xx, and the ACK answers it.
    Ours,
    /// Ours is to go with the ringing, and our user was asked for it.
    Wanted,
    /// It rings with ours, and the PRACK brings the answer.
    Rings(String),
    /// The PRACK brought it: neither 2xx nor ACK holds any.
    Answered(String),
}

/// The call that an INVITE names as the one to replace (RFC 3891, 3).
#[derive(Clone, Debug)]
pub(in crate::sip) struct Replaced {
    pub(in crate::sip) call: CallId,
    /// Who sends it may do so without our user's word; else it rings as any other.
    pub(in crate::sip) unasked: bool,
    /// It was up then: whoever takes the new one knows that it ends. One that rang is another by the time it is answered.
    pub(in crate::sip) was_up: bool,
}

/// Something that is said again until the far side acknowledges it.
#[derive(Clone, Debug)]
pub(in crate::sip) struct Unacked {
    pub(in crate::sip) payload: Payload,
    pub(in crate::sip) pause: Duration,
    /// RSeq of a provisional answer; CSeq of the INVITE of a 2xx.
    pub(in crate::sip) number: u32,
    /// When it is given up.
    pub(in crate::sip) until: Instant,
    /// The connection that it is said over: the flow, and the number among those that it has had.
    pub(in crate::sip) over: Option<(FlowId, u32)>,
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
    /// A reliable provisional answer of ours that had no PRACK when we answered, and number of its INVITE: it may still come
    /// (RFC 3262, 3).
    pub(in crate::sip) late_prack: Option<(u32, u32)>,
    /// That 2xx held an offer: the ACK brings the answer.
    pub(in crate::sip) answer_in_ack: bool,
    /// A 2xx with an offer waits for our user's answer, which its ACK carries.
    pub(in crate::sip) owed_ack: Option<OwedAck>,
    pub(in crate::sip) offer: Offer,
    /// How often in a row our offer met theirs.
    pub(in crate::sip) glares: u8,
    /// What waits until no offer is under way.
    pub(in crate::sip) wishes: VecDeque<Wish>,
    /// The description that we gave last.
    pub(in crate::sip) local_sdp: Option<String>,
    /// Digits that wait for the INFO before them.
    pub(in crate::sip) digits: VecDeque<char>,
    pub(in crate::sip) digit_out: Option<char>,
    /// How digits are written; `None`: none was.
    pub(in crate::sip) digit_kind: Option<DtmfInfo>,
    /// The far side wanted the other way of writing them.
    pub(in crate::sip) digit_changed: bool,
    /// A REFER of ours is being carried out by the far side.
    pub(in crate::sip) refer: Option<Referral>,
    /// There was no connection for a while: the user hears when the far side shows that it still has the call.
    pub(in crate::sip) adrift: bool,
    /// The far side sent a REFER in it before (RFC 3515, 2.4.6).
    pub(in crate::sip) was_referred: bool,
}

/// The ACK of a 2xx with an offer.
#[derive(Debug)]
pub(in crate::sip) struct OwedAck {
    pub(in crate::sip) cseq: u32,
    /// The INVITE, whose credentials it repeats (RFC 3261, 22.1).
    pub(in crate::sip) invite: Box<OutgoingRequest>,
}

impl Up {
    /// The far side has shown that it has the call.
    pub(in crate::sip) fn shown_alive(&mut self, call: &CallId, core: &mut Core) {
        if std::mem::take(&mut self.adrift) {
            core.tell(Event::Confirmed { call: call.clone() });
        }
    }
}

/// A REFER of ours.
#[derive(Clone, Debug)]
pub(in crate::sip) struct Referral {
    /// Where it sends the far side to.
    pub(in crate::sip) to: Uri,
    /// Number of the REFER, by which the far side may name its subscription (RFC 3515, 2.4.6).
    pub(in crate::sip) cseq: u32,
    /// It went outside of the call's dialog: the one that its NOTIFYs come in (RFC 7647, 4).
    pub(in crate::sip) own: Option<Box<Dialog>>,
    /// A NOTIFY came.
    pub(in crate::sip) told: bool,
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
    /// As long as the far side may have the dialog: until then the BYE waits for a connection.
    pub(in crate::sip) owed_until: Option<Instant>,
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

    /// The dialog that is confirmed, or waits for the answer to our BYE.
    pub(in crate::sip) fn dialog_mut(&mut self) -> Option<&mut Dialog> {
        match &mut self.phase {
            Phase::Up(up) => Some(&mut up.dialog),
            Phase::Leaving(leaving) => leaving.bye.as_deref_mut(),
            Phase::Calling(_) | Phase::Called(_) | Phase::Over => None,
        }
    }

    /// Whether the user still knows it as a call.
    pub(in crate::sip) fn is_live(&self) -> bool {
        !matches!(self.phase, Phase::Leaving(_) | Phase::Over)
    }

    /// Whether it waits for our user's decision.
    pub(in crate::sip) fn rings_here(&self) -> bool {
        matches!(&self.phase, Phase::Called(called) if called.taken.is_none())
    }

    /// Whether it rings with an offer of ours that has no answer.
    pub(in crate::sip) fn rings_with_offer(&self) -> bool {
        matches!(&self.phase, Phase::Called(called) if matches!(called.first_offer, FirstOffer::Rings(_)))
    }

    /// Whether our INVITE waits for its answer.
    pub(in crate::sip) fn is_calling(&self) -> bool {
        matches!(self.phase, Phase::Calling(_))
    }

    /// In a word, for messages.
    pub(in crate::sip) fn state_word(&self) -> &'static str {
        match &self.phase {
            Phase::Calling(_) => "not answered yet",
            Phase::Called(called) if called.taken.is_some() => {
                "answered here, and not acknowledged"
            }
            Phase::Called(_) => "ringing here",
            Phase::Up(_) => "up",
            Phase::Leaving(_) | Phase::Over => "over",
        }
    }
}
