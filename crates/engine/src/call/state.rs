//! How far a call has come, in types: a field exists only in the states in which it means something.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use offhook_media::graph::ringback::RingbackTone;
use offhook_media::program::{AudioCodec, CallKey};
use offhook_signaling::call_id::CallId;
use offhook_signaling::cause::Cause;
use offhook_signaling::command::{PreferredCodec, ReplacesDialog};
use offhook_signaling::event::{Party, PlatformIds, SipEnd};
use offhook_signaling::variable::Variable;

use crate::call::offers::Exchange;
use crate::ended::EndReason;
use crate::event::Said;
use crate::output::{AccountKey, CallMedia, Output};
use crate::protocol::Protocol;
use crate::quality::Quality;
use crate::quality_warning::Watch;
use crate::request::{AnswerOptions, Header};
use crate::status::Direction;

/// Where a call's doings go.
pub(crate) struct Effects<'a> {
    pub(crate) outbox: &'a mut VecDeque<Output>,
    pub(crate) now: Instant,
}

/// Who a call is between, fixed at its beginning.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) key: CallKey,
    pub(crate) id: CallId,
    pub(crate) account: AccountKey,
    pub(crate) account_name: Arc<str>,
    pub(crate) direction: Direction,
    pub(crate) protocol: Protocol,
}

/// What an incoming call brings.
#[derive(Debug, Clone)]
pub(crate) struct Offered {
    pub(crate) caller: Party,
    pub(crate) sdp: Option<String>,
    pub(crate) said: Said,
    pub(crate) ids: PlatformIds,
    /// The call of ours whose place it takes.
    pub(crate) replaces: Option<CallId>,
}

/// How we show ourselves to the callee.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) name: Option<String>,
    pub(crate) number: Option<String>,
    pub(crate) headers: Vec<Header>,
    pub(crate) client_state: Option<String>,
    pub(crate) codecs: Vec<PreferredCodec>,
    pub(crate) user_variables: Vec<(String, Variable)>,
    /// The wish of a far end that the call carries out.
    pub(crate) refer: Option<CallId>,
    /// The dialog elsewhere whose place it takes.
    pub(crate) replaces: Option<Box<ReplacesDialog>>,
    /// The far end is to make the offer.
    pub(crate) late_offer: bool,
}

/// How a call of ours sounds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sounding {
    pub(crate) media: CallMedia,
    pub(crate) muted: bool,
    pub(crate) ringback: Ringback,
}

/// What a caller hears while the far end rings.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ringback {
    pub(crate) tone: Option<RingbackTone>,
    /// The server says when it does; otherwise it is taken to ring as soon as the server has the call.
    pub(crate) told: bool,
}

/// How far signalling has come.
#[derive(Debug)]
pub(super) enum State {
    /// Outbound: the media worker makes our offer.
    Offering(Shown),
    /// Outbound: the invitation is out.
    Inviting(Heard),
    /// Inbound: it rings.
    Offered(FirstOffer),
    /// Inbound: the media worker makes our answer, which will carry this.
    Answering(AnswerOptions),
    /// Inbound: our answer is out, the server has not confirmed it.
    Confirming,
    /// Answered by whichever side.
    Active { since: Instant },
    /// Over but for the media worker's last figures.
    Ending(Ending),
    /// Told as ended; to be forgotten.
    Over,
}

/// Who describes the media of an inbound call first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FirstOffer {
    /// The far end, by this.
    Theirs(String),
    /// Nobody has yet. With SIP our answer does (RFC 3261, section 13.2.1).
    Nobody,
    /// The far end wants to ring with ours (RFC 3262, section 5), and the media worker makes it.
    Wanted,
    /// It rings with ours, and its answer may be there.
    Ours,
}

/// What an outbound call heard of the far end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    Nothing,
    Ringing,
    Early,
}

#[derive(Debug)]
pub(super) struct Ending {
    pub(super) reason: EndReason,
    pub(super) cause: Cause,
    pub(super) answered: Option<Instant>,
    pub(super) ended: Instant,
    pub(super) elsewhere: bool,
    pub(super) headers: Vec<Header>,
    pub(super) client_state: Option<String>,
    pub(super) sip: SipEnd,
}

/// Media that is bad, until packets come again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loss {
    /// When it began, or when the last remedy was there to work.
    pub(super) since: Instant,
    /// Packets received until then.
    pub(super) heard: u64,
    /// New paths asked for on this connection.
    pub(super) restarts: u8,
    /// Connections given up for it.
    pub(super) reconnects: u8,
}

/// What the call has of media.
#[derive(Debug, Default)]
pub(super) struct Sound {
    /// Where the server says that its media is.
    pub(super) server_addresses: Vec<std::net::IpAddr>,
    pub(super) open: bool,
    /// Offer and answer were complete at least once.
    pub(super) agreed: bool,
    /// The server offered media of its own for the call, so an answer to the offer of ours needs none.
    pub(super) offered_anew: bool,
    /// The media that the server offered anew is not secured yet: nothing sent now would be heard.
    pub(super) securing: bool,
    /// Candidates that came before there was anything to give them to.
    pub(super) early_candidates: Vec<String>,
    /// Digits for the media, asked for while nobody would hear them.
    pub(super) digits: Vec<String>,
    /// What was agreed has telephone events.
    pub(super) has_events: bool,
    /// Digits were given to the media.
    pub(super) played_digits: bool,
    /// The answer being made is for a new offer within the call.
    pub(super) renewing: bool,
    /// An offer of ours with new ICE credentials is being made or waits for its answer.
    pub(super) restarting: bool,
    /// The far end's offer has stopped a restart of ours, which is still wanted.
    pub(super) restart_wanted: bool,
    /// Another offer within the call (SIP).
    pub(super) exchange: Exchange,
    /// The session has to be refreshed by an offer, as soon as one can be made (SIP).
    pub(super) refresh_wanted: bool,
    /// Hold, or its end, that waits until an offer can be made (SIP).
    pub(super) hold_wanted: Option<bool>,
    /// The far end does not listen, by its own description (SIP).
    pub(super) held_by_peer: bool,
    /// Media was secured once, so the server counts the call as answered.
    pub(super) secured: bool,
    /// Nothing comes through, and what was tried.
    pub(super) loss: Option<Loss>,
    pub(super) muted: bool,
    /// What the far end says is not played.
    pub(super) deaf: bool,
    pub(super) media: CallMedia,
    pub(super) ringback: Ringback,
    /// When media was offered anew last.
    pub(super) renewed: Option<Instant>,
    /// The far end was told to ring.
    pub(super) rang: bool,
    /// The tone is being played.
    pub(super) rings: bool,
    /// The server says that the call is on hold.
    pub(super) held: bool,
    pub(super) codec: Option<AudioCodec>,
    pub(super) quality: Option<Quality>,
    pub(super) watch: Watch,
    pub(super) recording: Option<PathBuf>,
}
