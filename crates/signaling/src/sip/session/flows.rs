//! Connections: made, kept alive, lost and made again.

use std::time::{Duration, Instant};

use rand::RngExt;

use crate::error::Error;
use crate::event::{DisconnectCause, Event};
use crate::session::{CloseReason, ConnectFailure};
use crate::sip::deadline::Deadline;
use crate::sip::flow_id::FlowId;
use crate::sip::message::Method;
use crate::sip::registration::schedule;
use crate::sip::session::contract::Output;
use crate::sip::session::core::identity;
use crate::sip::session::flow::{Flow, Link};
use crate::sip::session::machine::Session;
use crate::sip::session::owner::Owner;

/// The pause between keep-alives when the edge took outbound and named none (RFC 5626, 4.4.1): 95 to 120 s.
const KEEP_ALIVE_DEFAULT: Duration = Duration::from_secs(120);
/// RFC 5626, 4.4.1.
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(10);

/// "Normal closure" (RFC 6455, 7.4.1): this connection alone is over, so nobody else comes back with us. All other codes, and
/// none, may have hit a thousand at once.
const ORDERLY: u16 = 1000;
/// Who had us for so long may close the connection without being left alone for it.
const SETTLED: Duration = Duration::from_secs(30);

impl Session {
    pub(super) fn connect_now(&mut self, id: FlowId, now: Instant) {
        let waits = self.core.waits_for_token(now);
        self.core.deadlines.clear_owner(&Owner::Flow(id));
        let Some(flow) = self.core.flow_mut(id) else {
            return;
        };
        if waits {
            // The token's coming opens it.
            flow.link = Link::Down;
            return;
        }
        flow.link = Link::Connecting;
        let (url, attempt) = (flow.url.clone(), flow.failures + 1);
        let (url, headers) = self.core.socket_request(url);
        let login = identity(&self.core.config).socket_login();
        self.limit_attempt(id, now);
        // Another flow carries the calls: no news for whoever wants to make one.
        if !self.ready {
            self.core.tell(Event::Connecting { attempt });
        }
        self.core.outbox.push_back(Output::Connect {
            flow: id,
            url,
            headers,
            login,
        });
    }

    /// The flow's attempt under way has its time from now on.
    pub(super) fn limit_attempt(&mut self, id: FlowId, now: Instant) {
        let connecting = |flow: &Flow| flow.link == Link::Connecting;
        if self.core.flow(id).is_some_and(connecting) {
            let end = now + self.core.config.timers.connect;
            let deadlines = &mut self.core.deadlines;
            deadlines.set(Deadline::Connect, Owner::Flow(id), end);
        }
    }

    pub(super) fn on_opened(&mut self, id: FlowId, now: Instant) {
        let Some(flow) = self.core.flow_mut(id) else {
            return;
        };
        if flow.link != Link::Connecting {
            return;
        }
        flow.link = Link::Open;
        flow.connection = flow.connection.wrapping_add(1);
        flow.doubted = false;
        self.core.deadlines.clear_owner(&Owner::Flow(id));
        if !self.ready {
            self.core.tell(Event::Connected);
        }
        self.heard(id, now);
        if self.core.config.registers {
            self.register(id, now);
        } else {
            if let Some(flow) = self.core.flow_mut(id) {
                flow.failures = 0;
                flow.ready_since = Some(now);
            }
            self.plan_keep_alive(id, now);
            self.tell_flow(id, None, None);
            self.become_ready(id, now);
        }
        // Who asked waits for them, whatever the registrar says.
        self.core.say_owed(now);
    }

    pub(super) fn on_failed(&mut self, id: FlowId, failure: ConnectFailure, now: Instant) {
        if self
            .core
            .flow(id)
            .is_some_and(|flow| flow.link == Link::Connecting)
        {
            self.note_retry_after(id, failure.retry_after, now);
            self.lose(id, DisconnectCause::Connect(failure), now);
        }
    }

    /// The server does not open a socket for whom we are.
    pub(super) fn on_socket_refused(&mut self, id: FlowId, failure: ConnectFailure, now: Instant) {
        let connecting = |flow: &Flow| flow.link == Link::Connecting;
        if !self.core.flow(id).is_some_and(connecting) {
            return;
        }
        let error = self.core.fault_of_life(id, now);
        let error = error.unwrap_or_else(|| Error::LoginRejected {
            server: self.core.server_name(id),
            setting: None,
            user: self.core.config.login.who(),
            code: None,
            reason: failure.text,
        });
        self.core.tell(Event::LoginFailed(error));
        self.core.deadlines.clear_owner(&Owner::Flow(id));
        let pause = self.refused_pause(id, now);
        if let Some(flow) = self.core.flow_mut(id) {
            flow.link = if pause.is_some() {
                Link::Waiting
            } else {
                Link::Down
            };
        }
        if let Some(pause) = pause {
            self.core
                .deadlines
                .set(Deadline::Reconnect, Owner::Flow(id), now + pause);
        }
        self.unready(DisconnectCause::LoginRefused, pause, now);
        self.core.ask_afresh(now);
    }

    pub(super) fn on_closed(&mut self, id: FlowId, reason: CloseReason, now: Instant) {
        if self.core.flow(id).is_some_and(|flow| flow.is_open()) {
            self.lose(id, DisconnectCause::Closed(reason), now);
            if self.stopping {
                self.stop_when_quiet();
            }
        }
    }

    /// The flow's connection is no more, or never came to be. Calls go on without.
    pub(super) fn lose(&mut self, id: FlowId, cause: DisconnectCause, now: Instant) {
        let others_alive = self.core.has_other_flow(id);
        let backoff = self.core.config.backoff;
        let Some(flow) = self.core.flows.get_mut(usize::from(id.0)) else {
            return;
        };
        let was_ready = flow.is_ready(&self.core.config);
        let granted = flow.registration.granted.as_ref();
        let shared = granted.is_some_and(|granted| !granted.outbound);
        flow.registration.lose();
        let settled = flow
            .ready_since
            .take()
            .is_some_and(|since| now >= since + SETTLED);
        let orderly =
            matches!(&cause, DisconnectCause::Closed(reason) if reason.code == Some(ORDERLY));
        let pause = if was_ready {
            flow.failures = 0;
            if orderly && settled {
                Duration::ZERO
            } else {
                schedule::after_break(&backoff, &mut self.core.rng)
            }
        } else {
            flow.failures = flow.failures.saturating_add(1);
            schedule::back_off(&backoff, flow.failures, others_alive, &mut self.core.rng)
        };
        let earliest = flow.avoided_until(&Method::Register, now);
        let pause = earliest.map_or(pause, |at| pause.max(at.saturating_duration_since(now)));
        self.core.deadlines.clear_owner(&Owner::Flow(id));
        let stopping = self.stopping;
        if let Some(flow) = self.core.flow_mut(id) {
            flow.link = if stopping { Link::Down } else { Link::Waiting };
        }
        if !stopping {
            self.core
                .deadlines
                .set(Deadline::Reconnect, Owner::Flow(id), now + pause);
        }
        self.drop_transactions(id, now);
        self.tell_flow(id, Some(&cause), Some(pause).filter(|_| !stopping));
        self.unready(cause, Some(pause).filter(|_| !stopping), now);
        if shared && !stopping {
            self.register_in_place_of(id, now);
        }
    }

    /// Tells of a flow, where there are several.
    pub(super) fn tell_flow(
        &mut self,
        id: FlowId,
        cause: Option<&DisconnectCause>,
        retry_in: Option<Duration>,
    ) {
        if self.core.flows.len() > 1
            && let Some(flow) = self.core.flow(id)
        {
            let server = flow.url.clone();
            self.core.tell(Event::Flow {
                server,
                cause: cause.cloned(),
                retry_in,
            });
        }
    }

    /// Anything came: the connection lives.
    pub(super) fn heard(&mut self, id: FlowId, now: Instant) {
        let pause = self.core.config.timers.ping;
        if let Some(flow) = self.core.flow_mut(id) {
            flow.pings = 0;
        }
        let owner = Owner::Flow(id);
        self.core.deadlines.clear(Deadline::Pong, &owner);
        self.core.deadlines.set(Deadline::Ping, owner, now + pause);
    }

    pub(super) fn ping(&mut self, id: FlowId, now: Instant) {
        let limit = self.core.config.timers.pong / 2;
        let Some(flow) = self.core.flow_mut(id) else {
            return;
        };
        flow.pings += 1;
        self.core.outbox.push_back(Output::Ping(id));
        self.core
            .deadlines
            .set(Deadline::Pong, Owner::Flow(id), now + limit);
    }

    /// A ping had no answer: one more, and then the connection counts as dead.
    pub(super) fn on_no_pong(&mut self, id: FlowId, now: Instant) {
        match self.core.flow(id).map(|flow| flow.pings) {
            Some(0 | 1) => self.ping(id, now),
            Some(_) => self.give_up(id, crate::deadlines::Deadline::ProbeReply, now),
            None => {}
        }
    }

    /// The connection is there, and of no use.
    pub(super) fn give_up(&mut self, id: FlowId, why: crate::deadlines::Deadline, now: Instant) {
        self.core.outbox.push_back(Output::Disconnect(id));
        self.lose(id, DisconnectCause::Silent(why), now);
    }

    /// Starts the keep-alives that the edge agreed to, or the configuration wants.
    pub(super) fn plan_keep_alive(&mut self, id: FlowId, now: Instant) {
        let Some(flow) = self.core.flow(id) else {
            return;
        };
        let granted = flow.registration.granted.as_ref();
        let named =
            granted.and_then(|granted| granted.flow_timer.into_iter().chain(granted.keep).min());
        let by_rule =
            granted.is_some_and(|granted| granted.outbound) || self.core.config.crlf_keep_alive;
        let Some(agreed) = named.or_else(|| by_rule.then_some(KEEP_ALIVE_DEFAULT)) else {
            return;
        };
        let millis = u64::try_from(agreed.as_millis()).unwrap_or(u64::MAX);
        let pause = self.core.rng.random_range(millis / 5 * 4..=millis);
        self.core.deadlines.set(
            Deadline::KeepAlive,
            Owner::Flow(id),
            now + Duration::from_millis(pause),
        );
    }

    pub(super) fn keep_alive(&mut self, id: FlowId, now: Instant) {
        self.core.outbox.push_back(Output::Send {
            flow: id,
            text: "\r\n\r\n".to_owned(),
        });
        self.core.deadlines.set(
            Deadline::KeepAliveAnswer,
            Owner::Flow(id),
            now + KEEP_ALIVE_ANSWER,
        );
    }

    /// CRLF came: the answer to our keep-alive, and never itself to be answered.
    pub(super) fn on_keep_alive_answer(&mut self, id: FlowId, now: Instant) {
        let owner = Owner::Flow(id);
        if self
            .core
            .deadlines
            .is_set(Deadline::KeepAliveAnswer, &owner)
        {
            self.core.deadlines.clear(Deadline::KeepAliveAnswer, &owner);
            self.plan_keep_alive(id, now);
        }
    }

    /// Every connection may be dead (address change, resume from sleep), or a person says try again: new ones at once.
    pub(super) fn on_reconnect(&mut self, now: Instant) {
        let ids: Vec<_> = self.core.flows.iter().map(|flow| flow.id).collect();
        for id in ids {
            self.renew(id, now);
        }
    }

    /// One connection may be dead, and those that are bound elsewhere are not.
    pub(super) fn on_stranded(&mut self, id: FlowId, now: Instant) {
        if !self.stopping && self.core.flow(id).is_some_and(Flow::is_open) {
            self.renew(id, now);
        }
    }

    fn renew(&mut self, id: FlowId, now: Instant) {
        if self.core.flow(id).is_some_and(Flow::is_open) {
            self.core.outbox.push_back(Output::Disconnect(id));
            self.lose(id, DisconnectCause::Asked, now);
        }
        if let Some(flow) = self.core.flow_mut(id) {
            flow.failures = 0;
            flow.welcome(&Method::Register);
        }
        self.connect_now(id, now);
    }
}
