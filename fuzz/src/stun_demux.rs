//! Datagrams of every kind on the socket of a call: STUN, DTLS, RTP, RTCP, and none of them.

use offhook_media::dtls::certificate::Certificate;
use offhook_media::dtls::fingerprint::{Fingerprint, FingerprintHash};
use offhook_media::dtls::setup::Setup;
use offhook_media::ice::candidate::LocalCandidate;
use offhook_media::ice::credentials::IceCredentials;
use offhook_media::media_transport::config::{RemoteParameters, TransportConfig, TransportLimits};
use offhook_media::media_transport::event::Output;
use offhook_media::media_transport::transport::MediaTransport;
use offhook_media::srtp::profile::SrtpProfile;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// More outputs than this for one input are a loop.
const MOST_OUTPUTS: usize = 1000;

/// The data is a run of datagrams, each behind three bytes: two bits that choose the sender, one that lets 200 ms pass first; then
/// the length, in two bytes. Our credentials are `fuzz` and `fuzz-has-22-characters`, so a corpus can hold valid checks.
///
/// # Panics
/// When the transport never comes to rest.
pub fn run(mut data: &[u8]) {
    let Some(certificate) = certificate() else {
        return;
    };
    let mut now = Instant::now();
    let local = SocketAddr::from(([127, 0, 0, 1], 4000));
    let mut transport = MediaTransport::new(
        TransportConfig {
            credentials: IceCredentials {
                ufrag: "fuzz".into(),
                pwd: "fuzz-has-22-characters".into(),
            },
            tie_breaker: 1,
            controlling: data.len().is_multiple_of(2),
            certificate,
            profiles: SrtpProfile::ALL.to_vec(),
            minimum_rsa_bits: 1024,
            latching: false,
            limits: TransportLimits::default(),
        },
        now,
    );
    let _ = transport.add_local_candidate(LocalCandidate::host(local), now);
    let _ = transport.set_remote(
        RemoteParameters {
            credentials: Some(IceCredentials {
                ufrag: "peer".into(),
                pwd: "peer-has-22-characters".into(),
            }),
            address: None,
            candidates: "1 1 udp 2130706431 127.0.0.1 5000 typ host"
                .parse()
                .into_iter()
                .collect(),
            keys: None,
            unencrypted: false,
            fingerprints: vec![Fingerprint::of(b"somebody", FingerprintHash::Sha256)],
            setup: if data.len().is_multiple_of(3) {
                Setup::Active
            } else {
                Setup::Passive
            },
            tls_id: None,
            ice_lite: false,
        },
        now,
    );
    drain(&mut transport);
    while let Some((&[flags, high, low], rest)) = data.split_first_chunk::<3>() {
        let len = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
        let (datagram, after) = rest.split_at(len);
        data = after;
        if flags & 4 != 0 {
            now += Duration::from_millis(200);
            transport.handle_timeout(now);
            drain(&mut transport);
        }
        let remote = SocketAddr::from(([127, 0, 0, 1], 5000 + u16::from(flags & 3)));
        let mut datagram = datagram.to_vec();
        let _ = transport.handle_datagram(local, remote, &mut datagram, now);
        drain(&mut transport);
    }
}

fn drain(transport: &mut MediaTransport) {
    for _ in 0..MOST_OUTPUTS {
        if matches!(transport.poll(), Output::Wait(_)) {
            return;
        }
    }
    panic!("more than {MOST_OUTPUTS} outputs for one input");
}

/// Made once: a key pair costs more than all the rest.
fn certificate() -> Option<Arc<Certificate>> {
    static MADE: OnceLock<Option<Arc<Certificate>>> = OnceLock::new();
    MADE.get_or_init(|| Certificate::generate().ok().map(Arc::new))
        .clone()
}
