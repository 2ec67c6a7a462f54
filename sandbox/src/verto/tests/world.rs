//! A gateway with a clock that jumps, clients that are lists of frames, and a media side that agrees to everything.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use offhook_media::program::AudioCodec;
use serde_json::{Value, json};

use crate::args::DialectChoice;
use crate::assistant::settings::AssistantSettings;
use crate::fault::gateway::Wishes;
use crate::fault::plan::{Fault, FaultPlan};
use crate::limits::Limits;
use crate::rest::settings::RestSettings;
use crate::sip::settings::SipSettings;
use crate::switch::media::{MediaCommand, MediaId, MediaNotice, Sound};
use crate::users::PASSWORD;
use crate::verto::gateway::{Gateway, GatewayConfig, Input, Output};
use crate::verto::second_login::SecondLogin;
use crate::verto::socket::SocketId;

/// An offer with two codecs.
pub(super) const OFFER: &str =
    "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\na=rtpmap:111 opus/48000/2\r\n";

/// The two kinds of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Telnyx,
    FreeSwitch,
}

pub(super) const BOTH: [Kind; 2] = [Kind::Telnyx, Kind::FreeSwitch];

impl Kind {
    pub(super) fn method(self, name: &str) -> String {
        match self {
            Self::Telnyx => format!("telnyx_rtc.{name}"),
            Self::FreeSwitch => format!("verto.{name}"),
        }
    }

    pub(super) fn login(self, user: &str, password: &str) -> Value {
        match self {
            Self::Telnyx => json!({"login": user, "passwd": password, "reconnection": false,
                "User-Agent": {"sdkVersion": "1", "data": "test"}}),
            Self::FreeSwitch => json!({"login": user, "passwd": password}),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Client {
    /// Frames not read yet, oldest first.
    frames: Vec<Value>,
    pub(super) pongs: usize,
    pub(super) closed: Option<u16>,
    /// Cut without a goodbye, and whether in the middle of a message.
    pub(super) cut: Option<bool>,
    /// The gateway reads nothing from it any more.
    pub(super) unheard: bool,
}

pub(super) struct World {
    pub(super) gateway: Gateway,
    pub(super) now: Instant,
    clients: BTreeMap<SocketId, Client>,
    wait: Option<Instant>,
    ids: u64,
    /// What each open media session plays.
    pub(super) playing: BTreeMap<MediaId, Sound>,
    pub(super) codecs: BTreeMap<MediaId, Vec<AudioCodec>>,
    /// Digits that a session was to pass on.
    pub(super) digits: Vec<(MediaId, String)>,
    /// DTLS comes up by itself.
    pub(super) connects: bool,
    /// Refuse the next description.
    pub(super) refuse_next: bool,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    pub(super) fn with_limits(limits: Limits) -> Self {
        Self::with(limits, Wishes::default(), SecondLogin::default())
    }

    /// A world with a fault plan.
    pub(super) fn with_faults(faults: &[&str]) -> Self {
        let faults = faults.iter().map(|text| text.parse::<Fault>().unwrap());
        let plan = FaultPlan::from_iter(faults);
        Self::with(Limits::default(), plan.gateway, SecondLogin::default())
    }

    pub(super) fn with(limits: Limits, faults: Wishes, second_login: SecondLogin) -> Self {
        Self::with_all(limits, faults, second_login, AssistantSettings::default())
    }

    pub(super) fn with_assistant(assistant: AssistantSettings) -> Self {
        let (faults, second_login) = (Wishes::default(), SecondLogin::default());
        Self::with_all(Limits::default(), faults, second_login, assistant)
    }

    fn with_all(
        limits: Limits,
        faults: Wishes,
        second_login: SecondLogin,
        assistant: AssistantSettings,
    ) -> Self {
        let config = GatewayConfig {
            dialect: DialectChoice::Auto,
            limits,
            rest: RestSettings::default(),
            password: PASSWORD.to_owned(),
            faults,
            second_login,
            denied: Vec::new(),
            assistant,
            sip: SipSettings::default(),
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000),
        };
        let now = Instant::now();
        Self {
            gateway: Gateway::new(config, [7; 32], now),
            now,
            clients: BTreeMap::new(),
            wait: None,
            ids: 0,
            playing: BTreeMap::new(),
            codecs: BTreeMap::new(),
            digits: Vec::new(),
            connects: true,
            refuse_next: false,
        }
    }

    pub(super) fn open(&mut self) -> SocketId {
        self.ids += 1;
        let socket = SocketId(self.ids);
        self.clients.insert(socket, Client::default());
        self.input(Input::Opened(socket));
        socket
    }

    pub(super) fn close(&mut self, socket: SocketId) {
        self.input(Input::Closed(socket));
    }

    /// A client that is logged in and was told that it is ready.
    pub(super) fn ready(&mut self, kind: Kind, user: &str) -> SocketId {
        let socket = self.open();
        let reply = self.ask(socket, "login", kind.login(user, "sandbox"));
        assert_eq!(reply["result"]["message"], "logged in", "{reply}");
        let ready = self.expect(socket, &kind.method("clientReady"));
        assert_eq!(ready["params"]["reattached_sessions"], json!([]));
        socket
    }

    pub(super) fn text(&mut self, socket: SocketId, text: &str) {
        self.input(Input::Text(socket, text));
    }

    /// Sends a request and gives back its id.
    pub(super) fn send(&mut self, socket: SocketId, method: &str, params: Value) -> String {
        self.ids += 1;
        let id = format!("client-{}", self.ids);
        let frame = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.text(socket, &frame.to_string());
        id
    }

    /// Sends a request; gives back the reply, which must have come at once.
    pub(super) fn ask(&mut self, socket: SocketId, method: &str, params: Value) -> Value {
        let id = self.send(socket, method, params);
        self.reply_to(socket, &id).expect("a reply")
    }

    pub(super) fn reply_to(&mut self, socket: SocketId, id: &str) -> Option<Value> {
        let frames = &mut self.clients.get_mut(&socket)?.frames;
        let at = frames.iter().position(|frame| frame["id"] == id)?;
        Some(frames.remove(at))
    }

    /// Takes the oldest refusal.
    pub(super) fn refusal(&mut self, socket: SocketId) -> Value {
        let frames = &mut self.clients.get_mut(&socket).unwrap().frames;
        let at = frames.iter().position(|frame| frame.get("error").is_some());
        frames.remove(at.expect("a refusal"))
    }

    /// How many frames wait to be read.
    pub(super) fn unread(&self, socket: SocketId) -> usize {
        self.clients[&socket].frames.len()
    }

    /// Places a call; gives back the reply.
    pub(super) fn call(&mut self, kind: Kind, socket: SocketId, name: &str, number: &str) -> Value {
        let params =
            json!({"sdp": OFFER, "dialogParams": {"callID": name, "destination_number": number}});
        self.ask(socket, &kind.method("invite"), params)
    }

    /// Lets time pass until the client gets a request of this method, a minute at most; others stay unread.
    pub(super) fn expect(&mut self, socket: SocketId, method: &str) -> Value {
        self.within(socket, method, Duration::from_secs(60))
            .unwrap_or_else(|| {
                panic!("no {method}, but {:?}", self.clients[&socket].frames);
            })
    }

    pub(super) fn within(
        &mut self,
        socket: SocketId,
        method: &str,
        limit: Duration,
    ) -> Option<Value> {
        let end = self.now + limit;
        loop {
            let frames = &mut self.clients.get_mut(&socket)?.frames;
            if let Some(at) = frames.iter().position(|frame| frame["method"] == method) {
                return Some(frames.remove(at));
            }
            let Some(next) = self.wait.filter(|at| *at <= end) else {
                self.now = end;
                return None;
            };
            self.jump(next);
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.wait.filter(|at| *at <= end) {
            self.jump(next);
        }
        self.now = end;
    }

    fn jump(&mut self, to: Instant) {
        self.now = self.now.max(to);
        self.input(Input::Timeout);
    }

    pub(super) fn client(&self, socket: SocketId) -> &Client {
        &self.clients[&socket]
    }

    /// Methods of the requests that wait to be read.
    pub(super) fn methods(&self, socket: SocketId) -> Vec<&str> {
        self.clients[&socket]
            .frames
            .iter()
            .filter_map(|frame| frame["method"].as_str())
            .collect()
    }

    pub(super) fn input(&mut self, input: Input<'_>) {
        self.gateway.handle(input, self.now);
        loop {
            match self.gateway.poll() {
                Output::Send { socket, text } => {
                    let frame = serde_json::from_str(&text).expect("JSON");
                    self.clients.get_mut(&socket).unwrap().frames.push(frame);
                }
                Output::SendBytes { .. } => panic!("Verto is text"),
                Output::Pong { socket, .. } => self.clients.get_mut(&socket).unwrap().pongs += 1,
                Output::Close { socket, code } => {
                    self.clients.get_mut(&socket).unwrap().closed = Some(code);
                    self.gateway.handle(Input::Closed(socket), self.now);
                }
                Output::Cut { socket } => self.cut(socket, false),
                Output::CutFrame { socket, .. } => self.cut(socket, true),
                Output::Deafen { socket } => {
                    self.clients.get_mut(&socket).unwrap().unheard = true;
                }
                Output::Media(command) => self.media(command),
                Output::Wait(wait) => {
                    self.wait = wait;
                    return;
                }
            }
        }
    }

    fn cut(&mut self, socket: SocketId, inside: bool) {
        self.clients.get_mut(&socket).unwrap().cut = Some(inside);
        self.gateway.handle(Input::Closed(socket), self.now);
    }

    fn media(&mut self, command: MediaCommand) {
        let media = command.media();
        let refuse = matches!(
            command,
            MediaCommand::AcceptOffer(..) | MediaCommand::AcceptAnswer(..)
        ) && std::mem::take(&mut self.refuse_next);
        if refuse {
            let notice = MediaNotice::Refused("nothing in common".to_owned());
            return self.gateway.handle(Input::Media(media, notice), self.now);
        }
        let mut notices = Vec::new();
        match command {
            MediaCommand::Open { sound, codecs, .. } => {
                self.playing.insert(media, sound);
                self.codecs.insert(media, codecs);
            }
            MediaCommand::Play(_, sound) => {
                self.playing.insert(media, sound);
            }
            MediaCommand::Hold(..) => {}
            MediaCommand::Digits(_, digits) => self.digits.push((media, digits)),
            MediaCommand::CreateOffer(_) => notices.push(MediaNotice::Offer("offer".to_owned())),
            MediaCommand::AcceptOffer(..) => {
                notices.push(MediaNotice::Agreed(self.codecs[&media][0]));
                notices.push(MediaNotice::Answer("answer".to_owned()));
            }
            MediaCommand::AcceptAnswer(..) => {
                notices.push(MediaNotice::Agreed(self.codecs[&media][0]));
                notices.push(MediaNotice::AnswerAccepted);
            }
            MediaCommand::Close(_) => {
                self.playing.remove(&media);
            }
        }
        if self.connects && !notices.is_empty() {
            notices.push(MediaNotice::Connected);
        }
        for notice in notices {
            self.gateway.handle(Input::Media(media, notice), self.now);
        }
    }
}
