//! Hellos as browsers send them, handshakes that lose datagrams, and floods.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use crate::dtls::certificate::Certificate;
use crate::dtls::endpoint::{DatagramRefused, DtlsConfig, DtlsEndpoint, DtlsEvent, Handshake};
use crate::dtls::rtc::RtcDtls;
use crate::dtls::setup::DtlsRole;
use crate::srtp::profile::SrtpProfile;

static CERTIFICATE: LazyLock<Arc<Certificate>> =
    LazyLock::new(|| Arc::new(Certificate::generate().unwrap()));

fn endpoint(role: DtlsRole) -> RtcDtls {
    RtcDtls::new(&DtlsConfig {
        certificate: Arc::clone(&CERTIFICATE),
        role,
        profiles: SrtpProfile::ALL.to_vec(),
        retransmit: Duration::from_millis(250),
        mtu: 1200,
    })
    .unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "virtual time needs a first instant"
)]
fn start_of_time() -> Instant {
    Instant::now()
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap();
    [&kind.to_be_bytes(), &length.to_be_bytes(), body].concat()
}

/// A hello as a browser sends it that prefers DTLS 1.3: post-quantum key share, GREASE, DTLS 1.2 still on offer.
fn client_hello_of_dtls_1_3() -> Vec<u8> {
    let key_share = [&[0x04, 0xc4, 0x11, 0xec, 0x04, 0xc0][..], &[0x5a; 1216]].concat();
    let extensions = [
        extension(0x3a3a, &[]),
        extension(23, &[]),
        extension(65281, &[0]),
        extension(10, &[0, 8, 0x11, 0xec, 0, 29, 0, 23, 0, 24]),
        extension(11, &[1, 0]),
        extension(13, &[0, 8, 4, 3, 8, 4, 4, 1, 5, 3]),
        extension(14, &[0, 6, 0, 7, 0, 1, 0, 8, 0]),
        extension(43, &[4, 0xfe, 0xfc, 0xfe, 0xfd]),
        extension(45, &[1, 1]),
        extension(51, &key_share),
        extension(0x8a8a, &[0]),
    ]
    .concat();
    let mut hello = vec![254, 253];
    hello.extend_from_slice(&[0x33; 32]);
    hello.extend_from_slice(&[0, 0]); // no session, no cookie
    hello.extend_from_slice(&[
        0, 10, 0x13, 0x01, 0x13, 0x02, 0xc0, 0x2b, 0xc0, 0x2f, 0xcc, 0xa9,
    ]);
    hello.extend_from_slice(&[1, 0]);
    hello.extend_from_slice(&u16::try_from(extensions.len()).unwrap().to_be_bytes());
    hello.extend_from_slice(&extensions);
    hello
}

/// The message in records of at most `size` bytes of it, one a datagram.
fn fragments(message: &[u8], size: usize) -> Vec<Vec<u8>> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let mut offset = 0_u32;
    let record = |(number, fragment): (usize, &[u8])| {
        let fragment_length = u32::try_from(fragment.len()).unwrap();
        let mut record = vec![
            22,
            254,
            253,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            u8::try_from(number).unwrap(),
        ];
        let body_length = u16::try_from(fragment.len() + 12).unwrap();
        record.extend_from_slice(&body_length.to_be_bytes());
        record.push(1);
        record.extend_from_slice(&length[1..]);
        record.extend_from_slice(&[0, 0]);
        record.extend_from_slice(&offset.to_be_bytes()[1..]);
        record.extend_from_slice(&fragment_length.to_be_bytes()[1..]);
        record.extend_from_slice(fragment);
        offset += fragment_length;
        record
    };
    message.chunks(size).enumerate().map(record).collect()
}

/// Type of the first handshake message of a datagram.
fn message_type(datagram: &[u8]) -> u8 {
    assert_eq!(datagram[0], 22);
    datagram[13]
}

const HELLO_VERIFY_REQUEST: u8 = 3;

#[test]
fn a_large_hello_that_prefers_dtls_1_3_is_answered_however_it_is_cut() {
    for (size, reversed) in [(1150, false), (1150, true), (400, true), (4000, false)] {
        let now = start_of_time();
        let mut server = endpoint(DtlsRole::Server);
        let mut datagrams = fragments(&client_hello_of_dtls_1_3(), size);
        if reversed {
            datagrams.reverse();
        }
        for datagram in datagrams {
            server.handle(&datagram, now).unwrap();
        }
        let answer = server.poll_transmit().expect("a hello is answered");
        assert_eq!(message_type(&answer), HELLO_VERIFY_REQUEST);
        assert!(server.poll_event().is_none());
    }
}

/// Carries datagrams both ways until both are done; `keep` says which arrive.
fn shake_hands(keep: impl FnMut(DtlsRole, usize) -> bool) -> [Option<Handshake>; 2] {
    let mut ends = [endpoint(DtlsRole::Client), endpoint(DtlsRole::Server)];
    carry(&mut ends, start_of_time(), 400, keep)
}

/// Carries datagrams both ways until both are done, in this many steps of 50 ms at most.
fn carry(
    ends: &mut [RtcDtls; 2],
    mut now: Instant,
    steps: u32,
    mut keep: impl FnMut(DtlsRole, usize) -> bool,
) -> [Option<Handshake>; 2] {
    let mut sent = [0, 0];
    let mut done = [None, None];
    ends[0].start(now);
    for _ in 0..steps {
        for (from, role) in [(0, DtlsRole::Client), (1, DtlsRole::Server)] {
            while let Some(datagram) = ends[from].poll_transmit() {
                if keep(role, sent[from]) {
                    ends[1 - from].handle(&datagram, now).unwrap();
                }
                sent[from] += 1;
            }
        }
        for (end, done) in ends.iter_mut().zip(&mut done) {
            match end.poll_event() {
                Some(DtlsEvent::Complete(handshake)) => *done = Some(handshake),
                Some(event) => panic!("{event:?}"),
                None => {}
            }
        }
        if done.iter().all(Option::is_some) {
            break;
        }
        now += Duration::from_millis(50);
        for end in ends.iter_mut() {
            end.handle_timeout(now);
        }
    }
    done
}

#[test]
fn both_ends_export_the_same_keys() {
    let [client, server] = shake_hands(|_, _| true).map(Option::unwrap);
    assert_eq!(client.keying_material, server.keying_material);
    assert_eq!(client.peer_certificate, CERTIFICATE.der());
}

/// Each datagram of a handshake is lost in turn, once and again: it is repeated, whoever has to.
#[test]
fn any_lost_datagram_is_made_good() {
    for role in [DtlsRole::Client, DtlsRole::Server] {
        for lost in 0..6 {
            for times in 1..4 {
                let done = shake_hands(|from, number| {
                    from != role || !(lost..lost + times).contains(&number)
                });
                assert!(
                    done.iter().all(Option::is_some),
                    "{role:?} lost {times} from datagram {lost} on"
                );
            }
        }
    }
}

#[test]
fn a_flood_of_fragments_ends_at_its_bound() {
    let now = start_of_time();
    let mut server = endpoint(DtlsRole::Server);
    let mut fragment = fragments(&[0; 4000], 30).remove(1);
    let mut refused = 0;
    for number in 0..2_000_u16 {
        fragment[9..11].copy_from_slice(&number.to_be_bytes());
        refused += usize::from(server.handle(&fragment, now) == Err(DatagramRefused::Exceeded));
    }
    assert_eq!(refused, 2_000 - 512);
}

#[test]
fn garbage_is_refused_and_the_handshake_goes_on() {
    let now = start_of_time();
    let mut server = endpoint(DtlsRole::Server);
    for garbage in [
        &b"\x16"[..],
        b"\x17\xfe\xfd\0\0\0\0\0\0\0\0\0\x04data",
        &[63; 60],
    ] {
        let refused = server.handle(garbage, now);
        assert_eq!(refused, Err(DatagramRefused::Malformed));
    }
    assert!(server.poll_transmit().is_none(), "garbage gets no alert");
    for datagram in fragments(&client_hello_of_dtls_1_3(), 1150) {
        server.handle(&datagram, now).unwrap();
    }
    assert!(server.poll_transmit().is_some());
}

fn connected_ends() -> [RtcDtls; 2] {
    let mut ends = [endpoint(DtlsRole::Client), endpoint(DtlsRole::Server)];
    let done = carry(&mut ends, start_of_time(), 400, |_, _| true);
    assert!(done.iter().all(Option::is_some));
    ends
}

fn is_at_rest(end: &RtcDtls) -> bool {
    format!("{end:?}").contains("at_rest: true")
}

/// Whoever is at rest, the other's goodbye is heard and answered, once.
#[test]
fn at_rest_a_goodbye_is_said_and_heard() {
    for leaver in [0, 1] {
        for resting in [[true, true], [true, false], [false, true]] {
            let now = start_of_time();
            let mut ends = connected_ends();
            for (end, rests) in ends.iter_mut().zip(resting) {
                if rests {
                    end.rest(now);
                    end.rest(now);
                }
                assert_eq!(is_at_rest(end), rests);
                assert!(end.poll_transmit().is_none(), "nothing is said for it");
            }
            ends[leaver].close(now);
            let goodbye = ends[leaver].poll_transmit().unwrap();
            assert!(ends[leaver].poll_transmit().is_none());
            let stays = &mut ends[1 - leaver];
            stays.handle(&goodbye, now).unwrap();
            assert!(matches!(stays.poll_event(), Some(DtlsEvent::ClosedByPeer)));
            assert!(stays.poll_event().is_none());
            assert!(stays.poll_transmit().is_some(), "a goodbye is answered");
            stays.close(now);
            assert!(stays.poll_transmit().is_none());
        }
    }
}

#[test]
fn at_rest_a_forged_alert_ends_nothing() {
    let now = start_of_time();
    let mut ends = connected_ends();
    ends[1].rest(now);
    ends[0].close(now);
    let goodbye = ends[0].poll_transmit().unwrap();
    let plain = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];
    let mut forged = goodbye.clone();
    *forged.last_mut().unwrap() ^= 1;
    for datagram in [&plain[..], &forged] {
        ends[1].handle(datagram, now).unwrap();
        assert!(ends[1].poll_event().is_none(), "{datagram:?}");
    }
    ends[1].handle(&goodbye, now).unwrap();
    assert!(matches!(
        ends[1].poll_event(),
        Some(DtlsEvent::ClosedByPeer)
    ));
}

/// The server is done, its last flight was lost, and it rests already: the client's repeat is answered from what was kept.
#[test]
fn at_rest_a_repeated_last_flight_is_answered() {
    let mut now = start_of_time();
    let mut ends = [endpoint(DtlsRole::Client), endpoint(DtlsRole::Server)];
    let mut server_done = false;
    ends[0].start(now);
    while !server_done {
        while let Some(datagram) = ends[0].poll_transmit() {
            ends[1].handle(&datagram, now).unwrap();
        }
        server_done = matches!(ends[1].poll_event(), Some(DtlsEvent::Complete(_)));
        while let Some(datagram) = ends[1].poll_transmit() {
            if !server_done {
                ends[0].handle(&datagram, now).unwrap();
            }
        }
    }
    ends[1].rest(now);
    assert!(is_at_rest(&ends[1]));
    now += Duration::from_secs(1);
    ends[0].handle_timeout(now);
    let done = carry(&mut ends, now, 1, |_, _| true);
    assert!(done[0].is_some());
}

#[test]
fn no_one_rests_before_the_handshake_is_done() {
    let now = start_of_time();
    let mut ends = [endpoint(DtlsRole::Client), endpoint(DtlsRole::Server)];
    for end in &mut ends {
        end.rest(now);
        assert!(!is_at_rest(end));
    }
    assert!(carry(&mut ends, now, 400, |_, _| true)[0].is_some());
}
