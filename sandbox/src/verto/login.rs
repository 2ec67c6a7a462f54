//! Logging in, coming back, and losing the socket.

use std::time::Instant;

use offhook_signaling::verto::message::login::{ClientReady, LoginParams, LoginResult};
use offhook_signaling::verto::method::Method;
use offhook_signaling::verto::rpc::{Id, Request};

use crate::face::Face;
use crate::switch::leg::{Endpoint, LegId};
use crate::verto::credentials::{self, Identity, LOGIN_REFUSED, Refused};
use crate::verto::frames::empty;
use crate::verto::gateway::Gateway;
use crate::verto::mishaps::{Offering, keeps_unanswered, lists_none, refusal, silence};
use crate::verto::session::{Session, SessionId};
use crate::verto::socket::SocketId;

/// Longest name of a session that a client may choose; FreeSWITCH cuts there too.
const MAX_SESSID: usize = 256;

impl Gateway {
    /// A request of a client that has not logged in: whatever it is, it must carry a login.
    pub(super) fn on_first_request(
        &mut self,
        socket: SocketId,
        face: &'static Face,
        request: Request,
        method: Option<Method>,
        now: Instant,
    ) {
        let id = request.id.clone();
        let kept = request.clone();
        let (identity, sessid) = match self.read_login(face, request, method, now) {
            Ok(login) => login,
            Err(refused) => return self.refuse_login(socket, face, id, refused),
        };
        let Some(session) = self.enter(socket, face, identity, sessid, now) else {
            self.refuse(socket, id, LOGIN_REFUSED, "Session in use");
            return self.close(socket, 1000);
        };
        self.note_device(session, kept.clone());
        match method {
            Some(Method::Login | Method::AnonymousLogin) => self.reply_login(socket, id),
            // FreeSWITCH runs the request that brought the login with it.
            Some(method) => self.on_session_request(socket, session, method, kept, now),
            None => self.on_unknown_method(socket, &kept),
        }
        self.make_ready(session);
    }

    /// A login on a socket that is logged in: a fresh token, or the same password once more.
    pub(super) fn log_in_again(
        &mut self,
        socket: SocketId,
        session: SessionId,
        request: Request,
        method: Option<Method>,
        now: Instant,
    ) {
        let Some(known) = self.sessions.get(&session) else {
            return;
        };
        let (face, before) = (known.face, known.identity.clone());
        let mut live: Vec<String> = known.calls.keys().cloned().collect();
        let id = request.id.clone();
        match self.read_login(face, request.clone(), method, now) {
            Ok((identity, _)) if identity == before => {
                self.note_device(session, request);
                self.reply_login(socket, id);
                if !live.is_empty() && self.wishes.take(before.name(), lists_none).is_some() {
                    live.clear();
                }
                if !face.client_chooses_sessid {
                    let ready = ClientReady {
                        reattached_sessions: live,
                        state: None,
                    };
                    self.request(session, Method::ClientReady, &ready);
                }
            }
            // The old identity stays in force.
            Ok(_) => self.refuse_login(socket, face, id, Refused::UnknownUser),
            Err(refused) => self.refuse_login(socket, face, id, refused),
        }
    }

    /// The socket of a session is gone: its established calls wait for it, the others end.
    pub(super) fn lose(&mut self, socket: SocketId, now: Instant) {
        let session = self
            .sockets
            .get_mut(&socket)
            .and_then(|socket| socket.session.take());
        let Some(session) = session else { return };
        let Some(known) = self.sessions.get_mut(&session) else {
            return;
        };
        if known.socket != Some(socket) {
            return;
        }
        known.socket = None;
        tracing::info!(
            socket = socket.0,
            user = known.identity.name(),
            calls = known.calls.len(),
            "socket lost"
        );
        self.exchange.unregister(session.endpoint());
        self.detach_calls(session, now);
        self.forget_if_idle(session);
    }

    /// A session without socket and calls is no more.
    pub(super) fn forget_if_idle(&mut self, session: SessionId) {
        let idle = self
            .sessions
            .get(&session)
            .is_some_and(|known| known.socket.is_none() && known.calls.is_empty());
        if idle && let Some(known) = self.sessions.remove(&session) {
            self.names.remove(&known.sessid);
        }
    }

    /// Says `clientReady` once every call that comes back has its offer.
    pub(super) fn make_ready(&mut self, session: SessionId) {
        let Some(known) = self.sessions.get_mut(&session) else {
            return;
        };
        if known.face.attach_before_ready && !known.offers_before_ready.is_empty() {
            return;
        }
        let ready = ClientReady {
            reattached_sessions: std::mem::take(&mut known.reattached),
            state: None,
        };
        self.request(session, Method::ClientReady, &ready);
        self.greet(session);
    }

    fn read_login(
        &mut self,
        face: &Face,
        request: Request,
        method: Option<Method>,
        now: Instant,
    ) -> Result<(Identity, Option<String>), Refused> {
        let (identity, sessid) = if method == Some(Method::AnonymousLogin) && face.telnyx_ids {
            self.read_anonymous(request)?
        } else {
            let params: LoginParams = request.read().map_err(|_| Refused::NoLogin)?;
            let identity = credentials::check(
                &params,
                face.telnyx_ids,
                &self.account,
                &self.config.password,
                self.wall(now),
            )?;
            (identity, params.sessid)
        };
        match self.wishes.take(identity.name(), refusal) {
            Some(code) => Err(Refused::OnPurpose(code)),
            None => Ok((identity, sessid)),
        }
    }

    fn refuse_login(&mut self, socket: SocketId, face: &Face, id: Option<Id>, refused: Refused) {
        tracing::warn!(socket = socket.0, why = refused.log_text(), "login refused");
        self.refuse(socket, id, refused.code(), refused.text(face.telnyx_ids));
        let limit = self.config.limits.login_tries;
        let Some(known) = self.sockets.get_mut(&socket) else {
            return;
        };
        known.failed_logins += 1;
        if known.failed_logins >= limit {
            tracing::warn!(socket = socket.0, "closed: too many failed logins");
            self.close(socket, 1008);
        }
    }

    fn reply_login(&mut self, socket: SocketId, id: Option<Id>) {
        let result = LoginResult {
            message: Some("logged in".to_owned()),
            ..LoginResult::default()
        };
        self.reply(socket, id, &result);
    }

    /// Ties the socket to its session, an old one where the client names it. `None` when that is somebody else's.
    fn enter(
        &mut self,
        socket: SocketId,
        face: &'static Face,
        identity: Identity,
        sessid: Option<String>,
        now: Instant,
    ) -> Option<SessionId> {
        let wanted = sessid
            .map(|name| name.chars().take(MAX_SESSID).collect::<String>())
            .filter(|name| !name.is_empty());
        let old = wanted
            .as_ref()
            .and_then(|name| self.names.get(name))
            .copied();
        let session = match old {
            Some(old) => {
                let known = self.sessions.get(&old)?;
                let same = known.identity == identity && std::ptr::eq(known.face, face);
                match (same, face.client_chooses_sessid) {
                    (true, _) => old,
                    (false, true) => return None,
                    (false, false) => self.new_session(None, identity, face),
                }
            }
            None => self.new_session(wanted, identity, face),
        };
        self.take_over(session, socket, now);
        self.displace_others(session, now);
        let known = self.sessions.get(&session)?;
        let name = known.identity.name();
        tracing::info!(
            socket = socket.0,
            user = name,
            face = face.name,
            "logged in"
        );
        let identity = known.identity.clone();
        self.arm(socket, identity.name(), now);
        if let Identity::User(user) = &identity {
            self.account.note_login(
                user,
                self.config.wall + now.saturating_duration_since(self.started),
            );
            let endpoint = Endpoint {
                id: session.endpoint(),
                face,
            };
            self.exchange.register(user, endpoint);
        }
        Some(session)
    }

    fn new_session(
        &mut self,
        wanted: Option<String>,
        identity: Identity,
        face: &'static Face,
    ) -> SessionId {
        self.session_serial += 1;
        let id = SessionId(self.session_serial);
        let sessid = match wanted {
            Some(name) if face.client_chooses_sessid => name,
            Some(_) | None => self.uuid(),
        };
        self.names.insert(sessid.clone(), id);
        let talk = self.talk(&identity);
        let session = Session {
            sessid,
            talk,
            identity,
            face,
            socket: None,
            calls: Default::default(),
            offers_before_ready: Default::default(),
            reattached: Vec::new(),
            offering: Offering::default(),
            unregistered: false,
            call_report_id: None,
        };
        self.sessions.insert(id, session);
        id
    }

    /// Makes `socket` the session's; an older one is told and closed, the calls are offered to the new one.
    fn take_over(&mut self, session: SessionId, socket: SocketId, now: Instant) {
        self.take_socket(session, now);
        self.spoil_return(session);
        if let Some(known) = self.sockets.get_mut(&socket) {
            known.session = Some(session);
        }
        let Some(known) = self.sessions.get_mut(&session) else {
            return;
        };
        known.socket = Some(socket);
        known.reattached = known.calls.keys().cloned().collect();
        let listed = !known.reattached.is_empty();
        if listed
            && self
                .wishes
                .take(known.identity.name(), lists_none)
                .is_some()
        {
            known.reattached.clear();
        }
        let legs: Vec<LegId> = known.calls.values().map(|call| call.leg).collect();
        known.offers_before_ready = legs.iter().copied().collect();
        let user = known.identity.name().to_owned();
        for leg in legs {
            let silent = self.wishes.take(&user, silence);
            self.exchange.attach(leg, silent);
        }
    }

    /// Tells a session's socket that it has to go, and closes it.
    pub(super) fn take_socket(&mut self, session: SessionId, now: Instant) {
        let old = self.sessions.get(&session).and_then(|known| known.socket);
        if let Some(old) = old {
            self.request(session, Method::Punt, &empty());
            self.flush(old);
            self.close(old, 1000);
            self.lose_quietly(old);
            self.detach_calls(session, now);
        }
    }

    /// Unties a socket from its session, which goes on with another.
    fn lose_quietly(&mut self, socket: SocketId) {
        if let Some(known) = self.sockets.get_mut(&socket) {
            known.session = None;
        }
    }

    fn detach_calls(&mut self, session: SessionId, now: Instant) {
        let Some(known) = self.sessions.get_mut(&session) else {
            return;
        };
        let calls: Vec<(String, LegId)> = known
            .calls
            .iter_mut()
            .map(|(name, call)| {
                call.pending = None;
                call.held = false;
                (name.clone(), call.leg)
            })
            .collect();
        let user = known.identity.name();
        let keep = !calls.is_empty() && self.wishes.take(user, keeps_unanswered).is_some();
        for (name, leg) in calls {
            if !self.exchange.detach(leg, keep, now) {
                self.legs.remove(&leg);
                if let Some(known) = self.sessions.get_mut(&session) {
                    known.calls.remove(&name);
                }
            }
        }
    }
}
