//! Two transports that have to connect while three datagrams in ten are lost, and then to carry media.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use offhook_link::conditions::{Conditions, Loss};
use offhook_link::nat::NatKind;
use offhook_media::dtls::certificate::Certificate;
use offhook_media::dtls::fingerprint::FingerprintHash;
use offhook_media::dtls::setup::Setup;
use offhook_media::ice::credentials::IceCredentials;
use offhook_media::media_transport::config::{RemoteParameters, TransportConfig, TransportLimits};
use offhook_media::media_transport::event::{Event, Output, Received};
use offhook_media::media_transport::transport::MediaTransport;
use offhook_media::session::policy::MINIMUM_RSA_BITS;
use offhook_media::srtp::profile::SrtpProfile;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::media::held::bounded;
use crate::media::places::{Access, Places, millis};

/// Share of datagrams lost each way.
pub const LOSS: f64 = 0.3;

/// A set-up may take so long once both ends know of each other.
pub const WITHIN: Duration = Duration::from_secs(10);

/// By then an end is connected or has said why not: 15 s for ICE and 15 s for DTLS, and the wait for the answer.
const AT_LAST: Duration = Duration::from_secs(32);

/// Packets that each end says when it is connected.
const WORDS: u16 = 200;

const CALLER: usize = 0;

/// The ends' certificates: making one costs more than a world.
pub(crate) static CERTIFICATES: LazyLock<[Arc<Certificate>; 2]> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a world without certificates is none")]
    std::array::from_fn(|_| Arc::new(Certificate::generate().expect("a certificate")))
});

/// What a set-up came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// From both ends knowing of each other until both were connected; `None`: they failed, and said so.
    pub took: Option<Duration>,
    /// Hash of choices and outcomes.
    pub hash: u64,
}

struct World {
    now: Instant,
    rng: StdRng,
    places: Places,
    ends: [MediaTransport; 2],
    events: [Vec<Event>; 2],
    /// How often each packet was accepted, by the end that heard it.
    heard: [Vec<u8>; 2],
    first: [u16; 2],
    fault: Option<String>,
}

/// A transport for a world.
fn transport(end: usize, controlling: bool, rng: &mut StdRng, now: Instant) -> MediaTransport {
    let config = TransportConfig {
        credentials: IceCredentials::generate(rng),
        tie_breaker: rng.random(),
        controlling,
        certificate: Arc::clone(&CERTIFICATES[end]),
        profiles: SrtpProfile::ALL.to_vec(),
        minimum_rsa_bits: MINIMUM_RSA_BITS,
        latching: false,
        limits: TransportLimits::default(),
    };
    MediaTransport::new(config, now)
}

fn access(rng: &mut StdRng) -> Access {
    let loss = match rng.random_range(0..4) {
        0 => Loss::in_bursts(LOSS, rng.random_range(1.5..2.5)),
        _ => Loss::Random(LOSS),
    };
    let kinds = NatKind::ALL.len();
    Access {
        nat: NatKind::ALL.get(rng.random_range(0..2 * kinds)).copied(),
        nat_timeout: millis(rng, 30_000, 120_000),
        relay: false,
        up: Conditions {
            delay: millis(rng, 2, 75),
            jitter: millis(rng, 0, 20),
            loss,
            reordering: rng.random_range(0.0..0.05),
            detour: millis(rng, 5, 60),
            duplication: rng.random_range(0.0..0.03),
            ..Conditions::default()
        },
        down: Conditions {
            delay: millis(rng, 2, 75),
            jitter: millis(rng, 0, 20),
            ..Conditions::default()
        },
    }
}

/// Lives the set-up of this seed.
///
/// # Errors
/// The promise that it broke.
pub fn set_up(seed: u64) -> Result<Outcome, String> {
    World::new(seed).live()
}

impl World {
    fn new(seed: u64) -> Self {
        let now = Instant::now();
        let mut rng = StdRng::seed_from_u64(seed);
        let mut access = [access(&mut rng), access(&mut rng)];
        // Where theory sees no way without a relay there is one.
        access[CALLER].relay = !NatKind::meets(access[0].nat, access[1].nat);
        let places = Places::new(access, &mut rng);
        // In a quarter of all worlds both want to control, or none does.
        let caller_controls = rng.random_range(0..8) != 0;
        let callee_controls = rng.random_range(0..8) == 0;
        let ends = [caller_controls, callee_controls]
            .map(|controls| (controls, IceCredentials::generate(&mut rng)));
        let mut end = 0;
        let ends = ends.map(|(controls, _)| {
            end += 1;
            transport(end - 1, controls, &mut rng, now)
        });
        // Numbers that turn over while the words are said.
        let first = [0, 1].map(|_| u16::MAX - rng.random_range(20..WORDS));
        Self {
            now,
            rng,
            places,
            ends,
            events: Default::default(),
            heard: [0, 1].map(|_| vec![0; usize::from(WORDS)]),
            first,
            fault: None,
        }
    }

    fn parameters(&self, end: usize, setup: Setup) -> RemoteParameters {
        RemoteParameters {
            credentials: Some(self.ends[end].credentials().clone()),
            address: None,
            candidates: self.ends[end].local_candidates(),
            fingerprints: vec![CERTIFICATES[end].fingerprint(FingerprintHash::Sha256)],
            keys: None,
            unencrypted: false,
            setup,
            tls_id: None,
            ice_lite: false,
        }
    }

    fn live(mut self) -> Result<Outcome, String> {
        for end in [0, 1] {
            for candidate in self.places.gather(end, self.now) {
                let _ = self.ends[end].add_local_candidate(candidate, self.now);
            }
        }
        let (offer, answer) = match self.rng.random_range(0..3) {
            0 => (Setup::Active, Setup::Passive),
            _ => (Setup::Passive, Setup::Active),
        };
        let offered = self.parameters(0, offer);
        self.ends[1]
            .set_remote(offered, self.now)
            .map_err(|refused| refused.to_string())?;
        let wait = millis(&mut self.rng, 10, 300);
        self.run(wait, |_| false);
        let answered = self.parameters(1, answer);
        self.ends[0]
            .set_remote(answered, self.now)
            .map_err(|refused| refused.to_string())?;
        let began = self.now;
        let connected = self.run(AT_LAST, |world| {
            world.ends.iter().all(MediaTransport::is_connected)
        });
        let took = connected.then(|| self.now - began);
        if connected {
            self.talk();
            self.run(Duration::from_secs(5), |_| false);
            self.judge_talk()?;
        } else {
            // One end may be content already and hears of it by silence; the other knows and says so.
            let failed = |event: &Event| {
                matches!(
                    event,
                    Event::IceFailed(_) | Event::DtlsFailed(_) | Event::ClosedByPeer
                )
            };
            if !self.events.iter().flatten().any(failed) {
                return Err(format!(
                    "neither connected nor failed after {AT_LAST:?}: {:?}",
                    self.events
                ));
            }
        }
        for end in [0, 1] {
            bounded(end, self.ends[end].census())?;
        }
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let hash = u64::from(took.is_some());
        Ok(Outcome { took, hash })
    }

    /// Both say all their words, at a brisk pace, while the loss goes on.
    fn talk(&mut self) {
        for word in 0..WORDS {
            for end in [0, 1] {
                let sequence = self.first[end].wrapping_add(word);
                let mut packet = vec![0x80, 8];
                packet.extend_from_slice(&sequence.to_be_bytes());
                packet.extend_from_slice(&[0, 0, 0, 1, 0xca, 0xfe, 0xba, 0xbe]);
                packet.push(u8::try_from(end).unwrap_or(0));
                packet.extend_from_slice(&word.to_be_bytes());
                match self.ends[end].protect_rtp(&mut packet) {
                    Ok(route) => {
                        self.places
                            .send(end, route.local, route.remote, &packet, self.now);
                    }
                    Err(error) => self.fault = Some(format!("end {end} cannot speak: {error}")),
                }
            }
            self.run(Duration::from_millis(5), |_| false);
        }
    }

    fn judge_talk(&self) -> Result<(), String> {
        for (end, heard) in self.heard.iter().enumerate() {
            if heard.iter().any(|times| *times > 1) {
                return Err(format!("end {end} accepted a packet twice: {heard:?}"));
            }
            let tail = heard.iter().rev().take(60).filter(|times| **times == 1);
            let (all, tail) = (
                heard.iter().filter(|times| **times == 1).count(),
                tail.count(),
            );
            // 140 of 200 and 42 of 60 are expected; five standard deviations below, with bursts.
            if all < 85 || tail < 12 {
                return Err(format!(
                    "end {end} heard {all} of {WORDS} words, {tail} of the last 60"
                ));
            }
        }
        Ok(())
    }

    /// Lets `span` pass, or less when `enough` says so; tells whether it did.
    fn run(&mut self, span: Duration, enough: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + span;
        let mut rounds = 0;
        loop {
            let wake = self.drain();
            if enough(self) {
                return true;
            }
            let next = self.places.next_deadline().into_iter().chain(wake).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return false;
            };
            self.now = self.now.max(next);
            while let Some(mut arrival) = self.places.poll(self.now) {
                let (local, remote) = (arrival.local, arrival.remote);
                self.receive(arrival.end, local, remote, &mut arrival.bytes);
            }
            let now = self.now;
            self.ends.iter_mut().for_each(|it| it.handle_timeout(now));
            rounds += 1;
            if rounds > 100_000 {
                self.fault = Some("the transports never rest".to_owned());
                return false;
            }
        }
    }

    fn receive(&mut self, end: usize, local: SocketAddr, remote: SocketAddr, bytes: &mut [u8]) {
        let received = self.ends[end].handle_datagram(local, remote, bytes, self.now);
        if let Received::Rtp(packet) = received {
            let word = match *packet {
                [.., from, high, low] if usize::from(from) == 1 - end => {
                    usize::from(u16::from_be_bytes([high, low]))
                }
                _ => usize::MAX,
            };
            match self.heard[end].get_mut(word) {
                Some(times) => *times += 1,
                None => self.fault = Some(format!("end {end} heard what nobody said")),
            }
        }
    }

    /// Carries out what both ends want; when the first wants to be woken.
    fn drain(&mut self) -> Option<Instant> {
        let mut wake = None;
        for end in [0, 1] {
            loop {
                match self.ends[end].poll() {
                    Output::Transmit { route, bytes } => {
                        self.places
                            .send(end, route.local, route.remote, &bytes, self.now);
                    }
                    Output::Event(event) => self.events[end].push(event),
                    Output::Wait(wait) => {
                        wake = wake.into_iter().chain(wait.map(|(at, _)| at)).min();
                        break;
                    }
                    _ => break,
                }
            }
        }
        wake
    }
}
