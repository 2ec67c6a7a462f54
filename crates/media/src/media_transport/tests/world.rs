//! Two transports in virtual time over a link that may lose, delay and tamper.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::dtls::certificate::Certificate;
use crate::dtls::fingerprint::FingerprintHash;
use crate::dtls::setup::Setup;
use crate::ice::candidate::LocalCandidate;
use crate::ice::credentials::IceCredentials;
use crate::media_transport::config::{RemoteParameters, TransportConfig, TransportLimits};
use crate::media_transport::event::{Event, NotReady, Output, Received, Route};
use crate::media_transport::tests::responder;
use crate::media_transport::transport::MediaTransport;
use crate::srtp::profile::SrtpProfile;

pub(super) static CERTIFICATES: LazyLock<[Arc<Certificate>; 2]> =
    LazyLock::new(|| std::array::from_fn(|_| Arc::new(Certificate::generate().unwrap())));

pub(super) const CALLER: usize = 0;
pub(super) const CALLEE: usize = 1;

pub(super) struct Datagram {
    pub(super) due: Instant,
    pub(super) to: usize,
    pub(super) route: Route,
    pub(super) bytes: Vec<u8>,
}

/// How the link treats datagrams.
pub(super) struct Link {
    pub(super) delay: Duration,
    pub(super) jitter: Duration,
    /// In percent.
    pub(super) loss: u32,
    pub(super) cut: bool,
    /// This end asks and never answers: its STUN responses are dropped.
    pub(super) unanswering: Option<usize>,
}

/// The callee is ICE-lite: its transport goes by the pair that the caller nominates, and checks are answered before it.
pub(super) struct Lite {
    /// What it knows of the caller.
    caller: RemoteParameters,
    /// Checks that came.
    pub(super) asked: u32,
    /// It answers no more.
    pub(super) dead: bool,
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) rng: StdRng,
    pub(super) ends: [MediaTransport; 2],
    pub(super) addresses: [SocketAddr; 2],
    pub(super) events: [Vec<(Duration, Event)>; 2],
    pub(super) media: [Vec<Vec<u8>>; 2],
    pub(super) wire: Vec<Datagram>,
    pub(super) recorded: Vec<Datagram>,
    pub(super) link: Link,
    pub(super) lite: Option<Lite>,
    pub(super) start: Instant,
}

pub(super) fn config(end: usize, rng: &mut StdRng) -> TransportConfig {
    TransportConfig {
        credentials: IceCredentials::generate(rng),
        tie_breaker: rng.random(),
        controlling: end == CALLER,
        certificate: Arc::clone(&CERTIFICATES[end]),
        profiles: SrtpProfile::ALL.to_vec(),
        minimum_rsa_bits: 1024,
        latching: false,
        limits: TransportLimits::default(),
    }
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self::with(seed, |_, _| {})
    }

    pub(super) fn with(seed: u64, change: impl Fn(usize, &mut TransportConfig)) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "virtual time needs a first instant"
        )]
        let start = Instant::now();
        let mut rng = StdRng::seed_from_u64(seed);
        let ends = [CALLER, CALLEE].map(|end| {
            let mut config = config(end, &mut rng);
            change(end, &mut config);
            MediaTransport::new(config, start)
        });
        let mut world = Self {
            now: start,
            rng,
            ends,
            addresses: [
                SocketAddr::from(([192, 0, 2, 1], 4000)),
                SocketAddr::from(([192, 0, 2, 2], 5000)),
            ],
            events: [Vec::new(), Vec::new()],
            media: [Vec::new(), Vec::new()],
            wire: Vec::new(),
            recorded: Vec::new(),
            link: Link {
                delay: Duration::from_millis(10),
                jitter: Duration::ZERO,
                loss: 0,
                cut: false,
                unanswering: None,
            },
            lite: None,
            start,
        };
        for end in [CALLER, CALLEE] {
            let address = world.addresses[end];
            world.ends[end]
                .add_local_candidate(LocalCandidate::host(address), world.now)
                .unwrap();
        }
        world
    }

    /// What the other end's description says of `end`.
    pub(super) fn parameters(&self, end: usize, setup: Setup) -> RemoteParameters {
        let hash = [FingerprintHash::Sha256, FingerprintHash::Sha512][end];
        RemoteParameters {
            credentials: Some(self.ends[end].credentials().clone()),
            address: None,
            unencrypted: false,
            candidates: self.ends[end].local_candidates(),
            keys: None,
            fingerprints: vec![CERTIFICATES[end].fingerprint(hash)],
            setup,
            tls_id: None,
            ice_lite: false,
        }
    }

    /// Offer and answer, with the `a=setup` of each.
    pub(super) fn negotiate(&mut self, offer: Setup, answer: Setup) {
        let offered = self.parameters(CALLER, offer);
        self.ends[CALLEE].set_remote(offered, self.now).unwrap();
        let answered = self.parameters(CALLEE, answer);
        self.ends[CALLER].set_remote(answered, self.now).unwrap();
    }

    /// The same with a callee that is ICE-lite.
    pub(super) fn negotiate_with_lite(&mut self, offer: Setup, answer: Setup) {
        self.lite = Some(Lite {
            caller: RemoteParameters {
                credentials: None,
                candidates: Vec::new(),
                ..self.parameters(CALLER, offer)
            },
            asked: 0,
            dead: false,
        });
        let answered = RemoteParameters {
            ice_lite: true,
            ..self.parameters(CALLEE, answer)
        };
        self.ends[CALLER].set_remote(answered, self.now).unwrap();
    }

    pub(super) fn drain(&mut self) -> Option<Instant> {
        let mut next = None;
        for end in [CALLER, CALLEE] {
            loop {
                match self.ends[end].poll() {
                    Output::Transmit { route, bytes } => self.send(end, route, bytes),
                    Output::Event(event) => self.events[end].push((self.now - self.start, event)),
                    Output::Wait(wait) => {
                        next = next
                            .into_iter()
                            .chain(wait.map(|(due, _)| due.max(self.now)))
                            .min();
                        break;
                    }
                }
            }
        }
        next
    }

    pub(super) fn send(&mut self, from: usize, route: Route, bytes: Vec<u8>) {
        assert_eq!(route.local, self.addresses[from]);
        let to = 1 - from;
        let answers = bytes.starts_with(&[0x01, 0x01]);
        if self.link.cut
            || (answers && self.link.unanswering == Some(from))
            || route.remote != self.addresses[to]
            || self.rng.random_range(0..100) < self.link.loss
        {
            return;
        }
        let jitter = self.link.jitter.mul_f64(self.rng.random());
        self.wire.push(Datagram {
            due: self.now + self.link.delay + jitter,
            to,
            route: Route {
                local: route.remote,
                remote: route.local,
            },
            bytes,
        });
    }

    /// Advances to the next event; `false` when none comes before `end`.
    pub(super) fn step(&mut self, end: Instant) -> bool {
        let timer = self.drain();
        let arrival = self.wire.iter().map(|datagram| datagram.due).min();
        let Some(next) = timer.into_iter().chain(arrival).min() else {
            return false;
        };
        if next > end {
            return false;
        }
        self.now = self.now.max(next);
        let (due, rest) = std::mem::take(&mut self.wire)
            .into_iter()
            .partition(|datagram: &Datagram| datagram.due <= self.now);
        self.wire = rest;
        for datagram in due {
            self.deliver(datagram);
        }
        for transport in &mut self.ends {
            transport.handle_timeout(self.now);
        }
        true
    }

    pub(super) fn deliver(&mut self, datagram: Datagram) {
        let Datagram {
            to, route, bytes, ..
        } = &datagram;
        if *to == CALLEE && self.lite.is_some() && bytes[0] < 4 {
            return self.answer_check(datagram);
        }
        let mut buffer = bytes.clone();
        let received =
            self.ends[*to].handle_datagram(route.local, route.remote, &mut buffer, self.now);
        if let Received::Rtp(packet) = received {
            self.media[*to].push(packet.to_vec());
        }
        self.recorded.push(datagram);
    }

    fn answer_check(&mut self, datagram: Datagram) {
        let lite = self.lite.as_mut().expect("a lite callee");
        lite.asked += 1;
        let own = self.ends[CALLEE].credentials();
        let from = datagram.route.remote;
        let answer = responder::answer(&datagram.bytes, from, (&own.ufrag, &own.pwd));
        let Some(answer) = answer.filter(|_| !lite.dead) else {
            return;
        };
        if answer.nominates {
            lite.caller.address = Some(from);
            let caller = lite.caller.clone();
            self.ends[CALLEE].set_remote(caller, self.now).unwrap();
        }
        self.send(CALLEE, datagram.route, answer.bytes);
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        let mut steps = 0;
        while self.step(end) {
            steps += 1;
            assert!(steps < 100_000, "the transports never rest");
        }
        self.now = end;
    }

    pub(super) fn run_until_connected(&mut self, limit: Duration) -> bool {
        let end = self.now + limit;
        while !self.ends.iter().all(MediaTransport::is_connected) {
            if !self.step(end) {
                return false;
            }
        }
        self.drain();
        true
    }

    pub(super) fn saw(&self, end: usize, wanted: &Event) -> bool {
        self.events[end].iter().any(|(_, event)| event == wanted)
    }

    pub(super) fn failure(&self, end: usize) -> Option<&Event> {
        self.events[end].iter().map(|(_, event)| event).find(|it| {
            matches!(
                it,
                Event::IceFailed(_) | Event::DtlsFailed(_) | Event::ClosedByPeer
            )
        })
    }

    pub(super) fn say(
        &mut self,
        from: usize,
        sequence: u16,
        payload: &[u8],
    ) -> Result<(), NotReady> {
        let mut packet = rtp(sequence, payload);
        let route = self.ends[from].protect_rtp(&mut packet)?;
        self.send(from, route, packet);
        Ok(())
    }

    /// Both say something, and both hear exactly that.
    pub(super) fn assert_media_flows(&mut self, sequence: u16) {
        for from in [CALLER, CALLEE] {
            self.say(from, sequence, b"can you hear me?").unwrap();
        }
        self.run_for(Duration::from_millis(50));
        for to in [CALLER, CALLEE] {
            let expected = rtp(sequence, b"can you hear me?");
            assert_eq!(self.media[to].last(), Some(&expected));
        }
    }
}

/// The offerer's role once the answer is known.
pub(super) fn mirror(answer: Setup) -> Setup {
    match answer {
        Setup::Passive => Setup::Active,
        Setup::Active | Setup::ActPass => Setup::Passive,
    }
}

pub(super) fn rtp(sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 111];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 1, 0xca, 0xfe, 0xba, 0xbe]);
    packet.extend_from_slice(payload);
    packet
}
