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

/// A key and certificate made by OpenSSL.
pub(crate) struct Identity {
    key: PathBuf,
    certificate: PathBuf,
    /// Of whoever signed it.
    chain: Option<PathBuf>,
    pub(crate) fingerprint: Fingerprint,
}

impl Identity {
    /// For our end.
    fn as_ours(&self) -> Arc<Certificate> {
        let der = run(Command::new("openssl")
            .args(["x509", "-outform", "DER", "-in"])
            .arg(&self.certificate));
        let pkcs8 = run(Command::new("openssl")
            .args(["pkcs8", "-topk8", "-nocrypt", "-outform", "DER", "-in"])
            .arg(&self.key));
        Arc::new(Certificate::from_der(der, &pkcs8).unwrap())
    }
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

/// Self-signed, serial number 0.
pub(crate) fn identity(folder: &Path, name: &str, new_key: &[&str]) -> Identity {
    let key = folder.join(format!("{name}.key"));
    let certificate = folder.join(format!("{name}.pem"));
    run(Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-set_serial", "0"])
        .args(["-days", "36500", "-subj", "/CN=FreeSWITCH", "-newkey"])
        .args(new_key)
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate));
    load(key, certificate)
}

/// Signed by an authority between it and a root, both shown with it.
fn chained(folder: &Path) -> Identity {
    let path = |name: &str| folder.join(name);
    let signed = |name: &str, issuer: Option<&str>, extension: &str| {
        let extensions = path("extensions");
        std::fs::write(&extensions, extension).unwrap();
        let (key, request) = (path(&format!("{name}.key")), path("request"));
        run(Command::new("openssl")
            .args(["req", "-new", "-nodes", "-newkey", "rsa:2048", "-subj"])
            .arg(format!("/CN={name}"))
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&request));
        let mut sign = Command::new("openssl");
        sign.args(["x509", "-req", "-days", "36500", "-in"])
            .arg(&request)
            .arg("-extfile")
            .arg(&extensions)
            .arg("-out")
            .arg(path(&format!("{name}.pem")));
        match issuer {
            Some(issuer) => sign
                .args(["-CAcreateserial", "-CA"])
                .arg(path(&format!("{issuer}.pem")))
                .arg("-CAkey")
                .arg(path(&format!("{issuer}.key"))),
            None => sign.arg("-signkey").arg(&key),
        };
        run(&mut sign);
    };
    signed("root", None, "basicConstraints=CA:TRUE");
    signed("between", Some("root"), "basicConstraints=CA:TRUE");
    signed("chained", Some("between"), "basicConstraints=CA:FALSE");
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    let chain = read("between.pem") + &read("root.pem");
    std::fs::write(path("chain.pem"), chain).unwrap();
    Identity {
        chain: Some(path("chain.pem")),
        ..load(path("chained.key"), path("chained.pem"))
    }
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    output.stdout
}

fn load(key: PathBuf, certificate: PathBuf) -> Identity {
    let printed = run(Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(&certificate));
    let printed = String::from_utf8(printed).unwrap();
    let (_, digest) = printed.trim().split_once('=').unwrap();
    Identity {
        fingerprint: format!("sha-256 {digest}").parse().unwrap(),
        key,
        certificate,
        chain: None,
    }
}

/// `s_server` or `s_client` with this identity.
pub(crate) fn openssl(
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
        .arg(&theirs.key)
        // Short keys too.
        .args(["-cipher", "DEFAULT:@SECLEVEL=0"]);
    if let Some(chain) = &theirs.chain {
        command.arg("-cert_chain").arg(chain);
    }
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
        let ours = IDENTITIES.rsa_4096_serial_0.as_ours();
        as_client(&ours, &IDENTITIES.ecdsa, SrtpProfile::Aes128CmHmacSha1_80);
        as_server(
            &ours,
            &IDENTITIES.rsa_4096_serial_0,
            SrtpProfile::Aes128CmHmacSha1_80,
        );
    }
}

#[test]
fn with_certificates_of_every_kind_that_media_servers_have() {
    if !skip::have(&["openssl"]) {
        return;
    }
    let ours = Arc::new(Certificate::generate().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let of_kind = |name: &str, new_key: &[&str]| identity(folder.path(), name, new_key);
    let p_384 = ["ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"];
    for theirs in [
        of_kind("rsa-1024", &["rsa:1024"]),
        of_kind("rsa-2048", &["rsa:2048"]),
        of_kind("rsa-3072", &["rsa:3072"]),
        of_kind("p-384", &p_384),
        chained(folder.path()),
    ] {
        as_client(&ours, &theirs, SrtpProfile::AeadAes128Gcm);
        as_server(&ours, &theirs, SrtpProfile::AeadAes128Gcm);
    }
}
