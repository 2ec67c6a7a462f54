//! What our transport makes of the certificate that OpenSSL shows: whose it must be, and how long its key.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "what stands around the tests is part of them"
)]

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use offhook_media::dtls::certificate::Certificate;
use offhook_media::dtls::fingerprint::{Fingerprint, FingerprintHash};
use offhook_media::dtls::setup::{DtlsRole, Setup};
use offhook_media::ice::candidate::LocalCandidate;
use offhook_media::ice::credentials::IceCredentials;
use offhook_media::media_transport::config::{RemoteParameters, TransportConfig, TransportLimits};
use offhook_media::media_transport::event::{DtlsFailure, Event, Output};
use offhook_media::media_transport::transport::MediaTransport;
use offhook_media::session::policy::MINIMUM_RSA_BITS;
use offhook_media::srtp::profile::SrtpProfile;
use offhook_tests::skip;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::openssl::{Identity, identity, openssl};

const LIMIT: Duration = Duration::from_secs(30);
const PROFILE: SrtpProfile = SrtpProfile::AeadAes128Gcm;

fn transport(number: u8, minimum_rsa_bits: u16) -> (MediaTransport, SocketAddr) {
    let mut rng: StdRng = StdRng::from_seed([number; 32]);
    let config = TransportConfig {
        credentials: IceCredentials::generate(&mut rng),
        tie_breaker: rng.random(),
        controlling: number == 1,
        certificate: Arc::new(Certificate::generate().unwrap()),
        profiles: vec![PROFILE],
        minimum_rsa_bits,
        latching: false,
        limits: TransportLimits::default(),
    };
    let mut transport = MediaTransport::new(config, Instant::now());
    let address = SocketAddr::from(([192, 0, 2, number], 4000));
    let _ = transport.add_local_candidate(LocalCandidate::host(address), Instant::now());
    (transport, address)
}

/// How the handshake ends with a far end that speaks ICE by a transport of ours, and DTLS by OpenSSL.
fn outcome(
    role: DtlsRole,
    theirs: &Identity,
    signalled: &Fingerprint,
    minimum_rsa_bits: u16,
) -> Result<(), DtlsFailure> {
    let (mut ours, our_address) = transport(1, minimum_rsa_bits);
    let (mut ice, their_address) = transport(2, minimum_rsa_bits);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(2)))
        .unwrap();
    let (setup, mut peer, _program) = match role {
        DtlsRole::Client => {
            let reserved = UdpSocket::bind("127.0.0.1:0").unwrap();
            let address = reserved.local_addr().unwrap();
            drop(reserved);
            let server = openssl("s_server", "-accept", &address.to_string(), theirs, PROFILE);
            (Setup::Passive, Some(address), server)
        }
        DtlsRole::Server => {
            let address = socket.local_addr().unwrap().to_string();
            let client = openssl("s_client", "-connect", &address, theirs, PROFILE);
            (Setup::Active, None, client)
        }
    };
    let remote = |of: &MediaTransport, setup| RemoteParameters {
        credentials: Some(of.credentials().clone()),
        address: None,
        candidates: of.local_candidates(),
        keys: None,
        unencrypted: false,
        fingerprints: vec![signalled.clone()],
        setup,
        tls_id: None,
        ice_lite: false,
    };
    let (of_ours, of_theirs) = (remote(&ours, Setup::ActPass), remote(&ice, setup));
    let now = Instant::now();
    ours.set_remote(of_theirs, now).unwrap();
    ice.set_remote(of_ours, now).unwrap();

    let is_dtls = |bytes: &[u8]| matches!(bytes.first(), Some(20..=63));
    let mut buffer = [0; 4096];
    while now.elapsed() < LIMIT {
        loop {
            match ours.poll() {
                Output::Transmit { bytes, .. } if is_dtls(&bytes) => {
                    if let Some(peer) = peer {
                        // A server that has not bound its port yet refuses: the flight is repeated.
                        let _ = socket.send_to(&bytes, peer);
                    }
                }
                Output::Transmit { mut bytes, .. } => {
                    let now = Instant::now();
                    ice.handle_datagram(their_address, our_address, &mut bytes, now);
                }
                Output::Event(Event::DtlsConnected { profile, .. }) => {
                    assert_eq!(profile, PROFILE);
                    return Ok(());
                }
                Output::Event(Event::DtlsFailed(failure)) => {
                    assert!(ours.protect_rtp(&mut vec![0x80; 20]).is_err());
                    return Err(failure);
                }
                Output::Wait(_) => break,
                _ => {}
            }
        }
        loop {
            match ice.poll() {
                Output::Transmit { mut bytes, .. } if !is_dtls(&bytes) => {
                    let now = Instant::now();
                    ours.handle_datagram(our_address, their_address, &mut bytes, now);
                }
                Output::Wait(_) => break,
                _ => {}
            }
        }
        if let Ok((length, from)) = socket.recv_from(&mut buffer) {
            peer = Some(from);
            let datagram = &mut buffer[..length];
            ours.handle_datagram(our_address, their_address, datagram, Instant::now());
        }
        ours.handle_timeout(Instant::now());
        ice.handle_timeout(Instant::now());
    }
    panic!("neither connected nor failed: {ours:?}");
}

#[test]
fn an_rsa_key_is_as_long_as_the_account_wants_or_the_call_fails() {
    if !skip::have(&["openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let of_bits = |bits: u16| {
        let new_key = format!("rsa:{bits}");
        identity(folder.path(), &new_key, &[&new_key])
    };
    let (short, long) = (of_bits(1024), of_bits(2048));
    for role in [DtlsRole::Client, DtlsRole::Server] {
        for (theirs, bits, least) in [
            (&short, 1024, MINIMUM_RSA_BITS),
            (&short, 1024, 2048),
            (&long, 2048, 2048),
            (&long, 2048, 3072),
        ] {
            let expected = if bits < least {
                Err(DtlsFailure::WeakKey { bits, least })
            } else {
                Ok(())
            };
            let ended = outcome(role, theirs, &theirs.fingerprint, least);
            assert_eq!(ended, expected, "{role:?}, {bits} bits, {least} wanted");
        }
    }
}

#[test]
fn another_certificate_than_the_signalled_one_fails_the_call() {
    if !skip::have(&["openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let new_key = ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    let [one, other] = ["one", "other"].map(|name| identity(folder.path(), name, &new_key));
    for role in [DtlsRole::Client, DtlsRole::Server] {
        let expected = FingerprintHash::Sha256;
        assert_eq!(
            outcome(role, &one, &other.fingerprint, MINIMUM_RSA_BITS),
            Err(DtlsFailure::FingerprintMismatch { expected })
        );
    }
}
