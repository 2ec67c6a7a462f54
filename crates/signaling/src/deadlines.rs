//! Every time limit of a session by name, how long each is, and the table that yields the next one.

use std::fmt;
use std::time::{Duration, Instant};

use crate::call_id::CallId;

/// Names what a session waits for. Durations are those of [`Timers`] unless another source is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Deadline {
    /// The next connection attempt is due; length by [`crate::backoff::Backoff`].
    Reconnect,
    /// The transport neither opened a socket nor failed.
    Connect,
    /// No reply to the login.
    LoginReply,
    /// Logged in, but the server never said `clientReady`.
    ClientReady,
    /// Time to ask the gateway for its state again: random 2 to 6 s.
    GatewayAsk,
    /// No reply to the question for the gateway's state.
    GatewayReply,
    /// The gateway never registered us. One that stays at `REGISTER` until then, or through five questions, is taken for
    /// ready as the browser SDK takes it; any other state that stays is an error.
    Registration,
    /// A login had to wait so that there are never more than six a minute.
    LoginPace,
    /// Time for a probe of our own; length by the dialect.
    Probe,
    /// A probe without its reply: the server is gone; length by the dialect.
    ProbeReply,
    /// No reply to an invite.
    InviteReply,
    /// Our call was neither answered nor refused.
    Unanswered,
    /// An incoming call was neither taken nor rejected by our user.
    Untaken,
    /// No reply to our answer.
    AnswerReply,
    /// The server neither listed a call after a new login nor offered it again.
    AttachDue,
    /// Our user did not answer the server's offer of an attach.
    AttachUntaken,
    /// No reply to our attach.
    AttachReply,
    /// A call without a connection, or listed by the server and not yet offered again: the server has given it up by now;
    /// length by the dialect.
    Detached,
    /// No reply to a bye.
    ByeReply,
    /// No reply to an `info`.
    InfoReply,
    /// No reply to a hold or a transfer.
    ModifyReply,
    /// No reply to new media of ours.
    MediaUpdateReply,
    /// Byes without replies during a shutdown.
    Stopping,
    /// Time to ask for a fresh token; length by [`crate::auth::refresh::TokenRefresh`].
    TokenRefresh,
    /// The source of tokens gives no answer.
    TokenReply,
    /// The login ends soon: one hour, ten or two minutes before.
    TokenWarning,
    /// The login ends.
    TokenExpiry,
    /// No reply to a command of the server.
    ApiReply,
    /// Time to say again what is to be remembered.
    Remember,
    /// Time to ask a gateway whether we are still registered.
    RegistrationCheck,
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reconnect => "next connection attempt",
            Self::Connect => "connection",
            Self::LoginReply => "reply to the login",
            Self::ClientReady => "clientReady after the login",
            Self::GatewayAsk => "next question for the gateway state",
            Self::GatewayReply => "reply with the gateway state",
            Self::Registration => "registration at the gateway",
            Self::LoginPace => "pause between logins",
            Self::Probe => "next ping",
            Self::ProbeReply => "reply to a ping",
            Self::InviteReply => "reply to the invite",
            Self::Unanswered => "answer to the call",
            Self::Untaken => "decision about the incoming call",
            Self::AnswerReply => "reply to the answer",
            Self::AttachDue => "attach of the call",
            Self::AttachUntaken => "our answer to the attach",
            Self::AttachReply => "reply to the attach",
            Self::Detached => "new connection for the call",
            Self::ByeReply => "reply to the bye",
            Self::InfoReply => "reply to the info",
            Self::ModifyReply => "reply to the hold or transfer",
            Self::MediaUpdateReply => "reply to the media update",
            Self::Stopping => "end of the calls",
            Self::TokenRefresh => "next question for a token",
            Self::TokenReply => "answer of the token source",
            Self::TokenWarning => "next warning of the end of the login",
            Self::TokenExpiry => "end of the login",
            Self::ApiReply => "reply to the server command",
            Self::Remember => "next note of the session",
            Self::RegistrationCheck => "next look at the registration",
        })
    }
}

/// Lengths of the deadlines. The defaults are for the public Internet; `verto` names where a figure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timers {
    /// [`Deadline::Connect`]: 45 s, above the sum of the transport's own limits per stage, which name the stage.
    pub connect: Duration,
    /// Replies to login, gateway state, invite, answer, attach, info: 10 s, the limit that the browser SDK has
    /// for some requests and ours has for all.
    pub reply: Duration,
    /// [`Deadline::ClientReady`]: 10 s; FreeSWITCH sends it 50 ms after the login.
    pub client_ready: Duration,
    /// [`Deadline::Registration`]: 60 s.
    pub registration: Duration,
    /// [`Deadline::Unanswered`]: 120 s. Neither server has a limit of its own.
    pub unanswered: Duration,
    /// [`Deadline::Untaken`]: 180 s; usually the caller gives up earlier.
    pub untaken: Duration,
    /// [`Deadline::AttachDue`]: 5 s after `clientReady`; FreeSWITCH sends attaches before it.
    pub attach_due: Duration,
    /// [`Deadline::AttachUntaken`]: 30 s.
    pub attach_untaken: Duration,
    /// [`Deadline::ByeReply`]: 5 s, as in the browser SDK.
    pub bye_reply: Duration,
    /// [`Deadline::ModifyReply`]: 10 s, as in the browser SDK.
    pub modify_reply: Duration,
    /// [`Deadline::MediaUpdateReply`]: 15 s, as the browser SDK gives an ICE restart.
    pub media_update_reply: Duration,
    /// [`Deadline::Stopping`]: 3 s, so that a service ends within 5 s of its signal.
    pub stopping: Duration,
    /// [`Deadline::TokenReply`]: 60 s from when it is asked.
    pub token_reply: Duration,
    /// [`Deadline::ApiReply`]: 30 s.
    pub api_reply: Duration,
    /// [`Deadline::Remember`]: 10 s while there are calls, a ninth of the gateway's patience.
    pub remember: Duration,
    /// [`Deadline::RegistrationCheck`]: 5 min; zero: never.
    pub registration_check: Duration,
    /// First pause after a refused login: 15 min; it doubles up to [`Timers::refused_cap`]. Zero: a refused login is
    /// tried again only when a command asks for it.
    pub refused: Duration,
    /// Longest pause after refused logins: 1 h.
    pub refused_cap: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connect: seconds(45),
            reply: seconds(10),
            client_ready: seconds(10),
            registration: seconds(60),
            unanswered: seconds(120),
            untaken: seconds(180),
            attach_due: seconds(5),
            attach_untaken: seconds(30),
            bye_reply: seconds(5),
            modify_reply: seconds(10),
            media_update_reply: seconds(15),
            stopping: seconds(3),
            token_reply: seconds(60),
            api_reply: seconds(30),
            remember: seconds(10),
            registration_check: seconds(300),
            refused: seconds(15 * 60),
            refused_cap: seconds(60 * 60),
        }
    }
}

/// Whom a deadline belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The session as a whole, as long as a socket lives.
    Session,
    /// The credentials, whatever becomes of sockets.
    Credential,
    /// One call.
    Call(CallId),
    /// One request, by its id on the wire.
    Request(String),
}

/// The running deadlines of one session: a handful per call, so a plain list is the fastest table.
#[derive(Debug)]
pub struct Deadlines<D = Deadline, O = Owner> {
    running: Vec<(Instant, D, O)>,
}

impl<D, O> Default for Deadlines<D, O> {
    fn default() -> Self {
        Self {
            running: Vec::new(),
        }
    }
}

impl<D: Copy + Ord, O: PartialEq> Deadlines<D, O> {
    /// Starts a deadline, in place of one of the same name and owner.
    pub fn set(&mut self, deadline: D, owner: O, at: Instant) {
        self.clear(deadline, &owner);
        self.running.push((at, deadline, owner));
    }

    /// Whether a deadline runs.
    pub fn is_set(&self, deadline: D, owner: &O) -> bool {
        self.running
            .iter()
            .any(|(_, name, whose)| *name == deadline && whose == owner)
    }

    /// Stops a deadline.
    pub fn clear(&mut self, deadline: D, owner: &O) {
        self.running
            .retain(|(_, name, whose)| *name != deadline || whose != owner);
    }

    /// Stops all deadlines of an owner.
    pub fn clear_owner(&mut self, owner: &O) {
        self.running.retain(|(_, _, whose)| whose != owner);
    }

    /// Stops all deadlines for which `keep` says no.
    pub fn retain(&mut self, mut keep: impl FnMut(D, &O) -> bool) {
        self.running.retain(|(_, name, whose)| keep(*name, whose));
    }

    /// When a deadline comes that runs.
    pub fn when(&self, deadline: D, owner: &O) -> Option<Instant> {
        self.running
            .iter()
            .find(|(_, name, whose)| *name == deadline && whose == owner)
            .map(|(at, _, _)| *at)
    }

    /// How many run of which `which` says yes.
    pub fn count(&self, mut which: impl FnMut(D, &O) -> bool) -> usize {
        self.running
            .iter()
            .filter(|(_, name, whose)| which(*name, whose))
            .count()
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<(Instant, D)> {
        self.running.iter().map(|(at, name, _)| (*at, *name)).min()
    }

    /// Takes the earliest deadline that has come by `now`; call until `None`.
    pub fn expired(&mut self, now: Instant) -> Option<(D, O)> {
        let due = |(index, entry): (usize, &(Instant, D, O))| {
            (entry.0 <= now).then_some((entry.0, index))
        };
        let (_, index) = self.running.iter().enumerate().filter_map(due).min()?;
        let (_, deadline, owner) = self.running.remove(index);
        Some((deadline, owner))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Deadline, Deadlines, Owner};

    #[test]
    fn expire_in_the_order_of_time_and_of_setting() {
        #[expect(clippy::disallowed_methods, reason = "an instant to count from")]
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut table = Deadlines::default();
        table.set(Deadline::Probe, Owner::Session, after(20));
        table.set(Deadline::LoginReply, Owner::Request("a".into()), after(10));
        table.set(Deadline::InfoReply, Owner::Request("b".into()), after(10));
        table.set(Deadline::Probe, Owner::Session, after(5));
        assert_eq!(table.next(), Some((after(5), Deadline::Probe)));
        assert_eq!(table.expired(after(4)), None);
        assert_eq!(
            table.expired(after(30)),
            Some((Deadline::Probe, Owner::Session))
        );
        assert_eq!(
            table.expired(after(30)),
            Some((Deadline::LoginReply, Owner::Request("a".into())))
        );
        table.clear_owner(&Owner::Request("b".into()));
        assert_eq!(table.next(), None);
    }
}
