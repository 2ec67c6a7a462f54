//! Workers on real loopback sockets: calls connect, talk, are bridged, survive garbage, and leave nothing behind.
#![cfg(feature = "driver")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "real sockets take real time")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the test looks for a few events among many"
)]

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use offhook_media::driver::bind::Bind;
use offhook_media::driver::event::{CallEvent, OpenError};
use offhook_media::driver::worker::{Worker, WorkerConfig, Workers};
use offhook_media::dtls::certificate::Certificate;
use offhook_media::program::{
    AudioFormat, AudioPacket, CallKey, Destination, Outgoing, PayloadKind, Program, ProgramCommand,
};
use offhook_media::quality::statistics::Statistics;
use offhook_media::session::config::SessionConfig;
use offhook_media::session::error::MediaError;
use offhook_media::session::event::MediaEvent;
use offhook_media::session::media_session::Renewal;

/// Far longer than anything here takes; a test that meets it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

static CERTIFICATE: LazyLock<Arc<Certificate>> =
    LazyLock::new(|| Arc::new(Certificate::generate().unwrap()));

/// Talks in each slot and counts what it hears.
struct Talker {
    format: Option<AudioFormat>,
    heard: Arc<AtomicU64>,
    bridge: Option<CallKey>,
}

impl Program for Talker {
    fn negotiated(&mut self, format: &AudioFormat, _: Instant) {
        self.format = Some(*format);
    }

    fn packet(&mut self, packet: &AudioPacket<'_>, _: Instant, out: &mut Outgoing) {
        assert_eq!(packet.payload, [7; 80]);
        self.heard.fetch_add(1, Ordering::Relaxed);
        if let Some(to) = self.bridge {
            out.forward(Destination::Call(to), packet);
        }
    }

    fn slot(&mut self, _: Instant, out: &mut Outgoing) {
        if let (Some(format), None) = (self.format, self.bridge) {
            let timestamp = (out.slot() * u64::from(format.codec.ticks_per_slot())) as u32;
            out.send(
                PayloadKind::Audio(format.codec),
                out.slot() == 0,
                timestamp,
                &[7; 80],
            );
        }
    }

    fn command(&mut self, command: ProgramCommand, _: Instant) {
        if let ProgramCommand::Bridge(to) = command {
            self.bridge = to;
        }
    }
}

/// The owner of some calls: plays signalling between them.
struct Owner {
    workers: Workers,
    events: Receiver<(CallKey, CallEvent)>,
    heard: HashMap<CallKey, Arc<AtomicU64>>,
    seen: Vec<(CallKey, &'static str)>,
    last: HashMap<CallKey, Statistics>,
}

fn loopback() -> Bind {
    Bind::Addresses(vec![Ipv4Addr::LOCALHOST.into()])
}

fn sink(sender: SyncSender<(CallKey, CallEvent)>) -> impl FnMut(CallKey, CallEvent) + Send {
    move |call, event| {
        if !matches!(event, CallEvent::Media(MediaEvent::Statistics(_))) {
            sender.try_send((call, event)).unwrap();
        }
    }
}

impl Owner {
    fn with_workers(count: usize) -> Self {
        let (sender, events) = sync_channel(100_000);
        let workers =
            Workers::spawn(&WorkerConfig::default(), count, |_| sink(sender.clone())).unwrap();
        Self {
            workers,
            events,
            heard: HashMap::new(),
            seen: Vec::new(),
            last: HashMap::new(),
        }
    }

    fn open(&mut self, call: CallKey) {
        self.open_on(call, loopback());
    }

    fn open_on(&mut self, call: CallKey, bind: Bind) {
        let heard = Arc::new(AtomicU64::new(0));
        self.heard.insert(call, Arc::clone(&heard));
        let program = Box::new(Talker {
            format: None,
            heard,
            bridge: None,
        });
        let config = SessionConfig::new(Arc::clone(&CERTIFICATE));
        self.workers
            .of(call)
            .open(call, config, program, bind)
            .unwrap();
    }

    /// Opens both ends of a call and starts the offer.
    fn connect(&mut self, caller: CallKey, callee: CallKey) {
        self.connect_on(caller, callee, &loopback(), str::to_owned);
    }

    /// The same on these addresses, with descriptions that are `told` otherwise than they are.
    fn connect_on(
        &mut self,
        caller: CallKey,
        callee: CallKey,
        bind: &Bind,
        told: impl Fn(&str) -> String,
    ) {
        self.open_on(caller, bind.clone());
        self.open_on(callee, bind.clone());
        self.workers.of(caller).create_offer(caller).unwrap();
        let CallEvent::LocalOffer { sdp } = self.wait_for(caller, "offer") else {
            unreachable!()
        };
        self.workers
            .of(callee)
            .accept_offer(callee, told(&sdp), Renewal::Change)
            .unwrap();
        let CallEvent::LocalAnswer { sdp } = self.wait_for(callee, "answer") else {
            unreachable!()
        };
        let answer = told(&sdp);
        self.workers
            .of(caller)
            .accept_answer(caller, answer)
            .unwrap();
    }

    /// Reads events until this one.
    fn wait_for(&mut self, call: CallKey, name: &str) -> CallEvent {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let (from, event) = self
                .events
                .recv_timeout(give_up.saturating_duration_since(Instant::now()))
                .unwrap_or_else(|_| panic!("no {name} of {call:?}; seen: {:?}", self.seen));
            let heard = name_of(&event);
            self.seen.push((from, heard));
            if let CallEvent::Closed { statistics, .. } = &event {
                self.last.insert(from, (**statistics).clone());
            }
            if (from, heard) == (call, name) {
                return event;
            }
        }
    }

    fn wait_unless_seen(&mut self, call: CallKey, name: &'static str) {
        if !self.seen.contains(&(call, name)) {
            self.wait_for(call, name);
        }
    }

    /// Waits until a call heard this many packets since it began.
    fn wait_until_heard(&self, call: CallKey, packets: u64) {
        let give_up = Instant::now() + PATIENCE;
        while self.heard[&call].load(Ordering::Relaxed) < packets {
            assert!(
                Instant::now() < give_up,
                "{call:?} hears nothing; seen: {:?}",
                self.seen
            );
            std::thread::yield_now();
        }
    }

    fn close(&mut self, call: CallKey) -> Statistics {
        self.workers.of(call).close(call).unwrap();
        self.wait_unless_seen(call, "closed");
        self.last.remove(&call).unwrap()
    }
}

fn name_of(event: &CallEvent) -> &'static str {
    if let CallEvent::Media(event) = event {
        return match event {
            MediaEvent::FirstRtpReceived => "first rtp",
            MediaEvent::ClosedByPeer => "closed by peer",
            MediaEvent::Failed(_) => "failed",
            _ => "other media",
        };
    }
    match event {
        CallEvent::LocalOffer { .. } => "offer",
        CallEvent::LocalAnswer { .. } => "answer",
        CallEvent::Refused(_) => "refused",
        CallEvent::OpenFailed(_) => "open failed",
        CallEvent::Closed { .. } => "closed",
        _ => "other",
    }
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// One test, since it counts the descriptors of the whole process.
#[test]
fn fifty_calls_over_two_workers_talk_and_leave_nothing_behind() {
    let before = open_descriptors();
    let mut owner = Owner::with_workers(2);
    // An odd step puts the two ends of a pair on different workers.
    let pairs: Vec<_> = (0..25)
        .map(|pair| (CallKey(2 * pair), CallKey(2 * pair + 1)))
        .collect();
    for (caller, callee) in &pairs {
        owner.connect(*caller, *callee);
        // From loopback nothing leads there, which is no fault of ours.
        let worker = owner.workers.of(*caller);
        let elsewhere = "candidate:9 1 udp 99 192.0.2.1 9 typ host".to_owned();
        worker.add_remote_candidate(*caller, elsewhere).unwrap();
    }
    for (caller, callee) in &pairs {
        owner.wait_until_heard(*caller, 50);
        owner.wait_until_heard(*callee, 50);
    }
    throw_garbage(&mut owner);
    for (caller, callee) in &pairs {
        let caller = owner.close(*caller);
        owner.wait_unless_seen(*callee, "closed by peer");
        let callee = owner.close(*callee);
        for (one, other) in [(&caller, &callee), (&callee, &caller)] {
            assert!(one.outbound.packets_sent >= 50, "{one:?}");
            assert_eq!(one.inbound.packets_lost, 0, "{one:?}");
            assert!(one.inbound.packets_received <= other.outbound.packets_sent);
            assert_eq!(one.local.send_errors, 0, "{one:?}");
        }
    }
    assert!(
        !owner
            .seen
            .iter()
            .any(|(_, name)| matches!(*name, "failed" | "refused" | "open failed"))
    );
    bridge(&mut owner);
    talk_over_ipv6(&mut owner);
    outlive_a_panic(&mut owner);
    refuse_to_open(&mut owner);
    drop(owner);
    assert_eq!(open_descriptors(), before);
}

/// Datagrams of all kinds from a stranger to every socket of the process: nobody hears them.
fn throw_garbage(owner: &mut Owner) {
    let (victim, peer) = (CallKey(1000), CallKey(1001));
    owner.open(victim);
    owner.open(peer);
    owner.workers.of(victim).create_offer(victim).unwrap();
    let CallEvent::LocalOffer { sdp } = owner.wait_for(victim, "offer") else {
        unreachable!()
    };
    let target = address_in(&sdp);
    owner
        .workers
        .of(peer)
        .accept_offer(peer, sdp, Renewal::Change)
        .unwrap();
    let CallEvent::LocalAnswer { sdp } = owner.wait_for(peer, "answer") else {
        unreachable!()
    };
    owner.workers.of(victim).accept_answer(victim, sdp).unwrap();
    owner.wait_until_heard(victim, 10);
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut thrown = 0;
    for length in 0..1500_usize {
        let first = [0, 1, 20, 22, 23, 64, 0x80, 0x81, 0x90, 200, 255][length % 11];
        let mut bytes: Vec<u8> = (0..length)
            .map(|index| (index * 31 + length * 7) as u8)
            .collect();
        if let Some(byte) = bytes.first_mut() {
            *byte = first;
        }
        thrown += u64::from(stranger.send_to(&bytes, target).is_ok());
        if length % 64 == 0 {
            // Let the worker drain, so that its receive buffer does not overflow with garbage.
            let heard = owner.heard[&victim].load(Ordering::Relaxed);
            owner.wait_until_heard(victim, heard + 1);
        }
    }
    let heard = owner.heard[&victim].load(Ordering::Relaxed);
    owner.wait_until_heard(victim, heard + 20);
    let figures = owner.close(victim);
    owner.close(peer);
    assert_eq!(figures.inbound.packets_lost, 0, "{figures:?}");
    assert!(
        figures.transport.packets_refused * 10 >= thrown * 9,
        "{thrown} thrown: {figures:?}"
    );
}

fn address_in(sdp: &str) -> SocketAddr {
    let line = sdp
        .lines()
        .find(|line| line.starts_with("a=candidate:"))
        .unwrap();
    let mut fields = line.split_whitespace().skip(4);
    let ip: IpAddr = fields.next().unwrap().parse().unwrap();
    SocketAddr::new(ip, fields.next().unwrap().parse().unwrap())
}

/// Two legs on one worker, each passing on to the other: the two far ends hear each other.
fn bridge(owner: &mut Owner) {
    let [one, leg_one, other, leg_other] = [2001, 2000, 2003, 2002].map(CallKey);
    owner.connect(one, leg_one);
    owner.connect(other, leg_other);
    for call in [one, leg_one, other, leg_other] {
        owner.wait_until_heard(call, 5);
    }
    for (leg, to) in [(leg_one, leg_other), (leg_other, leg_one)] {
        owner
            .workers
            .of(leg)
            .program(leg, ProgramCommand::Bridge(Some(to)))
            .unwrap();
    }
    for call in [one, other] {
        let heard = owner.heard[&call].load(Ordering::Relaxed);
        owner.wait_until_heard(call, heard + 50);
    }
    for call in [one, other, leg_one, leg_other] {
        let figures = owner.close(call);
        assert_eq!(figures.inbound.packets_lost, 0, "{figures:?}");
    }
}

/// Where there is nothing else, and where IPv4 is there and leads nowhere.
fn talk_over_ipv6(owner: &mut Owner) {
    // It takes what comes, and says nothing.
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let dead_end = silent.local_addr().unwrap().to_string();
    let only = Bind::Addresses(vec![Ipv6Addr::LOCALHOST.into()]);
    let both = Bind::Addresses(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    // An odd step again.
    let (alone, among) = ([2201, 2202].map(CallKey), [2203, 2204].map(CallKey));
    owner.connect_on(alone[0], alone[1], &only, |sdp| {
        assert!(sdp.contains("c=IN IP6 ::1\r\n"), "{sdp}");
        assert_eq!(candidates(sdp), (0, 1), "{sdp}");
        sdp.to_owned()
    });
    owner.connect_on(among[0], among[1], &both, |sdp| {
        assert_eq!(candidates(sdp), (1, 1), "{sdp}");
        let told = sdp.split_inclusive("\r\n").map(|line| {
            let (Some((before, rest)), true) = (
                line.split_once(" 127.0.0.1 "),
                line.starts_with("a=candidate"),
            ) else {
                return line.to_owned();
            };
            let (_, after) = rest.split_once(' ').unwrap();
            format!("{before} {} {after}", dead_end.replace(':', " "))
        });
        told.collect()
    });
    for call in alone.into_iter().chain(among) {
        owner.wait_until_heard(call, 100);
    }
    for call in alone.into_iter().chain(among) {
        let figures = owner.close(call);
        assert_eq!(figures.inbound.packets_lost, 0, "{figures:?}");
        assert_eq!(figures.local.send_errors, 0, "{figures:?}");
    }
}

/// How many of IPv4 and of IPv6 a description has.
fn candidates(sdp: &str) -> (usize, usize) {
    let count = |address: &str| {
        let candidates = sdp.lines().filter(|line| line.starts_with("a=candidate"));
        candidates.filter(|line| line.contains(address)).count()
    };
    (count(" 127.0.0.1 "), count(" ::1 "))
}

/// Breaks in its first slot.
struct Faulty;

impl Program for Faulty {
    fn negotiated(&mut self, _: &AudioFormat, _: Instant) {}

    fn packet(&mut self, _: &AudioPacket<'_>, _: Instant, _: &mut Outgoing) {}

    fn slot(&mut self, _: Instant, _: &mut Outgoing) {
        panic!("as this test wants it");
    }

    fn command(&mut self, _: ProgramCommand, _: Instant) {}
}

/// One call of a worker breaks: it ends with that reason, and the worker carries on with its others and with new ones.
fn outlive_a_panic(owner: &mut Owner) {
    let [one, other, broken, peer, later, last] = [2101, 2103, 2105, 2107, 2109, 2111].map(CallKey);
    owner.connect(one, other);
    owner.connect(broken, peer);
    owner.wait_until_heard(broken, 5);
    let worker = owner.workers.of(broken);
    worker.replace_program(broken, Box::new(Faulty)).unwrap();
    let CallEvent::Closed { error, .. } = owner.wait_for(broken, "closed") else {
        unreachable!()
    };
    assert_eq!(error, Some(MediaError::Panicked));
    let heard = owner.heard[&one].load(Ordering::Relaxed);
    owner.wait_until_heard(one, heard + 20);
    owner.connect(later, last);
    owner.wait_until_heard(last, 5);
    for call in [one, other, peer, later, last] {
        owner.close(call);
    }
}

fn refuse_to_open(owner: &mut Owner) {
    let (call, nowhere) = (CallKey(3000), CallKey(3002));
    owner.open(call);
    owner.open(call);
    let CallEvent::OpenFailed(error) = owner.wait_for(call, "open failed") else {
        unreachable!()
    };
    assert!(matches!(error, OpenError::KeyInUse(key) if key == call));
    let program = Box::new(Talker {
        format: None,
        heard: Arc::default(),
        bridge: None,
    });
    let config = SessionConfig::new(Arc::clone(&CERTIFICATE));
    let foreign = Bind::Addresses(vec!["192.0.2.1".parse().unwrap()]);
    owner
        .workers
        .of(nowhere)
        .open(nowhere, config, program, foreign)
        .unwrap();
    let CallEvent::OpenFailed(error) = owner.wait_for(nowhere, "open failed") else {
        unreachable!()
    };
    assert!(error.to_string().contains("192.0.2.1"), "{error}");
    // Commands for calls that are not there are ignored.
    owner.workers.of(nowhere).create_offer(nowhere).unwrap();
    owner.workers.of(nowhere).close(nowhere).unwrap();
    owner.close(call);
    // A worker ends with calls still open.
    owner.open(CallKey(4000));
    let worker = Worker::spawn(WorkerConfig::default(), |_, _| {}).unwrap();
    let handle = worker.handle();
    drop(worker);
    assert!(handle.close(CallKey(0)).is_err());
}
