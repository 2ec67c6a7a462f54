//! A leg: one client's part in a call, and what the exchange tells the client's protocol about it.

use std::collections::VecDeque;

use offhook_media::program::AudioCodec;

use crate::face::Face;
use crate::fault::gateway::Remedy;
use crate::numbers::Step;
use crate::switch::media::{MediaId, Sound};
use offhook_signaling::cause::Cause;

/// Names one leg; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LegId(pub(crate) u64);

/// Names one registered client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EndpointId(pub(crate) u64);

/// Names the legs that ring for one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RaceId(pub(super) u64);

/// Who is shown as the other end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Party {
    /// Display name.
    pub(crate) name: String,
    /// Number, or name of a user.
    pub(crate) number: String,
}

impl Party {
    /// A user, without a display name.
    pub(crate) fn user(name: &str) -> Self {
        Self {
            name: String::new(),
            number: name.to_owned(),
        }
    }
}

/// Where to send what concerns a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endpoint {
    pub(crate) id: EndpointId,
    pub(crate) face: &'static Face,
}

/// What the exchange tells the protocol of a leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LegEvent {
    /// Ring the client. The first event of a leg that the exchange made.
    Offer {
        endpoint: EndpointId,
        caller: Party,
        callee: Party,
        /// `None`: it is to make the offer itself (SIP).
        sdp: Option<String>,
    },
    /// The far end rings.
    Ringing,
    /// The far end can be heard before it answers.
    EarlyMedia { sdp: String },
    /// The far end answered; without SDP when early media brought it.
    Answered { sdp: Option<String> },
    /// The client's answer is in force.
    AnswerAccepted,
    /// The client answered with an offer of its own; this is the answer to it (SIP).
    Described { sdp: String },
    /// The client's answer cannot be used; the leg is as it was.
    AnswerRefused,
    /// Offer media anew to a client that came back.
    Attach { sdp: String },
    /// The client's offer within the call is answered.
    Updated { sdp: String },
    /// The client's offer within the call cannot be used.
    UpdateRefused,
    /// An offer of ours within the call (SIP).
    Reoffer { sdp: String },
    /// The client wanted its far end sent elsewhere: that is done, or failed for this reason.
    Referred { outcome: Result<(), Cause> },
    /// Somebody else is at the far end now.
    Display(Party),
    /// The leg is gone.
    Ended { cause: Cause, by: EndedBy },
}

/// Who ended a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndedBy {
    /// The client itself, which needs not be told.
    Client,
    /// The far end or the exchange.
    Exchange,
}

/// Who called whom, seen from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The client called.
    FromClient,
    /// The client was called.
    ToClient,
}

/// The media session of a leg.
#[derive(Debug, Clone)]
pub(super) struct LegMedia {
    pub(super) id: MediaId,
    pub(super) codec: Option<AudioCodec>,
    pub(super) connected: bool,
    /// The far end's answer was taken; together with a codec that makes the negotiation complete.
    pub(super) accepted: bool,
}

impl LegMedia {
    pub(super) fn new(id: MediaId) -> Self {
        Self {
            id,
            codec: None,
            connected: false,
            accepted: false,
        }
    }
}

/// One client's part in a call.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) endpoint: Endpoint,
    pub(super) user: String,
    pub(super) caller: Party,
    pub(super) callee: Party,
    pub(super) media: Option<LegMedia>,
    /// Codecs that its media may agree on.
    pub(super) codecs: Vec<AudioCodec>,
    /// Its client offered to send digits with its sound, so later offers of ours have them too.
    pub(super) digits: bool,
    /// What it hears when nothing stands against it.
    pub(super) sound: Sound,
    pub(super) held: bool,
    /// Nothing is sent, on purpose, until then.
    pub(super) silent: Option<Remedy>,
    pub(super) updating: bool,
    /// Its client went away, or came back, before the call was answered.
    pub(super) unanswered: Unanswered,
    /// Our offer within the call is being made, or waits for its answer.
    pub(super) reoffering: bool,
    /// The client got our offer as an answer, and its own answer is still to come.
    pub(super) late: bool,
    /// It rings because the client of that leg sends its far end here.
    pub(super) referrer: Option<LegId>,
    /// Where its client sends its far end as soon as that is in the call as well.
    pub(super) sends_far_end: Option<FarEndGoes>,
    pub(super) state: State,
    /// The other leg of a bridge; for a client that rings, the leg that called it.
    pub(super) partner: Option<LegId>,
    /// The legs that ring for the same call; the first to answer wins.
    pub(super) race: Option<RaceId>,
    /// What the scripted far end has still to do.
    pub(super) script: VecDeque<Step>,
}

/// What is kept of a call whose client went away before anybody had answered it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// No such call.
    #[default]
    No,
    /// Nobody has answered it yet.
    Still,
    /// It was answered meanwhile, which its client will hear once it has media again.
    NoMore,
}

/// Where a leg stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// The client called; its offer, where it made one, is not answered.
    Proceeding { offer: Option<String> },
    /// The client called; the answer to its offer is being made.
    Describing { then: Then },
    /// The client called, and hears early media.
    Early,
    /// The client called a user whose clients ring.
    Forking { offer: Option<String> },
    /// The client is to be called; our offer is being made.
    Offering,
    /// The client was called and has our offer.
    Ringing,
    /// The client was called and answered; the media side is looking at its answer.
    Accepting,
    /// Answered.
    Active,
    /// Answered, but its client is gone.
    Detached,
    /// Its client came back; our offer is being made.
    Reoffering,
    /// Its client came back and has our offer.
    Reoffered,
    /// Its client came back and answered.
    Reaccepting,
}

/// Where a client sends the far end of its call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FarEndGoes {
    /// To a number.
    To(String),
    /// To the far end of another call.
    Join(LegId),
}

/// What an answer to the client's offer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    EarlyMedia,
    Answer,
}

impl Leg {
    /// Nobody has answered it, and the server may keep it while its client is away.
    pub(super) fn may_wait_unanswered(&self) -> bool {
        match self.state {
            State::Proceeding { .. } | State::Early | State::Forking { .. } | State::Ringing => {
                true
            }
            State::Describing { .. }
            | State::Offering
            | State::Accepting
            | State::Active
            | State::Detached
            | State::Reoffering
            | State::Reoffered
            | State::Reaccepting => false,
        }
    }

    /// Its client is not there, or has no media yet.
    pub(super) fn is_away(&self) -> bool {
        match self.state {
            State::Detached | State::Reoffering | State::Reoffered | State::Reaccepting => true,
            State::Proceeding { .. }
            | State::Describing { .. }
            | State::Early
            | State::Forking { .. }
            | State::Offering
            | State::Ringing
            | State::Accepting
            | State::Active => false,
        }
    }

    /// A leg without media that hears nothing.
    pub(super) fn new(
        endpoint: Endpoint,
        user: String,
        caller: Party,
        callee: Party,
        state: State,
    ) -> Self {
        Self {
            endpoint,
            user,
            caller,
            callee,
            media: None,
            codecs: Vec::new(),
            digits: false,
            sound: Sound::Nothing,
            held: false,
            silent: None,
            updating: false,
            unanswered: Unanswered::No,
            reoffering: false,
            late: false,
            referrer: None,
            sends_far_end: None,
            state,
            partner: None,
            race: None,
            script: VecDeque::new(),
        }
    }

    /// The same with codecs.
    pub(super) fn with(self, codecs: Vec<AudioCodec>) -> Self {
        Self { codecs, ..self }
    }

    /// It rings, or is about to.
    pub(super) fn is_ringing(&self) -> bool {
        matches!(
            self.state,
            State::Offering | State::Ringing | State::Accepting
        )
    }

    /// The call is in force for the far end: it may outlive its socket, be held and renegotiated.
    pub(super) fn is_established(&self) -> bool {
        match self.state {
            State::Active => {
                !self.endpoint.face.answered_means_connected
                    || self.media.as_ref().is_some_and(|media| media.connected)
            }
            State::Detached | State::Reoffering | State::Reoffered | State::Reaccepting => true,
            State::Proceeding { .. }
            | State::Describing { .. }
            | State::Early
            | State::Forking { .. }
            | State::Offering
            | State::Ringing
            | State::Accepting => false,
        }
    }
}
