//! What a session tells its user, whatever the protocol.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::call_id::CallId;
use crate::cause::Cause;
use crate::deadlines::Deadline;
use crate::error::Error;
use crate::remembered::Remembered;
use crate::session::{CloseReason, ConnectFailure};

/// Somebody at the far side. Both may be empty: servers often know neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// Display name.
    pub name: String,
    /// Number or address.
    pub number: String,
}

/// What a message about a call says beside its purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Extra headers.
    pub headers: Vec<(String, String)>,
    /// Opaque state of the application in base64 (Telnyx).
    pub client_state: Option<String>,
    /// Channel variables meant for us.
    pub variables: Vec<(String, String)>,
}

/// The platform's own names of a call (Telnyx); each may be unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlatformIds {
    /// `telnyx_session_id`.
    pub session: Option<String>,
    /// `telnyx_leg_id`.
    pub leg: Option<String>,
    /// `telnyx_call_control_id`.
    pub call_control: Option<String>,
}

/// How a SIP leg behind the server ended (Telnyx); each may be unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SipEnd {
    /// Status, such as 486.
    pub code: Option<u16>,
    /// Reason phrase.
    pub reason: Option<String>,
    /// `Call-ID` of the leg.
    pub call_id: Option<String>,
}

/// Who brought a call to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndedBy {
    /// A command of ours.
    Local,
    /// The far side, told by the server.
    Remote,
    /// The server itself: it refused the call, forgot it, or broke the protocol.
    Server,
    /// The connection to the server was lost and the call with it.
    Network,
    /// A time limit of ours; the detail names it.
    Timeout,
}

/// Why there is no usable connection any more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisconnectCause {
    /// The socket could not be opened.
    Connect(ConnectFailure),
    /// The socket was closed from outside.
    Closed(CloseReason),
    /// The server did not answer in time; the deadline says what.
    Silent(Deadline),
    /// The server refused the login; an event `LoginFailed` came before.
    LoginRefused,
    /// The server could not deal with the login, by a fault of its own; an event `LoginFailed` came before.
    ServerFault,
    /// Another user's live session had the name of ours, which has another now; an event `LoginFailed` came before.
    SessionInUse,
    /// The server takes our logins and then refuses our requests as not logged in; an event `Failed` came before.
    LoginForgotten,
    /// The gateway could not register us; an event `Failed` came before.
    NotRegistered,
    /// Another client took the session over.
    TakenOver,
    /// A command asked for it.
    Asked,
}

/// Why the session asks its driver for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenWantedReason {
    /// There is none yet.
    Missing,
    /// The present one ends soon.
    Refresh {
        /// Time until its `exp`.
        left: Duration,
    },
    /// The present one has ended.
    Expired,
    /// The server refused the present one.
    Refused,
}

/// What an assistant says or wants.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssistantEvent {
    /// A piece of a text that is still growing; pieces of one `item` belong together.
    Delta {
        /// The item that grows.
        item: String,
        /// The piece.
        text: String,
    },
    /// A finished piece of the conversation.
    Item {
        /// Its name.
        item: String,
        /// `user` or `assistant`.
        role: String,
        /// `completed`, `in_progress`.
        status: String,
        /// Its text or transcript.
        text: String,
    },
    /// A tool of ours is to run; answer with `Command::Converse` and `ConversationItem::ToolOutput`.
    ToolCall {
        /// Name for the answer.
        tool_call: String,
        /// The tool.
        name: String,
        /// Usually JSON.
        arguments: String,
    },
    /// About the assistant's sound, asked for with `ConversationItem::SubscribeAudio`.
    Audio {
        /// The whole message.
        data: Value,
    },
    /// How its owner wants the assistant shown.
    Settings {
        /// The settings.
        data: Map<String, Value>,
    },
    /// What was understood of a spoken word.
    Transcription {
        /// The words.
        text: String,
    },
    /// The assistant failed; the error explains it.
    Failed(Error),
    /// Something of a kind that is not known.
    Other {
        /// Its `type`.
        kind: String,
        /// The whole message.
        data: Value,
    },
}

/// One member of a conference, as the server lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Key of the row; for Verto members it is their call.
    pub key: String,
    /// The conference's own number of the member, for `Command::Moderate`.
    pub id: String,
    /// Its number.
    pub number: String,
    /// Its name.
    pub name: String,
    /// Codec and rate.
    pub codec: String,
    /// What it does, in the server's words or JSON.
    pub status: Value,
}

/// What changed in a conference.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConferenceChange {
    /// The call entered it.
    Joined {
        /// Its name.
        name: String,
        /// Whether we may steer it.
        moderator: bool,
        /// Our own number in it.
        member: String,
    },
    /// The whole list, in place of any before.
    Bootstrap {
        /// In the server's order.
        members: Vec<Member>,
    },
    /// A member came or changed.
    Put {
        /// The member.
        member: Member,
        /// Its place in the list, where the server says so.
        at: Option<u64>,
    },
    /// A member left.
    Remove {
        /// Key of its row.
        key: String,
    },
    /// The list is empty, or hidden.
    Clear,
    /// The call left it.
    Left,
    /// Somebody said something to all.
    Chat {
        /// Who.
        from: Party,
        /// What.
        text: String,
        /// How the server calls its way, such as `inbound`.
        direction: Option<String>,
        /// Which kind of text, such as `message`.
        kind: Option<String>,
    },
    /// The answer to a `Command::Moderate`, of anybody.
    Reply {
        /// The command.
        command: String,
        /// The server's words; `Err`: it was refused.
        result: Result<String, String>,
    },
}

/// A channel that is not listened to, though it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedChannel {
    /// Its name.
    pub channel: String,
    /// The server's status or code, where it gave one.
    pub code: Option<u16>,
    /// Why, in the server's words where it has some.
    pub reason: String,
}

/// One thing that happened. Calls first named by `Incoming` or by an `Attach` with `known: false` end with exactly one
/// `Ended`, like those of [`crate::command::Command::Invite`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A socket is being opened; `attempt` counts from 1 since the last ready session.
    Connecting {
        /// 1 for the first try.
        attempt: u32,
    },
    /// The socket is open.
    Connected,
    /// The server took the login.
    LoggedIn {
        /// The session's name at the server; keep it to recover calls after a restart.
        sessid: String,
    },
    /// Calls can be made. Once per connection, and again after `Unregistered`.
    Ready,
    /// The gateway let go of us and says so for a while now, on a connection that is kept for its calls: they go on, others
    /// cannot be made.
    Unregistered(Error),
    /// The connection is gone; calls live on for a while.
    Disconnected {
        /// Why.
        cause: DisconnectCause,
        /// When the next try comes; `None`: not before a command asks for it.
        retry_in: Option<Duration>,
    },
    /// One of several connections came or went (SIP: a flow to an edge proxy, RFC 5626); as long as another is left, calls
    /// can be made all the same.
    Flow {
        /// URL of the edge proxy.
        server: String,
        /// Why it went; `None`: it can carry calls now.
        cause: Option<DisconnectCause>,
        /// When the next try comes.
        retry_in: Option<Duration>,
    },
    /// What a registrar says beside its yes; told when it says something else than before, which is nothing at first (SIP).
    Registered {
        /// URL of the edge proxy that it was asked over.
        server: String,
        /// Contacts of other devices that are registered for the same user, sixteen at most.
        others: Vec<String>,
        /// It took our push parameters (RFC 8599, 4.1).
        push: bool,
    },
    /// The login cannot succeed as it is.
    LoginFailed(Error),
    /// Something else went wrong with the session.
    Failed(Error),
    /// The registrar takes again what it refused while its last yes held (SIP).
    RegisteredAgain,
    /// The server refused for now what is to last (SUBSCRIBE, PUBLISH); it is asked again by itself. Calls are not concerned (SIP).
    Postponed(Error),
    /// Somebody calls.
    Incoming {
        /// The call.
        call: CallId,
        /// Who calls, as the server tells it.
        caller: Party,
        /// The offer.
        sdp: Option<String>,
        /// What came with it.
        said: Box<Said>,
        /// How the platform names the call.
        ids: Box<PlatformIds>,
        /// A call of ours whose place it takes (SIP; RFC 3891), as its far side or who picks it up may wish: taken, it ends that
        /// one. An application answers it by itself, as if that call went on with somebody else.
        replaces: Option<CallId>,
    },
    /// The server took our call and tries to reach the far side.
    Trying {
        /// The call.
        call: CallId,
    },
    /// The far side rings. FreeSWITCH never says so.
    Ringing {
        /// The call.
        call: CallId,
        /// What came with it.
        said: Box<Said>,
    },
    /// A word on the way to our call's answer that is neither ringing nor sound: forwarded (181), queued (182), progress
    /// without sound (183 and codes that nobody knows), a branch that gave up (199). SIP only.
    Progress {
        /// The call.
        call: CallId,
        /// 181 to 199.
        status: u16,
        /// The server's words for it.
        reason: String,
        /// What came with it.
        said: Box<Said>,
    },
    /// Sound before the answer; this is the final SDP answer.
    EarlyMedia {
        /// The call.
        call: CallId,
        /// SDP answer.
        sdp: String,
        /// Whose it is, where a call may have forked: the To tag (RFC 3261, section 12.1). `None` with Verto.
        fork: Option<String>,
        /// What came with it.
        said: Box<Said>,
    },
    /// The far side took our call.
    Answered {
        /// The call.
        call: CallId,
        /// SDP answer; `None` when early media brought it.
        sdp: Option<String>,
        /// Which fork of the call has it: the To tag. `None` with Verto.
        fork: Option<String>,
        /// What came with it.
        said: Box<Said>,
    },
    /// The server accepted our answer, or our answer to an attach: the call is up.
    Confirmed {
        /// The call.
        call: CallId,
    },
    /// The server offers new media for a call, after a lost socket or by itself. Answer with `Command::Attach`. It answers no
    /// call: one of ours that nobody has answered goes on waiting for `Answered`, which then brings no SDP, and one that rings
    /// here rings on until `Command::Answer`, whose SDP has to answer this offer.
    Attach {
        /// The call.
        call: CallId,
        /// New offer: rebuild the media transport, not the call.
        sdp: String,
        /// Whether this session had the call; `false`: a call of an earlier process, take it or hang up.
        known: bool,
        /// Whether this end placed the call, as far as the server shows it.
        outbound: bool,
        /// The far side.
        remote: Party,
        /// What came with it.
        said: Box<Said>,
        /// How the platform names the call.
        ids: Box<PlatformIds>,
    },
    /// The far side offers new media within a call that is up (SIP). Answer with `Command::Attach`, or with
    /// `Command::RefuseOffer`: then everything stays as it was. An offer of ours that has no answer yet is void: make it anew after that.
    ///
    /// Right after an `Incoming` without an offer, and itself without one: the caller demands reliable provisional answers, the first of
    /// which holds our offer (RFC 3262, section 5), so it hears no ringing before `Command::Attach` gives it. `MediaUpdated` brings its
    /// answer, and `Command::Answer` describes nothing more. Refused, or not looked at, the call waits in silence, and `Command::Answer`
    /// holds the offer.
    Offer {
        /// The call.
        call: CallId,
        /// Its offer; `None`: it wants one of ours, and `MediaUpdated` brings the answer.
        sdp: Option<String>,
    },
    /// An offer is wanted (SIP): the session has to be refreshed by one (RFC 4028), and what was agreed last is an answer of ours, which
    /// cannot be offered as it stands: its DTLS role is fixed, and an offer leaves the choice (RFC 8842, section 5.5). Or the far side
    /// answered such a refresh with other media than it had, which both sides have to agree on. Make it by `Command::UpdateMedia`.
    OfferWanted {
        /// The call.
        call: CallId,
    },
    /// The far side pressed a key, told by signalling (SIP).
    Digit {
        /// The call.
        call: CallId,
        /// `0-9 * # A-D`.
        digit: char,
    },
    /// The answer to `Command::UpdateMedia`, or to an offer of ours that the far side asked for.
    MediaUpdated {
        /// The call.
        call: CallId,
        /// SDP answer.
        sdp: String,
    },
    /// The far side is shown differently from now on.
    Display {
        /// The call.
        call: CallId,
        /// The far side.
        remote: Party,
    },
    /// DTMF went to the server.
    DtmfSent {
        /// The call.
        call: CallId,
    },
    /// The call is over. Nothing about it follows.
    Ended {
        /// The call.
        call: CallId,
        /// Who ended it.
        by: EndedBy,
        /// Why.
        cause: Cause,
        /// The server's own words or ours, when there are more than the cause.
        detail: Option<String>,
        /// Another client took the incoming call: it is not a missed one.
        elsewhere: bool,
        /// Extra headers of the end.
        headers: Vec<(String, String)>,
        /// Opaque state of the application in base64.
        client_state: Option<String>,
        /// How the SIP leg behind the server ended.
        sip: Box<SipEnd>,
    },
    /// What the server says about hold, after `Command::Hold`.
    HoldState {
        /// The call.
        call: CallId,
        /// Whether it is held now.
        held: bool,
    },
    /// The server carried a transfer out; the end of our leg follows.
    Transferred {
        /// The call.
        call: CallId,
    },
    /// The far side asks us to call somebody else (SIP; RFC 3515: its user transfers us). Answer with `Command::Invite` that
    /// names it in `refer`, or with `Command::RefuseRefer`; without an answer it is refused after a while, and `ReferLapsed`
    /// says so.
    Referred {
        /// The call within which it came. Outside of any call, which only a configuration that allows it lets through, a
        /// fresh name that stands for the request alone.
        call: CallId,
        /// Whether there is such a call.
        within: bool,
        /// Whom to call: an address without its headers.
        to: String,
        /// Who wants it (RFC 3892), unproven; `None`: it does not say.
        referred_by: Option<Party>,
        /// The call takes the place of another one there (an attended transfer, RFC 3891).
        replaces: bool,
    },
    /// A `Referred` cannot be answered any more: its time is over, or the far side took it back.
    ReferLapsed {
        /// The `call` of that event.
        call: CallId,
    },
    /// Others see what `Command::Publish` said (SIP; RFC 3903). Told once for each of these commands.
    Published {
        /// Whether calls are welcome.
        open: bool,
        /// The words.
        note: Option<String>,
    },
    /// A chat message arrived.
    Message {
        /// `Some`: within this call.
        call: Option<CallId>,
        /// Who sent it.
        from: Party,
        /// Text.
        body: String,
    },
    /// A chat message of ours was taken: by who it was for, or by a server for it. That it was read is told by nothing.
    MessageAccepted {
        /// `Some`: within this call.
        call: Option<CallId>,
        /// The `id` of its command.
        id: u64,
        /// Its server keeps it for later (SIP, 202; RFC 3428, 7).
        stored: bool,
    },
    /// A chat message of ours came to nothing, as far as anybody can tell; the call that it was for lives on unless its end follows.
    MessageFailed {
        /// `Some`: within this call.
        call: Option<CallId>,
        /// The `id` of its command.
        id: u64,
        /// Why.
        error: Error,
    },
    /// An assistant says or wants something.
    Assistant {
        /// The call with it, when there is one.
        call: Option<CallId>,
        /// What.
        event: AssistantEvent,
    },
    /// The session needs a token. Ask its source and answer with [`crate::command::Command::Login`] or
    /// [`crate::command::Command::TokenFailed`].
    TokenWanted {
        /// Why.
        reason: TokenWantedReason,
    },
    /// The login ends soon and no fresh token has come: said one hour, ten and two minutes before.
    TokenExpiringSoon {
        /// Time until then.
        left: Duration,
    },
    /// The login has ended by its token's own word. The session heals when a fresh one comes.
    TokenExpired,
    /// The server shows that somebody else uses the same credential.
    RegistrationConflict {
        /// How it shows.
        detail: String,
    },
    /// The server says something that has no event of its own: text while it is typed (`txt`), or whatever a platform tells.
    /// With SIP an INFO of a package (RFC 6086): `{"package": ..., "content_type": ..., "body": ...}`.
    Info {
        /// `Some`: about this call.
        call: Option<CallId>,
        /// All of it.
        data: Value,
    },
    /// The platform's own names of a call (Telnyx). Told when they are first known and when they change.
    CallIds {
        /// The call.
        call: CallId,
        /// All that is known.
        ids: Box<PlatformIds>,
    },
    /// The channels that are listened to, after a change or a reconnect.
    Channels {
        /// All that the server sends us.
        subscribed: Vec<String>,
        /// Those that it denied since this was told last.
        refused: Vec<RefusedChannel>,
    },
    /// Something came on an event channel.
    ChannelEvent {
        /// The channel.
        channel: String,
        /// What. With SIP (`package:address`) see `sip::subscription` for its form.
        data: Value,
        /// How many were lost just before, by the server's count.
        lost: u64,
    },
    /// Something changed in a conference that a call of ours is in.
    Conference {
        /// The call.
        call: CallId,
        /// What.
        change: ConferenceChange,
    },
    /// The server asks our user something (FreeSWITCH).
    Prompt {
        /// The call.
        call: CallId,
        /// `dtmf` or `message`.
        kind: String,
        /// The question.
        text: String,
        /// What an answer has to look like, as a regular expression.
        pattern: Option<String>,
    },
    /// The operator says something to everybody (FreeSWITCH).
    Announcement {
        /// The words.
        words: String,
    },
    /// The answer to `Command::JsApi`, `FsApi`, `Echo`, `AttachCalls` and `DisablePush`.
    ApiReply {
        /// The number of the command.
        id: u64,
        /// What came back; a text command's text is a JSON string.
        result: Result<Value, Error>,
    },
    /// One more ICE candidate of the server (trickle ICE).
    RemoteCandidate {
        /// The call.
        call: CallId,
        /// The line without `a=`.
        candidate: String,
    },
    /// The server has no more candidates.
    RemoteEndOfCandidates {
        /// The call.
        call: CallId,
    },
    /// Keep this for a restart, in place of what was kept before: it recovers calls of this process.
    Remember {
        /// What to hand in with the next configuration.
        state: Remembered,
    },
    /// What media reports go with (Telnyx).
    ReportKey {
        /// `call_report_id` of the registration.
        id: String,
    },
    /// A command about no call could not be carried out.
    SessionCommandFailed {
        /// Its name.
        command: &'static str,
        /// Why.
        error: Error,
    },
    /// The server did not take the new media of a `Command::UpdateMedia`; the call itself lives on, on the old path. After an
    /// [`Error::NotReady`] the server is gone and will offer media of its own.
    MediaUpdateFailed {
        /// The call.
        call: CallId,
        /// Why.
        error: Error,
    },
    /// Another command about a call could not be carried out; the call itself lives on.
    CommandFailed {
        /// The call.
        call: CallId,
        /// Why.
        error: Error,
    },
    /// The answer to `Command::Shutdown`: nothing follows, the session may be dropped.
    Stopped,
}
