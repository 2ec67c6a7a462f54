//! The SIP side as one machine: every connection, who is registered, every dialog.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Instant, SystemTime};

use offhook_signaling::cause::Cause;
use offhook_signaling::sip::message::Method;
use offhook_signaling::sip::message::outgoing::OutgoingResponse;
use offhook_signaling::sip::message::read::{self, Incoming};
use offhook_signaling::sip::message::request::Request;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::face::SIP;
use crate::fault::gateway::Wishes;
use crate::limits::Limits;
use crate::rest::account::Account;
use crate::sip::call::{Call, CallTimer, Client, Invite, TransactionKey};
use crate::sip::deadlines::Deadlines;
use crate::sip::location::Location;
use crate::sip::names;
use crate::sip::nonces::Nonces;
use crate::sip::settings::SipSettings;
use crate::sip::socket::Socket;
use crate::sip::subscriptions::{Kind, Name, Publication, Subscription};
use crate::sip::texts::Text;
use crate::switch::exchange::Exchange;
use crate::switch::leg::{EndpointId, LegId};
use crate::verto::gateway::Output;
use crate::verto::line::Item;
use crate::verto::socket::SocketId;

/// What the SIP side shares with the rest of the gateway.
pub(crate) struct Around<'a> {
    pub(crate) exchange: &'a mut Exchange,
    pub(crate) account: &'a mut Account,
    pub(crate) wishes: &'a mut Wishes,
    /// Of demo-1 to demo-9.
    pub(crate) password: &'a str,
    pub(crate) limits: &'a Limits,
    pub(crate) now: Instant,
    pub(crate) wall: SystemTime,
}

/// What is to be looked at again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// Something waits on a connection's line, or is to happen to it.
    Socket(SocketId),
    /// A registration ends.
    Device(EndpointId),
    /// A request of ours has no answer.
    Client(String),
    /// An INVITE of a client need not be known any more.
    Invite(TransactionKey),
    /// Something about a call.
    Call(LegId, CallTimer),
    /// A subscription ends.
    Subscription(Name),
    /// What a user published ends.
    Publication(String),
}

/// Every connection, who is registered, every dialog. Drive it: one input, then [`poll`](Self::poll) until nothing comes.
#[derive(Debug)]
pub(crate) struct Server {
    pub(super) settings: SipSettings,
    pub(super) rng: StdRng,
    pub(super) sockets: BTreeMap<SocketId, Socket>,
    pub(super) location: Location,
    pub(super) nonces: Nonces,
    pub(super) deadlines: Deadlines<Due>,
    pub(super) calls: BTreeMap<LegId, Call>,
    /// By Call-ID and our tag.
    pub(super) dialogs: BTreeMap<(String, String), LegId>,
    pub(super) invites: BTreeMap<TransactionKey, Invite>,
    /// Requests of ours, by branch.
    pub(super) clients: BTreeMap<String, Client>,
    pub(super) subscriptions: BTreeMap<Name, Subscription>,
    pub(super) publications: BTreeMap<String, Publication>,
    /// New and old messages of users.
    pub(super) mailboxes: BTreeMap<String, (u32, u32)>,
    /// Users whose calls have changed: watchers are to be told.
    pub(super) stirred: Vec<String>,
    /// For Verto's clients.
    pub(super) texts: Vec<Text>,
    outputs: VecDeque<Output>,
}

impl Server {
    pub(crate) fn new(settings: SipSettings, seed: [u8; 32], now: Instant) -> Self {
        let mut rng = StdRng::from_seed(seed);
        Self {
            nonces: Nonces::new(&mut rng, now),
            settings,
            rng,
            sockets: BTreeMap::new(),
            location: Location::default(),
            deadlines: Deadlines::default(),
            calls: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            invites: BTreeMap::new(),
            clients: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            publications: BTreeMap::new(),
            mailboxes: BTreeMap::new(),
            stirred: Vec::new(),
            texts: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Whether a connection is one of ours.
    pub(crate) fn has_socket(&self, id: SocketId) -> bool {
        self.sockets.contains_key(&id)
    }

    /// A client's WebSocket is open.
    pub(crate) fn opened(&mut self, id: SocketId, transport: &'static str) {
        let socket = Socket {
            transport,
            ..Socket::default()
        };
        self.sockets.insert(id, socket);
    }

    /// A client's WebSocket is gone: nobody is reached over it any more, but calls live on.
    pub(crate) fn closed(&mut self, id: SocketId, around: &mut Around<'_>) {
        for device in self.location.on_socket(id) {
            self.unbind(device, |flow| flow.socket == id, around);
        }
        self.sockets.remove(&id);
        self.deadlines.clear(&Due::Socket(id));
        let lost: Vec<LegId> = self
            .calls
            .iter()
            .filter(|(_, call)| call.socket == id)
            .map(|(leg, _)| *leg)
            .collect();
        let limit = around.limits.detached_for.unwrap_or(SIP.detached_for);
        for leg in lost {
            let gone = Due::Call(leg, CallTimer::Gone);
            self.deadlines.set(gone, around.now + limit);
        }
    }

    /// A client sent a WebSocket message.
    pub(crate) fn message(&mut self, id: SocketId, message: &[u8], around: &mut Around<'_>) {
        if self.sockets.get(&id).is_none_or(|socket| socket.closing) {
            return;
        }
        match read::read(message) {
            Ok(Incoming::Ping) => self.put(id, Item::Text("\r\n".to_owned()), around.now),
            Ok(Incoming::Pong) => {}
            Ok(Incoming::Request(request)) => self.on_request(id, &request, around),
            Ok(Incoming::Response(response)) => self.on_response(id, &response, around),
            Ok(_) => {}
            Err(malformed) => {
                tracing::warn!(socket = id.0, reason = %malformed.reason, "malformed SIP message");
                if let Some((status, request)) = malformed.answer {
                    let tag = names::token(&mut self.rng);
                    let answer = OutgoingResponse::to(&request, status, &tag);
                    self.respond(id, answer, around.now);
                }
            }
        }
    }

    /// A client sent a WebSocket ping.
    pub(crate) fn ping(&mut self, id: SocketId, payload: &[u8], now: Instant) {
        self.put(id, Item::Pong(payload.to_vec()), now);
    }

    /// Does what is due.
    pub(crate) fn timeout(&mut self, around: &mut Around<'_>) {
        while let Some(due) = self.deadlines.due(around.now) {
            match due {
                Due::Socket(id) => self.on_socket_due(id, around),
                Due::Device(id) => self.on_expiry(id, around),
                Due::Client(branch) => self.on_client_due(&branch, around),
                Due::Invite(key) => self.on_invite_due(&key, around),
                Due::Call(leg, timer) => self.on_call_due(leg, timer, around),
                Due::Subscription(name) => self.on_subscription_due(&name, around),
                Due::Publication(user) => self.on_publication_due(&user, around),
            }
        }
    }

    /// The sandbox ends.
    pub(crate) fn shut_down(&mut self, now: Instant) {
        let sockets: Vec<SocketId> = self.sockets.keys().copied().collect();
        for socket in sockets {
            self.close(socket, 1001, now);
        }
    }

    /// Tells watchers what has changed.
    pub(crate) fn settle(&mut self, around: &mut Around<'_>) {
        let mut stirred = std::mem::take(&mut self.stirred);
        stirred.sort_unstable();
        stirred.dedup();
        for user in stirred {
            self.changed(&user, Kind::Dialog, around);
        }
    }

    /// Texts for Verto's clients.
    pub(crate) fn take_texts(&mut self) -> Vec<Text> {
        std::mem::take(&mut self.texts)
    }

    /// The next thing to do.
    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`timeout`](Self::timeout) is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    fn on_request(&mut self, socket: SocketId, request: &Request, around: &mut Around<'_>) {
        tracing::debug!(socket = socket.0, method = %request.method, "received");
        if request.method == Method::Ack {
            return self.on_ack(socket, request, around);
        }
        if request.method == Method::Cancel {
            return self.on_cancel(socket, request, around);
        }
        if !request.uri.is_sip() {
            return self.refuse(socket, request, 416, around.now);
        }
        if self.refuses_extension(socket, request, around.now) {
            return;
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "what is not known is refused, whatever it is"
        )]
        match request.method {
            Method::Register => self.on_register(socket, request, around),
            _ if !request.ids.to_tag().is_empty() => match self.call_of(request) {
                Some(leg) => self.on_in_call(socket, leg, request, around),
                None => self.on_no_call(socket, request, around),
            },
            Method::Options => self.on_options(socket, request, around.now),
            Method::Invite => self.on_invite(socket, request, around),
            Method::Message => self.on_message(socket, request, around),
            Method::Subscribe => self.on_subscribe(socket, request, around),
            Method::Publish => self.on_publish(socket, request, around),
            Method::Refer => self.on_refer_outside(socket, request, around),
            Method::Bye | Method::Update | Method::Info | Method::Prack | Method::Notify => {
                self.refuse(socket, request, 481, around.now);
            }
            _ => self.refuse_method(socket, request, around.now),
        }
    }

    /// A request of a dialog that is no call: of a subscription, or of nothing.
    fn on_no_call(&mut self, socket: SocketId, request: &Request, around: &mut Around<'_>) {
        let name = (request.ids.call_id.clone(), request.ids.to_tag().to_owned());
        if request.method == Method::Subscribe && self.subscriptions.contains_key(&name) {
            return self.on_resubscribe(socket, &name, request, around);
        }
        self.refuse(socket, request, 481, around.now);
    }

    /// An INVITE is over for good: what rings of it still does so in vain.
    fn on_invite_due(&mut self, key: &TransactionKey, around: &mut Around<'_>) {
        let legs = self.invites.remove(key).map(|invite| invite.legs);
        for leg in legs.unwrap_or_default() {
            self.forget_call(leg);
            around.exchange.hang_up(leg, Cause::ORIGINATOR_CANCEL);
        }
    }

    fn on_socket_due(&mut self, id: SocketId, around: &mut Around<'_>) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        let (due, later) = std::mem::take(&mut socket.mishaps)
            .into_iter()
            .partition::<Vec<_>, _>(|(at, _)| *at <= around.now);
        socket.mishaps = later;
        for (_, mishap) in due {
            self.go_wrong(id, mishap, around);
        }
        self.pump(id, around.now);
    }

    /// Closes a connection, after what was written before.
    pub(super) fn close(&mut self, id: SocketId, code: u16, now: Instant) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        if !std::mem::replace(&mut socket.closing, true) {
            socket.line.put(Item::Close(code), now);
            self.pump(id, now);
        }
    }

    /// Puts something on a connection's line.
    pub(super) fn put(&mut self, id: SocketId, item: Item, now: Instant) {
        if let Some(socket) = self.sockets.get_mut(&id)
            && !socket.closing
        {
            socket.line.put(item, now);
            self.pump(id, now);
        }
    }

    /// Lets out what is due on a connection's line.
    pub(super) fn pump(&mut self, id: SocketId, now: Instant) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        while let Some(output) = socket.line.next(id, now) {
            socket.closing |= matches!(output, Output::Cut { .. } | Output::CutFrame { .. });
            self.outputs.push_back(output);
        }
        match socket.due() {
            Some(at) => self.deadlines.set(Due::Socket(id), at),
            None => self.deadlines.clear(&Due::Socket(id)),
        }
    }

    /// Something for the driver.
    pub(super) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }
}
