//! A call that fails gives back what a TURN server holds for it.
#![cfg(feature = "driver")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the test looks for a few events among many"
)]

mod turn;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use offhook_media::driver::bind::Bind;
use offhook_media::driver::event::CallEvent;
use offhook_media::driver::worker::{Worker, WorkerConfig};
use offhook_media::dtls::certificate::Certificate;
use offhook_media::ice::gathering::config::{CandidatePolicy, GatheringConfig};
use offhook_media::ice::server::IceServer;
use offhook_media::program::{
    AudioFormat, AudioPacket, CallKey, Outgoing, Program, ProgramCommand,
};
use offhook_media::session::config::SessionConfig;
use offhook_media::session::media_session::Renewal;
use turn_types::attribute::Lifetime;
use turn_types::message::REFRESH;
use turn_types::stun::attribute::Nonce;
use turn_types::stun::message::{Message, MessageClass};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

struct Mute;

impl Program for Mute {
    fn negotiated(&mut self, _: &AudioFormat, _: Instant) {}
    fn packet(&mut self, _: &AudioPacket<'_>, _: Instant, _: &mut Outgoing) {}
    fn slot(&mut self, _: Instant, _: &mut Outgoing) {}
    fn command(&mut self, _: ProgramCommand, _: Instant) {}
}

/// A TURN server that relays nothing; it tells of each allocation that it gets back.
fn turn_server() -> (SocketAddr, Receiver<SocketAddr>) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    let (sender, released) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            // What is meant for peers goes nowhere.
            if let Ok(request) = Message::from_bytes(&buffer[..length])
                && request.has_class(MessageClass::Request)
                && let Some(reply) = turn::answer(&request)
            {
                if gives_back(&request) {
                    let _ = sender.send(from);
                }
                let _ = socket.send_to(&reply, from);
            }
        }
    });
    (address, released)
}

/// Whether the allocation is given back by this request, which is signed.
fn gives_back(request: &Message<'_>) -> bool {
    let lifetime = request.attribute::<Lifetime>().map(|it| it.seconds());
    request.has_method(REFRESH)
        && request.attribute::<Nonce>().is_ok()
        && lifetime.is_ok_and(|it| it == 0)
}

fn description(events: &Receiver<(CallKey, CallEvent)>) -> String {
    loop {
        match events.recv_timeout(PATIENCE).expect("a description").1 {
            CallEvent::LocalOffer { sdp } | CallEvent::LocalAnswer { sdp } => return sdp,
            _ => {}
        }
    }
}

/// Nothing gets through its relay. The server would keep it for ten minutes, one of few that a user may have at a time.
#[test]
fn a_call_that_never_connects_gives_its_relay_back() {
    let (server, released) = turn_server();
    let (sender, events) = channel();
    let worker = Worker::spawn(WorkerConfig::default(), move |call, event| {
        let _ = sender.send((call, event));
    })
    .unwrap();
    let handle = worker.handle();
    let certificate = Arc::new(Certificate::generate().unwrap());
    let url: IceServer = format!("turn:{server}").parse().unwrap();
    let url = url.with_credentials("user", "secret");
    let [ours, theirs] = [1, 2].map(CallKey);
    for call in [ours, theirs] {
        let mut config = SessionConfig::new(Arc::clone(&certificate));
        if call == ours {
            config.limits.ice = Duration::from_millis(300);
            config.gathering = GatheringConfig {
                servers: vec![url.clone().at(server.ip())],
                policy: CandidatePolicy::RelayOnly,
                ..GatheringConfig::default()
            };
        }
        let bind = Bind::Addresses(vec![Ipv4Addr::LOCALHOST.into()]);
        handle.open(call, config, Box::new(Mute), bind).unwrap();
    }
    handle.create_offer(ours).unwrap();
    let offer = description(&events);
    assert!(offer.contains(" 203.0.113.9 50000 typ relay"), "{offer}");
    handle.accept_offer(theirs, offer, Renewal::Change).unwrap();
    let answer = description(&events);
    handle.accept_answer(ours, answer).unwrap();
    loop {
        let (call, event) = events.recv_timeout(PATIENCE).expect("an end");
        if let CallEvent::Closed { error, .. } = event {
            assert_eq!(call, ours);
            assert!(error.is_some());
            break;
        }
    }
    released
        .recv_timeout(PATIENCE)
        .expect("the allocation, given back");
}
