//! DTLS against OpenSSL's `s_server` and `s_client`, with the certificates that media servers use: both ends must
//! export the same SRTP keys.
#![expect(
    clippy::unwrap_used,
    reason = "what stands around the tests is part of them"
)]

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use offhook_media::dtls::certificate::Certificate;
use offhook_media::dtls::endpoint::{DtlsConfig, DtlsEndpoint, DtlsEvent, Handshake};
use offhook_media::dtls::fingerprint::{Fingerprint, FingerprintHash};
use offhook_media::dtls::rtc::RtcDtls;
use offhook_media::dtls::setup::DtlsRole;
use offhook_media::srtp::keys::KeyPair;
use offhook_media::srtp::profile::SrtpProfile;
use offhook_tests::program::Program;
use offhook_tests::skip;

const LIMIT: Duration = Duration::from_secs(30);

/// A key and certificate made by OpenSSL, as files and loaded.
struct Identity {
    key: PathBuf,
    certificate: PathBuf,
    fingerprint: Fingerprint,
    loaded: Arc<Certificate>,
}

struct Identities {
    _folder: tempfile::TempDir,
    rsa_4096_serial_0: Identity,
    ecdsa: Identity,
}

static IDENTITIES: LazyLock<Identities> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    Identities {
        rsa_4096_serial_0: identity(folder.path(), "rsa", &["rsa:4096"]),
        ecdsa: identity(
            folder.path(),
            "ecdsa",
            &["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
        ),
        _folder: folder,
    }
});

fn identity(folder: &Path, name: &str, new_key: &[&str]) -> Identity {
    let key = folder.join(format!("{name}.key"));
    let certificate = folder.join(format!("{name}.pem"));
    let openssl = |configure: &dyn Fn(&mut Command)| {
        let mut command = Command::new("openssl");
        configure(&mut command);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    openssl(&|command| {
        command
            .args(["req", "-x509", "-nodes", "-set_serial", "0"])
            .args(["-days", "36500", "-subj", "/CN=FreeSWITCH", "-newkey"])
            .args(new_key)
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate);
    });
    let der = openssl(&|command| {
        command
            .args(["x509", "-outform", "DER", "-in"])
            .arg(&certificate);
    });
    let pkcs8 = openssl(&|command| {
        command
            .args(["pkcs8", "-topk8", "-nocrypt", "-outform", "DER", "-in"])
            .arg(&key);
    });
    let printed = openssl(&|command| {
        command
            .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
            .arg(&certificate);
    });
    let printed = String::from_utf8(printed).unwrap();
    let (_, digest) = printed.trim().split_once('=').unwrap();
    Identity {
        fingerprint: format!("sha-256 {digest}").parse().unwrap(),
        loaded: Arc::new(Certificate::from_der(der, &pkcs8).unwrap()),
        key,
        certificate,
    }
}

fn openssl(
    mode: &str,
    address_option: &str,
    address: &str,
    theirs: &Identity,
    profile: SrtpProfile,
) -> Program {
    let profile_name = match profile {
        SrtpProfile::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
        SrtpProfile::AeadAes256Gcm => "SRTP_AEAD_AES_256_GCM",
        SrtpProfile::Aes128CmHmacSha1_80 => "SRTP_AES128_CM_SHA1_80",
        SrtpProfile::Aes128CmHmacSha1_32 => "SRTP_AES128_CM_SHA1_32",
    };
    let length = KeyPair::material_len(profile).to_string();
    let mut command = Command::new("openssl");
    command
        .args([mode, "-dtls1_2", "-mtu", "1200", address_option, address])
        .args(["-use_srtp", profile_name, "-keymatexportlen", &length])
        .args(["-keymatexport", "EXTRACTOR-dtls_srtp"])
        .arg("-cert")
        .arg(&theirs.certificate)
        .arg("-key")
        .arg(&theirs.key);
    if mode == "s_server" {
        // Asks for our certificate, whoever signed it.
        command.args(["-Verify", "1"]);
    }
    Program::spawn(mode, command)
}

/// The keying material that OpenSSL prints.
fn exported(program: &mut Program) -> String {
    let asked = Instant::now();
    while asked.elapsed() < LIMIT {
        let line = program.line(LIMIT);
        if let Some(material) = line.trim().strip_prefix("Keying material: ") {
            return material.to_owned();
        }
    }
    panic!("openssl exported no keying material");
}

/// One of ours on a real socket.
struct Ours {
    endpoint: RtcDtls,
    socket: UdpSocket,
    peer: Option<SocketAddr>,
}

impl Ours {
    fn new(role: DtlsRole, certificate: &Arc<Certificate>, profile: SrtpProfile) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        let endpoint = RtcDtls::new(&DtlsConfig {
            certificate: Arc::clone(certificate),
            role,
            profiles: vec![profile],
            retransmit: Duration::from_millis(250),
            mtu: 1200,
        });
        Self {
            endpoint: endpoint.unwrap(),
            socket,
            peer: None,
        }
    }

    fn flush(&mut self) {
        while let Some(datagram) = self.endpoint.poll_transmit() {
            assert!(
                datagram.len() <= 1200,
                "{} bytes do not fit the path",
                datagram.len()
            );
            // A server that has not bound its port yet refuses: the flight is repeated.
            let _ = self.socket.send_to(&datagram, self.peer.unwrap());
        }
    }

    fn next_event(&mut self) -> DtlsEvent {
        let asked = Instant::now();
        let mut buffer = [0; 4096];
        while asked.elapsed() < LIMIT {
            self.flush();
            if let Some(event) = self.endpoint.poll_event() {
                return event;
            }
            if let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
                self.peer = Some(from);
                let handled = self.endpoint.handle(&buffer[..length], Instant::now());
                assert_eq!(handled, Ok(()), "{:02x?}", &buffer[..length]);
            }
            if self
                .endpoint
                .deadline()
                .is_some_and(|due| Instant::now() >= due)
            {
                self.endpoint.handle_timeout(Instant::now());
            }
        }
        panic!("no event in time: {:?}", self.endpoint);
    }

    fn handshake(&mut self) -> Handshake {
        match self.next_event() {
            DtlsEvent::Complete(handshake) => {
                self.flush();
                handshake
            }
            event @ (DtlsEvent::Failed(_) | DtlsEvent::ClosedByPeer) => panic!("{event:?}"),
        }
    }
}

fn assert_agreement(
    handshake: &Handshake,
    program: &mut Program,
    theirs: &Identity,
    profile: SrtpProfile,
) {
    let ours: String = handshake
        .keying_material
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    assert_eq!(exported(program), ours);
    assert_eq!(handshake.profile, profile);
    assert_eq!(
        Fingerprint::of(&handshake.peer_certificate, FingerprintHash::Sha256),
        theirs.fingerprint
    );
}

fn as_client(ours: &Arc<Certificate>, theirs: &Identity, profile: SrtpProfile) {
    let reserved = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let mut server = openssl("s_server", "-accept", &address.to_string(), theirs, profile);
    let mut client = Ours::new(DtlsRole::Client, ours, profile);
    client.peer = Some(address);
    client.endpoint.start(Instant::now());
    let handshake = client.handshake();
    assert_agreement(&handshake, &mut server, theirs, profile);
}

fn as_server(ours: &Arc<Certificate>, theirs: &Identity, profile: SrtpProfile) {
    let mut server = Ours::new(DtlsRole::Server, ours, profile);
    let address = server.socket.local_addr().unwrap().to_string();
    let mut client = openssl("s_client", "-connect", &address, theirs, profile);
    let handshake = server.handshake();
    assert_agreement(&handshake, &mut client, theirs, profile);
    // The end of its input makes it say goodbye.
    client.stdin = None;
    let event = server.next_event();
    assert!(matches!(event, DtlsEvent::ClosedByPeer), "{event:?}");
}

#[test]
fn as_client_of_a_server_with_an_rsa_4096_certificate_of_serial_number_0() {
    if skip::have(&["openssl"]) {
        let ours = Arc::new(Certificate::generate().unwrap());
        for profile in SrtpProfile::ALL {
            as_client(&ours, &IDENTITIES.rsa_4096_serial_0, profile);
        }
    }
}

#[test]
fn as_server_of_a_client_with_an_rsa_4096_certificate_of_serial_number_0() {
    if skip::have(&["openssl"]) {
        let ours = Arc::new(Certificate::generate().unwrap());
        for profile in SrtpProfile::ALL {
            as_server(&ours, &IDENTITIES.rsa_4096_serial_0, profile);
        }
    }
}

#[test]
fn as_client_and_as_server_with_ecdsa_certificates() {
    if skip::have(&["openssl"]) {
        let ours = Arc::new(Certificate::generate().unwrap());
        for profile in SrtpProfile::ALL {
            as_client(&ours, &IDENTITIES.ecdsa, profile);
            as_server(&ours, &IDENTITIES.ecdsa, profile);
        }
    }
}

#[test]
fn with_an_rsa_4096_certificate_of_our_own() {
    if skip::have(&["openssl"]) {
        let ours = &IDENTITIES.rsa_4096_serial_0.loaded;
        as_client(ours, &IDENTITIES.ecdsa, SrtpProfile::Aes128CmHmacSha1_80);
        as_server(
            ours,
            &IDENTITIES.rsa_4096_serial_0,
            SrtpProfile::Aes128CmHmacSha1_80,
        );
    }
}
