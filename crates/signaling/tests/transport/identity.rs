//! Servers that ask who connects: our own certificate at the handshake.

use crate::server::{Ca, Years, text, tls_echo, tls_echo_for};
use offhook_signaling::secret::Secret;
use offhook_signaling::transport::{
    ConnectError, ConnectOptions, Stage, connect,
    error::Fault,
    identity::{ClientIdentity, IdentityFault},
    tls::Trust,
};
use std::net::SocketAddr;

const NOW: Years = Years(2020, 2120);
const PAST: Years = Years(2001, 2002);

/// Both, since in TLS 1.3 a client hears of a refusal only when its handshake is over.
const VERSIONS: [&[&rustls::SupportedProtocolVersion]; 2] =
    [&[&rustls::version::TLS12], &[&rustls::version::TLS13]];

fn url(address: SocketAddr) -> String {
    format!("wss://localhost:{}/", address.port())
}

fn identity((certificate, key): &(rcgen::Certificate, rcgen::KeyPair)) -> ClientIdentity {
    let key = Secret::new(key.serialize_pem());
    ClientIdentity::from_pem(certificate.pem().as_bytes(), &key).unwrap()
}

fn showing(ca: &Ca, identity: ClientIdentity) -> ConnectOptions {
    ConnectOptions {
        trust: Trust::with_ca_file(ca.file.clone()).with_identity(identity),
        ..ConnectOptions::default()
    }
}

async fn refused(address: SocketAddr, options: &ConnectOptions) -> ConnectError {
    let error = connect(&url(address), options)
        .await
        .expect_err("connected");
    assert_eq!(error.stage, Stage::Tls, "{error}");
    error
}

#[tokio::test]
async fn a_server_that_wants_our_certificate_gets_it() {
    let (ca, clients) = (Ca::new(), Ca::new());
    for versions in VERSIONS {
        let address = tls_echo_for(ca.sign("localhost", NOW), &clients, versions).await;
        let options = showing(&ca, identity(&clients.sign("desk", NOW)));
        let (mut connection, _) = connect(&url(address), &options).await.unwrap();
        connection.send("hello".to_owned()).unwrap();
        assert_eq!(text(&mut connection).await, "hello");
    }
    // One that does not ask is not shown it, and does not mind.
    let address = tls_echo(ca.sign("localhost", NOW)).await;
    let options = showing(&ca, identity(&clients.sign("desk", NOW)));
    connect(&url(address), &options).await.unwrap();
}

#[tokio::test]
async fn without_one_or_with_one_that_it_does_not_take_the_remedy_is_named() {
    let (ca, clients, strangers) = (Ca::new(), Ca::new(), Ca::new());
    for versions in VERSIONS {
        let address = tls_echo_for(ca.sign("localhost", NOW), &clients, versions).await;
        let none = ConnectOptions {
            trust: Trust::with_ca_file(ca.file.clone()),
            ..ConnectOptions::default()
        };
        let error = refused(address, &none).await;
        assert!(matches!(error.fault, Fault::IdentityWanted), "{error}");
        assert!(
            error.remedy().contains("client_certificate_file"),
            "{error}"
        );
        let of_a_stranger = showing(&ca, identity(&strangers.sign("desk", NOW)));
        let error = refused(address, &of_a_stranger).await;
        assert!(
            matches!(error.fault, Fault::IdentityRefused { .. }),
            "{error}"
        );
        assert!(error.remedy().contains("which CA it takes"), "{error}");
        let old = showing(&ca, identity(&clients.sign("desk", PAST)));
        let error = refused(address, &old).await;
        let late = "it is not valid now";
        assert!(
            matches!(error.fault, Fault::IdentityRefused { why } if why == late),
            "{error}"
        );
    }
}

#[test]
fn a_certificate_and_a_key_that_do_not_fit_are_refused_and_never_shown() {
    let ca = Ca::new();
    let (certificate, key) = ca.sign("desk", NOW);
    let (_, other) = ca.sign("desk", NOW);
    let read = |certificate: &str, key: &str| {
        ClientIdentity::from_pem(certificate.as_bytes(), &Secret::new(key.to_owned()))
    };
    let fault = |certificate: &str, key: &str| read(certificate, key).unwrap_err();
    let (certificate, key, other) = (
        certificate.pem(),
        key.serialize_pem(),
        other.serialize_pem(),
    );
    assert_eq!(fault(&certificate, &other), IdentityFault::OtherKey);
    assert_eq!(fault(&key, &key), IdentityFault::NoCertificate);
    assert_eq!(fault("", &key), IdentityFault::NoCertificate);
    assert_eq!(fault(&certificate, &certificate), IdentityFault::NoKey);
    assert_eq!(fault(&certificate, ""), IdentityFault::NoKey);
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(fault(broken, &key), IdentityFault::Certificate);
    let shown = format!("{:?}", read(&certificate, &key).unwrap());
    assert!(!shown.contains("PRIVATE") && shown.len() < 200, "{shown}");
}
