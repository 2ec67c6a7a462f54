//! Far ends that hide their addresses behind names, as browsers do in one's own network: asked for by Multicast DNS where that is allowed.
#![cfg(feature = "driver")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "real sockets take real time, and virtual time begins at some instant"
)]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use offhook_media::driver::bind::Bind;
use offhook_media::driver::event::CallEvent;
use offhook_media::driver::worker::{WorkerConfig, Workers};
use offhook_media::dtls::certificate::Certificate;
use offhook_media::ice::candidate::LocalCandidate;
use offhook_media::program::{
    AudioFormat, AudioPacket, CallKey, Outgoing, Program, ProgramCommand,
};
use offhook_media::session::config::SessionConfig;
use offhook_media::session::event::MediaEvent;
use offhook_media::session::media_session::{Deadline, MediaSession, Output, Renewal};
use socket2::{Domain, Protocol, Socket, Type};

const NAME: &str = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local";
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
/// Far longer than anything here takes; a test that meets it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

static CERTIFICATE: LazyLock<Arc<Certificate>> =
    LazyLock::new(|| Arc::new(Certificate::generate().unwrap()));

struct Silent;

impl Program for Silent {
    fn negotiated(&mut self, _: &AudioFormat, _: Instant) {}
    fn packet(&mut self, _: &AudioPacket<'_>, _: Instant, _: &mut Outgoing) {}
    fn slot(&mut self, _: Instant, _: &mut Outgoing) {}
    fn command(&mut self, _: ProgramCommand, _: Instant) {}
}

fn config(mdns: bool) -> SessionConfig {
    SessionConfig {
        mdns,
        ..SessionConfig::new(Arc::clone(&CERTIFICATE))
    }
}

/// The description with a name in place of each candidate's address.
fn hidden(sdp: &str, address: &str, name: &str) -> String {
    let (address, name) = (format!(" {address} "), format!(" {name} "));
    let lines = sdp.split_inclusive('\n').map(|line| {
        let hides = line.starts_with("a=candidate:");
        match hides {
            true => line.replace(&address, &name),
            false => line.to_owned(),
        }
    });
    let hidden: String = lines.collect();
    assert!(hidden.contains(&name), "{sdp}");
    hidden
}

/// What a responder says to a question, if it is for [`NAME`].
fn answer(question: &[u8], address: Ipv4Addr) -> Option<Vec<u8>> {
    let label = NAME.split('.').next()?;
    let asked = question.get(13..13 + label.len())?;
    if asked != label.as_bytes() || question[2] & 0x80 != 0 {
        return None;
    }
    let mut answer = question.to_vec();
    answer[2..4].copy_from_slice(&[0x84, 0]);
    answer[7] = 1;
    answer.extend([0xc0, 12, 0, 1, 0x80, 1, 0, 0, 0, 10, 0, 4]);
    answer.extend(address.octets());
    Some(answer)
}

/// A session that was offered hidden candidates, in virtual time.
struct Asked {
    session: MediaSession,
    now: Instant,
    sent: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    wait: Option<(Instant, Deadline)>,
}

const OURS: &str = "192.0.2.2:5000";
const THEIRS: &str = "192.0.2.1:4000";

impl Asked {
    fn offered(mdns: bool) -> Self {
        let now = Instant::now();
        let open = |mdns, seed, address: &str| {
            let mut session = MediaSession::new(config(mdns), Box::new(Silent), seed, now);
            session.add_local_candidate(LocalCandidate::host(address.parse().unwrap()), now);
            session
        };
        let mut caller = open(false, [1; 32], THEIRS);
        let offer = hidden(&caller.create_offer(now), "192.0.2.1", NAME);
        let mut session = open(mdns, [2; 32], OURS);
        session.accept_offer(&offer, Renewal::Change, now).unwrap();
        let mut asked = Self {
            session,
            now,
            sent: Vec::new(),
            wait: None,
        };
        asked.drain();
        asked
    }

    fn drain(&mut self) {
        loop {
            match self.session.poll() {
                Output::Transmit {
                    local,
                    remote,
                    bytes,
                } => self.sent.push((local, remote, bytes.to_vec())),
                Output::Wait(wait) => {
                    self.wait = wait;
                    return;
                }
                Output::Forward { .. } | Output::Event(_) | _ => {}
            }
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some((at, _)) = self.wait.filter(|(at, _)| *at <= end) {
            self.now = at;
            self.session.handle_timeout(at);
            self.drain();
        }
        self.now = end;
    }

    fn sent_to(&self, there: SocketAddr) -> Vec<&[u8]> {
        let to = self.sent.iter().filter(|(_, remote, _)| *remote == there);
        to.map(|(_, _, bytes)| &bytes[..]).collect()
    }

    fn questions(&self) -> Vec<&[u8]> {
        self.sent_to(SocketAddr::from((GROUP, 5353)))
    }
}

#[test]
fn a_name_is_asked_for_on_our_link_and_its_address_is_checked() {
    let mut asked = Asked::offered(true);
    let questions = asked.questions();
    let [question, _] = questions[..] else {
        panic!("{} questions", questions.len())
    };
    let answer = answer(question, Ipv4Addr::new(192, 0, 2, 1)).unwrap();
    assert!(
        matches!(asked.wait, Some((at, Deadline::Name)) if at == asked.now + Duration::from_millis(500)),
        "{:?}",
        asked.wait
    );
    let theirs: SocketAddr = THEIRS.parse().unwrap();
    let ours: SocketAddr = OURS.parse().unwrap();
    // From anywhere but the port of Multicast DNS it would be nothing.
    for (port, checks) in [(5354, false), (5353, true)] {
        let from = SocketAddr::new(theirs.ip(), port);
        let (mut datagram, now) = (answer.clone(), asked.now);
        asked
            .session
            .handle_datagram(ours, from, &mut datagram, now);
        asked.drain();
        assert_eq!(!asked.sent_to(theirs).is_empty(), checks, "{port}");
    }
    asked.run(Duration::from_secs(5));
    assert_eq!(asked.questions().len(), 2, "it is known now");
}

#[test]
fn a_name_that_nobody_has_is_asked_for_three_times_and_none_where_it_is_not_allowed() {
    for (allowed, questions) in [(true, 2 * 3), (false, 0)] {
        let mut asked = Asked::offered(allowed);
        asked.run(Duration::from_secs(10));
        assert_eq!(asked.questions().len(), questions);
    }
    let mut asked = Asked::offered(false);
    let (now, line) = (asked.now, format!("1 1 udp 1 {NAME} 4000 typ host"));
    asked
        .session
        .add_named_candidate(line.parse().unwrap(), now);
    asked.drain();
    assert_eq!(asked.questions().len(), 0);
}

/// Answers for [`NAME`] on the loopback interface, until it is dropped.
struct Responder {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Responder {
    /// One that answers to who asked, or to all of the link, as Chromium's does.
    fn start(to_all: bool) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
        // Another responder may have the port as well.
        socket.set_reuse_address(true).unwrap();
        socket.set_reuse_port(true).unwrap();
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 5353));
        socket.bind(&any.into()).unwrap();
        socket
            .join_multicast_v4(&GROUP, &Ipv4Addr::LOCALHOST)
            .unwrap();
        socket.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
        let wake = Some(Duration::from_millis(100));
        socket.set_read_timeout(wake).unwrap();
        let socket = UdpSocket::from(socket);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut room = [0; 1500];
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut room)
                    && let Some(mut answer) = answer(&room[..length], Ipv4Addr::LOCALHOST)
                {
                    let to = match to_all {
                        true => {
                            answer[..2].fill(0);
                            SocketAddr::from((GROUP, 5353))
                        }
                        false => from,
                    };
                    socket.send_to(&answer, to).unwrap();
                }
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn wait_for<T>(
    events: &Receiver<(CallKey, CallEvent)>,
    of: CallKey,
    wanted: impl Fn(&CallEvent) -> Option<T>,
) -> T {
    loop {
        let (call, event) = events.recv_timeout(PATIENCE).expect("it is told in time");
        if let Some(found) = wanted(&event).filter(|_| call == of) {
            return found;
        }
    }
}

#[test]
fn a_call_connects_with_a_far_end_that_only_gives_a_name() {
    connects_where_a_responder_answers(false);
}

#[test]
fn so_it_does_where_the_answer_goes_to_all_of_the_link() {
    connects_where_a_responder_answers(true);
}

fn connects_where_a_responder_answers(to_all: bool) {
    let _responder = Responder::start(to_all);
    let (sender, events) = sync_channel(10_000);
    let sink = move |call: CallKey, event: CallEvent| sender.try_send((call, event)).unwrap();
    let workers = Workers::spawn(&WorkerConfig::default(), 1, |_| sink.clone()).unwrap();
    let (caller, callee) = (CallKey(1), CallKey(2));
    for (call, mdns) in [(caller, false), (callee, true)] {
        let bind = Bind::Addresses(vec![Ipv4Addr::LOCALHOST.into()]);
        let opened = workers
            .of(call)
            .open(call, config(mdns), Box::new(Silent), bind);
        opened.unwrap();
    }
    let description = |event: &CallEvent| {
        if let CallEvent::LocalOffer { sdp } | CallEvent::LocalAnswer { sdp } = event {
            Some(sdp.clone())
        } else {
            None
        }
    };
    workers.of(caller).create_offer(caller).unwrap();
    let offer = wait_for(&events, caller, description);
    let offer = hidden(&offer, "127.0.0.1", NAME);
    let renewal = Renewal::Change;
    workers
        .of(callee)
        .accept_offer(callee, offer, renewal)
        .unwrap();
    let answer = wait_for(&events, callee, description);
    // The caller has nothing to send to: it cannot be the first.
    let answer = hidden(&answer, "127.0.0.1", "nobody.local");
    workers.of(caller).accept_answer(caller, answer).unwrap();
    for call in [caller, callee] {
        wait_for(&events, call, |event| {
            let connected = |event: &MediaEvent| matches!(event, MediaEvent::DtlsConnected { .. });
            matches!(event, CallEvent::Media(event) if connected(event)).then_some(())
        });
    }
}
