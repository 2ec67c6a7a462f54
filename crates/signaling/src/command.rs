//! What a user may ask of a session, whatever the protocol.

use std::time::Duration;

use serde_json::Value;

use crate::auth::login::Login;
use crate::call_id::CallId;
use crate::cause::Cause;
use crate::variable::Variable;

/// A codec that the server should prefer, as `preferred_codecs` of an invite names it (Telnyx).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreferredCodec {
    /// Such as `audio/opus`.
    pub mime_type: String,
    /// In Hz, as in SDP.
    pub clock_rate: u32,
    /// Absent: one.
    pub channels: Option<u8>,
    /// Format parameters as in SDP.
    pub fmtp: Option<String>,
}

/// Something said to an assistant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConversationItem {
    /// A text of the user, with images by URL.
    Text {
        /// What to say.
        text: String,
        /// `https:` or `data:` URLs.
        images: Vec<String>,
    },
    /// What a tool of ours gave back.
    ToolOutput {
        /// The `tool_call` of the event.
        tool_call: String,
        /// Free text, usually JSON.
        output: String,
    },
    /// Tell us about the assistant's sound before it is played.
    SubscribeAudio,
}

/// Something said on a call's channel (FreeSWITCH).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum InfoItem {
    /// A piece of a text as it is typed, for the far end.
    Text(String),
    /// Anything, for whatever listens on the server.
    Command(Value),
    /// An INFO of a package within the call (SIP; RFC 6086). The answer is `CommandFailed`, or nothing.
    Package {
        /// Name of the package: a token, one that the far side named in its `Recv-Info`.
        package: String,
        /// `Content-Type` of the body.
        content_type: String,
        /// Body.
        body: String,
    },
}

/// A dialog at another user agent whose place a new call of ours is to take (SIP; RFC 3891, 3): call pick-up, or a call
/// taken over from another device of the user's. The names are those that an event of a channel `dialog:...` tells under
/// `pick_up`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplacesDialog {
    /// Call-ID of the dialog on the wire.
    pub call_id: String,
    /// The tag of the one whom our call reaches: its own in that dialog.
    pub to_tag: String,
    /// The tag of the one who is replaced.
    pub from_tag: String,
    /// Only while nobody has answered (RFC 3891, 4): a call that is up by then stays with whom it is.
    pub early_only: bool,
}

/// One wish. A wish that cannot be met comes back as [`crate::event::Event::CommandFailed`] or, for a call that never came
/// to be, as [`crate::event::Event::Ended`]; never as silence.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Command {
    /// Place a call. Exactly one `Ended` follows, sooner or later, also when nothing could be sent.
    Invite {
        /// Fresh name, see [`CallId::random`].
        call: CallId,
        /// Number or name to be called.
        to: String,
        /// Complete offer.
        sdp: String,
        /// Name shown to the far side.
        caller_name: Option<String>,
        /// Number shown to the far side.
        caller_number: Option<String>,
        /// Extra headers (`X-...`), where the dialect carries them. With SIP `Privacy: id` hides the caller from the far side
        /// (RFC 3323, 3325).
        headers: Vec<(String, String)>,
        /// Opaque state of the application in base64, where the dialect carries it.
        client_state: Option<String>,
        /// Codecs that the server should prefer, best first; empty: its own choice.
        codecs: Vec<PreferredCodec>,
        /// Channel variables of the call.
        user_variables: Vec<(String, Variable)>,
        /// The `call` of an event `Referred`: this call carries that request out (SIP; RFC 3515, 2.4.3). It goes to where the
        /// far side named, with its `Replaces` and `Referred-By`, and `to` is not looked at; its progress is told to the far
        /// side. `None`: a call of the user's own.
        refer: Option<CallId>,
        /// A dialog elsewhere whose place the call is to take (SIP; RFC 3891).
        replaces: Option<Box<ReplacesDialog>>,
        /// Whether candidates follow the descriptions of this call; `None`: as in all of the session (Telnyx).
        trickle: Option<bool>,
    },
    /// Do not carry out what the far side asked for with `Referred` (SIP; RFC 3515, 2.4.2).
    RefuseRefer {
        /// The `call` of the event.
        call: CallId,
        /// Status for the far side, from 400 to 699, such as 603.
        status: u16,
    },
    /// Show others whether we can be reached (SIP; RFC 3903 with RFC 3863). It is kept up until the shutdown takes it back.
    /// The answer is `Published` or `SessionCommandFailed`.
    Publish {
        /// Whether calls are welcome.
        open: bool,
        /// Words for people, such as `in a meeting`.
        note: Option<String>,
    },
    /// Take an incoming call.
    Answer {
        /// The call of `Incoming`.
        call: CallId,
        /// Complete answer to its offer; an offer where it had none. Nobody looks at it where `Attach` gave that offer before (SIP): the
        /// far side then hears of the answer as soon as it has acknowledged that.
        sdp: String,
        /// Extra headers (`X-...`), where the dialect carries them.
        headers: Vec<(String, String)>,
        /// Opaque state of the application in base64, where the dialect carries it.
        client_state: Option<String>,
        /// Whether candidates follow the descriptions of this call; `None`: as in all of the session (Telnyx).
        trickle: Option<bool>,
    },
    /// End, cancel or reject a call. `None`: the cause that fits the call's state.
    Bye {
        /// The call.
        call: CallId,
        /// What to tell the far side.
        cause: Option<Cause>,
        /// SIP status for the far side, where the dialect carries it; `None`: the cause's usual one.
        sip_code: Option<u16>,
        /// Extra headers (`X-...`), where the dialect carries them.
        headers: Vec<(String, String)>,
    },
    /// Hold an answered call, or take it up again. The answer is `HoldState`, with what the server says.
    Hold {
        /// The call.
        call: CallId,
        /// `true`: hold.
        on: bool,
    },
    /// Send the far side to another number (blind transfer); our leg ends once the server did it.
    Transfer {
        /// The call.
        call: CallId,
        /// Where to.
        to: String,
    },
    /// Join the far sides of two calls of ours (attended transfer); both our legs end.
    Replace {
        /// The call.
        call: CallId,
        /// The other call.
        with: CallId,
    },
    /// Send a chat message.
    Message {
        /// Names it in what is told of it.
        id: u64,
        /// `Some`: within this call.
        call: Option<CallId>,
        /// Address, with FreeSWITCH perhaps `proto+address`.
        to: String,
        /// Text.
        body: String,
    },
    /// Say something on a call's channel.
    Info {
        /// The call.
        call: CallId,
        /// What to say.
        item: InfoItem,
    },
    /// Say something to the assistant of an anonymous login.
    Converse {
        /// The call with it; `None`: the only one.
        call: Option<CallId>,
        /// What to say.
        item: ConversationItem,
    },
    /// Listen to event channels; they are kept over reconnects. The answer is `Channels`.
    Subscribe {
        /// Names. With SIP (RFC 6665) `package:address`: `presence:bob@example.com`, `dialog:bob@example.com` (is he in a
        /// call?), `message-summary:bob@example.com`, or `message-summary` alone for the user's own mailbox; any other package
        /// is passed on as it comes.
        channels: Vec<String>,
    },
    /// Stop listening.
    Unsubscribe {
        /// Names.
        channels: Vec<String>,
    },
    /// Say something on an event channel.
    Broadcast {
        /// Its name.
        channel: String,
        /// What to say.
        data: Value,
    },
    /// Have the server give this back (FreeSWITCH); the answer is `ApiReply`.
    Echo {
        /// The caller's own number for the answer.
        id: u64,
        /// An object; null: an empty one.
        data: Value,
    },
    /// After a push message: offer us the calls that wait (Telnyx). They come as `Incoming`; the answer is `ApiReply`, and a
    /// refusal means that the caller has gone.
    AttachCalls {
        /// The caller's own number for the answer.
        id: u64,
        /// Only this one, by the name that the push message had.
        call: Option<CallId>,
    },
    /// Send no more push messages to the device that the login's variables name (Telnyx); the answer is `ApiReply`.
    DisablePush {
        /// The caller's own number for the answer.
        id: u64,
    },
    /// Run one of FreeSWITCH's JSON commands; the answer is `ApiReply`.
    JsApi {
        /// The caller's own number for the answer.
        id: u64,
        /// The command.
        command: String,
        /// Its data.
        data: Value,
    },
    /// Run one of FreeSWITCH's text commands; the answer is `ApiReply`.
    FsApi {
        /// The caller's own number for the answer.
        id: u64,
        /// The command.
        command: String,
        /// Its arguments.
        arguments: String,
    },
    /// Steer a conference that a call of ours is in, as its moderator.
    Moderate {
        /// The call in the conference.
        call: CallId,
        /// `mute`, `unmute`, `tmute`, `deaf`, `undeaf`, `kick`, `volume_in`, `volume_out`, `play`, `stop`,
        /// `recording`, `transfer` and whatever else the server knows.
        command: String,
        /// The member it is about.
        member: Option<String>,
        /// Further argument.
        value: Option<Value>,
    },
    /// Say something to all in a conference.
    ConferenceChat {
        /// The call in the conference.
        call: CallId,
        /// Text.
        text: String,
    },
    /// One more ICE candidate of ours, after an offer or answer that was sent without it (trickle ICE).
    Candidate {
        /// The call.
        call: CallId,
        /// The line without `a=`.
        candidate: String,
    },
    /// No more candidates of ours follow.
    EndOfCandidates {
        /// The call.
        call: CallId,
    },
    /// Send DTMF through the server. Without a connection, or while the call is offered anew, it waits.
    Dtmf {
        /// An answered call, or one with early media.
        call: CallId,
        /// `0-9 * # A-D`, `w` = half a second, `W` = one second of pause.
        digits: String,
    },
    /// Offer new media for an answered call (ICE restart, new address).
    UpdateMedia {
        /// The call.
        call: CallId,
        /// Complete new offer.
        sdp: String,
    },
    /// Have another offer ready, right behind the one of `Invite` or `UpdateMedia`: where the far side refuses that for what it
    /// describes (415, 488, 606), this one takes its place, once (SIP). Without it, or when it is refused too, the refusal
    /// is told.
    ReserveOffer {
        /// The call.
        call: CallId,
        /// Complete offer, of what every peer has. No candidates follow it.
        sdp: String,
    },
    /// Refuse the offer of an `Offer` event: the call goes on as it was.
    RefuseOffer {
        /// The call.
        call: CallId,
        /// Status for the far side, such as 488.
        status: u16,
    },
    /// Answer the offer of an `Attach` or `Offer` event, or make the one that `Offer` asks for.
    Attach {
        /// The call.
        call: CallId,
        /// Complete answer or offer.
        sdp: String,
    },
    /// Log in with this from now on: on the open socket when there is one, else at once with a new one.
    Login(Login),
    /// The answer to `TokenWanted` when the source has none: the session asks again after a while.
    TokenFailed {
        /// What went wrong with the source, without secrets.
        reason: String,
        /// When the source may be asked again, by its own word.
        retry_after: Option<Duration>,
    },
    /// Something changed, or a person says so: try to log in again now, with the credentials there are.
    Retry,
    /// The old socket is not to be trusted (address change, resume from sleep), or try again now.
    Reconnect,
    /// Hang up every call, close the socket, end with `Stopped`.
    Shutdown,
}

impl Command {
    /// Name for messages to a person.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Invite { .. } => "call",
            Self::RefuseRefer { .. } => "refusal of a transfer",
            Self::Publish { .. } => "presence",
            Self::Answer { .. } => "answer",
            Self::Bye { .. } => "hang up",
            Self::Hold { on: true, .. } => "hold",
            Self::Hold { on: false, .. } => "resume",
            Self::Transfer { .. } => "transfer",
            Self::Replace { .. } => "attended transfer",
            Self::Message { .. } => "message",
            Self::Info { .. } => "info",
            Self::Converse { .. } => "conversation",
            Self::Subscribe { .. } => "subscribe",
            Self::Unsubscribe { .. } => "unsubscribe",
            Self::Broadcast { .. } => "broadcast",
            Self::Echo { .. } => "echo",
            Self::AttachCalls { .. } => "attach calls",
            Self::DisablePush { .. } => "end of push messages",
            Self::JsApi { .. } => "jsapi",
            Self::FsApi { .. } => "fsapi",
            Self::Moderate { .. } => "conference control",
            Self::ConferenceChat { .. } => "conference chat",
            Self::Candidate { .. } => "candidate",
            Self::EndOfCandidates { .. } => "end of candidates",
            Self::TokenFailed { .. } => "token",
            Self::Retry => "retry",
            Self::Dtmf { .. } => "DTMF",
            Self::UpdateMedia { .. } => "media update",
            Self::Attach { .. } => "attach",
            Self::RefuseOffer { .. } => "refusal of an offer",
            Self::ReserveOffer { .. } => "offer in reserve",
            Self::Login(_) => "login",
            Self::Reconnect => "reconnect",
            Self::Shutdown => "shutdown",
        }
    }

    /// The name of the chat message that it sends.
    #[cfg(feature = "sip")]
    pub(crate) fn message_id(&self) -> Option<u64> {
        if let Self::Message { id, .. } = self {
            Some(*id)
        } else {
            None
        }
    }

    /// The call it is about.
    pub fn call(&self) -> Option<&CallId> {
        match self {
            Self::Invite { call, .. }
            | Self::Answer { call, .. }
            | Self::Bye { call, .. }
            | Self::Dtmf { call, .. }
            | Self::UpdateMedia { call, .. }
            | Self::Attach { call, .. }
            | Self::RefuseOffer { call, .. }
            | Self::ReserveOffer { call, .. }
            | Self::RefuseRefer { call, .. }
            | Self::Hold { call, .. }
            | Self::Transfer { call, .. }
            | Self::Replace { call, .. }
            | Self::Info { call, .. }
            | Self::Moderate { call, .. }
            | Self::ConferenceChat { call, .. }
            | Self::Candidate { call, .. }
            | Self::EndOfCandidates { call } => Some(call),
            Self::Message { call, .. } | Self::Converse { call, .. } => call.as_ref(),
            Self::Subscribe { .. } | Self::Unsubscribe { .. } | Self::Broadcast { .. } => None,
            Self::JsApi { .. } | Self::FsApi { .. } | Self::Echo { .. } => None,
            // It names one that is none of ours yet.
            Self::AttachCalls { .. } | Self::DisablePush { .. } => None,
            Self::Login(_) | Self::TokenFailed { .. } | Self::Retry => None,
            Self::Publish { .. } | Self::Reconnect | Self::Shutdown => None,
        }
    }
}
