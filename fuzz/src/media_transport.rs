//! Two transports that connect and talk, with datagrams lost, repeated, changed and invented: real ICE, DTLS and SRTP, mutated.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use offhook_media::dtls::certificate::Certificate;
use offhook_media::dtls::fingerprint::FingerprintHash;
use offhook_media::dtls::setup::Setup;
use offhook_media::ice::candidate::LocalCandidate;
use offhook_media::ice::credentials::IceCredentials;
use offhook_media::media_transport::config::{RemoteParameters, TransportConfig, TransportLimits};
use offhook_media::media_transport::event::{Output, Received};
use offhook_media::media_transport::transport::MediaTransport;
use offhook_media::srtp::profile::SrtpProfile;

use crate::instructions::{Instruction, Wire, next};

/// More outputs than this for one input are a loop.
const MOST_OUTPUTS: usize = 1000;

/// The first byte says how many datagrams pass before instructions begin: handshakes are long, and mutations are wanted at every place.
/// `Speak` sends the next RTP packet.
///
/// # Panics
/// When a transport never rests, or takes media that nobody sent, or twice.
pub fn run(data: &[u8]) {
    let (Some((&quiet, mut data)), Some(mut ends)) = (data.split_first(), Ends::new()) else {
        return;
    };
    for _ in 0..quiet {
        if !ends.step(Instruction::Deliver) {
            ends.step(Instruction::Wait(20));
        }
    }
    while let Some((instruction, rest)) = next(data) {
        data = rest;
        ends.step(instruction);
    }
}

struct Ends {
    transports: [MediaTransport; 2],
    wire: Wire,
    now: Instant,
    sequence: u16,
    said: Vec<Vec<u8>>,
    heard: [Vec<Vec<u8>>; 2],
}

fn address(end: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], if end == 0 { 4000 } else { 5000 }))
}

fn credentials(end: usize) -> IceCredentials {
    let name = if end == 0 { "caller" } else { "callee" };
    IceCredentials {
        ufrag: name.into(),
        pwd: format!("{name}-has-22-characters"),
    }
}

impl Ends {
    fn new() -> Option<Self> {
        static CERTIFICATE: OnceLock<Option<Arc<Certificate>>> = OnceLock::new();
        let certificate = CERTIFICATE.get_or_init(|| Certificate::generate().ok().map(Arc::new));
        let certificate = certificate.as_ref()?;
        let now = Instant::now();
        let transport = |end: usize| {
            let config = TransportConfig {
                credentials: credentials(end),
                tie_breaker: if end == 0 { 1 } else { 2 },
                controlling: end == 0,
                certificate: Arc::clone(certificate),
                profiles: SrtpProfile::USUAL.to_vec(),
                minimum_rsa_bits: 1024,
                latching: false,
                limits: TransportLimits::default(),
            };
            let mut transport = MediaTransport::new(config, now);
            let _ = transport.add_local_candidate(LocalCandidate::host(address(end)), now);
            transport
        };
        let mut ends = Self {
            transports: [transport(0), transport(1)],
            wire: Wire::default(),
            now,
            sequence: 0,
            said: Vec::new(),
            heard: [Vec::new(), Vec::new()],
        };
        for end in 0..2 {
            let other = 1 - end;
            let remote = RemoteParameters {
                credentials: Some(credentials(other)),
                address: None,
                candidates: ends.transports[other].local_candidates(),
                keys: None,
                unencrypted: false,
                fingerprints: vec![certificate.fingerprint(FingerprintHash::Sha256)],
                setup: if end == 0 {
                    Setup::Active
                } else {
                    Setup::Passive
                },
                tls_id: None,
                ice_lite: false,
            };
            ends.transports[end].set_remote(remote, now).ok()?;
        }
        ends.settle();
        Some(ends)
    }

    /// Carries an instruction out; whether anything arrived by it.
    fn step(&mut self, instruction: Instruction<'_>) -> bool {
        let arrived = self.wire.apply(instruction);
        if let Instruction::Wait(span) = instruction {
            self.now += Duration::from_millis(span.into());
        } else if let Instruction::Speak(end) = instruction {
            self.speak(end);
        }
        let happened = arrived.is_some();
        if let Some((end, mut datagram)) = arrived {
            let (local, remote) = (address(end), address(1 - end));
            let received =
                self.transports[end].handle_datagram(local, remote, &mut datagram, self.now);
            if let Received::Rtp(plain) = received {
                assert!(
                    self.said.iter().any(|said| said == plain),
                    "nobody said that"
                );
                assert!(
                    !self.heard[end].iter().any(|before| before == plain),
                    "heard twice"
                );
                let plain = plain.to_vec();
                self.heard[end].push(plain);
            }
        }
        for transport in &mut self.transports {
            transport.handle_timeout(self.now);
        }
        self.settle();
        happened
    }

    fn speak(&mut self, end: usize) {
        let mut packet = vec![0x80, 111];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(u32::from(self.sequence).to_be_bytes());
        packet.extend([0, 0, 0, if end == 0 { 1 } else { 2 }]);
        packet.extend([0xcd; 30]);
        let plain = packet.clone();
        if self.transports[end].protect_rtp(&mut packet).is_ok() {
            self.sequence = self.sequence.wrapping_add(1);
            self.said.push(plain);
            self.wire.send(end, packet);
        }
    }

    fn settle(&mut self) {
        for (end, transport) in self.transports.iter_mut().enumerate() {
            let mut outputs = 0;
            loop {
                match transport.poll() {
                    Output::Transmit { bytes, .. } => self.wire.send(end, bytes),
                    Output::Wait(_) => break,
                    Output::Event(_) | _ => {}
                }
                outputs += 1;
                assert!(
                    outputs < MOST_OUTPUTS,
                    "more than {MOST_OUTPUTS} outputs for one input"
                );
            }
        }
    }
}
