//! What the core asks of its driver.

use std::time::Instant;

use offhook_media::ice::server::IceServer;
use offhook_media::program::{AudioCodec, CallKey, ProgramCommand};
use offhook_media::session::config::Hold;
use offhook_media::session::forks::ForkAnswer;
use offhook_media::session::media_session::Renewal;
use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::error::Error as SignalingError;
use offhook_signaling::remembered::Remembered;
use serde_json::Value;

use crate::event::Event;
use crate::tool::ToolCall;

/// Names one account within an engine: its place in the builder's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountKey(pub usize);

/// One thing for the driver to do, in this order.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Give this to the account's signalling session.
    Signaling(AccountKey, Command),
    /// Reports of the account's calls go under this name from now on (Telnyx).
    ReportKey(AccountKey, String),
    /// Ask the account's token source, and give its token, or its failure, to the session.
    FetchToken(AccountKey),
    /// Read the account's password file again; `password` brings what it holds.
    ReadPassword(AccountKey),
    /// Have a program of the account's answer this tool call; `tool_finished` brings its answer.
    RunTool(AccountKey, ToolCall),
    /// Keep this for the account's session in a later process.
    Remember(AccountKey, Remembered),
    /// The server's answer to the command with this number.
    Answer(u64, Result<Value, SignalingError>),
    /// Give this to the media worker.
    Media(CallKey, MediaCommand),
    /// Tell whoever listens.
    Event(Event),
    /// The answer to `shut_down`: every call has ended and every session has stopped, or had its time.
    Finished,
    /// Nothing more to do before this instant; the name says which deadline asked.
    Wait(Option<(Instant, Deadline)>),
}

/// What a call's media has of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallMedia {
    /// Codecs, best first; none: those of the engine.
    pub codecs: Vec<AudioCodec>,
    /// Relayed candidates only, whatever the account allows.
    pub relay_only: bool,
    /// STUN and TURN servers in place of the account's; empty: none.
    pub ice_servers: Option<Vec<IceServer>>,
    /// Whether candidates follow the descriptions; `None`: as the account has it.
    pub trickle: Option<bool>,
    /// The far end may begin to connect as late as with our user's answer.
    pub rings: bool,
}

/// What a call wants of media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaCommand {
    /// Open sound and sockets for the call. A sound that cannot be had is told by `audio_fault`; the call is opened
    /// without it.
    Open(CallId, AccountKey, CallMedia),
    /// Open sockets alone: nothing is sent nor played before `Sound`.
    OpenSilent(AccountKey, CallMedia),
    /// Open the sound of a call that was opened without. One that cannot be had is told by `audio_fault`.
    Sound(CallId),
    /// Make our offer.
    CreateOffer,
    /// Make an offer with new ICE credentials.
    RestartIce,
    /// The far end does not take that offer: keep the credentials of before.
    WithdrawRestart,
    /// Take the far end's offer, make our answer.
    AcceptOffer(String, Renewal),
    /// Take the far end's answer.
    AcceptAnswer(String),
    /// Take the answer of one fork of the call.
    AcceptForkAnswer(ForkAnswer),
    /// Take a candidate that the far end sent by itself.
    AddRemoteCandidate(String),
    /// Let media pass in this way only.
    Hold(Hold),
    /// A wish to what the call does with its audio.
    Program(ProgramCommand),
    /// Close it all; `Closed` is expected back.
    Close,
}

/// What the core waits for with a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deadline {
    /// Our own description, from the media worker: 15 s, which a slow sound device may take to open.
    LocalDescription,
    /// The media worker's last word about a call: 2 s.
    MediaClosed,
    /// The whole shutdown: 4 s, so that a supervisor's 5 s are never reached.
    ShutDown,
}
