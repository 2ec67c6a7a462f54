//! What the user listens to: SUBSCRIBE from the first to the last (RFC 6665, 4.1).

use std::time::{Duration, Instant};

use crate::error::Error;
use crate::event::Event;
use crate::sip::call::calling::{makes_secure, may_carry, routes};
use crate::sip::call::headers;
use crate::sip::call::identity::own;
use crate::sip::deadline::{Deadline, TRANSACTION};
use crate::sip::dialog::Dialog;
use crate::sip::dialog::edge::{Way, hangs_on_edge};
use crate::sip::flow_id::FlowId;
use crate::sip::message::address::NameAddr;
use crate::sip::message::outgoing::Content;
use crate::sip::message::response::Response;
use crate::sip::message::{HeaderName, Method};
use crate::sip::random;
use crate::sip::registration::schedule;
use crate::sip::session::core::{Core, identity};
use crate::sip::session::machine::Session;
use crate::sip::session::owner::{Owner, Purpose};
use crate::sip::session::registering::words;
use crate::sip::session::texts::redirection;
use crate::sip::subscription::channel::Channel;
use crate::sip::subscription::dialog_info::DialogInfo;
use crate::sip::subscription::state::{Attempt, Leg, LegId, MOST_CHANNELS, Wanted, may_pass};
use crate::sip::transaction::client::ClientTransaction;
use crate::sip::transaction::draft::Draft;

/// A subscription that ended sooner than that says something about its server: the next one comes after a pause.
pub(super) const SHORT: Duration = Duration::from_secs(30);
/// No subscription is refreshed more often.
const SHORTEST: Duration = Duration::from_secs(5);

impl Session {
    pub(super) fn on_subscribe_command(&mut self, names: Vec<String>, now: Instant) {
        if names.is_empty() || names.len() > MOST_CHANNELS {
            let command = "subscribe";
            let fault = "name 1 to 256 channels of at most 256 bytes each";
            let error = Error::Unsayable { command, fault };
            return self
                .core
                .tell(Event::SessionCommandFailed { command, error });
        }
        for name in names {
            let full = self.subs.wanted.len() >= MOST_CHANNELS;
            if self.subs.wanted.contains_key(&name) {
                self.subs.changed = true;
                continue;
            }
            match Channel::read(&name, &self.core.config).filter(|_| !full) {
                Some(channel) => {
                    let expires = self.core.config.subscription_expires;
                    let wanted = Wanted::new(channel, expires, now);
                    self.subs.wanted.insert(name.clone(), wanted);
                    self.subscribe(&name, now);
                }
                None => {
                    let reason = if full {
                        format!("{MOST_CHANNELS} are watched already")
                    } else {
                        "it is no event package with an address, as in presence:bob@example.com"
                            .to_owned()
                    };
                    self.subs.refuse(name, None, reason);
                }
            }
        }
    }

    pub(super) fn on_unsubscribe_command(&mut self, names: Vec<String>, now: Instant) {
        for name in names.into_iter().take(MOST_CHANNELS) {
            self.unsubscribe(&name, now);
        }
        self.subs.changed = true;
    }

    /// Goodbye to every notifier.
    pub(super) fn unsubscribe_all(&mut self, now: Instant) {
        let names: Vec<_> = self.subs.wanted.keys().cloned().collect();
        for name in names {
            self.unsubscribe(&name, now);
        }
    }

    fn unsubscribe(&mut self, name: &str, now: Instant) {
        let legs = self.subs.legs_of(name);
        if self.subs.wanted.remove(name).is_some() {
            let owner = Owner::Channel(name.to_owned());
            self.core.deadlines.clear_owner(&owner);
        }
        for id in legs {
            let owner = Owner::Leg(id);
            self.core.deadlines.clear_owner(&owner);
            self.core
                .deadlines
                .set(Deadline::SubscribeExpiry, owner, now + TRANSACTION);
            if let Some(leg) = self.subs.legs.get_mut(&id) {
                leg.leaving = true;
            }
            self.refresh_subscription(id, now);
        }
    }

    /// The first SUBSCRIBE of a channel; without a connection it waits for one.
    pub(super) fn subscribe(&mut self, name: &str, now: Instant) {
        let Some(wanted) = self.subs.wanted.get_mut(name) else {
            return;
        };
        let flow = self.core.flow_at_any_rate(&Method::Subscribe, now);
        let Some(flow) = flow.filter(|_| !self.stopping) else {
            // What was asked for before is over, and the next connection finds it missing.
            wanted.attempt = None;
            return;
        };
        let core = &mut self.core;
        let owner = Owner::Channel(name.to_owned());
        core.deadlines.clear(Deadline::SubscribeAgain, &owner);
        let attempt = Attempt {
            call_id: random::token(&mut core.rng),
            tag: random::token(&mut core.rng),
            cseq: 1,
            redirected: false,
            tried: Vec::new(),
        };
        let (uri, routes) = (wanted.channel.resource.clone(), routes(core, flow));
        let secure = makes_secure(core, flow, &uri, &routes);
        let draft = Draft {
            method: Method::Subscribe,
            uri,
            routes,
            from: own(&core.config).with_tag(&attempt.tag).to_string(),
            to: NameAddr::new(wanted.channel.resource.clone()).to_string(),
            call_id: attempt.call_id.clone(),
            content: content(&wanted.channel, wanted.expires, secure, flow, core),
            way: Way {
                secure,
                ..Way::default()
            },
        };
        wanted.attempt = Some(attempt);
        wanted.auth.forget_refusal();
        let purpose = Purpose::Subscribe(name.to_owned());
        core.request(draft, 1, Some(&mut wanted.auth), flow, purpose, now);
    }

    /// The first SUBSCRIBE of a channel has its answer.
    pub(super) fn on_subscribe_answer(
        &mut self,
        name: &str,
        transaction: &ClientTransaction<Purpose>,
        response: &Response,
        now: Instant,
    ) {
        let flow = transaction.flow;
        let Some(attempt) = self.asked(name, transaction) else {
            return;
        };
        let Some(wanted) = self.subs.wanted.get_mut(name) else {
            return;
        };
        let status = response.status;
        if matches!(status, 401 | 407) {
            let identity = identity(&self.core.config);
            match wanted.auth.on_challenge(response, &identity) {
                Ok(()) => self.subscribe_again(name, transaction.draft.clone(), flow, now),
                Err(_) => self.refuse_channel(name, Some(status), words(response)),
            }
            return;
        }
        wanted.auth.on_accepted(response);
        if response.is_success() {
            let asked = wanted.expires;
            let granted = granted(response, asked);
            if granted.is_zero() {
                return self.subscribe_later(name, None, Some(response), now);
            }
            self.subs.changed |= !std::mem::replace(&mut wanted.held, true);
            let known = self.subs.legs.iter();
            let known = known
                .filter(|(_, leg)| leg.dialog.has_answer(&response.ids))
                .map(|(id, _)| *id)
                .next();
            let id = match known {
                Some(id) => id,
                None => {
                    let draft = &transaction.draft;
                    let dialog = Dialog::of_answer(draft, attempt.cseq, response);
                    let Some(id) = dialog.and_then(|dialog| self.add_leg(name, dialog, flow, now))
                    else {
                        let reason = "a 200 to SUBSCRIBE that makes no dialog";
                        return self.core.count_malformed(reason);
                    };
                    self.core.deadlines.set(
                        Deadline::FirstNotice,
                        Owner::Leg(id),
                        now + TRANSACTION,
                    );
                    id
                }
            };
            return self.subscription_holds(id, granted, now);
        }
        let least = response.headers.number(&HeaderName::MinExpires);
        if status == 423 && !wanted.raised && least.is_some() {
            wanted.raised = true;
            let least = Duration::from_secs(least.unwrap_or_default().into());
            wanted.expires = wanted.expires.max(least);
            let mut draft = transaction.draft.clone();
            draft.content.remove(&HeaderName::Expires);
            let seconds = wanted.expires.as_secs().to_string();
            draft.content.push(&HeaderName::Expires, seconds);
            return self.subscribe_again(name, draft, flow, now);
        }
        if let Some(target) =
            redirection(transaction, response, &self.core).filter(|_| !attempt.redirected)
        {
            if let Some(attempt) = &mut wanted.attempt {
                attempt.redirected = true;
            }
            let mut draft = transaction.draft.clone();
            draft.uri = target;
            draft.way.secure = makes_secure(&self.core, flow, &draft.uri, &draft.routes);
            draft.content = content(
                &wanted.channel,
                wanted.expires,
                draft.way.secure,
                flow,
                &self.core,
            );
            return self.subscribe_again(name, draft, flow, now);
        }
        let mut tried = attempt.tried;
        tried.push(flow);
        let other = (self.core).flow_after(&tried, transaction, response, now);
        if let Some(other) =
            other.filter(|flow| may_carry(&self.core, *flow, &transaction.draft.uri))
        {
            return self.subscribe_elsewhere(name, transaction, tried, other, now);
        }
        let retry_after = response.headers.retry_after();
        let until = matches!(status, 404 | 603) && retry_after.is_some();
        if may_pass(status) || until {
            self.subscribe_later(name, retry_after, Some(response), now);
        } else {
            self.refuse_channel(name, Some(status), words(response));
        }
    }

    /// The channel's present SUBSCRIBE, if it is that one.
    fn asked(&self, name: &str, transaction: &ClientTransaction<Purpose>) -> Option<Attempt> {
        let attempt = self.subs.wanted.get(name)?.attempt.clone()?;
        (attempt.call_id == transaction.draft.call_id).then_some(attempt)
    }

    fn subscribe_again(&mut self, name: &str, draft: Draft, flow: FlowId, now: Instant) {
        let Some(wanted) = self.subs.wanted.get_mut(name) else {
            return;
        };
        let Some(attempt) = &mut wanted.attempt else {
            return;
        };
        attempt.cseq += 1;
        let cseq = attempt.cseq;
        let purpose = Purpose::Subscribe(name.to_owned());
        let auth = Some(&mut wanted.auth);
        self.core.request(draft, cseq, auth, flow, purpose, now);
    }

    /// The same over another connection, whose way and our address there are others (RFC 3263, 4.3).
    fn subscribe_elsewhere(
        &mut self,
        name: &str,
        transaction: &ClientTransaction<Purpose>,
        tried: Vec<FlowId>,
        flow: FlowId,
        now: Instant,
    ) {
        let Some(wanted) = self.subs.wanted.get_mut(name) else {
            return;
        };
        if let Some(attempt) = &mut wanted.attempt {
            attempt.tried = tried;
        }
        let mut draft = transaction.draft.clone();
        draft.routes = routes(&self.core, flow);
        draft.way.secure = makes_secure(&self.core, flow, &draft.uri, &draft.routes);
        let (channel, expires) = (&wanted.channel, wanted.expires);
        draft.content = content(channel, expires, draft.way.secure, flow, &self.core);
        self.subscribe_again(name, draft, flow, now);
    }

    /// The first SUBSCRIBE of a channel has no answer.
    pub(super) fn on_no_subscribe_answer(
        &mut self,
        name: &str,
        transaction: &ClientTransaction<Purpose>,
        lost: bool,
        now: Instant,
    ) {
        let Some(attempt) = self.asked(name, transaction) else {
            return;
        };
        if !self.subs.legs_of(name).is_empty() {
            return;
        }
        let mut tried = attempt.tried;
        tried.push(transaction.flow);
        // As good as 408 (RFC 3261, 8.1.3.1).
        let other = self.core.flow_beside(
            &tried,
            &Method::Subscribe,
            transaction.draft.uri.is_sips(),
            now,
        );
        let fits = |flow: &FlowId| !lost && may_carry(&self.core, *flow, &transaction.draft.uri);
        if let Some(other) = other.filter(fits) {
            return self.subscribe_elsewhere(name, transaction, tried, other, now);
        }
        if let Some(wanted) = self.subs.wanted.get_mut(name) {
            wanted.attempt = None;
        }
        // Where the connection is lost it goes out over the next one.
        if !lost {
            self.subscribe_later(name, None, None, now);
        }
    }

    pub(super) fn add_leg(
        &mut self,
        name: &str,
        dialog: Dialog,
        flow: FlowId,
        now: Instant,
    ) -> Option<LegId> {
        let wanted = self.subs.wanted.get_mut(name)?;
        let leg = Leg {
            channel: wanted.channel.clone(),
            dialog,
            flow,
            // Goes on in one dialog alone: two would count the uses of one nonce each for itself (RFC 7616, 3.4). Another one is challenged.
            auth: std::mem::take(&mut wanted.auth),
            born: now,
            ends: now,
            notified: false,
            leaving: false,
            stale: false,
            misses: false,
            failures: 0,
            busy: false,
            again: false,
            raised: false,
            info: DialogInfo::default(),
        };
        Some(self.subs.add(leg))
    }

    /// It holds that long from now on.
    pub(super) fn subscription_holds(&mut self, id: LegId, granted: Duration, now: Instant) {
        let Some(leg) = self.subs.legs.get_mut(&id) else {
            return;
        };
        leg.ends = now + granted;
        if leg.leaving {
            return;
        }
        // A shorter one is left to end: then the next comes after a pause.
        let refresh = schedule::refresh_after(granted, &mut self.core.rng).max(SHORTEST);
        let owner = Owner::Leg(id);
        self.core
            .deadlines
            .set(Deadline::SubscribeRefresh, owner.clone(), now + refresh);
        self.core
            .deadlines
            .set(Deadline::SubscribeExpiry, owner, now + granted);
    }

    /// The channel's dialog is over: another SUBSCRIBE at once, unless other notifiers are left. Where it was `brief` and the one
    /// before it too, after a pause.
    pub(super) fn subscribe_anew(&mut self, name: &str, brief: bool, now: Instant) {
        if !self.subs.legs_of(name).is_empty() {
            return;
        }
        let wanted = self.subs.wanted.get_mut(name);
        let hurried = wanted.map(|wanted| std::mem::replace(&mut wanted.hurried, brief));
        if brief && hurried.unwrap_or_default() {
            return self.subscribe_later(name, None, None, now);
        }
        self.subscribe(name, now);
    }

    /// Another try after a pause that grows.
    pub(super) fn subscribe_later(
        &mut self,
        name: &str,
        least: Option<Duration>,
        response: Option<&Response>,
        now: Instant,
    ) {
        if !self.subs.legs_of(name).is_empty() {
            return;
        }
        let core = &mut self.core;
        let Some(wanted) = self.subs.wanted.get_mut(name) else {
            return;
        };
        wanted.attempt = None;
        self.subs.changed |= std::mem::take(&mut wanted.held);
        wanted.failures = wanted.failures.saturating_add(1);
        let pause = schedule::back_off(&core.config.backoff, wanted.failures, false, &mut core.rng);
        let first = wanted.failures == 1;
        let owner = Owner::Channel(name.to_owned());
        // What another connection's server said of itself counts while there is no better one.
        let least = least.unwrap_or_default().min(schedule::LONGEST_WAIT);
        let unwanted = core.unwanted_for(&Method::Subscribe, now);
        core.deadlines.set(
            Deadline::SubscribeAgain,
            owner,
            now + pause.max(least).max(unwanted),
        );
        if let Some(response) = response.filter(|response| first && !response.is_success()) {
            let error = Error::Refused {
                server: core.server_name(FlowId(0)),
                setting: None,
                method: "SUBSCRIBE",
                code: Some(response.status.into()),
                reason: words(response),
            };
            core.tell(Event::Postponed(error));
        }
    }

    /// The last word about a channel: the user does not get it.
    pub(super) fn refuse_channel(&mut self, name: &str, code: Option<u16>, reason: String) {
        self.forget_channel(name);
        self.subs.refuse(name.to_owned(), code, reason);
    }

    /// Nothing more comes on a channel.
    pub(super) fn forget_channel(&mut self, name: &str) {
        for id in self.subs.legs_of(name) {
            self.drop_leg(id);
        }
        self.subs.wanted.remove(name);
        self.subs.changed = true;
        let owner = Owner::Channel(name.to_owned());
        self.core.deadlines.clear_owner(&owner);
    }

    /// A connection is lost: who notifies does not reach us over it any more.
    pub(super) fn subscriptions_lost(&mut self, flow: FlowId, now: Instant) {
        let mut ids = Vec::new();
        for (id, leg) in &mut self.subs.legs {
            if leg.flow == flow {
                leg.stale = true;
                leg.misses = true;
                // What was challenged and has no answer now says nothing about what follows over the next one.
                leg.auth.forget_refusal();
                ids.push(*id);
            }
        }
        // Another flow takes them over at once.
        if self.core.ready_flow().is_some() {
            for id in ids {
                self.refresh_subscription(id, now);
            }
            self.subscribe_missing(now);
        }
    }

    /// A flow is ready. What came by it while it was not is lost, and a notifier that reached nobody has ended the subscription
    /// (RFC 6665, 4.2.2): where it is ready again, whatever may have taken it is asked for once more.
    pub(super) fn subscriptions_back(&mut self, flow: FlowId, now: Instant) {
        let again = self
            .core
            .flow_mut(flow)
            .is_some_and(|flow| std::mem::replace(&mut flow.was_ready, true));
        let lacks = |leg: &Leg| {
            let elsewhere = leg.flow != flow && hangs_on_edge(&leg.dialog.routes);
            leg.stale || (again && !leg.busy && !elsewhere)
        };
        let mut ids = Vec::new();
        for (id, leg) in &mut self.subs.legs {
            if lacks(leg) {
                leg.misses = true;
                ids.push(*id);
            }
        }
        for id in ids {
            self.refresh_subscription(id, now);
        }
        self.subscribe_missing(now);
    }

    fn subscribe_missing(&mut self, now: Instant) {
        let missing = self.subs.wanted.iter().filter(|(name, wanted)| {
            let owner = Owner::Channel((*name).clone());
            let waits = self.core.deadlines.is_set(Deadline::SubscribeAgain, &owner);
            wanted.attempt.is_none() && !waits && self.subs.legs_of(name).is_empty()
        });
        let names: Vec<_> = missing.map(|(name, _)| name.clone()).collect();
        for name in names {
            self.subscribe(&name, now);
        }
    }

    pub(super) fn on_leg_deadline(&mut self, id: LegId, deadline: Deadline, now: Instant) {
        if deadline == Deadline::SubscribeRefresh {
            return self.refresh_subscription(id, now);
        }
        // Its time is over, or nothing was ever told (RFC 6665, 4.1.2.4).
        let Some(leg) = self.subs.legs.get(&id) else {
            return;
        };
        let (name, leaving) = (leg.channel.name.clone(), leg.leaving);
        let short = now.saturating_duration_since(leg.born) < SHORT;
        self.drop_leg(id);
        if leaving {
            return;
        }
        if deadline == Deadline::FirstNotice {
            self.subscribe_later(&name, None, None, now);
        } else {
            self.subscribe_anew(&name, short, now);
        }
    }

    /// Tells what is listened to, if that changed.
    pub(super) fn tell_channels(&mut self) {
        if std::mem::take(&mut self.subs.changed) {
            let subscribed = self.subs.held();
            let refused = std::mem::take(&mut self.subs.refused);
            self.core.tell(Event::Channels {
                subscribed,
                refused,
            });
        }
    }
}

/// How long an answer grants: never more than was asked for (RFC 6665, 4.2.1.1), and a day at most.
pub(super) fn granted(response: &Response, asked: Duration) -> Duration {
    let said = response.headers.number(&HeaderName::Expires);
    let granted = said.map_or(asked, |said| Duration::from_secs(said.into()).min(asked));
    granted.min(schedule::LONGEST_WAIT)
}

pub(super) fn content(
    channel: &Channel,
    expires: Duration,
    secure: bool,
    flow: FlowId,
    core: &Core,
) -> Content {
    let mut content = Content::default();
    headers::push_subscribe(&mut content, core, flow, secure);
    content.push(&HeaderName::Event, channel.package.as_str());
    if let Some(accept) = channel.accept() {
        content.push(&HeaderName::Accept, accept);
    }
    content.push(&HeaderName::Expires, expires.as_secs().to_string());
    content
}
