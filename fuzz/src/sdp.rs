//! A session description: as an offer, as an answer to ours, and our own answer read back.

use offhook_media::dtls::certificate::Certificate;
use offhook_media::dtls::fingerprint::{Fingerprint, FingerprintHash};
use offhook_media::ice::candidate::LocalCandidate;
use offhook_media::ice::credentials::IceCredentials;
use offhook_media::media_transport::config::{RemoteParameters, TransportConfig, TransportLimits};
use offhook_media::media_transport::event::Output;
use offhook_media::media_transport::transport::MediaTransport;
use offhook_media::sdp::bindings::Bindings;
use offhook_media::sdp::codec;
use offhook_media::sdp::concessions::Concessions;
use offhook_media::sdp::direction::Direction;
use offhook_media::sdp::extras::Extras;
use offhook_media::sdp::face::Face;
use offhook_media::sdp::negotiation::{accept_answer, answer};
use offhook_media::sdp::origin::Origin;
use offhook_media::sdp::parse::Description;
use offhook_media::sdp::refusal::SdesRefused;
use offhook_media::sdp::sections::Sections;
use offhook_media::sdp::write::{LocalDescription, Msid};
use offhook_media::srtp::profile::SrtpProfile;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The data is one description.
///
/// # Panics
/// When we cannot read what we wrote, or write more than was asked.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(agreed) = accept_answer(&text, &local(Face::BROWSER)) {
        connect(agreed.remote);
    }
    for face in [Face::BROWSER, Face::FREESWITCH] {
        let Ok(answer) = answer(&text, &local(face), &mut Origin::new(1, 1), None) else {
            continue;
        };
        assert!(answer.sdp.len() < 4096 + 4 * text.len());
        assert!(!answer.negotiated.codecs.is_empty());
        connect(answer.negotiated.remote.clone());
        let ours = Description::parse(&answer.sdp).expect("our own answer is read");
        let theirs = Description::parse(&text).expect("it was answered");
        assert_eq!(
            ours.media.len(),
            theirs.media.len(),
            "sections are neither added nor removed"
        );
    }
}

/// Whatever negotiation lets through, a transport takes or refuses, and it goes to work on it.
fn connect(remote: RemoteParameters) {
    static CERTIFICATE: OnceLock<Option<Arc<Certificate>>> = OnceLock::new();
    let certificate = CERTIFICATE.get_or_init(|| Certificate::generate().ok().map(Arc::new));
    let Some(certificate) = certificate else {
        return;
    };
    let mut now = Instant::now();
    let config = TransportConfig {
        credentials: credentials(),
        tie_breaker: 1,
        controlling: true,
        certificate: Arc::clone(certificate),
        profiles: SrtpProfile::USUAL.to_vec(),
        minimum_rsa_bits: 1024,
        latching: false,
        limits: TransportLimits::default(),
    };
    let mut transport = MediaTransport::new(config, now);
    for own in [
        SocketAddr::from(([127, 0, 0, 1], 4000)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, 4000)),
    ] {
        let _ = transport.add_local_candidate(LocalCandidate::host(own), now);
    }
    let _ = transport.set_remote(remote, now);
    for _ in 0..8 {
        while !matches!(transport.poll(), Output::Wait(_)) {}
        now += Duration::from_millis(50);
        transport.handle_timeout(now);
    }
}

fn credentials() -> IceCredentials {
    IceCredentials {
        ufrag: "ours1234".into(),
        pwd: "ours-has-22-characters".into(),
    }
}

fn local(face: Face) -> LocalDescription {
    // One of the two takes whatever comes.
    let everything = Concessions {
        no_ice: true,
        no_encryption: true,
    };
    LocalDescription {
        concessions: if face == Face::FREESWITCH {
            everything
        } else {
            Concessions::default()
        },
        lacks: Concessions::default(),
        face,
        codecs: codec::ALL.to_vec(),
        telephone_event: true,
        extras: Extras::default(),
        direction: Direction::SendRecv,
        credentials: credentials(),
        candidates: Vec::new(),
        rtcp_candidates: Vec::new(),
        direct_address: Some(SocketAddr::from(([127, 0, 0, 1], 4000))),
        default_address: Some(SocketAddr::from(([127, 0, 0, 1], 4000))),
        complete: true,
        fingerprint: Fingerprint::of(b"any", FingerprintHash::Sha256),
        sha1_fingerprints: false,
        sdes: Err(SdesRefused::NotAllowed),
        profiles: SrtpProfile::USUAL.to_vec(),
        tls_id: "ours-and-ours-alone-1".into(),
        ssrc: 1,
        cname: "c".into(),
        msid: Msid {
            stream: "s".into(),
            track: "t".into(),
        },
        sections: Sections::default(),
        bindings: Bindings::default(),
    }
}
