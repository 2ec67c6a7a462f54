//! A gateway with a clock that jumps, SIP clients that are lists of texts, and a media side that agrees to everything.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use offhook_media::program::AudioCodec;
use offhook_signaling::secret::Secret;
use offhook_signaling::sip::auth::algorithm::Algorithm;
use offhook_signaling::sip::auth::challenge::{DigestChallenge, Qop};
use offhook_signaling::sip::auth::digest::{self, Subject};
use offhook_signaling::sip::message::HeaderName;
use offhook_signaling::sip::message::read::{self, Incoming};
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::response::Response;

use crate::args::DialectChoice;
use crate::assistant::settings::AssistantSettings;
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

#[derive(Debug, Default)]
pub(super) struct Client {
    /// Messages not read yet, oldest first.
    pub(super) texts: Vec<String>,
    /// The same of those in binary messages.
    pub(super) binaries: Vec<Vec<u8>>,
    pub(super) pongs: usize,
    pub(super) closed: Option<u16>,
    pub(super) cut: bool,
}

pub(super) struct World {
    gateway: Gateway,
    pub(super) now: Instant,
    pub(super) clients: BTreeMap<SocketId, Client>,
    wait: Option<Instant>,
    serial: u64,
    /// What each open media session plays.
    pub(super) playing: BTreeMap<MediaId, Sound>,
    codecs: BTreeMap<MediaId, Vec<AudioCodec>>,
    /// Everything that the media side was asked for.
    pub(super) asked: Vec<MediaCommand>,
    /// What the media side has to say, while it takes its time.
    kept_back: Option<Vec<(MediaId, MediaNotice)>>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(&[], SipSettings::default())
    }

    pub(super) fn with(faults: &[&str], sip: SipSettings) -> Self {
        let faults = faults.iter().map(|text| text.parse::<Fault>().unwrap());
        let config = GatewayConfig {
            dialect: DialectChoice::Auto,
            limits: Limits::default(),
            rest: RestSettings::default(),
            password: PASSWORD.to_owned(),
            faults: FaultPlan::from_iter(faults).gateway,
            second_login: SecondLogin::default(),
            denied: Vec::new(),
            assistant: AssistantSettings::default(),
            sip,
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000),
        };
        let now = Instant::now();
        Self {
            gateway: Gateway::new(config, [7; 32], now),
            now,
            clients: BTreeMap::new(),
            wait: None,
            serial: 0,
            playing: BTreeMap::new(),
            codecs: BTreeMap::new(),
            asked: Vec::new(),
            kept_back: None,
        }
    }

    /// From now on answers to offers of clients take until [`media_is_through`](Self::media_is_through).
    pub(super) fn media_takes_time(&mut self) {
        self.kept_back = Some(Vec::new());
    }

    /// Those answers are there.
    pub(super) fn media_is_through(&mut self) {
        for (media, notice) in self.kept_back.take().unwrap_or_default() {
            self.input(Input::Media(media, notice));
        }
    }

    pub(super) fn open(&mut self) -> SocketId {
        self.serial += 1;
        let socket = SocketId(self.serial);
        self.clients.insert(socket, Client::default());
        self.input(Input::SipOpened(socket, "WS"));
        socket
    }

    pub(super) fn number(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(super) fn send(&mut self, socket: SocketId, text: &str) {
        self.input(Input::Text(socket, text));
    }

    pub(super) fn send_bytes(&mut self, socket: SocketId, bytes: &[u8]) {
        self.input(Input::Binary(socket, bytes));
    }

    /// The oldest message that was not read.
    pub(super) fn text(&mut self, socket: SocketId) -> Option<String> {
        let texts = &mut self.clients.get_mut(&socket)?.texts;
        (!texts.is_empty()).then(|| texts.remove(0))
    }

    /// The oldest answer that was not read; requests before it stay.
    pub(super) fn response(&mut self, socket: SocketId) -> Response {
        let texts = &mut self.clients.get_mut(&socket).unwrap().texts;
        let at = texts.iter().position(|text| text.starts_with("SIP/2.0 "));
        let text = texts.remove(at.expect("an answer"));
        match read::read(text.as_bytes()) {
            Ok(Incoming::Response(response)) => *response,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// The oldest request of that method, a minute from now at most; others stay.
    pub(super) fn request(&mut self, socket: SocketId, method: &str) -> Request {
        self.request_within(socket, method, Duration::from_secs(60))
    }

    /// The same with another limit.
    pub(super) fn request_within(
        &mut self,
        socket: SocketId,
        method: &str,
        limit: Duration,
    ) -> Request {
        let end = self.now + limit;
        loop {
            let texts = &mut self.clients.get_mut(&socket).unwrap().texts;
            let start = format!("{method} ");
            if let Some(at) = texts.iter().position(|text| text.starts_with(&start)) {
                let text = texts.remove(at);
                match read::read(text.as_bytes()) {
                    Ok(Incoming::Request(request)) => return *request,
                    other => panic!("{text}: {other:?}"),
                }
            }
            let next = self.wait.filter(|at| *at <= end);
            let Some(next) = next else {
                panic!("no {method}, but {:#?}", self.clients[&socket].texts);
            };
            self.now = self.now.max(next);
            self.input(Input::Timeout);
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.wait.filter(|at| *at <= end) {
            self.now = self.now.max(next);
            self.input(Input::Timeout);
        }
        self.now = end;
    }

    /// Sends a request that is challenged, with the answer to the challenge; gives back the last response.
    pub(super) fn ask(
        &mut self,
        socket: SocketId,
        text: impl Fn(&str, u32) -> String,
        user: &str,
    ) -> Response {
        self.send(socket, &text("", 1));
        let challenged = self.response(socket);
        if !matches!(challenged.status, 401 | 407) {
            return challenged;
        }
        let line = authorization(&challenged, &text("", 1), user, PASSWORD);
        self.send(socket, &text(&line, 2));
        self.response(socket)
    }

    /// A client that is registered, with that extra text in its Contact.
    pub(super) fn registered(&mut self, user: &str) -> SocketId {
        let socket = self.open();
        let registered = self.register(socket, user, &instance(user), "600");
        assert_eq!(registered.status, 200);
        socket
    }

    pub(super) fn register(
        &mut self,
        socket: SocketId,
        user: &str,
        params: &str,
        expires: &str,
    ) -> Response {
        let call_id = format!("register-{}", socket.0);
        let branch = self.number();
        let text = |authorization: &str, cseq: u32| {
            let cseq = u64::from(cseq) + branch * 10;
            format!(
                "REGISTER sip:sandbox.example SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK{cseq}\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:{user}@sandbox.example>;tag=a\r\nTo: <sip:{user}@sandbox.example>\r\n\
                 Call-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\nSupported: path, outbound, gruu\r\n\
                 Contact: <sip:{user}-device@x.invalid;transport=ws>{params}\r\nExpires: {expires}\r\n{authorization}\
                 Content-Length: 0\r\n\r\n"
            )
        };
        self.ask(socket, text, user)
    }

    pub(super) fn input(&mut self, input: Input<'_>) {
        self.gateway.handle(input, self.now);
        loop {
            match self.gateway.poll() {
                Output::Send { socket, text } => {
                    if let Some(client) = self.clients.get_mut(&socket) {
                        client.texts.push(text);
                    }
                }
                Output::SendBytes { socket, bytes } => {
                    if let Some(client) = self.clients.get_mut(&socket) {
                        client.binaries.push(bytes);
                    }
                }
                Output::Pong { socket, .. } => self.clients.get_mut(&socket).unwrap().pongs += 1,
                Output::Close { socket, code } => {
                    self.clients.get_mut(&socket).unwrap().closed = Some(code);
                    self.gateway.handle(Input::Closed(socket), self.now);
                }
                Output::Cut { socket } | Output::CutFrame { socket, .. } => {
                    self.clients.get_mut(&socket).unwrap().cut = true;
                    self.gateway.handle(Input::Closed(socket), self.now);
                }
                Output::Deafen { .. } => {}
                Output::Media(command) => self.media(command),
                Output::Wait(wait) => {
                    self.wait = wait;
                    return;
                }
            }
        }
    }

    fn media(&mut self, command: MediaCommand) {
        let media = command.media();
        self.asked.push(command.clone());
        let mut notices = Vec::new();
        let answers = matches!(command, MediaCommand::AcceptOffer(..));
        match command {
            MediaCommand::Open { sound, codecs, .. } => {
                self.playing.insert(media, sound);
                self.codecs.insert(media, codecs);
            }
            MediaCommand::Play(_, sound) => {
                self.playing.insert(media, sound);
            }
            MediaCommand::CreateOffer(_) => notices.push(MediaNotice::Offer(OFFER.to_owned())),
            MediaCommand::AcceptOffer(..) => {
                notices.push(MediaNotice::Agreed(self.codecs[&media][0]));
                notices.push(MediaNotice::Answer(format!(
                    "v=0\r\ns=answer {}\r\n",
                    media.0
                )));
                notices.push(MediaNotice::Connected);
            }
            MediaCommand::AcceptAnswer(..) => {
                notices.push(MediaNotice::Agreed(self.codecs[&media][0]));
                notices.push(MediaNotice::AnswerAccepted);
                notices.push(MediaNotice::Connected);
            }
            MediaCommand::Close(_) => {
                self.playing.remove(&media);
            }
            MediaCommand::Hold(..) | MediaCommand::Digits(..) => {}
        }
        for notice in notices {
            match &mut self.kept_back {
                Some(kept_back) if answers => kept_back.push((media, notice)),
                _ => self.gateway.handle(Input::Media(media, notice), self.now),
            }
        }
    }
}

/// The Contact parameters of a user's device.
pub(super) fn instance(user: &str) -> String {
    let digit = user.chars().last().unwrap_or('0');
    format!(";reg-id=1;+sip.instance=\"<urn:uuid:00000000-0000-4000-8000-00000000000{digit}>\"")
}

/// The answer to the first challenge of a response, as a header line.
pub(super) fn authorization(
    challenged: &Response,
    text: &str,
    user: &str,
    password: &str,
) -> String {
    let (name, header) = match challenged.status {
        401 => ("Authorization", HeaderName::WwwAuthenticate),
        _ => ("Proxy-Authorization", HeaderName::ProxyAuthenticate),
    };
    let mut lines = challenged.headers.all(&header);
    let line = lines.find(|line| line.starts_with("Digest ")).unwrap();
    let between = |start: &str, end: &str| {
        let rest = line.split_once(start).unwrap_or_else(|| panic!("{line}")).1;
        rest.split_once(end)
            .map_or(rest, |(value, _)| value)
            .to_owned()
    };
    let challenge = DigestChallenge {
        realm: between("realm=\"", "\""),
        nonce: between("nonce=\"", "\""),
        opaque: None,
        algorithm: Algorithm::parse(&between("algorithm=", ",")).unwrap(),
        names_algorithm: true,
        qop: Qop::Auth,
        stale: false,
    };
    let mut start = text.split(' ');
    let (method, uri) = (start.next().unwrap(), start.next().unwrap());
    let password = Secret::new(password);
    let subject = Subject {
        user,
        password: &password,
        method,
        uri,
        body: "",
        cnonce: "c",
        first_nonce: &challenge.nonce,
        count: 1,
    };
    format!("{name}: {}\r\n", digest::answer(&challenge, &subject))
}
