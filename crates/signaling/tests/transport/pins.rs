//! Servers known by the fingerprint of their certificate, among them one with the certificate that a FreeSWITCH makes by itself.

use crate::openssl::OpenSsl;
use crate::server::{Ca, Years, text, tls_echo};
use offhook_signaling::transport::{
    ConnectError, ConnectOptions, Stage, connect, error::Fault,
    fingerprint::CertificateFingerprint, tls::Trust,
};
use rustls::version::{TLS12, TLS13};
use std::net::SocketAddr;

fn pinning(pins: &[CertificateFingerprint]) -> ConnectOptions {
    ConnectOptions {
        trust: Trust::new(None, pins.to_vec()),
        ..ConnectOptions::default()
    }
}

fn url(address: SocketAddr) -> String {
    format!("wss://localhost:{}/", address.port())
}

async fn refused(address: SocketAddr, options: &ConnectOptions) -> ConnectError {
    let error = connect(&url(address), options)
        .await
        .expect_err("connected");
    assert_eq!(error.stage, Stage::Tls, "{error}");
    error
}

#[tokio::test]
async fn the_certificate_that_a_freeswitch_makes_by_itself_is_taken_when_its_fingerprint_is_known()
{
    let own = OpenSsl::version_1("rsa:2048");
    for version in [&TLS12, &TLS13] {
        let address = own.echo(&own, &[version]).await;
        // As `openssl x509` writes it; the other one is of a certificate that is to come.
        let pins = [CertificateFingerprint::of(b"next"), own.fingerprint()];
        let (mut connection, timings) = connect(&url(address), &pinning(&pins)).await.unwrap();
        assert!(timings.tls.is_some());
        connection.send("hello".to_owned()).unwrap();
        assert_eq!(text(&mut connection).await, "hello");
    }
}

#[tokio::test]
async fn keys_on_elliptic_curves_are_taken_too() {
    let own = OpenSsl::version_1("ec:P-256");
    for version in [&TLS12, &TLS13] {
        let address = own.echo(&own, &[version]).await;
        connect(&url(address), &pinning(&[own.fingerprint()]))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn an_unpinned_certificate_of_version_1_says_how_it_can_be_trusted_and_which_it_is() {
    let own = OpenSsl::version_1("rsa:2048");
    let address = own.echo(&own, &[&TLS13]).await;
    // As a CA it is readable; as the server's own it is not.
    let options = ConnectOptions {
        trust: Trust::with_ca_file(own.certificate.clone()),
        ..ConnectOptions::default()
    };
    let error = refused(address, &options).await;
    assert!(matches!(error.fault, Fault::OldCertificate), "{error}");
    assert_eq!(error.certificate, Some(own.fingerprint()));
    let text = error.to_string();
    assert!(
        text.contains("X.509 version 1") && text.contains("pin it: certificate_sha256"),
        "{text}"
    );
}

#[tokio::test]
async fn another_certificate_than_the_pinned_one_names_both_and_what_to_do() {
    let ca = Ca::new();
    let own = ca.sign("localhost", Years(2020, 2120));
    let shown = CertificateFingerprint::of(own.0.der());
    let known = CertificateFingerprint::of(b"known");
    let address = tls_echo(own).await;
    // A chain that would do is not looked at.
    let options = ConnectOptions {
        trust: Trust::new(Some(ca.file.clone()), vec![known]),
        ..ConnectOptions::default()
    };
    let error = refused(address, &options).await;
    assert_eq!(error.certificate, Some(shown));
    let text = error.to_string();
    for part in [
        format!("has the SHA-256 fingerprint {shown}, and `certificate_sha256` names {known}"),
        format!("write {shown} into certificate_sha256"),
        "somebody is in between".to_owned(),
    ] {
        assert!(text.contains(&part), "{part} is missing in {text}");
    }
}

#[tokio::test]
async fn a_pinned_certificate_without_its_key_is_worth_nothing() {
    let (own, other) = (
        OpenSsl::version_1("rsa:2048"),
        OpenSsl::version_1("rsa:2048"),
    );
    for version in [&TLS12, &TLS13] {
        let address = own.echo(&other, &[version]).await;
        let error = refused(address, &pinning(&[own.fingerprint()])).await;
        assert!(matches!(error.fault, Fault::ForeignKey), "{error}");
    }
}

#[tokio::test]
async fn a_pin_counts_for_an_expired_certificate_and_for_another_name() {
    let ca = Ca::new();
    let own = ca.sign("pbx.example.com", Years(2019, 2020));
    let pin = CertificateFingerprint::of(own.0.der());
    let address = tls_echo(own).await;
    connect(&url(address), &pinning(&[pin])).await.unwrap();
}

#[tokio::test]
async fn an_rsa_key_that_the_library_cannot_check_is_told() {
    let own = OpenSsl::version_1("rsa:1024");
    let server = own.serve();
    let error = refused(server.address, &pinning(&[own.fingerprint()])).await;
    assert!(
        matches!(error.fault, Fault::KeyLength { bits: 1024 }),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        text.contains("has 1024 bits") && text.contains("2048 bits or more"),
        "{text}"
    );
}
