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
        sdp: String,
    },
    /// The far end rings.
    Ringing,
    /// The far end can be heard before it answers.
    EarlyMedia { sdp: String },
    /// The far end answered; without SDP when early media brought it.
    Answered { sdp: Option<String> },
    /// The client's answer is in force.
    AnswerAccepted,
    /// The client's answer cannot be used; the leg is as it was.
    AnswerRefused,
    /// Offer media anew to a client that came back.
    Attach { sdp: String },
    /// The client's offer within the call is answered.
    Updated { sdp: String },
    /// The client's offer within the call cannot be used.
    UpdateRefused,
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
    /// What it hears when nothing stands against it.
    pub(super) sound: Sound,
    pub(super) held: bool,
    /// Nothing is sent, on purpose, until then.
    pub(super) silent: Option<Remedy>,
    pub(super) updating: bool,
    pub(super) state: State,
    /// The other leg of a bridge; for a client that rings, the leg that called it.
    pub(super) partner: Option<LegId>,
    /// The legs that ring for the same call; the first to answer wins.
    pub(super) race: Option<RaceId>,
    /// What the scripted far end has still to do.
    pub(super) script: VecDeque<Step>,
}

/// Where a leg stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// The client called; its offer is not answered.
    Proceeding { offer: String },
    /// The client called; the answer to its offer is being made.
    Describing { then: Then },
    /// The client called, and hears early media.
    Early,
    /// The client called a user whose clients ring.
    Forking { offer: String },
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

/// What an answer to the client's offer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    EarlyMedia,
    Answer,
}

impl Leg {
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
