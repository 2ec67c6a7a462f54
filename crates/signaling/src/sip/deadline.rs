//! Every time limit of the user agent by name, how long each is and where it comes from.

use std::fmt;
use std::time::Duration;

/// RFC 3261, 17.1.1.1: an estimate of a round trip.
pub const T1: Duration = Duration::from_millis(500);
/// RFC 3261, 17.1.2.2: the longest pause between two copies.
pub const T2: Duration = Duration::from_secs(4);
/// 64 x T1: what every transaction has at most.
pub const TRANSACTION: Duration = Duration::from_secs(32);

/// How long a goodbye that no connection carried is owed to a far side that has agreed to no session timer: without one it may
/// have the call for ever (RFC 4028, 1), and is not to hear of it for the first time a day later.
pub const GOODBYE: Duration = Duration::from_secs(30 * 60);
/// Longest session interval that such a goodbye is owed for.
pub const LONGEST_GOODBYE: Duration = Duration::from_secs(24 * 60 * 60);

/// RFC 3261, 16.6: who called gives an INVITE up after three minutes without a word (timer C).
pub const CALLER_PATIENCE: Duration = Duration::from_secs(180);

/// RFC 4320, 4.1: when the pauses between copies on a lossy transport would have reached [`T2`].
pub const TRYING: Duration = Duration::from_millis(3500);

/// RFC 3261, 17.2.1: how long an INVITE within a dialog may have no word of ours.
pub const INVITE_TRYING: Duration = Duration::from_millis(200);

/// Names what the user agent waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Deadline {
    /// The next connection attempt of a flow is due (RFC 5626, 4.5).
    Reconnect,
    /// The transport neither opened a socket nor failed.
    Connect,
    /// Timers B and F (RFC 3261, 17.1): no answer to a request of ours within [`TRANSACTION`].
    Response,
    /// Timer M (RFC 6026, 7.2): further 2xx of an INVITE are taken for [`TRANSACTION`].
    FurtherAnswers,
    /// Timer H (RFC 3261, 17.2.1): no ACK for our refusal within [`TRANSACTION`].
    RefusalAck,
    /// A final answer that no connection carried waits for one, until who asked has given up: [`CALLER_PATIENCE`] or
    /// [`TRANSACTION`].
    AnswerOwed,
    /// RFC 3261, 13.3.1.4: our 2xx is said again, first after [`T1`], doubling up to [`T2`].
    RepeatAnswer,
    /// RFC 3261, 13.3.1.4: no ACK for our 2xx within [`TRANSACTION`].
    AnswerAck,
    /// RFC 3262, 3: our reliable 1xx is said again, first after [`T1`], doubling.
    RepeatProvisional,
    /// RFC 3262, 3: no PRACK within [`TRANSACTION`].
    ProvisionalAck,
    /// RFC 3261, 13.3.1.1: a long ringing is told again every minute, reliably every 2.5 minutes.
    RingAgain,
    /// A request within a dialog that needs time is told so, after [`INVITE_TRYING`] or [`TRYING`].
    TryingDue,
    /// Our call was neither answered nor refused; default 180 s.
    Unanswered,
    /// An incoming call was neither taken nor rejected by our user; default 180 s.
    Untaken,
    /// RFC 3261, 9.1: a cancelled INVITE has no final answer within [`TRANSACTION`].
    CancelledAnswer,
    /// RFC 4028, 7.4: time to refresh the session, at half of its interval; or after 30 s to ask after a far side that cannot
    /// reach us.
    SessionRefresh,
    /// RFC 4028, 10: nobody refreshed the session.
    SessionExpiry,
    /// RFC 3261, 14.1: the pause after a 491.
    GlareOver,
    /// Our user did not answer an offer of the far side.
    OfferUntaken,
    /// Our user neither carried out nor refused what the far side asked for (RFC 3515, 2.4.2); default 30 s.
    ReferUntaken,
    /// The far side's subscription to how its REFER goes ends (RFC 3515, 2.4.4).
    ReferExpiry,
    /// Timer N (RFC 6665, 4.1.2.4): no NOTIFY within [`TRANSACTION`] after a SUBSCRIBE or REFER of ours was taken, or after a
    /// refresh that is to bring what a lost connection took.
    FirstNotice,
    /// Time for another SUBSCRIBE within a subscription (RFC 6665, 4.1.2.2).
    SubscribeRefresh,
    /// A subscription ends.
    SubscribeExpiry,
    /// The pause before another SUBSCRIBE after a refusal or an end (RFC 6665, 4.1.3).
    SubscribeAgain,
    /// Time for another PUBLISH of the same (RFC 3903, 4.1).
    PublishRefresh,
    /// What was published ends at the server.
    PublishExpiry,
    /// A pause between digits that go by INFO: half a second for `w`, a second for `W`.
    DigitPause,
    /// The pause before another PUBLISH after a refusal.
    PublishAgain,
    /// Our subscription to how our REFER goes ended without a final word.
    TransferExpiry,
    /// Time to refresh the registration (RFC 3261, 10.2.4; RFC 5627, 4.2).
    RegisterRefresh,
    /// The registration lapses.
    RegisterExpiry,
    /// Retry-After of a refused registration (RFC 3261, 20.33).
    RegisterAgain,
    /// Nothing has been heard for a while: time for a WebSocket ping.
    Ping,
    /// A ping without its answer.
    Pong,
    /// Time for the keep-alive that the edge agreed to (RFC 5626, 4.4; RFC 6223).
    KeepAlive,
    /// That keep-alive without its answer: 10 s (RFC 5626, 4.4.1).
    KeepAliveAnswer,
    /// A call or a goodbye without a connection: the far end has given it up by now.
    Detached,
    /// Goodbyes without answers during a shutdown.
    Stopping,
    /// Time to ask for a fresh token; length by [`crate::auth::refresh::TokenRefresh`].
    TokenRefresh,
    /// The source of tokens gives no answer; default 60 s.
    TokenReply,
    /// The token ends soon: one hour, ten or two minutes before.
    TokenWarning,
    /// The token ends.
    TokenExpiry,
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reconnect => "next connection attempt",
            Self::Connect => "connection",
            Self::Response => "answer to a request",
            Self::FurtherAnswers => "further answers to an INVITE",
            Self::RefusalAck => "ACK of a refusal",
            Self::AnswerOwed => "connection for an answer",
            Self::RepeatAnswer => "next copy of an answer",
            Self::AnswerAck => "ACK of an answer",
            Self::RepeatProvisional => "next copy of a provisional answer",
            Self::ProvisionalAck => "PRACK",
            Self::RingAgain => "next word of ringing",
            Self::TryingDue => "provisional answer to a slow request",
            Self::Unanswered => "answer to the call",
            Self::Untaken => "decision about the incoming call",
            Self::CancelledAnswer => "end of a cancelled call",
            Self::SessionRefresh => "refresh of the session",
            Self::SessionExpiry => "refresh of the session by the far side",
            Self::GlareOver => "pause after crossing offers",
            Self::OfferUntaken => "our answer to an offer",
            Self::ReferUntaken => "our answer to a referral",
            Self::ReferExpiry => "end of the word about a referral",
            Self::FirstNotice => "first notification",
            Self::SubscribeRefresh => "refresh of a subscription",
            Self::SubscribeExpiry => "end of a subscription",
            Self::SubscribeAgain => "pause before the next subscription",
            Self::PublishRefresh => "refresh of our presence",
            Self::PublishExpiry => "end of our presence",
            Self::DigitPause => "end of a pause between digits",
            Self::PublishAgain => "pause before the next presence",
            Self::TransferExpiry => "word about a transfer",
            Self::RegisterRefresh => "refresh of the registration",
            Self::RegisterExpiry => "end of the registration",
            Self::RegisterAgain => "pause before the next registration",
            Self::Ping => "next ping",
            Self::Pong => "answer to a ping",
            Self::KeepAlive => "next keep-alive",
            Self::KeepAliveAnswer => "answer to a keep-alive",
            Self::Detached => "new connection for the call",
            Self::Stopping => "end of the calls",
            Self::TokenRefresh => "next question for a token",
            Self::TokenReply => "answer of the token source",
            Self::TokenWarning => "next warning of the end of the token",
            Self::TokenExpiry => "end of the token",
        })
    }
}
