//! What a user may see of a SIP session, in which order, and within which time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use offhook_signaling::error::Error;
use offhook_signaling::event::{EndedBy, Event};

use crate::sip::watch::{Verdict, check};
use crate::sip::world::PATIENCE;

/// A call as the user sees it.
#[derive(Debug)]
pub(super) struct Seen {
    /// Its name in the whole world.
    pub(super) name: String,
    pub(super) ours: bool,
    pub(super) up: bool,
    /// The user took it.
    taken: Option<Instant>,
    confirmed: bool,
    hung_up: bool,
    since: Instant,
    /// A new description waits for its outcome.
    owed: Option<Instant>,
    /// There was no connection at some time since then.
    pub(super) adrift: Option<Instant>,
    /// When that was last.
    shaken: Option<Instant>,
}

/// How a call ended.
#[derive(Clone, Debug)]
pub(super) struct Gone {
    pub(super) at: Instant,
    /// Its Call-ID, where it had one.
    pub(super) call_id: Option<String>,
}

/// Checks each event against what was said before.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) ready: bool,
    pub(super) down: Option<Instant>,
    pub(super) calls: BTreeMap<String, Seen>,
    pub(super) gone: BTreeMap<String, Gone>,
    ended: BTreeMap<String, u32>,
    pub(super) readies: u32,
    stopping: bool,
}

/// Its own limit, and a second for whoever looks; the same for calls without any connection.
const LONGEST_UNDECIDED: Duration = Duration::from_secs(PATIENCE.as_secs() + 1);
const LONGEST_ADRIFT: Duration = LONGEST_UNDECIDED;
/// Several pauses after crossing offers, each behind an offer that was answered late, and a connection lost meanwhile.
const LONGEST_OWED: Duration = Duration::from_secs(130);

impl Model {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            ready: false,
            down: Some(now),
            calls: BTreeMap::new(),
            gone: BTreeMap::new(),
            ended: BTreeMap::new(),
            readies: 0,
            stopping: false,
        }
    }

    pub(super) fn live(&self) -> Vec<String> {
        self.calls.keys().cloned().collect()
    }

    pub(super) fn is_up(&self, call: &str) -> bool {
        self.calls.get(call).is_some_and(|call| call.up)
    }

    pub(super) fn invited(&mut self, call: &str, now: Instant) {
        self.appear(call, call.to_owned(), true, now);
    }

    fn appear(&mut self, call: &str, name: String, ours: bool, now: Instant) {
        let seen = Seen {
            name,
            ours,
            up: false,
            taken: None,
            confirmed: false,
            hung_up: false,
            since: now,
            owed: None,
            adrift: None,
            shaken: None,
        };
        self.calls.insert(call.to_owned(), seen);
    }

    pub(super) fn hung_up(&mut self, call: &str) {
        if let Some(call) = self.calls.get_mut(call) {
            call.hung_up = true;
        }
    }

    pub(super) fn taken(&mut self, call: &str, now: Instant) {
        if let Some(call) = self.calls.get_mut(call) {
            call.taken.get_or_insert(now);
        }
    }

    pub(super) fn wished(&mut self, call: &str, now: Instant) {
        if let Some(call) = self.calls.get_mut(call).filter(|call| call.up) {
            call.owed.get_or_insert(now);
        }
    }

    pub(super) fn shut_down(&mut self) {
        self.stopping = true;
        for call in self.calls.values_mut() {
            call.hung_up = true;
        }
    }

    fn about(&mut self, call: &str) -> Result<&mut Seen, String> {
        let ended = self.ended.get(call).copied();
        self.calls
            .get_mut(call)
            .ok_or_else(|| format!("an event about {call}, which ended {ended:?} times"))
    }

    /// `remote`: whether the far side has ended the call with that Call-ID, as the wire showed.
    pub(super) fn event(
        &mut self,
        event: &Event,
        remote: impl Fn(&str) -> bool,
        now: Instant,
    ) -> Verdict {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the model knows nothing of the others"
        )]
        match event {
            Event::Ready => {
                let twice = std::mem::replace(&mut self.ready, true);
                self.readies += 1;
                self.down = None;
                check(!twice, || "ready twice without a loss between".to_owned())
            }
            Event::Disconnected { .. } => {
                self.ready = false;
                self.down = self.down.or(Some(now));
                Ok(())
            }
            Event::Connecting { .. } | Event::Connected => check(!self.ready, || {
                "news of a connection while another one carries calls".to_owned()
            }),
            Event::Incoming { call, said, .. } => {
                let name = said.headers.iter().find(|(name, _)| name == "X-World");
                let name = name.map(|(_, name)| name.clone()).unwrap_or_default();
                let known = self.calls.contains_key(call.as_str());
                self.appear(call.as_str(), name, false, now);
                check(!known, || format!("{call} came twice"))
            }
            Event::Trying { call }
            | Event::Ringing { call, .. }
            | Event::Progress { call, .. }
            | Event::EarlyMedia { call, .. } => {
                let call = self.about(call.as_str())?;
                check(call.ours && !call.up, || {
                    format!("{event:?} of an answered call, or of a call of theirs")
                })
            }
            Event::Answered { call, .. } => {
                let call = self.about(call.as_str())?;
                let first = !std::mem::replace(&mut call.up, true);
                check(first && call.ours, || "an answer that cannot be".to_owned())
            }
            Event::Confirmed { call } => {
                let call = self.about(call.as_str())?;
                call.up = true;
                call.confirmed = true;
                check(call.ours || call.taken.is_some(), || {
                    "a call is up that nobody took".to_owned()
                })
            }
            Event::MediaUpdated { call, .. } => {
                self.about(call.as_str())?.owed = None;
                Ok(())
            }
            Event::MediaUpdateFailed { call, .. } => {
                self.about(call.as_str())?.owed = None;
                Ok(())
            }
            Event::CommandFailed {
                error: Error::UnknownCall { .. },
                ..
            } => Ok(()),
            Event::MessageFailed {
                error: Error::UnknownCall { .. },
                ..
            } => Ok(()),
            Event::MessageAccepted {
                call: Some(call), ..
            }
            | Event::MessageFailed {
                call: Some(call), ..
            } => self.about(call.as_str()).map(drop),
            Event::CommandFailed { call, .. } => {
                self.about(call.as_str())?.owed = None;
                Ok(())
            }
            Event::Transferred { call } => {
                self.about(call.as_str())?.hung_up = true;
                Ok(())
            }
            // What we offered before it is void.
            Event::Offer { call, .. } => {
                self.about(call.as_str())?.owed = None;
                Ok(())
            }
            Event::OfferWanted { call }
            | Event::DtmfSent { call }
            | Event::Display { call, .. } => self.about(call.as_str()).map(drop),
            Event::Ended {
                call,
                by,
                sip,
                detail,
                ..
            } => {
                let remote = sip.call_id.as_deref().is_some_and(remote);
                let detail = detail.as_deref().unwrap_or_default();
                let call_id = sip.call_id.clone();
                let gone = Gone { at: now, call_id };
                self.ended(call.as_str(), *by, remote, detail, gone)
            }
            _ => Ok(()),
        }
    }

    fn ended(
        &mut self,
        call: &str,
        by: EndedBy,
        remote: bool,
        detail: &str,
        gone: Gone,
    ) -> Verdict {
        let seen = self.about(call)?;
        let (hung_up, adrift) = (seen.hung_up, seen.adrift);
        let name = seen.name.clone();
        self.gone.insert(name, gone);
        self.calls.remove(call);
        *self.ended.entry(call.to_owned()).or_default() += 1;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the others depend on more than the model knows"
        )]
        match by {
            // What was not sent, and an offer that nobody answered, are told in words.
            EndedBy::Local => check(hung_up || !detail.is_empty(), || {
                format!("{call} ended by us, who never said so")
            }),
            EndedBy::Remote => check(remote || detail.contains("replaced"), || {
                format!("{call} ended by a far side that never said so: {detail}")
            }),
            EndedBy::Network => check(adrift.is_some(), || {
                format!("{call} was lost while its connection stood: {detail}")
            }),
            _ => Ok(()),
        }
    }

    /// A connection broke, or fell silent.
    pub(super) fn shaken(&mut self, now: Instant) {
        for call in self.calls.values_mut() {
            call.adrift.get_or_insert(now);
            call.shaken = Some(now);
        }
    }

    /// Whether anything has been pending for too long.
    pub(super) fn at_rest(&self, now: Instant) -> Verdict {
        for (call, seen) in &self.calls {
            let since = |at: Instant| now.saturating_duration_since(at);
            let undecided = !seen.up && seen.taken.is_none();
            check(!undecided || since(seen.since) < LONGEST_UNDECIDED, || {
                format!("{call} is undecided for {:?}", since(seen.since))
            })?;
            if let Some(at) = seen.taken.filter(|_| !seen.confirmed) {
                let most = LONGEST_ADRIFT + Duration::from_secs(33);
                // Each new connection brings our answer to them anew.
                let at = seen.shaken.map_or(at, |shaken| at.max(shaken));
                check(since(at) < most, || {
                    format!("{call} was taken, and is neither up nor over")
                })?;
            }
            // Each new connection asks them anew.
            let owed = seen
                .owed
                .map(|at| seen.shaken.map_or(at, |shaken| at.max(shaken)));
            if let Some(at) = owed {
                check(since(at) < LONGEST_OWED, || {
                    format!("{call} waits for its new description")
                })?;
            }
            if let Some(down) = self.down {
                let lost = down.max(seen.since);
                check(since(lost) < LONGEST_ADRIFT + LONGEST_UNDECIDED, || {
                    format!("{call} lives without a connection")
                })?;
            }
        }
        Ok(())
    }

    pub(super) fn at_end(&self) -> Verdict {
        check(self.calls.is_empty(), || {
            format!("calls that never ended: {:?}", self.live())
        })?;
        let twice = self.ended.iter().find(|(_, times)| **times != 1);
        check(twice.is_none(), || {
            format!("ended more than once: {twice:?}")
        })
    }
}
