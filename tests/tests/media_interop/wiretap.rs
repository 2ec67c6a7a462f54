//! A whole call of two of our sessions in virtual time, through a wiretap that signalling let in: its certificate stands in both
//! descriptions, so it has the SRTP keys of both legs and hears what it passes on. No end has a door for its keys.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "outputs that are not asked for are passed over"
)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use offhook_media::audio::program::AudioProgram;
use offhook_media::codec::settings::OpusSettings;
use offhook_media::dtls::certificate::Certificate;
use offhook_media::dtls::endpoint::{DtlsConfig, DtlsEndpoint, DtlsEvent};
use offhook_media::dtls::fingerprint::FingerprintHash;
use offhook_media::dtls::rtc::RtcDtls;
use offhook_media::dtls::setup::DtlsRole;
use offhook_media::graph::sink::Sink;
use offhook_media::graph::source::Source;
use offhook_media::ice::candidate::LocalCandidate;
use offhook_media::program::ProgramCommand;
use offhook_media::session::config::{Hold, SessionConfig};
use offhook_media::session::media_session::{MediaSession, Output, Renewal};
use offhook_media::srtp::inbound::Inbound;
use offhook_media::srtp::keys::KeyPair;
use offhook_media::srtp::outbound::Outbound;
use offhook_media::srtp::profile::SrtpProfile;

/// Of a datagram, from an end to the wiretap or back.
const LATENCY: Duration = Duration::from_millis(10);

/// A datagram as it was on the wire.
pub(crate) struct Captured {
    pub(crate) at: Duration,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

/// What a first byte stands for (RFC 7983), and RTCP by its packet type (RFC 5761 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
}

impl Kind {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        match bytes[0] {
            0..=3 => Self::Stun,
            20..=63 => Self::Dtls,
            128..=191 if (192..224).contains(&bytes[1]) => Self::Rtcp,
            128..=191 => Self::Rtp,
            other => panic!("no datagram of a call begins with {other}"),
        }
    }
}

/// One end and the wiretap's association with it.
struct Leg {
    session: MediaSession,
    address: SocketAddr,
    wake: Option<Instant>,
    tap: RtcDtls,
    role: DtlsRole,
    protection: Option<(Inbound, Outbound)>,
    /// Exported by the wiretap, as RFC 5764 section 4.2 has it.
    material: Vec<u8>,
    capture: Vec<Captured>,
}

/// The call.
pub(crate) struct Tapped {
    now: Instant,
    begun: Instant,
    profile: SrtpProfile,
    certificate: Arc<Certificate>,
    legs: [Leg; 2],
    /// On its way to the end of this number.
    wire: VecDeque<(Instant, usize, Vec<u8>)>,
}

impl Tapped {
    /// Both ends say a tone; `configure` is for each.
    pub(crate) fn new(profile: SrtpProfile, configure: impl Fn(&mut SessionConfig)) -> Self {
        let now = Instant::now();
        let certificate = Arc::new(Certificate::generate().expect("a certificate"));
        let leg = |number: u8, role| {
            let mut config =
                SessionConfig::new(Arc::new(Certificate::generate().expect("a certificate")));
            config.profiles = vec![profile];
            configure(&mut config);
            let settings = OpusSettings::default();
            let program = AudioProgram::new(settings, Source::tone(440.0), Sink::discard());
            let mut session = MediaSession::new(config, Box::new(program), [number; 32], now);
            let address = SocketAddr::from(([192, 0, 2, number], 4000));
            session.add_local_candidate(LocalCandidate::host(address), now);
            let tap = RtcDtls::new(&DtlsConfig {
                certificate: Arc::clone(&certificate),
                role,
                profiles: vec![profile],
                retransmit: Duration::from_millis(250),
                mtu: 1200,
            });
            Leg {
                session,
                address,
                wake: None,
                tap: tap.expect("an association"),
                role,
                protection: None,
                material: Vec::new(),
                capture: Vec::new(),
            }
        };
        Self {
            now,
            begun: now,
            profile,
            // Who answers becomes the client (RFC 8842 section 5.3), so the wiretap is its server, and the other one's client.
            legs: [leg(1, DtlsRole::Client), leg(2, DtlsRole::Server)],
            certificate,
            wire: VecDeque::new(),
        }
    }

    /// What signalling does, with the wiretap's certificate in the place of the ends'.
    pub(crate) fn negotiate(&mut self) {
        let [caller, callee] = &mut self.legs;
        let fingerprint = self.certificate.fingerprint(FingerprintHash::Sha256);
        let let_in = |sdp: &str| -> String {
            let lines = sdp.lines().map(|line| {
                if line.starts_with("a=fingerprint:") {
                    format!("a=fingerprint:{fingerprint}\r\n")
                } else {
                    format!("{line}\r\n")
                }
            });
            lines.collect()
        };
        let offer = let_in(&caller.session.create_offer(self.now));
        let answer = callee
            .session
            .accept_offer(&offer, Renewal::Change, self.now);
        let answer = let_in(&answer.expect("an answer"));
        let accepted = caller.session.accept_answer(&answer, self.now);
        accepted.expect("an answer that can be used");
        self.drain(0);
        self.drain(1);
    }

    /// The caller puts the callee on hold, or takes it back.
    pub(crate) fn hold(&mut self, hold: Hold) {
        self.legs[0].session.hold(hold, self.now);
        self.negotiate();
    }

    /// An end sends digits.
    pub(crate) fn dial(&mut self, end: usize, digits: &str) {
        let digits = digits.parse().expect("digits");
        let session = &mut self.legs[end].session;
        session.program(ProgramCommand::Dtmf { digits }, self.now);
        self.drain(end);
    }

    /// An end hangs up.
    pub(crate) fn close(&mut self, end: usize) {
        self.legs[end].session.close(self.now);
        self.drain(end);
    }

    /// Lets `span` pass.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let arrival = self.wire.front().map(|(at, ..)| *at);
            let wakes = self.legs.iter().filter_map(|leg| leg.wake);
            let next = wakes.chain(arrival).min().filter(|next| *next <= end);
            let Some(next) = next else { break };
            self.now = next.max(self.now);
            while self.wire.front().is_some_and(|(at, ..)| *at <= self.now) {
                let (_, to, bytes) = self.wire.pop_front().expect("it is there");
                self.deliver(to, bytes);
            }
            for end in 0..2 {
                if self.legs[end].wake.is_some_and(|at| at <= self.now) {
                    self.legs[end].session.handle_timeout(self.now);
                    self.drain(end);
                }
            }
        }
        self.now = end;
    }

    /// Datagrams on the wire of this end, as they were.
    pub(crate) fn capture(&self, end: usize) -> &[Captured] {
        &self.legs[end].capture
    }

    /// Master key and salt of what comes from this address on the wire of this end (RFC 5764 section 4.2).
    pub(crate) fn key(&self, end: usize, from: SocketAddr) -> Vec<u8> {
        let leg = &self.legs[end];
        let (key, salt) = (self.profile.key_len(), self.profile.salt_len());
        let by_tap = from != leg.address;
        let by_client = by_tap == (leg.role == DtlsRole::Client);
        let number = usize::from(!by_client);
        let (keys, salts) = leg.material.split_at(2 * key);
        [
            &keys[number * key..][..key],
            &salts[number * salt..][..salt],
        ]
        .concat()
    }

    fn deliver(&mut self, to: usize, mut bytes: Vec<u8>) {
        let from = self.legs[1 - to].address;
        let leg = &mut self.legs[to];
        leg.session
            .handle_datagram(leg.address, from, &mut bytes, self.now);
        self.drain(to);
    }

    fn drain(&mut self, end: usize) {
        let mut sent = Vec::new();
        let leg = &mut self.legs[end];
        loop {
            match leg.session.poll() {
                Output::Transmit { bytes, .. } => sent.push(bytes.to_vec()),
                Output::Wait(wait) => {
                    leg.wake = wait.map(|(at, _)| at);
                    break;
                }
                _ => {}
            }
        }
        for bytes in sent {
            self.tap(end, bytes);
        }
    }

    /// Takes what an end sent.
    fn tap(&mut self, from: usize, mut bytes: Vec<u8>) {
        let other = 1 - from;
        self.note(from, from, &bytes);
        let kind = Kind::of(&bytes);
        match kind {
            Kind::Stun => self.send(other, bytes),
            Kind::Dtls => {
                let handled = self.legs[from].tap.handle(&bytes, self.now);
                handled.expect("well-formed records");
                if from == 1 && self.legs[0].material.is_empty() {
                    // The answerer has begun: the wiretap does likewise with the other one. Again is harmless.
                    self.legs[0].tap.start(self.now);
                }
                self.drain_tap(from);
                self.drain_tap(other);
            }
            Kind::Rtp | Kind::Rtcp => {
                let (inbound, _) = self.legs[from].protection.as_mut().expect("keys");
                let opened = if kind == Kind::Rtp {
                    inbound.open_rtp(&mut bytes)
                } else {
                    inbound.open_rtcp(&mut bytes)
                };
                let mut packet = opened.expect("authentic").to_vec();
                // Until the other one has keys too, it could not hear it anyway.
                if let Some((_, outbound)) = &mut self.legs[other].protection {
                    let protected = if kind == Kind::Rtp {
                        outbound.protect_rtp(&mut packet)
                    } else {
                        outbound.protect_rtcp(&mut packet)
                    };
                    protected.expect("protected");
                    self.send(other, packet);
                }
            }
        }
    }

    fn drain_tap(&mut self, end: usize) {
        while let Some(event) = self.legs[end].tap.poll_event() {
            match event {
                DtlsEvent::Complete(handshake) => {
                    let leg = &mut self.legs[end];
                    let material = &handshake.keying_material;
                    let keys = KeyPair::from_material(handshake.profile, material, leg.role);
                    let keys = keys.expect("enough of it");
                    leg.material = material.to_vec();
                    leg.protection =
                        Some((Inbound::new(&keys.remote, 4), Outbound::new(&keys.local)));
                }
                DtlsEvent::ClosedByPeer => {
                    self.legs[1 - end].tap.close(self.now);
                    self.drain_tap(1 - end);
                }
                DtlsEvent::Failed(failure) => panic!("{failure:?}"),
            }
        }
        while let Some(bytes) = self.legs[end].tap.poll_transmit() {
            self.send(end, bytes);
        }
    }

    /// Sends to an end.
    fn send(&mut self, to: usize, bytes: Vec<u8>) {
        self.note(to, 1 - to, &bytes);
        self.wire.push_back((self.now + LATENCY, to, bytes));
    }

    fn note(&mut self, on_wire_of: usize, from: usize, bytes: &[u8]) {
        let (from, to) = (self.legs[from].address, self.legs[1 - from].address);
        let at = self.now - self.begun;
        self.legs[on_wire_of].capture.push(Captured {
            at,
            from,
            to,
            bytes: bytes.to_vec(),
        });
    }
}
