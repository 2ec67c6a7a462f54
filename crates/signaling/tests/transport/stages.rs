//! Every stage ends within its limit and is named with its server.

use crate::server::{answering, echo, listen, silent};
use offhook_signaling::transport::{ConnectError, ConnectOptions, Stage, connect};
use std::{net::TcpListener, time::Duration};

const SHORT: Duration = Duration::from_millis(100);

async fn refused(url: &str, options: &ConnectOptions) -> ConnectError {
    connect(url, options).await.expect_err("connected")
}

#[tokio::test]
async fn each_stage_of_a_plain_connection_is_timed() {
    let address = echo().await;
    let (connection, timings) = connect(&format!("ws://{address}/"), &ConnectOptions::default())
        .await
        .unwrap();
    assert_eq!(connection.peer_address(), address);
    assert!(timings.tls.is_none() && timings.proxy.is_none());
    assert!(timings.tcp > Duration::ZERO && timings.upgrade > Duration::ZERO);
    assert_eq!(timings.total(), timings.dns + timings.tcp + timings.upgrade);
}

#[tokio::test]
async fn a_url_that_cannot_be_used_is_refused_without_showing_what_is_in_it() {
    let error = refused(
        "wss://1001:secret@pbx.example.com/",
        &ConnectOptions::default(),
    )
    .await;
    assert_eq!(error.stage, Stage::Setup);
    assert_eq!(
        error.to_string(),
        "cannot connect to the server: the server URL holds a user name or a password, which do not belong there (stage: \
         setup); write it as wss://host:port/path or ws://host:port/path"
    );
}

#[tokio::test]
async fn a_header_with_a_line_break_is_refused_by_name() {
    let options = ConnectOptions {
        headers: vec![("X-Token".to_owned(), "hidden\r\nHost: evil".to_owned())],
        ..ConnectOptions::default()
    };
    let error = refused("ws://127.0.0.1:9/", &options).await;
    assert!(
        error
            .to_string()
            .contains("the header \"X-Token\" holds characters that HTTP does not allow"),
        "{error}"
    );
    assert!(!error.to_string().contains("hidden"));
}

#[tokio::test]
async fn an_unknown_name_is_named() {
    let error = refused("wss://pbx.invalid:8082/", &ConnectOptions::default()).await;
    assert_eq!(error.stage, Stage::Dns);
    let text = error.to_string();
    // A machine without any name server says so only after a while; then the limit of the stage speaks.
    assert!(
        text.starts_with("cannot connect to pbx.invalid:8082: "),
        "{text}"
    );
    assert!(
        text.contains("the name pbx.invalid cannot be resolved")
            || text.contains("no answer within 5 s"),
        "{text}"
    );
    assert!(text.contains("name servers of this machine"), "{text}");
}

#[tokio::test]
async fn a_refused_port_is_named() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = refused(&format!("ws://{address}/"), &ConnectOptions::default()).await;
    assert_eq!(error.stage, Stage::Tcp);
    assert_eq!(
        error.to_string(),
        format!(
            "cannot connect to {address}: {address} refuses connections on this port (stage: TCP); check the port and that \
             the server runs"
        )
    );
}

#[tokio::test]
async fn a_server_that_stays_silent_before_tls_is_given_up() {
    let address = silent().await;
    let mut options = ConnectOptions::default();
    options.limits.tls = SHORT;
    let error = refused(&format!("wss://{address}/"), &options).await;
    assert_eq!(error.stage, Stage::Tls);
    assert_eq!(
        error.to_string(),
        format!(
            "cannot connect to {address}: no answer within 0.1 s (stage: TLS); check that this port speaks TLS and that the \
             server is healthy"
        )
    );
}

#[tokio::test]
async fn a_server_that_stays_silent_before_the_upgrade_is_given_up() {
    let address = silent().await;
    let mut options = ConnectOptions::default();
    options.limits.upgrade = SHORT;
    let error = refused(&format!("ws://{address}/"), &options).await;
    assert_eq!(error.stage, Stage::Upgrade);
    assert!(error.to_string().contains(
        "no answer within 0.1 s (stage: WebSocket upgrade); check that this port speaks WebSocket"
    ));
}

#[tokio::test]
async fn a_server_that_drips_its_answer_is_given_up_as_well() {
    let address = answering("HTTP/1.1 101 Switching Pro").await;
    let mut options = ConnectOptions::default();
    options.limits.upgrade = SHORT;
    let error = refused(&format!("ws://{address}/"), &options).await;
    assert!(
        error
            .to_string()
            .contains("no answer within 0.1 s (stage: WebSocket upgrade)"),
        "{error}"
    );
}

#[tokio::test]
async fn an_access_list_that_closes_at_once_is_told() {
    let address = listen(|mut stream| async move {
        crate::server::read_head(&mut stream).await;
    })
    .await;
    let error = refused(&format!("ws://{address}/"), &ConnectOptions::default()).await;
    assert_eq!(error.stage, Stage::Upgrade);
    assert!(
        error.to_string().ends_with(
            "the connection was closed where an answer was due (stage: WebSocket upgrade); check that the server lets this \
             address in (FreeSWITCH: `apply-connection-acl` of its profile of mod_verto) and see its log"
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_name_with_both_families_reaches_a_server_on_one_of_them() {
    let port = echo().await.port();
    let (connection, _) = connect(
        &format!("ws://localhost:{port}/"),
        &ConnectOptions::default(),
    )
    .await
    .unwrap();
    assert!(connection.peer_address().is_ipv4());
}
