//! A session description: as an offer, as an answer to ours, and our own answer read back.

use offhook_media::dtls::fingerprint::{Fingerprint, FingerprintHash};
use offhook_media::ice::credentials::IceCredentials;
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
use std::net::SocketAddr;

/// The data is one description.
///
/// # Panics
/// When we cannot read what we wrote, or write more than was asked.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = accept_answer(&text, &local(Face::BROWSER));
    for face in [Face::BROWSER, Face::FREESWITCH] {
        let Ok(answer) = answer(&text, &local(face), &mut Origin::new(1, 1), None) else {
            continue;
        };
        assert!(answer.sdp.len() < 4096 + 4 * text.len());
        assert!(!answer.negotiated.codecs.is_empty());
        let ours = Description::parse(&answer.sdp).expect("our own answer is read");
        let theirs = Description::parse(&text).expect("it was answered");
        assert_eq!(
            ours.media.len(),
            theirs.media.len(),
            "sections are neither added nor removed"
        );
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
        credentials: IceCredentials {
            ufrag: "ours".into(),
            pwd: "ours-has-22-characters".into(),
        },
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
