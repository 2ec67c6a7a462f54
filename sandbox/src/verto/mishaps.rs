//! What goes wrong with sockets, sessions and answers because the operator wants it.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use offhook_signaling::cause::Cause;
use offhook_signaling::verto::message::both::Ping;
use offhook_signaling::verto::message::login::GatewayState;
use offhook_signaling::verto::method::Method;
use serde_json::json;

use crate::fault::gateway::{Forgotten, GatewayFault, Mishap, NoUpdate, Remedy, State};
use crate::fault::order::Order;
use crate::switch::leg::LegId;
use crate::verto::gateway::{Gateway, Output};
use crate::verto::session::SessionId;
use crate::verto::socket::SocketId;

/// What an ordinary gateway says.
pub(super) const REGISTERED: &str = "REGED";
/// What a gateway says to a client whose registration another one took.
pub(super) const UNREGISTERED: &str = "UNREGED";

/// How the calls of a client that comes back are offered to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Offering {
    #[default]
    AtOnce,
    Late(Duration),
    Never,
}

/// An offer that is held back.
#[derive(Debug)]
pub(super) struct LateOffer {
    session: SessionId,
    /// It is for this socket, or for nobody.
    socket: SocketId,
    call: String,
    sdp: String,
}

impl Gateway {
    pub(super) fn on_order(&mut self, order: Order, now: Instant) {
        tracing::info!(?order, "operator");
        match order {
            Order::Now { mishap, user } => {
                for socket in self.sockets_of(user.as_deref()) {
                    self.go_wrong(socket, mishap, now);
                }
                self.with_sip(|sip, around| {
                    for socket in sip.sockets_of(user.as_deref()) {
                        sip.go_wrong(socket, mishap, around);
                    }
                });
            }
            Order::Tell { state, user } => {
                for socket in self.sockets_of(user.as_deref()) {
                    self.tell_state(socket, state.name());
                }
            }
            Order::Announce { text, user } => self.announce(user.as_deref(), &text),
            Order::Wish(wish) => self.wishes.add(wish),
            Order::Rest(fault) => self.account.add_fault(fault),
            Order::Clear { user } => {
                self.wishes.clear(user.as_deref());
                if user.is_none() {
                    self.account.clear_faults();
                }
            }
        }
    }

    fn announce(&mut self, user: Option<&str>, text: &str) {
        let known = self.sessions.iter();
        let listening = known.filter(|(_, known)| {
            !known.face.telnyx_ids && user.is_none_or(|user| known.identity.name() == user)
        });
        let sessions: Vec<SessionId> = listening.map(|(id, _)| *id).collect();
        for session in sessions {
            self.request(session, Method::Announce, &json!({ "msg": text }));
        }
    }

    /// Sockets that are logged in, as one user or as anybody.
    fn sockets_of(&self, user: Option<&str>) -> Vec<SocketId> {
        let sessions = self.sessions.values();
        let wanted = sessions.filter(|known| user.is_none_or(|user| known.identity.name() == user));
        wanted.filter_map(|known| known.socket).collect()
    }

    /// A socket has logged in: what is to happen to it is decided now.
    pub(super) fn arm(&mut self, id: SocketId, user: &str, now: Instant) {
        let faults = self.wishes.take_for_socket(user);
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        for fault in faults {
            match fault {
                GatewayFault::After(mishap, time) => socket.mishaps.push((now + time, mishap)),
                GatewayFault::DropAfterMessages(number) => socket.line.cut_behind(number),
                GatewayFault::CutFrame(number) => socket.line.cut_inside(number),
                GatewayFault::Stall(time) => socket.line.stall(time),
                GatewayFault::RefuseLogin(_)
                | GatewayFault::AttachLate(_)
                | GatewayFault::AttachNever
                | GatewayFault::Forget(_)
                | GatewayFault::AttachSilent(_)
                | GatewayFault::UpdateMedia(_)
                | GatewayFault::ListNone
                | GatewayFault::Trickle(_)
                | GatewayFault::KeepUnanswered
                | GatewayFault::ReportFails
                | GatewayFault::State(_)
                | GatewayFault::Unavailable(_)
                | GatewayFault::ShortRegistrations(_)
                | GatewayFault::MinExpires(_)
                | GatewayFault::OneTimeNonces { .. }
                | GatewayFault::SubscriptionEnd(_)
                | GatewayFault::Challenge(_) => {}
            }
        }
    }

    pub(super) fn go_wrong(&mut self, id: SocketId, mishap: Mishap, now: Instant) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        tracing::info!(socket = id.0, ?mishap, "fault");
        match mishap {
            Mishap::Drop => {
                socket.line.cut();
                self.pump(id);
            }
            Mishap::Silent => socket.line.silence(),
            Mishap::LoseRow => socket.loses_row = true,
            Mishap::Attach => {
                let session = socket
                    .session
                    .and_then(|session| self.sessions.get(&session));
                let calls = session.into_iter().flat_map(|known| known.calls.values());
                let legs: Vec<LegId> = calls.map(|call| call.leg).collect();
                for leg in legs {
                    self.exchange.renegotiate(leg, now);
                }
            }
            // SIP's.
            Mishap::ForgetFlow => {}
            Mishap::Deaf => self.outputs.push_back(Output::Deafen { socket: id }),
            Mishap::Punt => {
                if let Some(session) = socket.session {
                    self.punt(session, now);
                }
            }
            Mishap::CutFrame => {
                let Some(session) = socket.session else {
                    return;
                };
                self.flush(id);
                if let Some(socket) = self.sockets.get_mut(&id) {
                    socket.line.cut_inside(NonZeroU32::MIN);
                }
                self.request(session, Method::Ping, &Ping::default());
                self.flush(id);
            }
        }
    }

    /// Takes its socket from a session that nobody takes over; its calls wait in vain.
    pub(super) fn punt(&mut self, session: SessionId, now: Instant) {
        self.take_socket(session, now);
        if let Some(known) = self.sessions.get_mut(&session) {
            known.socket = None;
        }
        self.exchange.unregister(session.endpoint());
        self.forget_if_idle(session);
    }

    /// Tells a client of Telnyx, unasked, how it is registered.
    pub(super) fn tell_state(&mut self, id: SocketId, state: &str) {
        let Some(session) = self.sockets.get(&id).and_then(|socket| socket.session) else {
            return;
        };
        let telnyx = self
            .session_of(id)
            .is_some_and(|known| known.face.telnyx_ids);
        if telnyx {
            let params = GatewayState {
                state: Some(state.to_owned()),
                call_report_id: None,
            };
            self.request(session, Method::GatewayState, &params);
        }
    }

    /// The answer to a question for the gateway's state.
    pub(super) fn state_for(&mut self, session: SessionId) -> &'static str {
        let Some(known) = self.sessions.get(&session) else {
            return REGISTERED;
        };
        let wished = self.wishes.take(known.identity.name(), state);
        match wished {
            Some(state) => state.name(),
            None if known.unregistered => UNREGISTERED,
            None => REGISTERED,
        }
    }

    /// A client comes back to its calls: some are perhaps forgotten, the others perhaps not offered in time.
    pub(super) fn spoil_return(&mut self, session: SessionId) {
        let Some(known) = self.sessions.get_mut(&session) else {
            return;
        };
        known.offering = Offering::AtOnce;
        if known.calls.is_empty() {
            return;
        }
        let user = known.identity.name();
        known.offering = self.wishes.take(user, offering).unwrap_or_default();
        let forgotten: Vec<LegId> = match self.wishes.take(user, forgotten) {
            Some(Forgotten::All) => std::mem::take(&mut known.calls)
                .into_values()
                .map(|call| call.leg)
                .collect(),
            Some(Forgotten::One) => known
                .calls
                .pop_first()
                .map(|(_, call)| call.leg)
                .into_iter()
                .collect(),
            None => Vec::new(),
        };
        for leg in forgotten {
            self.legs.remove(&leg);
            self.exchange.hang_up(leg, Cause::NORMAL_TEMPORARY_FAILURE);
        }
    }

    /// Offers a call to a client that came back, in the way that was decided then.
    pub(super) fn offer_again(
        &mut self,
        session: SessionId,
        call: &str,
        sdp: String,
        now: Instant,
    ) {
        let Some(known) = self.sessions.get(&session) else {
            return;
        };
        match (known.offering, known.socket) {
            (Offering::Late(time), Some(socket)) => {
                let late = LateOffer {
                    session,
                    socket,
                    call: call.to_owned(),
                    sdp,
                };
                self.late_offers.entry(now + time).or_default().push(late);
            }
            (Offering::Never, _) | (Offering::Late(_), None) => {}
            (Offering::AtOnce, _) => self.report(session, call, Method::Attach, Some(sdp)),
        }
    }

    pub(super) fn on_late_offers(&mut self, now: Instant) {
        while let Some(entry) = self.late_offers.first_entry().filter(|at| *at.key() <= now) {
            for late in entry.remove() {
                let socket = self
                    .sessions
                    .get(&late.session)
                    .and_then(|known| known.socket);
                if socket == Some(late.socket) {
                    self.report(late.session, &late.call, Method::Attach, Some(late.sdp));
                }
            }
        }
    }
}

fn state(fault: GatewayFault) -> Option<State> {
    if let GatewayFault::State(state) = fault {
        Some(state)
    } else {
        None
    }
}

fn offering(fault: GatewayFault) -> Option<Offering> {
    if let GatewayFault::AttachLate(time) = fault {
        Some(Offering::Late(time))
    } else {
        (fault == GatewayFault::AttachNever).then_some(Offering::Never)
    }
}

fn forgotten(fault: GatewayFault) -> Option<Forgotten> {
    if let GatewayFault::Forget(which) = fault {
        Some(which)
    } else {
        None
    }
}

/// How a call that comes back is to stay silent.
pub(super) fn silence(fault: GatewayFault) -> Option<Remedy> {
    if let GatewayFault::AttachSilent(remedy) = fault {
        Some(remedy)
    } else {
        None
    }
}

/// How new media of a client is to fail.
pub(super) fn no_update(fault: GatewayFault) -> Option<NoUpdate> {
    if let GatewayFault::UpdateMedia(how) = fault {
        Some(how)
    } else {
        None
    }
}

/// Whether nothing is to be listed.
pub(super) fn lists_none(fault: GatewayFault) -> Option<()> {
    (fault == GatewayFault::ListNone).then_some(())
}

/// Whether a call without an answer is kept.
pub(super) fn keeps_unanswered(fault: GatewayFault) -> Option<()> {
    (fault == GatewayFault::KeepUnanswered).then_some(())
}

/// The code that a login is to be refused with.
pub(super) fn refusal(fault: GatewayFault) -> Option<i64> {
    if let GatewayFault::RefuseLogin(code) = fault {
        Some(code)
    } else {
        None
    }
}
