//! After a lost path the servers are asked again what they see of us: a NAT may have given us another address.
#![cfg(feature = "driver")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use offhook_media::driver::bind::Bind;
use offhook_media::driver::event::CallEvent;
use offhook_media::driver::worker::{Worker, WorkerConfig};
use offhook_media::dtls::certificate::Certificate;
use offhook_media::ice::gathering::config::GatheringConfig;
use offhook_media::ice::server::IceServer;
use offhook_media::program::{
    AudioFormat, AudioPacket, CallKey, Outgoing, Program, ProgramCommand,
};
use offhook_media::session::config::SessionConfig;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
const CALL: CallKey = CallKey(1);

struct Mute;

impl Program for Mute {
    fn negotiated(&mut self, _: &AudioFormat, _: Instant) {}
    fn packet(&mut self, _: &AudioPacket<'_>, _: Instant, _: &mut Outgoing) {}
    fn slot(&mut self, _: Instant, _: &mut Outgoing) {}
    fn command(&mut self, _: ProgramCommand, _: Instant) {}
}

/// A STUN server behind a NAT of its own making: everybody comes from 203.0.113.5 and this port (RFC 8489, section 14.2).
fn stun_server(port: Arc<AtomicU16>) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let Some(transaction) = buffer[..length].get(4..20) else {
                continue;
            };
            let mut answer = vec![0x01, 0x01, 0, 12];
            answer.extend(transaction);
            answer.extend([0x00, 0x20, 0, 8, 0, 1]);
            answer.extend((port.load(Ordering::Relaxed) ^ 0x2112).to_be_bytes());
            answer.extend((u32::from(Ipv4Addr::new(203, 0, 113, 5)) ^ 0x2112_a442).to_be_bytes());
            let _ = socket.send_to(&answer, from);
        }
    });
    address
}

fn offer(events: &Receiver<CallEvent>) -> String {
    loop {
        let event = events.recv_timeout(PATIENCE).expect("an offer in time");
        if let CallEvent::LocalOffer { sdp } = event {
            return sdp;
        }
    }
}

#[test]
fn an_offer_after_a_lost_path_has_the_address_of_today() {
    let port = Arc::new(AtomicU16::new(40_001));
    let server = stun_server(Arc::clone(&port));
    let (sender, events) = channel();
    let worker = Worker::spawn(WorkerConfig::default(), move |_, event| {
        let _ = sender.send(event);
    })
    .unwrap();
    let handle = worker.handle();
    let url: IceServer = format!("stun:{server}").parse().unwrap();
    let config = SessionConfig {
        gathering: GatheringConfig {
            servers: vec![url.at(server.ip())],
            ..GatheringConfig::default()
        },
        ..SessionConfig::new(Arc::new(Certificate::generate().unwrap()))
    };
    let bind = Bind::Addresses(vec![Ipv4Addr::LOCALHOST.into()]);
    handle.open(CALL, config, Box::new(Mute), bind).unwrap();
    handle.create_offer(CALL).unwrap();
    let first = offer(&events);
    assert!(first.contains(" 203.0.113.5 40001 typ srflx"), "{first}");

    // The NAT forgets, and nobody ever answered: there is no path.
    port.store(40_002, Ordering::Relaxed);
    handle.restart_ice(CALL).unwrap();
    let second = offer(&events);
    assert!(second.contains(" 203.0.113.5 40002 typ srflx"), "{second}");
    assert!(!second.contains(" 40001 typ srflx"), "{second}");
}
