//! NOTIFY: whose it is, and what it tells (RFC 6665, 4.1.3).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::event::Event;
use crate::sip::call::offers::{core_answer, core_answer_with};
use crate::sip::deadline::Deadline;
use crate::sip::dialog::Dialog;
use crate::sip::flow_id::FlowId;
use crate::sip::message::HeaderName;
use crate::sip::message::params::Params;
use crate::sip::message::request::Request;
use crate::sip::session::machine::Session;
use crate::sip::session::owner::Owner;
use crate::sip::session::subscribing::SHORT;
use crate::sip::subscription::channel::{Channel, Kind};
use crate::sip::subscription::dialog_info::{Change, DialogInfo};
use crate::sip::subscription::state::{LegId, MOST_LEGS};
use crate::sip::subscription::{message_summary, presence};
use crate::sip::transaction::server::ServerKey;

/// What a notifier may say again after when too much came.
const TOO_MUCH: &str = "5";
/// Longest time that a notifier may name.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What a body says.
enum Said {
    /// Nothing at all.
    Nothing,
    /// This; and whether the whole has to be asked for.
    Data(Value, bool),
    /// Something older than what is known.
    Old,
    /// It is of a type that is not known for the package.
    Foreign,
    /// It cannot be read.
    Bad(String),
}

impl Session {
    /// A NOTIFY in a dialog that no call has. `false`: nobody asked for it.
    pub(super) fn on_notice(&mut self, request: &Request, key: &ServerKey, now: Instant) -> bool {
        let call = self.calls.values().find(|call| call.has_notice(request));
        if let Some(id) = call.map(|call| call.id.clone()) {
            self.with_call(&id, |call, core| call.on_notify(request, key, core, now));
            return true;
        }
        if let Some(id) = self.subs.leg_of_notice(&request.ids) {
            let leg = self.subs.legs.get_mut(&id);
            if leg.is_none_or(|leg| leg.dialog.take_request(request).is_err()) {
                // Late or twice: what it says is not news.
                core_answer(&mut self.core, key, 500, now);
            } else {
                self.on_leg_notice(id, request, key, now);
            }
            return true;
        }
        // The first word of a notifier makes the dialog, perhaps before the 2xx, perhaps of another fork (4.4.1).
        let Some(name) = self.subs.attempt_of_notice(&request.ids) else {
            return false;
        };
        if self.subs.legs_of(&name).len() >= MOST_LEGS {
            return false;
        }
        let flow = self.core.servers.get(key).map_or(FlowId(0), |it| it.flow);
        let cseq = self.subs.wanted.get(&name);
        let cseq = cseq.and_then(|wanted| Some(wanted.attempt.as_ref()?.cseq));
        let Some(dialog) = self.core.dialog_of(request, request.ids.to_tag(), flow) else {
            core_answer(&mut self.core, key, 400, now);
            return true;
        };
        let dialog = Dialog {
            local_cseq: cseq.unwrap_or(1),
            ..dialog
        };
        let Some(id) = self.add_leg(&name, dialog, flow, now) else {
            return false;
        };
        self.on_leg_notice(id, request, key, now);
        // One that was refused makes none.
        if self.subs.legs.get(&id).is_some_and(|leg| !leg.notified) {
            self.drop_leg(id);
        }
        true
    }

    fn on_leg_notice(&mut self, id: LegId, request: &Request, key: &ServerKey, now: Instant) {
        let Some(leg) = self.subs.legs.get_mut(&id) else {
            return;
        };
        let event = request.headers.parametrised(&HeaderName::Event);
        let fits = |(event, params): &(String, Params)| {
            event.eq_ignore_ascii_case(&leg.channel.package) && !params.has("id")
        };
        if !event.as_ref().is_some_and(fits) {
            return core_answer(&mut self.core, key, 489, now);
        }
        let Some(state) = request.headers.get(&HeaderName::SubscriptionState) else {
            return core_answer(&mut self.core, key, 400, now);
        };
        let (state, tail) = state.split_once(';').unwrap_or((&state, ""));
        let (state, params) = (state.trim().to_ascii_lowercase(), Params::read(tail));
        let name = leg.channel.name.clone();
        let over = state == "terminated";
        let mut wanted = self.subs.wanted.get_mut(&name).filter(|_| !leg.leaving);
        if let Some(wanted) = &mut wanted
            && !over
            && !wanted.room.take(now)
        {
            wanted.lost += 1;
            let later = (HeaderName::RetryAfter, TOO_MUCH);
            return core_answer_with(&mut self.core, key, 500, &[later], now);
        }
        let said = said(&leg.channel, &mut leg.info, request);
        let data = match said {
            Said::Foreign if !over => {
                let accept = leg.channel.accept().unwrap_or_default();
                let accept = (HeaderName::Accept, accept);
                return core_answer_with(&mut self.core, key, 415, &[accept], now);
            }
            Said::Bad(reason) if !over => {
                self.core.count_malformed(&reason);
                return core_answer(&mut self.core, key, 400, now);
            }
            Said::Data(data, gap) => Some((data, gap)),
            Said::Nothing | Said::Old | Said::Foreign | Said::Bad(_) => None,
        };
        leg.notified = true;
        leg.dialog.refresh_target(&request.headers);
        core_answer(&mut self.core, key, 200, now);
        self.core
            .deadlines
            .clear(Deadline::FirstNotice, &Owner::Leg(id));
        let mut gap = false;
        if let Some(wanted) = wanted {
            wanted.failures = if over { wanted.failures } else { 0 };
            // Whoever waits for somebody's consent is not told anything yet.
            let held = if over {
                wanted.held
            } else {
                state != "pending"
            };
            self.subs.changed |= std::mem::replace(&mut wanted.held, held) != held;
            if let Some((data, missed)) = data {
                gap = missed;
                self.core.tell(Event::ChannelEvent {
                    channel: name,
                    data,
                    lost: std::mem::take(&mut wanted.lost),
                });
            }
        }
        if over {
            return self.on_terminated(id, &params, now);
        }
        leg.misses = gap;
        let left = leg.ends.saturating_duration_since(now);
        match seconds(&params, "expires") {
            // The notifier's word counts, in either direction (4.1.3).
            Some(shown) if shown.abs_diff(left) > Duration::from_secs(2) => {
                self.subscription_holds(id, shown, now);
            }
            None if left.is_zero() => {
                let asked = self.core.config.subscription_expires;
                self.subscription_holds(id, asked, now);
            }
            Some(_) | None => {}
        }
        if gap {
            self.refresh_subscription(id, now);
        }
    }

    /// The notifier ended it; its reason says what may be done (4.1.3).
    fn on_terminated(&mut self, id: LegId, params: &Params, now: Instant) {
        let Some(leg) = self.subs.legs.get(&id) else {
            return;
        };
        let (name, leaving) = (leg.channel.name.clone(), leg.leaving);
        let short = now.saturating_duration_since(leg.born) < SHORT;
        self.drop_leg(id);
        if leaving || !self.subs.legs_of(&name).is_empty() {
            return;
        }
        let least = seconds(params, "retry-after");
        let reason = params
            .get("reason")
            .unwrap_or_default()
            .to_ascii_lowercase();
        match reason.as_str() {
            "rejected" | "noresource" => {
                let reason = format!("the far side ended the subscription: {reason}");
                self.refuse_channel(&name, None, reason);
            }
            // What it told will never change: there is nothing to listen to.
            "invariant" => self.forget_channel(&name),
            "deactivated" | "timeout" => self.subscribe_anew(&name, short, now),
            "" if least.is_none() => self.subscribe_anew(&name, short, now),
            // probation, giveup, and what is not known.
            _ => self.subscribe_later(&name, least, None, now),
        }
    }

    /// A NOTIFY outside of any dialog: of a mailbox it is taken, since many servers tell of it so (RFC 3842 does not know
    /// it). `false`: it is none.
    pub(super) fn on_unasked_notice(
        &mut self,
        request: &Request,
        key: &ServerKey,
        now: Instant,
    ) -> bool {
        let event = request.headers.parametrised(&HeaderName::Event);
        let is_mailbox =
            event.is_some_and(|(event, _)| event.eq_ignore_ascii_case("message-summary"));
        if !is_mailbox || !self.core.agent.is_named(&request.uri, &self.core.config) {
            return false;
        }
        let name = "message-summary";
        let Some(channel) = Channel::read(name, &self.core.config) else {
            return false;
        };
        if !self.subs.unasked.take(now) {
            let later = (HeaderName::RetryAfter, TOO_MUCH);
            core_answer_with(&mut self.core, key, 500, &[later], now);
            return true;
        }
        match said(&channel, &mut DialogInfo::default(), request) {
            Said::Data(data, _) => {
                core_answer(&mut self.core, key, 200, now);
                self.core.tell(Event::ChannelEvent {
                    channel: name.to_owned(),
                    data,
                    lost: 0,
                });
            }
            Said::Foreign => {
                let accept = (HeaderName::Accept, channel.accept().unwrap_or_default());
                core_answer_with(&mut self.core, key, 415, &[accept], now);
            }
            Said::Nothing | Said::Old => core_answer(&mut self.core, key, 200, now),
            Said::Bad(reason) => {
                self.core.count_malformed(&reason);
                core_answer(&mut self.core, key, 400, now);
            }
        }
        true
    }
}

/// A time in seconds; what is longer than a day is as good as that.
fn seconds(params: &Params, name: &str) -> Option<Duration> {
    let seconds: u64 = params.get(name)?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST))
}

/// What the body of a NOTIFY says.
fn said(channel: &Channel, info: &mut DialogInfo, request: &Request) -> Said {
    let Some(kind) = request.content_type() else {
        return Said::Nothing;
    };
    let Ok(body) = std::str::from_utf8(&request.body) else {
        return Said::Bad("a notification that is no UTF-8".to_owned());
    };
    if channel.accept().is_some_and(|accept| accept != kind) {
        return Said::Foreign;
    }
    match channel.kind {
        Kind::Presence => match presence::read(body) {
            Ok(data) => Said::Data(data, false),
            Err(error) => Said::Bad(error.to_string()),
        },
        Kind::Dialog => match info.take(body) {
            Ok(Change::Known { data, gap }) => Said::Data(data, gap),
            Ok(Change::Old) => Said::Old,
            Err(error) => Said::Bad(error.to_string()),
        },
        Kind::MessageSummary => match message_summary::read(body) {
            Some(data) => Said::Data(data, false),
            None => Said::Bad("a message summary that says nothing".to_owned()),
        },
        Kind::Other => Said::Data(
            json!({"kind": "other", "content_type": kind, "body": body}),
            false,
        ),
    }
}
