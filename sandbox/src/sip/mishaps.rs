//! What goes wrong with SIP connections, registrations and calls because the operator wants it.

use offhook_media::session::config::Hold;
use offhook_signaling::cause::Cause;
use offhook_signaling::sip::message::HeaderName;
use offhook_signaling::sip::message::request::Request;

use crate::fault::gateway::{Forgotten, GatewayFault, Mishap};
use crate::sip::scenes::Act;
use crate::sip::server::{Around, Server};
use crate::switch::leg::LegId;
use crate::verto::gateway::Output;
use crate::verto::socket::SocketId;

impl Server {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the rest concerns no socket"
    )]
    /// Somebody proved on a connection who they are: what is to happen to it is decided at the first time.
    pub(super) fn know(&mut self, id: SocketId, user: &str, around: &mut Around<'_>) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        socket.failed_logins = 0;
        socket.user = Some(user.to_owned());
        if std::mem::replace(&mut socket.armed, true) {
            return;
        }
        for fault in around.wishes.take_for_socket(user) {
            match fault {
                GatewayFault::After(mishap, time) => {
                    socket.mishaps.push((around.now + time, mishap));
                }
                GatewayFault::DropAfterMessages(number) => socket.line.cut_behind(number),
                GatewayFault::CutFrame(number) => socket.line.cut_inside(number),
                GatewayFault::Stall(time) => socket.line.stall(time),
                _ => {}
            }
        }
        self.pump(id, around.now);
    }

    /// Connections on which somebody, or this user, proved who they are.
    pub(crate) fn sockets_of(&self, user: Option<&str>) -> Vec<SocketId> {
        let sockets = self.sockets.iter();
        sockets
            .filter(|(_, socket)| match user {
                Some(user) => socket.user.as_deref() == Some(user),
                None => socket.user.is_some(),
            })
            .map(|(id, _)| *id)
            .collect()
    }

    pub(crate) fn go_wrong(&mut self, id: SocketId, mishap: Mishap, around: &mut Around<'_>) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        tracing::info!(socket = id.0, ?mishap, "fault");
        match mishap {
            Mishap::Drop => socket.line.cut(),
            Mishap::Silent => socket.line.silence(),
            Mishap::Deaf => self.output(Output::Deafen { socket: id }),
            Mishap::CutFrame => {
                socket.line.cut_inside(std::num::NonZeroU32::MIN);
                self.probe(id, around.now);
            }
            Mishap::ForgetFlow => {
                for device in self.location.on_socket(id) {
                    self.unbind(device, |flow| flow.socket == id, around);
                }
            }
            Mishap::Punt => {
                for device in self.location.on_socket(id) {
                    self.unbind(device, |flow| flow.socket == id, around);
                }
                self.close(id, 1000, around.now);
            }
            Mishap::Attach => {
                let theirs: Vec<LegId> = self
                    .calls
                    .iter()
                    .filter(|(_, call)| call.socket == id && call.up)
                    .map(|(leg, _)| *leg)
                    .collect();
                for leg in theirs {
                    self.offer(leg, Act::Reinvite(Hold::Off), around);
                }
            }
            // Verto's.
            Mishap::LoseRow => {}
        }
        self.pump(id, around.now);
    }

    /// Whether the plan wants this request refused for want of capacity; answers it then.
    pub(super) fn is_busy(
        &mut self,
        socket: SocketId,
        request: &Request,
        user: &str,
        around: &mut Around<'_>,
    ) -> bool {
        let wished = around.wishes.take(user, |fault| {
            if let GatewayFault::Unavailable(seconds) = fault {
                Some(seconds)
            } else {
                None
            }
        });
        let Some(seconds) = wished else {
            return false;
        };
        let mut answer = self.answer(request, 503);
        if seconds > 0 {
            answer
                .content
                .push(&HeaderName::RetryAfter, seconds.to_string());
        }
        self.respond(socket, answer, around.now);
        true
    }
    /// A device comes back on another connection: some of its calls are perhaps forgotten, and nobody is told.
    pub(super) fn forget_calls(
        &mut self,
        user: &str,
        instance: Option<&str>,
        around: &mut Around<'_>,
    ) {
        let mut theirs: Vec<LegId> = self
            .calls
            .iter()
            .filter(|(_, call)| call.user == user && call.instance.as_deref() == instance)
            .map(|(leg, _)| *leg)
            .collect();
        if theirs.is_empty() {
            return;
        }
        let which = around.wishes.take(user, |fault| {
            if let GatewayFault::Forget(which) = fault {
                Some(which)
            } else {
                None
            }
        });
        match which {
            Some(Forgotten::All) => {}
            Some(Forgotten::One) => theirs.truncate(1),
            None => return,
        }
        for leg in theirs {
            self.forget_call(leg);
            around
                .exchange
                .hang_up(leg, Cause::NORMAL_TEMPORARY_FAILURE);
        }
    }
}
