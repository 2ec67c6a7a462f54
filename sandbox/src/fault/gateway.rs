//! What the Verto gateway is to do wrong, how often, and to whom.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use crate::sip::settings::Scheme;

/// The names, for messages.
pub(super) const NAMES: &str = "drop-after=SECONDS, drop-after-messages=N, silent-after=SECONDS, deaf-after=SECONDS, \
     punt-after=SECONDS, cut-frame=N, stall=MS, refuse-login=CODE, attach-late=MS|never, forget-calls=all|one, \
     list-calls=none, unanswered=keep, trickle=own|await, attach-silent=update|socket, update-media=refuse|bare, gateway-state=STATE, report-500=N, \
     forget-flow-after=SECONDS, unavailable=SECONDS, short-registrations=SECONDS, min-expires=SECONDS, \
     end-subscriptions=REASON, one-time-nonces=on|next, challenge=md5|sha-256|bearer";

/// Reasons for the end of a subscription (RFC 6665, 4.1.3).
const ENDS: [&str; 7] = [
    "deactivated",
    "probation",
    "rejected",
    "timeout",
    "giveup",
    "noresource",
    "invariant",
];

/// Every state that a gateway of Telnyx is known to tell.
pub(crate) const STATES: [&str; 12] = [
    "REGED",
    "REGISTER",
    "UNREGED",
    "NOREG",
    "TRYING",
    "FAILED",
    "FAIL_WAIT",
    "TIMEOUT",
    "EXPIRED",
    "UNREGISTER",
    "DOWN",
    "ATTACHED",
];

/// One wish, as it is written: `NAME=VALUE[:TIMES][@USER]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    /// What is to go wrong.
    pub(crate) fault: GatewayFault,
    /// How often it still is; `None`: always.
    pub(crate) left: Option<u32>,
    /// For whom; `None`: for everybody.
    pub(crate) user: Option<String>,
}

/// What is to go wrong. Those that concern a socket are decided when it logs in, and count from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GatewayFault {
    /// `drop-after=SECONDS`, `silent-after`, `deaf-after`, `punt-after`: this happens to a socket so long after its login.
    After(Mishap, Duration),
    /// `drop-after-messages=N`: a socket is cut behind its N-th message, the reply to the login being the first.
    DropAfterMessages(NonZeroU32),
    /// `cut-frame=N`: a socket is cut in the middle of its N-th message.
    CutFrame(NonZeroU32),
    /// `stall=MS`: each message of a socket waits this long behind the one before.
    Stall(Duration),
    /// `refuse-login=CODE`: a good login is refused all the same.
    RefuseLogin(i64),
    /// `attach-late=MS`: the calls of a client that comes back are offered this much later.
    AttachLate(Duration),
    /// `attach-late=never`: they are never offered.
    AttachNever,
    /// `forget-calls=all`, `forget-calls=one`: calls are not there any more when their client comes back.
    Forget(Forgotten),
    /// `attach-silent=update`, `attach-silent=socket`: the answer to such an offer is taken, and nothing is sent until the
    /// client offers media anew, or comes back once more.
    AttachSilent(Remedy),
    /// `update-media=refuse`, `update-media=bare`: media that a client offers anew is refused, or answered without SDP.
    UpdateMedia(NoUpdate),
    /// `list-calls=none`: `clientReady` names none of them, though they are offered, or were never away.
    ListNone,
    /// `unanswered=keep`: calls that nobody has answered outlive their client's socket too.
    KeepUnanswered,
    /// `trickle=own`, `trickle=await`: candidates go one by one (Telnyx).
    Trickle(Trickle),
    /// `report-500=N`: so many call reports are answered with an error.
    ReportFails,
    /// `gateway-state=STATE`: the answer to a question for the gateway's state.
    State(State),
    /// `unavailable=SECONDS`: SIP requests outside calls get 503 with `Retry-After`, without it when it is 0.
    Unavailable(u32),
    /// `short-registrations=SECONDS`: registrations are granted for no longer.
    ShortRegistrations(u32),
    /// `min-expires=SECONDS`: shorter registrations are refused with 423.
    MinExpires(u32),
    /// `one-time-nonces=on|next`: each nonce of a digest challenge is good for one request; `next`: an answer tells the one
    /// after it.
    OneTimeNonces { tells_next: bool },
    /// `end-subscriptions=REASON`: SIP subscriptions are ended for this reason right after their beginning.
    SubscriptionEnd(&'static str),
    /// `challenge=md5`, `challenge=sha-256`, `challenge=bearer`: SIP clients are asked for this alone.
    Challenge(Scheme),
}

/// What can happen to a socket at any moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// Its TCP connection is cut.
    Drop,
    /// Everything is read, nothing is written any more.
    Silent,
    /// Nothing is read any more.
    Deaf,
    /// Its session is taken from it.
    Punt,
    /// It is cut in the middle of a message.
    CutFrame,
    /// Its calls are offered new media, as by an operator's `uuid_media_reneg`.
    Attach,
    /// The next change of a conference's list is lost on its way (FreeSWITCH).
    LoseRow,
    /// The registrations over it are forgotten, and nobody is told (SIP).
    ForgetFlow,
}

/// What ends the silence of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// New media of the client, or another socket.
    Update,
    /// Another socket only.
    Socket,
}

/// Whose candidates go one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trickle {
    /// The gateway's, which takes none of the client's descriptions, so that the client has to find the way by them.
    Own,
    /// The client's: a call that announces them is taken up when the last of them was told.
    Await,
}

/// How new media of a client fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoUpdate {
    /// With an error.
    Refuse,
    /// With a reply that holds no SDP.
    Bare,
}

/// Which calls are forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forgotten {
    /// All of the client's.
    All,
    /// One of them.
    One,
}

/// One of [`STATES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State(&'static str);

impl State {
    /// The word on the wire.
    pub(crate) fn name(self) -> &'static str {
        self.0
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = STATES.into_iter().find(|state| *state == text);
        known.map(Self).ok_or_else(|| {
            format!(
                "there is no gateway state {text:?}; there are {}",
                STATES.join(", ")
            )
        })
    }
}

impl FromStr for Mishap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "drop" => Self::Drop,
            "silent" => Self::Silent,
            "deaf" => Self::Deaf,
            "punt" => Self::Punt,
            "cut-frame" => Self::CutFrame,
            "attach" => Self::Attach,
            "lose-row" => Self::LoseRow,
            "forget-flow" => Self::ForgetFlow,
            _ => return Err(format!("nothing called {text:?} can happen to a socket")),
        })
    }
}

impl Wish {
    /// Reads what follows the name; `None` when the name is not one of these.
    pub(super) fn read(name: &str, value: &str) -> Option<Result<Self, String>> {
        let (rest, user) = match value.split_once('@') {
            Some((rest, user)) => (rest, Some(user.to_owned())),
            None => (value, None),
        };
        let (value, times) = match rest.split_once(':') {
            Some((value, times)) => (value, Some(times)),
            None => (rest, None),
        };
        let fault = GatewayFault::read(name, value)?;
        Some(fault.and_then(|fault| {
            let left = match times {
                // Its value is its number of times.
                None if fault == GatewayFault::ReportFails => value.parse().ok(),
                Some(times) => Some(times.parse().map_err(|_| {
                    format!("{times:?} is no number of times: write {name}={value}:TIMES")
                })?),
                None => None,
            };
            Ok(Self { fault, left, user })
        }))
    }

    /// Whether it applies to this user now.
    fn meets(&self, user: &str) -> bool {
        self.left != Some(0) && self.user.as_deref().is_none_or(|wanted| wanted == user)
    }
}

impl GatewayFault {
    fn read(name: &str, value: &str) -> Option<Result<Self, String>> {
        let after = |mishap| seconds(name, value).map(|time| Self::After(mishap, time));
        let ms = || {
            value
                .parse()
                .map(Duration::from_millis)
                .map_err(|_| format!("{name} wants milliseconds: write {name}=MS"))
        };
        let whole = || {
            value
                .parse::<u32>()
                .map_err(|_| format!("{name} wants whole seconds: write {name}=SECONDS"))
        };
        let count = || {
            value
                .parse::<NonZeroU32>()
                .map_err(|_| format!("{name} wants a number, from 1: write {name}=N"))
        };
        Some(match name {
            "drop-after" => after(Mishap::Drop),
            "silent-after" => after(Mishap::Silent),
            "deaf-after" => after(Mishap::Deaf),
            "punt-after" => after(Mishap::Punt),
            "drop-after-messages" => count().map(Self::DropAfterMessages),
            "cut-frame" => count().map(Self::CutFrame),
            "stall" => ms().map(Self::Stall),
            "refuse-login" => value
                .parse()
                .map(Self::RefuseLogin)
                .map_err(|_| "refuse-login wants an error code, such as -32001".to_owned()),
            "attach-late" if value == "never" => Ok(Self::AttachNever),
            "attach-late" => ms().map(Self::AttachLate),
            "forget-calls" => match value {
                "all" => Ok(Self::Forget(Forgotten::All)),
                "one" => Ok(Self::Forget(Forgotten::One)),
                _ => Err("forget-calls wants \"all\" or \"one\"".to_owned()),
            },
            "attach-silent" => match value {
                "update" => Ok(Self::AttachSilent(Remedy::Update)),
                "socket" => Ok(Self::AttachSilent(Remedy::Socket)),
                _ => Err("attach-silent wants \"update\" or \"socket\"".to_owned()),
            },
            "update-media" => match value {
                "refuse" => Ok(Self::UpdateMedia(NoUpdate::Refuse)),
                "bare" => Ok(Self::UpdateMedia(NoUpdate::Bare)),
                _ => Err("update-media wants \"refuse\" or \"bare\"".to_owned()),
            },
            "trickle" => match value {
                "own" => Ok(Self::Trickle(Trickle::Own)),
                "await" => Ok(Self::Trickle(Trickle::Await)),
                _ => Err("trickle wants \"own\" or \"await\"".to_owned()),
            },
            "unanswered" if value == "keep" => Ok(Self::KeepUnanswered),
            "unanswered" => Err("unanswered wants \"keep\"".to_owned()),
            "list-calls" if value == "none" => Ok(Self::ListNone),
            "list-calls" => Err("list-calls wants \"none\"".to_owned()),
            "report-500" => count().map(|_| Self::ReportFails),
            "gateway-state" => value.parse().map(Self::State),
            "forget-flow-after" => after(Mishap::ForgetFlow),
            "unavailable" => whole().map(Self::Unavailable),
            "short-registrations" => whole().map(Self::ShortRegistrations),
            "min-expires" => whole().map(Self::MinExpires),
            "end-subscriptions" => ENDS
                .into_iter()
                .find(|known| *known == value)
                .map(Self::SubscriptionEnd)
                .ok_or_else(|| format!("end-subscriptions wants one of {}", ENDS.join(", "))),
            "one-time-nonces" => match value {
                "on" => Ok(Self::OneTimeNonces { tells_next: false }),
                "next" => Ok(Self::OneTimeNonces { tells_next: true }),
                _ => Err("one-time-nonces wants \"on\" or \"next\"".to_owned()),
            },
            "challenge" => match value {
                "md5" => Ok(Self::Challenge(Scheme::Md5)),
                "sha-256" => Ok(Self::Challenge(Scheme::Sha256)),
                "bearer" => Ok(Self::Challenge(Scheme::Bearer)),
                _ => Err("challenge wants \"md5\", \"sha-256\" or \"bearer\"".to_owned()),
            },
            _ => return None,
        })
    }
}

fn seconds(name: &str, value: &str) -> Result<Duration, String> {
    value
        .parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("{name} wants seconds: write {name}=SECONDS"))
}

/// The wishes that are left, in the order of their coming.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wishes(Vec<Wish>);

impl Wishes {
    pub(crate) fn add(&mut self, wish: Wish) {
        self.0.push(wish);
    }

    /// From now on all goes well: the wishes for one user are forgotten, or all of them.
    pub(crate) fn clear(&mut self, user: Option<&str>) {
        self.0
            .retain(|wish| user.is_some() && wish.user.as_deref() != user);
    }

    /// Uses the first wish for this user that `wanted` knows what to do with.
    pub(crate) fn take<T>(
        &mut self,
        user: &str,
        wanted: impl Fn(GatewayFault) -> Option<T>,
    ) -> Option<T> {
        let meeting = self.0.iter_mut().filter(|wish| wish.meets(user));
        let (wish, found) = meeting
            .filter_map(|wish| wanted(wish.fault).map(|found| (wish, found)))
            .next()?;
        wish.left = wish.left.map(|left| left - 1);
        tracing::info!(user, fault = ?wish.fault, "fault");
        Some(found)
    }

    /// The first wish for this user that `wanted` knows what to do with, not used up by that.
    pub(crate) fn look<T>(
        &self,
        user: &str,
        wanted: impl Fn(GatewayFault) -> Option<T>,
    ) -> Option<T> {
        let mut meeting = self.0.iter().filter(|wish| wish.meets(user));
        meeting.find_map(|wish| wanted(wish.fault))
    }

    /// Uses every wish for this user that concerns a socket as a whole.
    pub(crate) fn take_for_socket(&mut self, user: &str) -> Vec<GatewayFault> {
        let meeting = self.0.iter_mut().filter(|wish| wish.meets(user));
        let concerning = meeting.filter(|wish| match wish.fault {
            GatewayFault::After(..)
            | GatewayFault::DropAfterMessages(_)
            | GatewayFault::CutFrame(_)
            | GatewayFault::Stall(_) => true,
            GatewayFault::RefuseLogin(_)
            | GatewayFault::AttachLate(_)
            | GatewayFault::AttachNever
            | GatewayFault::Forget(_)
            | GatewayFault::AttachSilent(_)
            | GatewayFault::UpdateMedia(_)
            | GatewayFault::ListNone
            | GatewayFault::KeepUnanswered
            | GatewayFault::Trickle(_)
            | GatewayFault::ReportFails
            | GatewayFault::State(_)
            | GatewayFault::Unavailable(_)
            | GatewayFault::ShortRegistrations(_)
            | GatewayFault::MinExpires(_)
            | GatewayFault::OneTimeNonces { .. }
            | GatewayFault::SubscriptionEnd(_)
            | GatewayFault::Challenge(_) => false,
        });
        concerning
            .map(|wish| {
                wish.left = wish.left.map(|left| left - 1);
                tracing::info!(user, fault = ?wish.fault, "fault");
                wish.fault
            })
            .collect()
    }
}
