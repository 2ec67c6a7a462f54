//! What a user agent listens to, judged by the wire: asked for in time and not needlessly, never turned away (RFC 6665, 4.1).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use offhook_signaling::event::RefusedChannel;

use crate::sip::message::{Message, param};
use crate::sip::name::Name;
use crate::sip::transactions::Key;
use crate::sip::watch::{TRANSACTION, Verdict, check};

/// The longest pause before another try, where nobody names a longer one.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// One that ended sooner is not asked for again at once.
const SHORT: Duration = Duration::from_secs(30);

/// Something that the user wants to hear of, by its event.
#[derive(Debug, Default)]
struct Wanted {
    /// Call-ID of the first SUBSCRIBE that counts.
    attempt: Option<String>,
    /// It has no answer, and was said then.
    out: Option<Instant>,
    /// Something went wrong: the next try is due by then.
    rests: Option<Instant>,
    /// The server named the time before which it wants no other.
    named: Option<Instant>,
    /// The last word has been said.
    doomed: bool,
    /// What the user heard last.
    heard: Option<String>,
}

/// One dialog with a notifier.
#[derive(Debug)]
struct Held {
    event: String,
    flow: u8,
    born: Instant,
    /// Granted then, for so long.
    since: Instant,
    granted: Duration,
    /// Since when a NOTIFY is awaited.
    awaits: Option<Instant>,
    /// What was told may be missing.
    misses: bool,
    /// A SUBSCRIBE is out.
    asked: bool,
    /// Its connection was lost: nothing reaches the user agent until it has said where it is.
    stale: bool,
    /// The last SUBSCRIBE did not do: another one may come at any time.
    again: bool,
    /// The user does not want it any more, since then.
    leaving: Option<Instant>,
    /// That has been said.
    left: bool,
}

/// What a NOTIFY says.
#[derive(Debug)]
struct Notice {
    name: Name,
    event: String,
    flow: u8,
    over: bool,
    reason: String,
    seconds: Option<Duration>,
    pause: Option<Duration>,
}

/// Everything that one user agent listens to.
#[derive(Debug, Default)]
pub(super) struct Listens {
    wanted: BTreeMap<String, Wanted>,
    held: BTreeMap<Name, Held>,
    notices: BTreeMap<Key, Notice>,
    /// What the user was told to have.
    told: Vec<String>,
    /// Dialogs that the notifier ended: a 200 that comes later begins none.
    over: BTreeSet<Name>,
}

/// The event of a channel.
fn event_of(channel: &str) -> &str {
    channel.split(':').next().unwrap_or_default()
}

impl Listens {
    // ---- the user ----

    pub(super) fn wants(&mut self, channel: &str) {
        self.wanted.entry(event_of(channel).to_owned()).or_default();
    }

    pub(super) fn is_wanted(&self, channel: &str) -> bool {
        self.wanted.contains_key(event_of(channel))
    }

    pub(super) fn wants_no_more(&mut self, channel: &str, now: Instant) {
        let event = event_of(channel);
        self.wanted.remove(event);
        for held in self.held.values_mut().filter(|held| held.event == event) {
            held.leaving.get_or_insert(now);
            held.again = true;
        }
    }

    pub(super) fn wants_nothing(&mut self, now: Instant) {
        let events: Vec<String> = self.wanted.keys().cloned().collect();
        for event in events {
            self.wants_no_more(&event, now);
        }
    }

    /// The user hears which channels there are, and which there will not be.
    pub(super) fn tells(&mut self, subscribed: &[String], refused: &[RefusedChannel]) -> Verdict {
        subscribed.clone_into(&mut self.told);
        for RefusedChannel { channel, .. } in refused {
            let wanted = self.wanted.remove(event_of(channel));
            check(wanted.is_none_or(|wanted| wanted.doomed), || {
                format!("{channel} is refused, and nobody refused it")
            })?;
        }
        Ok(())
    }

    pub(super) fn hears(&mut self, channel: &str, body: &str) -> Verdict {
        let wanted = self.wanted.get_mut(event_of(channel));
        let wanted = wanted.ok_or_else(|| format!("word of {channel}, which nobody wants"))?;
        wanted.heard = Some(body.to_owned());
        Ok(())
    }

    /// What is wanted, with what was heard of it last, and whether the user was told to have it.
    pub(super) fn all(&self, now: Instant) -> impl Iterator<Item = (&str, Option<&str>, bool)> {
        // Some are being asked for, or were ended just now.
        let settled = move |(_, wanted): &(&String, &Wanted)| {
            wanted.out.is_none() && !wanted.doomed && wanted.rests.is_none_or(|until| until <= now)
        };
        self.wanted.iter().filter(settled).map(|(event, wanted)| {
            let told = self.told.iter().any(|channel| event_of(channel) == event);
            (event.as_str(), wanted.heard.as_deref(), told)
        })
    }

    // ---- what the user agent says ----

    pub(super) fn asks(
        &mut self,
        flow: u8,
        name: &Name,
        message: &Message<'_>,
        now: Instant,
    ) -> Verdict {
        self.expire(now);
        let event = message.get("Event");
        if name.far.is_empty() {
            let listens = self.held.values().any(|held| held.listens_to(event));
            let wanted = self.wanted.get_mut(event);
            let wanted = wanted.ok_or_else(|| format!("{event} is asked for by nobody"))?;
            // As soon as its time is over it may go by another way.
            let over = wanted.out.is_none_or(|since| since + TRANSACTION <= now);
            check(over, || format!("{event} is asked for twice"))?;
            wanted.out = Some(now);
            wanted.rests = None;
            if wanted.attempt.as_ref() == Some(&name.call_id) && message.cseq() > 1 {
                // The same once more, with what was missing, or over another connection: what the first one's server named is its own.
                wanted.named = None;
                return Ok(());
            }
            wanted.attempt = Some(name.call_id.clone());
            check(!listens, || format!("{event} is heard, and asked for anew"))?;
            return check(wanted.named.take().is_none_or(|at| at <= now), || {
                format!("{event} is asked for too early")
            });
        }
        let held = self.held.get_mut(name);
        let held = held.ok_or_else(|| format!("a SUBSCRIBE for {event} within no dialog"))?;
        check(!held.asked, || format!("{event} is refreshed twice"))?;
        held.asked = true;
        held.left = message.number("Expires") == Some(0);
        held.flow = flow;
        let free = std::mem::take(&mut held.again) || std::mem::take(&mut held.stale);
        held.stale = false;
        if held.misses || held.awaits.is_some() {
            held.awaits = Some(now);
        }
        check(free || now >= held.since + held.granted / 2, || {
            format!("{event} is refreshed needlessly")
        })
    }

    /// A final answer to a NOTIFY.
    pub(super) fn answers(&mut self, key: &Key, status: u16, now: Instant) -> Verdict {
        let Some(notice) = self.notices.remove(key) else {
            return Ok(());
        };
        let Notice { name, event, .. } = &notice;
        let wanted = self.wanted.get_mut(event).filter(|it| !it.doomed);
        let ours = wanted.is_some_and(|it| it.attempt.as_ref() == Some(&name.call_id));
        let known = self.held.get(name);
        if status == 481 {
            let turned_away = ours && (known.is_some() || self.is_asking(event));
            return check(!turned_away, || format!("word of {event} is turned away"));
        }
        // 500: its number goes back, behind a way that reorders.
        check(matches!(status, 200 | 500), || {
            format!("word of {event} gets {status}")
        })?;
        if status == 500 {
            return Ok(());
        }
        check(ours || known.is_some(), || {
            format!("word of {event} is taken, and nobody wants it")
        })?;
        if ours && let Some(wanted) = self.wanted.get_mut(event) {
            // It has begun by its first word: the 200 may never come.
            wanted.out = None;
        }
        if notice.over {
            self.over.insert(name.clone());
            let held = self.held.remove(name);
            let born = held.as_ref().map_or(now, |held| held.born);
            if held.is_none_or(|held| held.leaving.is_none()) {
                self.ended(&notice, born, now);
            }
            return Ok(());
        }
        let held = self.held.entry(name.clone()).or_insert_with(|| {
            let seconds = notice.seconds.unwrap_or_default();
            Held::new(event, notice.flow, seconds, now)
        });
        held.awaits = None;
        held.misses = false;
        if let Some(seconds) = notice.seconds {
            let left = held.ends().saturating_duration_since(now);
            if seconds.abs_diff(left) > Duration::from_secs(2) {
                held.since = now;
                held.granted = seconds;
            }
        }
        Ok(())
    }

    /// The notifier's end of it, with its reason (4.1.3).
    fn ended(&mut self, notice: &Notice, born: Instant, now: Instant) {
        if self
            .held
            .values()
            .any(|held| held.listens_to(&notice.event))
        {
            return;
        }
        let named = notice.pause;
        match notice.reason.as_str() {
            "rejected" | "noresource" => self.dooms(&notice.event),
            "deactivated" | "timeout" => self.gone(&notice.event, born, now),
            "" if named.is_none() => self.gone(&notice.event, born, now),
            _ => self.rests(&notice.event, named, now),
        }
    }

    fn dooms(&mut self, event: &str) {
        if let Some(wanted) = self.wanted.get_mut(event) {
            wanted.doomed = true;
        }
    }

    /// Asked for again at once, unless it was short.
    fn gone(&mut self, event: &str, born: Instant, now: Instant) {
        if now.saturating_duration_since(born) < SHORT {
            self.rests(event, None, now);
        }
    }

    fn rests(&mut self, event: &str, named: Option<Duration>, now: Instant) {
        if self.held.values().any(|held| held.listens_to(event)) {
            return;
        }
        if let Some(wanted) = self.wanted.get_mut(event) {
            wanted.rests = Some(now + named.unwrap_or_default().max(LONGEST_PAUSE));
            wanted.named = named.map(|named| now + named);
        }
    }

    fn is_asking(&self, event: &str) -> bool {
        self.wanted
            .get(event)
            .is_some_and(|wanted| wanted.out.is_some())
    }

    // ---- what it hears ----

    pub(super) fn hears_notice(&mut self, flow: u8, key: &Key, name: &Name, text: &Message<'_>) {
        let state = text.get("Subscription-State");
        let seconds = |name| param(state, name).parse().ok().map(Duration::from_secs);
        let notice = Notice {
            name: name.clone(),
            event: text.get("Event").to_owned(),
            flow,
            over: state.starts_with("terminated"),
            reason: param(state, "reason").to_owned(),
            seconds: seconds("expires"),
            pause: seconds("retry-after"),
        };
        self.notices.insert(key.clone(), notice);
    }

    /// A final answer to a SUBSCRIBE; `asked`: as it was sent.
    pub(super) fn hears_answer(
        &mut self,
        flow: u8,
        (asked, event): (&Name, &str),
        message: &Message<'_>,
        status: u16,
        now: Instant,
    ) {
        let granted = Duration::from_secs(message.number("Expires").unwrap_or(0).into());
        let named = message.number("Retry-After");
        let named = named.map(|pause| Duration::from_secs(pause.into()));
        if !asked.far.is_empty() {
            return self.hears_refreshed(asked, granted, status, now);
        }
        let Some(wanted) = self.wanted.get_mut(event) else {
            return;
        };
        if wanted.attempt.as_ref() != Some(&asked.call_id) {
            return;
        }
        wanted.out = None;
        match status {
            401 | 407 | 423 => {}
            200..300 if granted.is_zero() => self.rests(event, None, now),
            200..300 => {
                let name = Name::of_sent(message);
                if self.over.contains(&name) {
                    return;
                }
                let held = self.held.entry(name);
                let held = held.or_insert_with(|| Held::new(event, flow, granted, now));
                held.since = now;
                held.granted = granted;
            }
            408 | 480 | 500 | 503 => self.rests(event, named, now),
            _ => self.dooms(event),
        }
    }

    fn hears_refreshed(&mut self, name: &Name, granted: Duration, status: u16, now: Instant) {
        let Some(held) = self.held.get_mut(name) else {
            return;
        };
        held.asked = false;
        if !(200..300).contains(&status) && !matches!(status, 401 | 407) {
            held.awaits = None;
        } else if status < 300 {
            held.misses = false;
        }
        let (event, born, leaves) = (held.event.clone(), held.born, held.leaving.is_some());
        match status {
            200..300 if leaves => {}
            200..300 if granted.is_zero() => {
                self.held.remove(name);
                self.rests(&event, None, now);
            }
            200..300 => {
                held.since = now;
                held.granted = granted;
            }
            401 | 407 | 423 => held.again = true,
            // What asked for more is refused: the goodbye is owed still.
            _ if leaves && held.left => drop(self.held.remove(name)),
            404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 604 => {
                self.held.remove(name);
                if !leaves && !self.held.values().any(|held| held.listens_to(&event)) {
                    self.gone(&event, born, now);
                }
            }
            _ => held.again = true,
        }
    }

    /// A SUBSCRIBE of that time has no answer: its time is over, or its connection is gone.
    pub(super) fn unanswered(
        &mut self,
        (name, since): (&Name, Instant),
        event: &str,
        lost: bool,
        now: Instant,
    ) {
        if let Some(held) = self.held.get_mut(name) {
            held.asked = false;
            held.stale = true;
            held.misses = true;
            held.awaits = None;
            if !lost {
                let leaves = held.leaving.is_some();
                self.held.remove(name);
                if !leaves {
                    self.rests(event, None, now);
                }
            }
            return;
        }
        let listens = self.held.values().any(|held| held.listens_to(event));
        let Some(wanted) = self.wanted.get_mut(event) else {
            return;
        };
        // It may be out by another way meanwhile.
        let last = wanted.out == Some(since) && wanted.attempt.as_ref() == Some(&name.call_id);
        if name.far.is_empty() && last {
            wanted.out = None;
            if !lost && !listens {
                self.rests(event, None, now);
            }
        }
    }

    /// A connection is gone, and with it who notifies over it.
    pub(super) fn lost(&mut self, flow: u8) {
        for held in self.held.values_mut().filter(|held| held.flow == flow) {
            held.stale = true;
            held.misses = true;
        }
    }

    /// A flow is registered again. Whatever was said by it meanwhile is lost, and perhaps the subscription with it.
    pub(super) fn registered_again(&mut self) {
        for held in self.held.values_mut().filter(|held| !held.asked) {
            held.stale = true;
            held.misses = true;
        }
    }

    // ---- time ----

    /// What is over by the clock.
    fn expire(&mut self, now: Instant) {
        let over = |held: &Held| match held.leaving {
            Some(since) => since + TRANSACTION <= now,
            None => held.ends() <= now || held.is_mute(now),
        };
        let gone: Vec<Name> = self
            .held
            .iter()
            .filter(|(_, held)| over(held))
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            let Some(held) = self.held.remove(&name).filter(|it| it.leaving.is_none()) else {
                continue;
            };
            if self.held.values().any(|it| it.listens_to(&held.event)) {
                continue;
            }
            if held.is_mute(now) {
                self.rests(&held.event, None, now);
            } else {
                self.gone(&held.event, held.born, now);
            }
        }
    }

    /// `sound`: something carries what is said.
    pub(super) fn at_rest(&mut self, sound: bool, now: Instant) -> Verdict {
        self.expire(now);
        if !sound {
            return Ok(());
        }
        let stale = self.held.values().find(|held| held.stale && !held.asked);
        check(stale.is_none(), || {
            format!("{stale:?} does not say where it is")
        })?;
        let leaves = |held: &&Held| held.leaving.is_some() && !held.left && !held.asked;
        let stays = self.held.values().find(leaves);
        check(stays.is_none(), || {
            format!("{stays:?} does not say that it is over")
        })?;
        let idle = self.wanted.iter().find(|(event, wanted)| {
            let rests = wanted.rests.is_some_and(|until| until > now);
            let listens = self.held.values().any(|held| held.listens_to(event));
            !(listens || wanted.out.is_some() || rests || wanted.doomed)
        });
        check(idle.is_none(), || {
            format!("{idle:?} is neither heard nor asked for")
        })
    }
}

impl Held {
    fn new(event: &str, flow: u8, granted: Duration, now: Instant) -> Self {
        Self {
            event: event.to_owned(),
            flow,
            born: now,
            since: now,
            granted,
            awaits: Some(now),
            misses: false,
            asked: false,
            stale: false,
            again: false,
            leaving: None,
            left: false,
        }
    }

    fn ends(&self) -> Instant {
        self.since + self.granted
    }

    fn listens_to(&self, event: &str) -> bool {
        self.event == event && self.leaving.is_none()
    }

    /// Timer N (4.1.2.4).
    fn is_mute(&self, now: Instant) -> bool {
        self.awaits.is_some_and(|since| since + TRANSACTION <= now)
    }
}
