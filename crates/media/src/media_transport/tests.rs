//! Two transports in virtual time over a link that may lose, delay and tamper.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::dtls::certificate::Certificate;
use crate::dtls::fingerprint::FingerprintHash;
use crate::dtls::setup::{DtlsRole, Setup};
use crate::ice::candidate::LocalCandidate;
use crate::ice::candidate::{Candidate, CandidateType};
use crate::ice::credentials::IceCredentials;
use crate::media_transport::config::{
    RemoteParameters, RemoteRefused, TransportConfig, TransportLimits,
};
use crate::media_transport::counters::Refusal;
use crate::media_transport::event::{
    DtlsFailure, Event, IceFailure, NotReady, Output, Received, Route,
};
use crate::media_transport::transport::MediaTransport;
use crate::srtp::profile::SrtpProfile;

static CERTIFICATES: LazyLock<[Arc<Certificate>; 2]> =
    LazyLock::new(|| std::array::from_fn(|_| Arc::new(Certificate::generate().unwrap())));

const CALLER: usize = 0;
const CALLEE: usize = 1;

struct Datagram {
    due: Instant,
    to: usize,
    route: Route,
    bytes: Vec<u8>,
}

/// How the link treats datagrams.
struct Link {
    delay: Duration,
    jitter: Duration,
    /// In percent.
    loss: u32,
    cut: bool,
}

struct World {
    now: Instant,
    rng: StdRng,
    ends: [MediaTransport; 2],
    addresses: [SocketAddr; 2],
    events: [Vec<(Duration, Event)>; 2],
    media: [Vec<Vec<u8>>; 2],
    wire: Vec<Datagram>,
    recorded: Vec<Datagram>,
    link: Link,
    start: Instant,
}

fn config(end: usize, rng: &mut StdRng) -> TransportConfig {
    TransportConfig {
        credentials: IceCredentials::generate(rng),
        tie_breaker: rng.random(),
        controlling: end == CALLER,
        certificate: Arc::clone(&CERTIFICATES[end]),
        profiles: SrtpProfile::ALL.to_vec(),
        limits: TransportLimits::default(),
    }
}

impl World {
    fn new(seed: u64) -> Self {
        Self::with(seed, |_, _| {})
    }

    fn with(seed: u64, change: impl Fn(usize, &mut TransportConfig)) -> Self {
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
            },
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
    fn parameters(&self, end: usize, setup: Setup) -> RemoteParameters {
        let hash = [FingerprintHash::Sha256, FingerprintHash::Sha512][end];
        RemoteParameters {
            credentials: self.ends[end].credentials().clone(),
            candidates: self.ends[end].local_candidates(),
            fingerprints: vec![CERTIFICATES[end].fingerprint(hash)],
            setup,
            ice_lite: false,
        }
    }

    /// Offer and answer, with the `a=setup` of each.
    fn negotiate(&mut self, offer: Setup, answer: Setup) {
        let offered = self.parameters(CALLER, offer);
        self.ends[CALLEE].set_remote(offered, self.now).unwrap();
        let answered = self.parameters(CALLEE, answer);
        self.ends[CALLER].set_remote(answered, self.now).unwrap();
    }

    fn drain(&mut self) -> Option<Instant> {
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

    fn send(&mut self, from: usize, route: Route, bytes: Vec<u8>) {
        assert_eq!(route.local, self.addresses[from]);
        let to = 1 - from;
        if self.link.cut
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
    fn step(&mut self, end: Instant) -> bool {
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

    fn deliver(&mut self, datagram: Datagram) {
        let Datagram {
            to, route, bytes, ..
        } = &datagram;
        let mut buffer = bytes.clone();
        let received =
            self.ends[*to].handle_datagram(route.local, route.remote, &mut buffer, self.now);
        if let Received::Rtp(packet) = received {
            self.media[*to].push(packet.to_vec());
        }
        self.recorded.push(datagram);
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        let mut steps = 0;
        while self.step(end) {
            steps += 1;
            assert!(steps < 100_000, "the transports never rest");
        }
        self.now = end;
    }

    fn run_until_connected(&mut self, limit: Duration) -> bool {
        let end = self.now + limit;
        while !self.ends.iter().all(MediaTransport::is_connected) {
            if !self.step(end) {
                return false;
            }
        }
        self.drain();
        true
    }

    fn saw(&self, end: usize, wanted: &Event) -> bool {
        self.events[end].iter().any(|(_, event)| event == wanted)
    }

    fn failure(&self, end: usize) -> Option<&Event> {
        self.events[end].iter().map(|(_, event)| event).find(|it| {
            matches!(
                it,
                Event::IceFailed(_) | Event::DtlsFailed(_) | Event::ClosedByPeer
            )
        })
    }

    fn say(&mut self, from: usize, sequence: u16, payload: &[u8]) -> Result<(), NotReady> {
        let mut packet = rtp(sequence, payload);
        let route = self.ends[from].protect_rtp(&mut packet)?;
        self.send(from, route, packet);
        Ok(())
    }

    /// Both say something, and both hear exactly that.
    fn assert_media_flows(&mut self, sequence: u16) {
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
fn mirror(answer: Setup) -> Setup {
    match answer {
        Setup::Passive => Setup::Active,
        Setup::Active | Setup::ActPass => Setup::Passive,
    }
}

fn rtp(sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 111];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 1, 0xca, 0xfe, 0xba, 0xbe]);
    packet.extend_from_slice(payload);
    packet
}

#[test]
fn two_ends_connect_and_hear_each_other() {
    let mut world = World::new(1);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    world.assert_media_flows(1);
    let connected = Event::IceConnected {
        route: Route {
            local: world.addresses[CALLER],
            remote: world.addresses[CALLEE],
        },
        local: CandidateType::Host,
        remote: CandidateType::Host,
    };
    assert!(world.saw(CALLER, &connected));
    for (end, role) in [(CALLER, DtlsRole::Server), (CALLEE, DtlsRole::Client)] {
        let profile = SrtpProfile::AeadAes128Gcm;
        assert!(world.saw(end, &Event::DtlsConnected { profile, role }));
    }
}

/// One round trip of checks, one to nominate, three of DTLS: nothing waits for a timer.
#[test]
fn a_clean_path_connects_in_five_round_trips() {
    let mut world = World::new(2);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    let took = world.now - world.start;
    assert!(took <= Duration::from_millis(5 * 20), "{took:?}");
}

#[test]
fn each_setup_combination_connects() {
    for (offer, answer, caller) in [
        (Setup::ActPass, Setup::Active, DtlsRole::Server),
        (Setup::ActPass, Setup::Passive, DtlsRole::Client),
        (Setup::Active, Setup::Passive, DtlsRole::Client),
        (Setup::Passive, Setup::Active, DtlsRole::Server),
    ] {
        let mut world = World::new(3);
        // The answerer decided: what it hears is the offer as the answer resolved it.
        let resolved = mirror(answer);
        assert!(offer == Setup::ActPass || offer == resolved);
        world.negotiate(resolved, answer);
        assert!(world.run_until_connected(Duration::from_secs(5)));
        assert_eq!(world.ends[CALLER].dtls_role(), Some(caller));
        world.assert_media_flows(7);
    }
}

#[test]
fn each_profile_works_and_none_in_common_is_named() {
    for profile in SrtpProfile::ALL {
        let mut world = World::with(4, |end, config| {
            if end == CALLEE {
                config.profiles = vec![profile];
            }
        });
        world.negotiate(Setup::ActPass, Setup::Active);
        assert!(world.run_until_connected(Duration::from_secs(5)));
        assert_eq!(world.ends[CALLER].profile(), Some(profile));
        world.assert_media_flows(9);
    }
    let mut world = World::with(5, |end, config| {
        config.profiles = vec![SrtpProfile::ALL[end]];
    });
    world.negotiate(Setup::ActPass, Setup::Active);
    world.run_for(Duration::from_secs(20));
    assert_eq!(
        world.failure(CALLER),
        Some(&Event::DtlsFailed(DtlsFailure::NoCommonProfile))
    );
    assert!(world.failure(CALLEE).is_some());
}

#[test]
fn a_role_conflict_is_resolved() {
    for controlling in [true, false] {
        let mut world = World::with(6, |_, config| config.controlling = controlling);
        world.negotiate(Setup::ActPass, Setup::Active);
        assert!(world.run_until_connected(Duration::from_secs(5)));
        assert_ne!(
            world.ends[CALLER].is_controlling(),
            world.ends[CALLEE].is_controlling()
        );
        world.assert_media_flows(3);
    }
}

#[test]
fn a_wrong_fingerprint_fails_the_call_and_no_media_passes() {
    for setup in [Setup::Active, Setup::Passive] {
        let mut world = World::new(7);
        let offered = world.parameters(CALLER, mirror(setup));
        world.ends[CALLEE].set_remote(offered, world.now).unwrap();
        let mut answered = world.parameters(CALLEE, setup);
        answered.fingerprints = vec![CERTIFICATES[CALLER].fingerprint(FingerprintHash::Sha256)];
        world.ends[CALLER].set_remote(answered, world.now).unwrap();
        world.run_for(Duration::from_secs(20));
        assert_eq!(
            world.failure(CALLER),
            Some(&Event::DtlsFailed(DtlsFailure::FingerprintMismatch {
                expected: FingerprintHash::Sha256
            }))
        );
        assert_eq!(world.ends[CALLER].profile(), None);
        assert_eq!(world.say(CALLER, 1, b"secret"), Err(NotReady::NotConnected));
        // The far end, which was content with us, is told to stop; what it sent before that is not let in.
        assert_eq!(world.failure(CALLEE), Some(&Event::ClosedByPeer));
        let mut forged = rtp(1, b"who am I?");
        let [local, remote] = world.addresses;
        let received = world.ends[CALLER].handle_datagram(local, remote, &mut forged, world.now);
        assert_eq!(received, Received::Refused(Refusal::Unverified));
    }
}

#[test]
fn a_description_that_cannot_be_trusted_is_refused() {
    let mut world = World::new(8);
    let mut bare = world.parameters(CALLER, Setup::ActPass);
    bare.fingerprints.clear();
    let refused = world.ends[CALLEE].set_remote(bare, world.now);
    assert_eq!(refused, Err(RemoteRefused::NoFingerprint));
    let mut weak = world.parameters(CALLER, Setup::ActPass);
    weak.credentials.pwd = "short".into();
    let refused = world.ends[CALLEE].set_remote(weak, world.now);
    assert_eq!(refused, Err(RemoteRefused::BadCredentials));
}

#[test]
fn a_peer_that_never_answers_is_a_typed_failure_in_bounded_time() {
    let mut world = World::new(9);
    world.link.cut = true;
    world.negotiate(Setup::ActPass, Setup::Active);
    world.run_for(Duration::from_secs(60));
    for end in [CALLER, CALLEE] {
        let (at, event) = world.events[end].last().unwrap();
        assert_eq!(
            *event,
            Event::IceFailed(IceFailure::NeverConnected { candidates: 1 })
        );
        assert_eq!(*at, TransportLimits::default().ice);
    }
    assert!(
        world.drain().is_none(),
        "a failed transport wants no more waking"
    );
}

#[test]
fn dtls_that_never_comes_is_a_typed_failure_in_bounded_time() {
    let mut world = World::new(10);
    // Both wait for the other's ClientHello.
    let offered = world.parameters(CALLER, Setup::Active);
    world.ends[CALLEE].set_remote(offered, world.now).unwrap();
    let answered = world.parameters(CALLEE, Setup::Active);
    world.ends[CALLER].set_remote(answered, world.now).unwrap();
    world.run_for(Duration::from_secs(30));
    for end in [CALLER, CALLEE] {
        assert!(world.saw(end, &Event::DtlsFailed(DtlsFailure::Timeout)));
    }
}

#[test]
fn closing_tells_the_far_end() {
    let mut world = World::new(11);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    world.ends[CALLER].close(world.now);
    assert_eq!(world.say(CALLER, 1, b"more"), Err(NotReady::NotConnected));
    world.run_for(Duration::from_secs(1));
    assert!(world.saw(CALLEE, &Event::ClosedByPeer));
    assert!(!world.ends[CALLEE].is_connected());
}

#[test]
fn a_lost_path_is_told_and_comes_back_when_the_link_does() {
    let mut world = World::new(12);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    world.link.cut = true;
    world.run_for(Duration::from_secs(28));
    for end in [CALLER, CALLEE] {
        assert!(
            world.saw(end, &Event::IceDisconnected),
            "{:?}",
            world.events[end]
        );
        assert_eq!(world.failure(end), None);
    }
    world.link.cut = false;
    world.run_for(Duration::from_secs(10));
    assert!(world.ends.iter().all(MediaTransport::is_connected));
    world.assert_media_flows(2);

    world.link.cut = true;
    world.run_for(Duration::from_secs(60));
    let remote = world.addresses[CALLEE];
    assert!(world.saw(CALLER, &Event::IceFailed(IceFailure::Lost { remote })));
}

/// The callee's ClientHello, as a link that overtakes would bring it.
fn recorded_hello() -> Vec<u8> {
    let mut world = World::new(13);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    let is_hello = |it: &&Datagram| it.to == CALLER && it.bytes[0] == 22;
    world.recorded.iter().find(is_hello).unwrap().bytes.clone()
}

#[test]
fn a_client_hello_before_the_answer_is_kept() {
    let mut world = World::new(13);
    let offered = world.parameters(CALLER, Setup::ActPass);
    world.ends[CALLEE].set_remote(offered, world.now).unwrap();
    let answered = world.parameters(CALLEE, Setup::Active);
    let mut hello = recorded_hello();
    let [local, remote] = world.addresses;
    let now = world.now;
    let received = world.ends[CALLER].handle_datagram(local, remote, &mut hello, now);
    assert_eq!(received, Received::Consumed);
    assert_eq!(world.ends[CALLER].counters().dtls_received, 0);

    world.run_for(Duration::from_millis(500));
    world.ends[CALLER].set_remote(answered, world.now).unwrap();
    assert_eq!(world.ends[CALLER].counters().dtls_received, 1);
}

#[test]
fn a_client_hello_before_the_first_check_is_kept_until_one_vouches() {
    let mut world = World::new(13);
    world.negotiate(Setup::ActPass, Setup::Active);
    let [local, remote] = world.addresses;
    let now = world.now;
    let mut hello = recorded_hello();
    let received = world.ends[CALLER].handle_datagram(local, remote, &mut hello, now);
    assert_eq!(received, Received::Consumed);
    assert_eq!(world.ends[CALLER].counters().dtls_received, 0);
    // One way of the link: the callee's check is here, a hello of its own cannot be.
    world.run_for(Duration::from_millis(15));
    assert_eq!(world.ends[CALLER].counters().dtls_received, 1);

    // From elsewhere, little is kept and nothing is taken up.
    let stranger = SocketAddr::from(([203, 0, 113, 1], 9));
    let refusals = (0..20)
        .filter(|_| {
            let mut hello = hello.clone();
            let received = world.ends[CALLER].handle_datagram(local, stranger, &mut hello, now);
            received == Received::Refused(Refusal::Unverified)
        })
        .count();
    assert_eq!(refusals, 20 - 8);
    assert_eq!(world.ends[CALLER].counters().dtls_received, 1);
}

#[test]
fn ice_restarts_on_new_credentials_and_media_goes_on_meanwhile() {
    let mut world = World::new(14);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    world.assert_media_flows(1);
    for end in [CALLER, CALLEE] {
        let credentials = IceCredentials::generate(&mut world.rng);
        world.ends[end].restart(credentials, world.now);
    }
    world.assert_media_flows(2);
    let before = world.events.each_ref().map(Vec::len);
    world.negotiate(Setup::ActPass, Setup::Active);
    world.run_for(Duration::from_secs(2));
    for end in [CALLER, CALLEE] {
        let told = &world.events[end][before[end]..];
        assert!(
            matches!(told, [(_, Event::IceConnected { .. })]),
            "{told:?}"
        );
    }
    world.assert_media_flows(3);
}

#[test]
fn a_new_certificate_makes_a_new_association() {
    let mut world = World::new(15);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    // The callee starts over, as a server does that lost its state: new certificate, new credentials.
    let mut config = config(CALLEE, &mut world.rng);
    config.certificate = Arc::new(Certificate::generate().unwrap());
    let fingerprint = config.certificate.fingerprint(FingerprintHash::Sha256);
    world.ends[CALLEE] = MediaTransport::new(config, world.now);
    world.ends[CALLEE]
        .add_local_candidate(LocalCandidate::host(world.addresses[CALLEE]), world.now)
        .unwrap();
    let credentials = IceCredentials::generate(&mut world.rng);
    world.ends[CALLER].restart(credentials, world.now);
    let offered = world.parameters(CALLER, Setup::ActPass);
    world.ends[CALLEE].set_remote(offered, world.now).unwrap();
    let mut answered = world.parameters(CALLEE, Setup::Active);
    answered.fingerprints = vec![fingerprint];
    world.ends[CALLER].set_remote(answered, world.now).unwrap();
    assert!(!world.ends[CALLER].is_connected());
    assert!(world.run_until_connected(Duration::from_secs(5)));
    world.assert_media_flows(1);
}

#[test]
fn a_repeated_description_changes_nothing() {
    let mut world = World::new(16);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    let before = world.events.each_ref().map(Vec::len);
    // A re-offer from the other side: actpass does not turn the roles around.
    for (end, setup) in [(CALLER, Setup::ActPass), (CALLEE, Setup::ActPass)] {
        let parameters = world.parameters(1 - end, setup);
        world.ends[end].set_remote(parameters, world.now).unwrap();
    }
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.events.each_ref().map(Vec::len), before);
    world.assert_media_flows(1);
}

#[test]
fn candidates_of_no_use_are_left_aside() {
    let mut world = World::new(17);
    let mut offered = world.parameters(CALLER, Setup::ActPass);
    let useful = offered.candidates.clone();
    offered.candidates = [
        "2 2 udp 99 192.0.2.1 4000 typ host",
        "3 1 tcp 99 192.0.2.1 9 typ host",
    ]
    .map(|line| line.parse::<Candidate>().unwrap())
    .to_vec();
    offered.candidates.extend(useful);
    world.ends[CALLEE].set_remote(offered, world.now).unwrap();
    let answered = world.parameters(CALLEE, Setup::Active);
    world.ends[CALLER].set_remote(answered, world.now).unwrap();
    assert!(world.run_until_connected(Duration::from_secs(5)));
}

#[test]
fn replayed_and_damaged_datagrams_are_refused_and_counted() {
    let mut world = World::new(18);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    world.assert_media_flows(1);
    let last = world
        .recorded
        .iter()
        .rfind(|it| it.to == CALLEE && it.bytes[0] == 0x80)
        .unwrap();
    let (route, packet) = (last.route, last.bytes.clone());
    let before = world.ends[CALLEE].counters().refused;
    let now = world.now;
    let mut give = |mut bytes: Vec<u8>| {
        let received =
            world.ends[CALLEE].handle_datagram(route.local, route.remote, &mut bytes, now);
        match received {
            Received::Refused(refusal) => refusal,
            Received::Rtp(_) | Received::Rtcp(_) | Received::Consumed => panic!("{received:?}"),
        }
    };
    assert_eq!(give(packet.clone()), Refusal::Replay);
    let mut damaged = packet;
    damaged[2] ^= 1;
    damaged[14] ^= 1;
    assert_eq!(give(damaged), Refusal::BadAuthentication);
    assert_eq!(give(vec![0x80, 111, 0]), Refusal::Malformed);
    assert_eq!(give(vec![100; 40]), Refusal::Unknown);
    assert_eq!(give(vec![0; 19]), Refusal::Malformed);
    let refused = world.ends[CALLEE].counters().refused;
    assert_eq!(refused.total() - before.total(), 5);
    assert_eq!((refused.replay, refused.bad_authentication), (1, 1));
}

#[test]
fn an_idle_connection_costs_a_check_each_few_seconds() {
    let mut world = World::new(19);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    world.run_for(Duration::from_secs(5));
    world.recorded.clear();
    world.run_for(Duration::from_secs(60));
    assert!(world.recorded.len() < 120, "{}", world.recorded.len());
    assert!(world.recorded.len() >= 60, "{}", world.recorded.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the loss, a call ends connected or with a typed failure, in bounded time.
    #[test]
    fn lossy_links_connect_or_fail_in_bounded_time(
        seed in any::<u64>(), loss in 0_u32..=60, delay in 0_u64..300, jitter in 0_u64..200,
    ) {
        let mut world = World::new(seed);
        world.link.loss = loss;
        world.link.delay = Duration::from_millis(delay);
        world.link.jitter = Duration::from_millis(jitter);
        world.negotiate(Setup::ActPass, Setup::Active);
        world.run_for(Duration::from_secs(30));
        let connected = world.ends.iter().all(MediaTransport::is_connected);
        // The end that gave up knows; the other may be content already, and hears of it by silence.
        let failed = [CALLER, CALLEE].iter().any(|end| world.failure(*end).is_some());
        prop_assert!(connected || failed, "{:?}", world.events);
        if loss <= 15 && delay <= 150 {
            prop_assert!(connected, "{:?}", world.events);
        }
        if connected {
            world.link.loss = 0;
            world.say(CALLER, 1, b"through the noise").unwrap();
            world.run_for(Duration::from_secs(1));
            let expected = rtp(1, b"through the noise");
            prop_assert_eq!(world.media[CALLEE].last(), Some(&expected));
        }
    }

    #[test]
    fn no_datagram_makes_it_panic(
        seed in any::<u64>(), garbage in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..40),
    ) {
        let mut world = World::new(seed);
        world.negotiate(Setup::ActPass, Setup::Active);
        world.run_for(Duration::from_millis(25));
        let [local, remote] = world.addresses;
        for (position, mut bytes) in garbage.into_iter().enumerate() {
            // Half of it looks like what it is not.
            if let (Some(first), 0) = (bytes.first_mut(), position % 2) {
                *first = [0, 22, 0x80][position / 2 % 3];
            }
            let now = world.now;
            let _ = world.ends[CALLER].handle_datagram(local, remote, &mut bytes, now);
        }
        prop_assert!(world.run_until_connected(Duration::from_secs(20)));
    }
}
