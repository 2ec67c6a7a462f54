//! The request of RFC 5769 through our agent, and the priorities of RFC 8445.

use std::net::SocketAddr;
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::ice::agent::{Agent, StunRefused};
use crate::ice::candidate::{CandidateType, LocalCandidate};
use crate::ice::credentials::IceCredentials;

/// The transaction of every sample with an ICE password.
const TRANSACTION: [u8; 12] = [
    0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae,
];

/// Section 2.1, behind its 20 bytes of header.
const REQUEST: [u8; 88] = [
    0x80, 0x22, 0x00, 0x10, b'S', b'T', b'U', b'N', b' ', b't', b'e', b's', b't', b' ', b'c', b'l',
    b'i', b'e', b'n', b't', 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff, 0x80, 0x29, 0x00, 0x08,
    0x93, 0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09, 0x65, 0x76, 0x74, 0x6a,
    0x3a, 0x68, 0x36, 0x76, 0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14, 0x9a, 0xea, 0xa7, 0x0c,
    0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e, 0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49, 0xc1, 0xb5, 0x71, 0xa2,
    0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf,
];

const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

fn message(typ: [u8; 2], attributes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(attributes.len()).unwrap();
    let mut message = typ.to_vec();
    message.extend(length.to_be_bytes());
    message.extend([0x21, 0x12, 0xa4, 0x42]);
    message.extend(TRANSACTION);
    message.extend(attributes);
    message
}

#[expect(
    clippy::disallowed_methods,
    reason = "virtual time needs a first instant"
)]
fn start() -> Instant {
    Instant::now()
}

/// An agent that has the password of the samples, and what it makes of a message.
fn asked(pwd: &str, datagram: &[u8]) -> (Result<(), StunRefused>, Vec<Vec<u8>>) {
    let now = start();
    let ours = IceCredentials {
        ufrag: "evtj".into(),
        pwd: pwd.into(),
    };
    let theirs = IceCredentials {
        ufrag: "h6vY".into(),
        pwd: "a-password-of-the-far-end".into(),
    };
    let local = SocketAddr::from(([127, 0, 0, 1], 4000));
    let remote = SocketAddr::from(([192, 0, 2, 1], 32853));
    let mut agent = Agent::new(&ours, 1, true);
    agent.add_local(LocalCandidate::host(local), now).unwrap();
    agent.start(&theirs, now);
    let verdict = agent.handle_stun(local, remote, datagram, now);
    agent.handle_timeout(now);
    let sent = std::iter::from_fn(|| agent.poll_transmit()).map(|(_, _, bytes)| bytes);
    (
        verdict,
        sent.filter(|bytes| bytes.starts_with(&[1, 1])).collect(),
    )
}

#[test]
fn the_sample_request_is_answered_to_whoever_it_came_from() {
    let (verdict, answers) = asked(PASSWORD, &message([0, 1], &REQUEST));
    verdict.unwrap();
    let [answer] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert_eq!(answer[8..20], TRANSACTION);
    // XOR-MAPPED-ADDRESS of 192.0.2.1:32853, as section 2.2 has it.
    let mapped = [
        0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43,
    ];
    assert!(
        answer.windows(12).any(|bytes| bytes == mapped),
        "{answer:02x?}"
    );
}

#[test]
fn no_bit_of_the_sample_request_may_differ() {
    let sample = message([0, 1], &REQUEST);
    // Under another name the FINGERPRINT would be an attribute that nobody has to know.
    let name_of_fingerprint = 100..104;
    for at in (0..sample.len()).filter(|at| !name_of_fingerprint.contains(at)) {
        let mut changed = sample.clone();
        changed[at] ^= 0x01;
        let (verdict, answers) = asked(PASSWORD, &changed);
        assert!(
            verdict.is_err() || answers.is_empty(),
            "byte {at}: {answers:02x?}"
        );
    }
    let (verdict, answers) = asked("VOkJxbRl1RmTxUk/WvJxBu", &sample);
    assert_eq!(verdict, Err(StunRefused::BadAuthentication));
    assert!(answers.is_empty());
}

/// RFC 8445, section 5.1.2.1, with the preferences of types that browsers have: 2^24 times that of the type, 2^8 times that of the
/// address, 256 less the component.
#[test]
fn candidates_have_the_priorities_of_their_kinds() {
    let mut agent = Agent::new(
        &IceCredentials::generate(&mut StdRng::seed_from_u64(1)),
        1,
        true,
    );
    let host = SocketAddr::from(([192, 0, 2, 7], 4000));
    let seen = SocketAddr::from(([198, 51, 100, 7], 4001));
    let relayed = SocketAddr::from(([203, 0, 113, 7], 4002));
    let now = start();
    agent.add_local(LocalCandidate::host(host), now).unwrap();
    for (address, base, typ) in [
        (seen, host, CandidateType::ServerReflexive),
        (relayed, relayed, CandidateType::Relay),
    ] {
        let candidate = LocalCandidate {
            address,
            base,
            typ,
            by_connection: false,
        };
        agent.add_local(candidate, now).unwrap();
    }
    let told = agent.local_candidates();
    let kinds = told.iter().map(|candidate| candidate.priority >> 24);
    assert_eq!(kinds.collect::<Vec<_>>(), [126, 100, 2]);
    let components = told
        .iter()
        .map(|candidate| 256 - (candidate.priority & 0xff));
    assert_eq!(components.collect::<Vec<_>>(), [1, 1, 1]);
}
