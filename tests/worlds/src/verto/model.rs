//! The reference: what a user of a session may see, in which order, and within which time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use offhook_signaling::error::Error;
use offhook_signaling::event::{DisconnectCause, EndedBy, Event};

/// Where the connection stands for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Down,
    Connecting,
    Connected,
    LoggedIn,
    Ready,
}

/// A call as the user sees it.
#[derive(Debug)]
struct Call {
    ours: bool,
    up: bool,
    media: bool,
    /// We took it, and wait for the server's word.
    taken: bool,
    hung_up: bool,
    since: Instant,
    /// When our user took it first, by an answer to its invite or to an attach.
    answered: Option<Instant>,
    /// The connection was lost, and the call has not been offered again.
    adrift: Option<Instant>,
    /// Wishes that wait for their outcome.
    owed: Vec<Instant>,
}

/// Checks each event against what was said before.
#[derive(Debug)]
pub(crate) struct Model {
    link: Link,
    calls: BTreeMap<String, Call>,
    ended: BTreeMap<String, u32>,
    /// Last change of the connection.
    changed: Instant,
    /// The session said that it will not come back by itself.
    parked: bool,
    /// A long pause was announced.
    paused: Option<Duration>,
    logins: Vec<Instant>,
    rings: bool,
    /// Whether the server keeps calls that nobody has answered when the connection is lost.
    keeps_unanswered: bool,
    pub(crate) readies: u32,
    /// Server commands without their reply.
    apis: BTreeMap<u64, Instant>,
    /// Channels that the session says it hears.
    pub(crate) channels: Vec<String>,
    /// Channels that our user wants to hear and may.
    wanted: BTreeSet<String>,
    /// A wish about channels was told to have failed on the present connection.
    unsure: bool,
    /// The source of tokens was asked.
    asked: Option<Instant>,
    last_asked: Option<Instant>,
    stopping: bool,
    /// Unregistered, and kept for the calls that are up.
    kept: bool,
}

type Verdict = Result<(), String>;

/// Longest span that any stage short of ready may take: connection 45 s, registration 60 s, pace of logins 60 s.
const LONGEST_STAGE: Duration = Duration::from_secs(61);
/// Longest that a call may be without a connection: 120 s at the server, 5 s for the offer.
const LONGEST_ADRIFT: Duration = Duration::from_secs(126);
/// The same with a server that lists the calls it keeps (Telnyx): 90 s, and once more as long where it never offers the call.
const LONGEST_LISTED: Duration = Duration::from_secs(181);
/// Longest that a wish may wait for its outcome: two repeats, each behind a login that had to wait its turn.
const LONGEST_OWED: Duration = Duration::from_secs(200);
/// Longest that a call may be undecided: 180 s for an incoming one. From our user's answer on, that is a wish like others.
const LONGEST_UNDECIDED: Duration = Duration::from_secs(181);

impl Model {
    pub(crate) fn new(rings: bool, keeps_unanswered: bool, now: Instant) -> Self {
        Self {
            keeps_unanswered,
            link: Link::Down,
            calls: BTreeMap::new(),
            ended: BTreeMap::new(),
            changed: now,
            parked: false,
            paused: None,
            logins: Vec::new(),
            rings,
            readies: 0,
            apis: BTreeMap::new(),
            channels: Vec::new(),
            wanted: BTreeSet::new(),
            unsure: false,
            asked: None,
            last_asked: None,
            stopping: false,
            kept: false,
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.link == Link::Ready
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.parked
            || self
                .paused
                .is_some_and(|pause| pause > Duration::from_secs(90))
    }

    /// Calls that have not ended, in order.
    pub(crate) fn live(&self) -> Vec<String> {
        self.calls.keys().cloned().collect()
    }

    pub(crate) fn is_up(&self, call: &str) -> bool {
        self.calls
            .get(call)
            .is_some_and(|call| call.up && call.adrift.is_none())
    }

    pub(crate) fn invited(&mut self, call: &str, now: Instant) {
        let ours = Call {
            ours: true,
            up: false,
            media: false,
            taken: false,
            hung_up: false,
            since: now,
            answered: None,
            adrift: None,
            owed: Vec::new(),
        };
        self.calls.insert(call.to_owned(), ours);
    }

    pub(crate) fn hung_up(&mut self, call: &str) {
        if let Some(call) = self.calls.get_mut(call) {
            call.hung_up = true;
        }
    }

    /// Something was asked of a call whose outcome has to be told.
    pub(crate) fn wished(&mut self, call: &str, now: Instant) {
        if let Some(call) = self.calls.get_mut(call) {
            call.owed.push(now);
        }
    }

    pub(crate) fn commanded(&mut self, api: u64, now: Instant) {
        self.apis.insert(api, now);
    }

    /// Our user wants to hear a channel, or no longer.
    pub(crate) fn wants(&mut self, channel: &str, on: bool) {
        if on {
            self.wanted.insert(channel.to_owned());
        } else {
            self.wanted.remove(channel);
        }
    }

    /// Whatever became of connections, what is wanted is heard.
    pub(crate) fn hears_what_it_wants(&self) -> Verdict {
        let mut wanted = self.wanted.iter();
        let missing = wanted.find(|name| !self.unsure && !self.channels.contains(*name));
        check(missing.is_none(), || {
            format!("{missing:?} is wanted, heard are {:?}", self.channels)
        })
    }

    /// The source of tokens has answered.
    pub(crate) fn token_came(&mut self) {
        self.asked = None;
    }

    fn outcome(&mut self, call: &str) -> Verdict {
        self.about(call)?.owed.pop();
        Ok(())
    }

    pub(crate) fn shut_down(&mut self) {
        self.stopping = true;
        for call in self.calls.values_mut() {
            call.hung_up = true;
        }
    }

    pub(crate) fn commanded_to_connect(&mut self, now: Instant) {
        self.parked = false;
        self.paused = None;
        self.changed = now;
    }

    /// Our user answers the offer of an attach.
    pub(crate) fn attached(&mut self, call: &str, now: Instant) {
        if let Some(call) = self.calls.get_mut(call).filter(|call| !call.ours) {
            call.answered.get_or_insert(now);
        }
    }

    /// The user takes a call that rings.
    pub(crate) fn taken(&mut self, call: &str, now: Instant) {
        if let Some(call) = self.calls.get_mut(call) {
            call.taken = true;
            call.answered.get_or_insert(now);
        }
    }

    /// An invitation left the session: nobody shall be called for somebody who is not there any more.
    pub(crate) fn invite_sent(&self, call: &str) -> Verdict {
        check(self.calls.contains_key(call), || {
            format!("{call} is invited, which has ended")
        })
    }

    /// A login frame left the session.
    pub(crate) fn login_sent(&mut self, now: Instant) -> Verdict {
        self.logins.retain(|at| *at + Duration::from_secs(60) > now);
        self.logins.push(now);
        check(self.logins.len() <= 6, || {
            format!("{} logins within a minute", self.logins.len())
        })
    }

    pub(crate) fn event(
        &mut self,
        event: &Event,
        remote_bye: impl Fn(&str) -> bool,
        now: Instant,
    ) -> Verdict {
        let step = |from: &[Link], to: Link, model: &mut Self| {
            let fits = from.contains(&model.link);
            let fault = format!("{to:?} after {:?}", model.link);
            model.link = to;
            model.changed = now;
            check(fits, || fault)
        };
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the model knows nothing of the others"
        )]
        match event {
            Event::Connecting { .. } => {
                self.paused = None;
                step(&[Link::Down], Link::Connecting, self)
            }
            Event::Connected => step(&[Link::Connecting], Link::Connected, self),
            Event::LoggedIn { .. } if self.link == Link::Ready => Ok(()),
            Event::LoggedIn { .. } => {
                step(&[Link::Connected, Link::LoggedIn], Link::LoggedIn, self)
            }
            Event::Ready => {
                self.readies += 1;
                self.kept = false;
                step(&[Link::LoggedIn], Link::Ready, self)
            }
            // Not before there are calls that keep the connection.
            Event::Unregistered(_) => {
                step(&[Link::LoggedIn, Link::Ready], Link::LoggedIn, self)?;
                self.kept = true;
                check(!self.calls.is_empty(), || {
                    "a connection kept for no call".to_owned()
                })
            }
            Event::Disconnected { cause, retry_in } => {
                let was_up = self.link != Link::Down || *cause == DisconnectCause::LoginRefused;
                let met = matches!(self.link, Link::LoggedIn | Link::Ready);
                self.link = Link::Down;
                self.kept = false;
                self.changed = now;
                self.channels.clear();
                self.unsure = false;
                self.parked = retry_in.is_none();
                self.paused = *retry_in;
                for call in self.calls.values_mut() {
                    // The server may have said meanwhile that it still has the call.
                    call.adrift = call.adrift.filter(|_| !met).or(Some(now));
                    // Digits wait for the next connection; everything else has failed by now.
                    call.owed.fill(now);
                }
                check(was_up, || "disconnected twice".to_owned())
            }
            // The session gives up on a source that says nothing.
            Event::Failed(Error::TokenSource { .. }) => {
                self.asked = None;
                Ok(())
            }
            Event::LoginFailed(_) | Event::Failed(_) | Event::Stopped => Ok(()),
            Event::Incoming { call, .. } => self.appeared(call.as_str(), false, now),
            Event::Attach {
                call, known: false, ..
            } => self.appeared(call.as_str(), true, now),
            Event::Attach { call, .. } => {
                let call = self.about(call.as_str())?;
                call.adrift = None;
                // It answers no call, but then the answer needs no media.
                call.media |= call.ours;
                call.up |= call.taken;
                Ok(())
            }
            Event::Trying { call } => check(self.about(call.as_str())?.ours, || {
                "trying a call of theirs".to_owned()
            }),
            Event::Ringing { call, .. } => {
                let rings = self.rings;
                let call = self.about(call.as_str())?;
                check(rings && call.ours && !call.up, || {
                    "ringing that cannot be".to_owned()
                })
            }
            Event::EarlyMedia { call, .. } => {
                let call = self.about(call.as_str())?;
                let first = !std::mem::replace(&mut call.media, true);
                check(first && call.ours && !call.up, || {
                    "early media that cannot be".to_owned()
                })
            }
            Event::Answered { call, sdp, .. } => {
                let call = self.about(call.as_str())?;
                let first = !std::mem::replace(&mut call.up, true);
                check(first && call.ours && sdp.is_none() == call.media, || {
                    "an answer that cannot be".to_owned()
                })
            }
            Event::Confirmed { call } => {
                let call = self.about(call.as_str())?;
                call.up |= !call.ours;
                Ok(())
            }
            Event::MediaUpdated { call, .. }
            | Event::DtmfSent { call }
            | Event::HoldState { call, .. }
            | Event::Transferred { call } => self.outcome(call.as_str()),
            Event::Display { call, .. } => self.about(call.as_str()).map(drop),
            Event::CommandFailed { call, .. }
            | Event::MediaUpdateFailed { call, .. }
            | Event::MessageFailed {
                call: Some(call), ..
            } => {
                if let Some(call) = self.calls.get_mut(call.as_str()) {
                    call.owed.pop();
                }
                Ok(())
            }
            Event::ApiReply { id, .. } => check(self.apis.remove(id).is_some(), || {
                format!("a reply to command {id}, which waits for none")
            }),
            Event::Channels { subscribed, .. } => {
                self.channels.clone_from(subscribed);
                Ok(())
            }
            Event::SessionCommandFailed {
                command: "subscribe" | "unsubscribe",
                ..
            } => {
                self.unsure = true;
                Ok(())
            }
            Event::ChannelEvent {
                channel,
                data,
                lost,
            } => {
                let told = data["lost"].as_u64().unwrap_or_default();
                check(*lost == told || !self.channels.contains(channel), || {
                    format!("{lost} lost on {channel}, in truth {told}")
                })
            }
            Event::TokenWanted { .. } => {
                let twice = self.asked.replace(now).is_some();
                let before = self.last_asked.replace(now);
                let soon = before.is_some_and(|before| now < before + Duration::from_secs(5));
                check(!twice && !soon, || {
                    "the source of tokens is pestered".to_owned()
                })
            }
            Event::Ended { call, by, .. } => {
                self.ended(call.as_str(), *by, remote_bye(call.as_str()))
            }
            _ => Ok(()),
        }
    }

    fn appeared(&mut self, name: &str, up: bool, now: Instant) -> Verdict {
        let call = Call {
            ours: false,
            up,
            media: false,
            taken: false,
            hung_up: false,
            since: now,
            answered: None,
            adrift: None,
            owed: Vec::new(),
        };
        let fresh = self.calls.insert(name.to_owned(), call).is_none();
        check(fresh, || format!("{name} appeared twice"))
    }

    fn about(&mut self, name: &str) -> Result<&mut Call, String> {
        let ended = self.ended.get(name).copied();
        self.calls
            .get_mut(name)
            .ok_or_else(|| format!("an event about {name}, which ended {ended:?} times"))
    }

    fn ended(&mut self, name: &str, by: EndedBy, remote_bye: bool) -> Verdict {
        let call = self.about(name)?;
        let hung_up = call.hung_up;
        // One that nobody has answered yet goes with its socket, which is told afterwards.
        let may_be_lost = call.adrift.is_some() || !call.up;
        self.calls.remove(name);
        *self.ended.entry(name.to_owned()).or_default() += 1;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the others depend on more than the model knows"
        )]
        match by {
            // An invite without a ready session counts as hung up: the world says so beforehand.
            EndedBy::Local => check(hung_up, || format!("{name} ended by us, who never said so")),
            EndedBy::Remote => check(remote_bye, || {
                format!("{name} ended by a far side that never said so")
            }),
            EndedBy::Network => check(may_be_lost, || {
                format!("{name} was lost while its connection stood")
            }),
            _ => Ok(()),
        }
    }

    /// Whether anything has been pending for too long.
    pub(crate) fn at_rest(&mut self, now: Instant) -> Verdict {
        // A connection that is kept for its calls may stay unregistered as long as they last.
        if self.kept && !self.calls.is_empty() {
            self.changed = now;
        }
        let stage = now - self.changed;
        if self.link != Link::Ready && !self.parked && !self.stopping && self.asked.is_none() {
            let limit = LONGEST_STAGE + self.paused.unwrap_or_default();
            check(stage <= limit, || format!("{:?} for {stage:?}", self.link))?;
        }
        for (name, call) in &self.calls {
            let (undecided, limit) = match call.answered {
                None => (now - call.since, LONGEST_UNDECIDED),
                Some(answered) => (now - answered, LONGEST_OWED),
            };
            check(call.up || undecided <= limit, || {
                format!("{name} undecided for {undecided:?}")
            })?;
            let adrift = call.adrift.map(|since| now - since).unwrap_or_default();
            let owed = call
                .owed
                .first()
                .map(|since| now - *since)
                .unwrap_or_default();
            check(owed <= LONGEST_OWED, || {
                format!("{name} waits for an outcome for {owed:?}")
            })?;
            let dropped = call.adrift.is_some() && !call.up && !call.taken;
            check(self.keeps_unanswered || !dropped, || {
                format!("{name} waits for an answer, and the server has dropped it")
            })?;
            let longest = if self.keeps_unanswered {
                LONGEST_LISTED
            } else {
                LONGEST_ADRIFT
            };
            check(adrift <= longest, || {
                format!("{name} without a connection for {adrift:?}")
            })?;
        }
        let api = self.apis.values().min().map(|since| now - *since);
        check(
            api.is_none_or(|api| api <= LONGEST_OWED || self.stopping),
            || format!("a server command waits for {api:?}"),
        )
    }

    /// Whether all has come to its end.
    pub(crate) fn at_end(&self) -> Verdict {
        check(self.calls.is_empty(), || {
            format!("calls without an end: {:?}", self.live())
        })?;
        let twice = self.ended.iter().find(|(_, times)| **times != 1);
        check(twice.is_none(), || {
            format!("not exactly one end: {twice:?}")
        })
    }
}

pub(crate) fn check(holds: bool, fault: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(fault()) }
}
