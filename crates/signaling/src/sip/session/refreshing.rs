//! Subscriptions that hold: SUBSCRIBE within their dialogs (RFC 6665, 4.1.2.2 and 4.1.2.3).

use std::time::{Duration, Instant};

use crate::sip::deadline::{Deadline, TRANSACTION};
use crate::sip::message::response::Response;
use crate::sip::message::{HeaderName, Method};
use crate::sip::registration::schedule;
use crate::sip::session::core::identity;
use crate::sip::session::machine::Session;
use crate::sip::session::owner::{Owner, Purpose};
use crate::sip::session::subscribing::{SHORT, content, granted};
use crate::sip::subscription::state::{LegId, ends};

impl Session {
    /// A SUBSCRIBE within the dialog: for longer, or the last one.
    pub(super) fn refresh_subscription(&mut self, id: LegId, now: Instant) {
        let core = &mut self.core;
        let Some(leg) = self.subs.legs.get_mut(&id) else {
            return;
        };
        let secure = leg.dialog.secure;
        let ready = core.ready_flow_for(secure);
        if leg.busy {
            leg.again = true;
            return;
        }
        let own = core.flow(leg.flow);
        if !own.is_some_and(|flow| flow.is_ready(&core.config) && flow.carries(secure)) {
            let Some(other) = ready else {
                leg.stale = true;
                return;
            };
            leg.flow = other;
        }
        let owner = Owner::Leg(id);
        core.deadlines.clear(Deadline::SubscribeRefresh, &owner);
        leg.busy = true;
        leg.again = false;
        leg.stale = false;
        let wanted = self.subs.wanted.get(&leg.channel.name);
        let expires = match wanted {
            Some(wanted) if !leg.leaving => wanted.expires,
            _ => Duration::ZERO,
        };
        let content = content(&leg.channel, expires, secure, leg.flow, core);
        let cseq = leg.dialog.next_cseq();
        let draft = leg.dialog.draft(Method::Subscribe, content);
        let purpose = Purpose::Refresh(id);
        let auth = Some(&mut leg.auth);
        core.request(draft, cseq, auth, leg.flow, purpose, now);
        let awaited = leg.misses || core.deadlines.is_set(Deadline::FirstNotice, &owner);
        if awaited && !leg.leaving {
            // The NOTIFY that follows (4.2.1.2) brings what may be missing. Where nothing is, a server that leaves it out is borne.
            core.deadlines
                .set(Deadline::FirstNotice, owner, now + TRANSACTION);
        }
    }

    pub(super) fn on_refresh_answer(&mut self, id: LegId, response: &Response, now: Instant) {
        let Some(leg) = self.subs.legs.get_mut(&id) else {
            return;
        };
        leg.busy = false;
        let name = leg.channel.name.clone();
        let status = response.status;
        if matches!(status, 401 | 407) {
            let identity = identity(&self.core.config);
            if leg.auth.on_challenge(response, &identity).is_ok() {
                return self.refresh_subscription(id, now);
            }
        } else {
            leg.auth.on_accepted(response);
        }
        if leg.leaving {
            let ended = !response.is_success() && ends(status);
            if std::mem::take(&mut leg.again) && !ended {
                // That one still asked for more.
                return self.refresh_subscription(id, now);
            }
            if !response.is_success() {
                self.drop_leg(id);
            }
            // Else the last NOTIFY comes, or its time is over.
            return;
        }
        if response.is_success() {
            leg.raised = false;
            leg.failures = 0;
            leg.dialog.refresh_target(&response.headers);
            let again = std::mem::take(&mut leg.again);
            leg.misses &= again;
            let asked = self.subs.wanted.get(&name).map(|wanted| wanted.expires);
            let granted = granted(response, asked.unwrap_or_default());
            if granted.is_zero() {
                self.drop_leg(id);
                return self.subscribe_later(&name, None, Some(response), now);
            }
            self.subscription_holds(id, granted, now);
            if again {
                self.refresh_subscription(id, now);
            }
            return;
        }
        self.core
            .deadlines
            .clear(Deadline::FirstNotice, &Owner::Leg(id));
        let least = response.headers.number(&HeaderName::MinExpires);
        if status == 423 && !leg.raised && least.is_some() {
            leg.raised = true;
            let least = Duration::from_secs(least.unwrap_or_default().into());
            if let Some(wanted) = self.subs.wanted.get_mut(&name) {
                wanted.expires = wanted.expires.max(least);
            }
            return self.refresh_subscription(id, now);
        }
        if ends(status) {
            // Anew, with new names.
            let short = now.saturating_duration_since(leg.born) < SHORT;
            self.drop_leg(id);
            return self.subscribe_anew(&name, short, now);
        }
        // Any other refusal leaves it until it ends; it is asked for once more before.
        let left = leg.ends.saturating_duration_since(now);
        let named = response.headers.retry_after();
        let named = named.map(|named| named.min(schedule::LONGEST_WAIT));
        let core = &mut self.core;
        let pause = if leg.misses {
            // What is shown may be long past: as soon as the server can bear it.
            let backoff = &core.config.backoff;
            leg.failures = leg.failures.saturating_add(1);
            let pause = schedule::back_off(backoff, leg.failures, false, &mut core.rng);
            pause.min(left / 2).max(named.unwrap_or_default())
        } else {
            named.unwrap_or(left / 2).max(left / 4)
        };
        let owner = Owner::Leg(id);
        core.deadlines
            .set(Deadline::SubscribeRefresh, owner, now + pause);
    }

    pub(super) fn on_no_refresh_answer(&mut self, id: LegId, lost: bool, now: Instant) {
        let Some(leg) = self.subs.legs.get_mut(&id) else {
            return;
        };
        leg.busy = false;
        leg.again = false;
        let name = leg.channel.name.clone();
        if lost {
            leg.stale = true;
            self.core
                .deadlines
                .clear(Deadline::FirstNotice, &Owner::Leg(id));
        } else {
            let leaving = leg.leaving;
            self.drop_leg(id);
            if !leaving {
                self.subscribe_later(&name, None, None, now);
            }
        }
    }

    pub(super) fn drop_leg(&mut self, id: LegId) {
        self.core.deadlines.clear_owner(&Owner::Leg(id));
        self.subs.legs.remove(&id);
    }
}
