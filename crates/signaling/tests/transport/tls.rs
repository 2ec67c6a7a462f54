//! TLS: the certificates that are accepted, and the words for those that are not.

use crate::server::{Ca, Years, echo, listen, text, tls_echo, wait_for_end};
use offhook_signaling::transport::{ConnectError, ConnectOptions, Stage, connect, tls::Trust};
use std::{fs, net::SocketAddr};
use tokio::io::AsyncWriteExt;

const NOW: Years = Years(2020, 2120);

fn trusting(ca: &Ca) -> ConnectOptions {
    ConnectOptions {
        trust: Trust::with_ca_file(ca.file.clone()),
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
async fn a_server_with_a_certificate_of_the_extra_ca_echoes_and_tls_is_timed() {
    let ca = Ca::new();
    let address = tls_echo(ca.sign("localhost", NOW)).await;
    let options = trusting(&ca);
    let (mut connection, timings) = connect(&url(address), &options).await.unwrap();
    assert!(timings.tls.is_some());
    connection.send("Grüße".to_owned()).unwrap();
    assert_eq!(text(&mut connection).await, "Grüße");
}

#[tokio::test]
async fn an_address_in_the_url_is_checked_against_the_address_in_the_certificate() {
    let ca = Ca::new();
    let address = tls_echo(ca.sign("127.0.0.1", NOW)).await;
    let (mut connection, _) = connect(&format!("wss://{address}/"), &trusting(&ca))
        .await
        .unwrap();
    connection.send("hello".to_owned()).unwrap();
    assert_eq!(text(&mut connection).await, "hello");
}

#[tokio::test]
async fn an_unknown_ca_names_the_remedy() {
    let (ours, theirs) = (Ca::new(), Ca::new());
    let address = tls_echo(theirs.sign("localhost", NOW)).await;
    let error = refused(address, &trusting(&ours)).await;
    let wanted = format!(
        "cannot connect to localhost:{}: its certificate is signed by a CA that this machine does not trust (stage: TLS); put \
         the PEM certificate of the server's CA into {} (ca_file)",
        address.port(),
        ours.file.display()
    );
    assert_eq!(error.to_string(), wanted);

    // The remedy is true, and needs no restart.
    fs::copy(&theirs.file, ours.folder().join("new.pem")).unwrap();
    let options = trusting(&ours);
    refused(address, &options).await;
    let both = [
        fs::read(&ours.file).unwrap(),
        fs::read(&theirs.file).unwrap(),
    ]
    .concat();
    fs::write(&ours.file, both).unwrap();
    connect(&url(address), &options).await.unwrap();
}

#[tokio::test]
async fn a_certificate_for_another_name_names_both() {
    let ca = Ca::new();
    let address = tls_echo(ca.sign("pbx.example.com", NOW)).await;
    let error = refused(address, &trusting(&ca)).await;
    assert!(
        error.to_string().ends_with(
            "its certificate is not for the name localhost but for pbx.example.com (stage: TLS); use one of its names in the \
             URL, or get a certificate with this name for the server"
        ),
        "{error}"
    );
}

#[tokio::test]
async fn an_expired_certificate_names_its_end_and_the_clock() {
    let ca = Ca::new();
    let address = tls_echo(ca.sign("localhost", Years(2019, 2020))).await;
    let text = refused(address, &trusting(&ca)).await.to_string();
    assert!(
        text.contains(
            "its certificate expired on 2020-01-01 00:00:00 UTC, and this machine's clock says 20"
        ),
        "{text}"
    );
    assert!(
        text.ends_with(
            "renew the certificate on the server, or set this machine's clock if it is wrong"
        ),
        "{text}"
    );
}

#[tokio::test]
async fn a_certificate_that_is_not_yet_valid_names_the_clock() {
    let ca = Ca::new();
    let address = tls_echo(ca.sign("localhost", Years(2110, 2120))).await;
    let text = refused(address, &trusting(&ca)).await.to_string();
    assert!(
        text.contains("its certificate is not yet valid before 2110-01-01 00:00:00 UTC, and this machine's clock says 20"),
        "{text}"
    );
    assert!(
        text.ends_with(
            "set this machine's clock if it is wrong, and see that time synchronisation runs"
        ),
        "{text}"
    );
}

#[tokio::test]
async fn a_ca_certificate_as_the_servers_own_is_told() {
    let mut ca = Ca::new();
    let other = Ca::new();
    let own = std::mem::replace(&mut ca.own, other.own);
    let address = tls_echo(own).await;
    let error = refused(address, &trusting(&ca)).await;
    assert!(
        error
            .to_string()
            .contains("it shows a CA certificate as its own"),
        "{error}"
    );
}

#[tokio::test]
async fn a_port_without_tls_is_told() {
    let ca = Ca::new();
    // A ClientHello has no blank line, so this web server speaks unasked.
    let talkative = listen(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        wait_for_end(&mut stream).await;
    })
    .await;
    let error = refused(talkative, &trusting(&ca)).await;
    assert!(
        error.to_string().ends_with(
            "it does not speak TLS on this port (stage: TLS); correct the port, or use ws:// if the server means this one to be \
             unencrypted; a FreeSWITCH does so unasked when its certificate files are missing: give it its wss.pem then"
        ),
        "{error}"
    );
}

#[tokio::test]
async fn plain_http_to_a_tls_port_is_told() {
    let ca = Ca::new();
    let address = tls_echo(ca.sign("localhost", NOW)).await;
    let error = connect(&format!("ws://{address}/"), &ConnectOptions::default())
        .await
        .expect_err("connected");
    assert!(
        error.to_string().ends_with(
            "it answered with something that is not HTTP (stage: WebSocket upgrade); check the port, and use wss:// if this \
             port speaks TLS"
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_ca_file_that_cannot_be_read_stops_tls_and_nothing_else() {
    let options = ConnectOptions {
        trust: Trust::with_ca_file("/nonexistent/ca.pem".into()),
        ..ConnectOptions::default()
    };
    let error = connect("wss://localhost:9/", &options)
        .await
        .expect_err("connected");
    assert_eq!(error.stage, Stage::Setup);
    assert!(
        error
            .to_string()
            .contains("the CA file /nonexistent/ca.pem cannot be read"),
        "{error}"
    );
    let address = echo().await;
    connect(&format!("ws://{address}/"), &options)
        .await
        .unwrap();
}
