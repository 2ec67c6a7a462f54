//! Start, end, TLS, limits and nonsense.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;

use crate::client::{BOTH, Client, Dialect, tcp};
use crate::phone::Phone;
use crate::process::Sandbox;

#[test]
fn it_ends_by_signal_and_not_by_the_end_of_its_input() {
    let mut sandbox = Sandbox::start(&["--tls"]);
    let ca = sandbox.ca().unwrap();
    assert!(ca.exists());
    sandbox.close_stdin();
    let mut client = Client::ready(&sandbox.address(), Dialect::Telnyx, "demo-1", None);
    assert!(sandbox.terminate());
    client.read_to_end();
    assert!(!ca.exists(), "the CA goes with the sandbox");
}

#[test]
fn tls_is_trusted_by_the_ca_of_the_ready_line() {
    let sandbox = Sandbox::start(&["--tls"]);
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(sandbox.ca().unwrap()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let url = sandbox.ready["verto_tls"].as_str().unwrap().to_owned();
    let address = url.strip_prefix("wss://").unwrap();
    for name in ["localhost", "127.0.0.1"] {
        let name = ServerName::try_from(name).unwrap();
        let connection = ClientConnection::new(Arc::new(config.clone()), name).unwrap();
        let stream = StreamOwned::new(connection, tcp(address));
        let mut client = Client::over(Box::new(stream), "wss://localhost/", Dialect::FreeSwitch);
        let reply = client.ask("login", json!({"login": "demo-1", "passwd": "sandbox"}));
        assert_eq!(reply["result"]["message"], "logged in");
    }
}

#[test]
fn limits_cost_the_offender_its_socket_and_nobody_else() {
    let arguments = [
        "--max-message",
        "2000",
        "--max-logins",
        "2",
        "--login-within",
        "1",
        "--max-sessions",
        "4",
    ];
    let sandbox = Sandbox::start(&arguments);
    let address = sandbox.address();
    let mut good = Client::ready(&address, Dialect::Telnyx, "demo-1", None);

    let mut big = Client::connect(&address, Dialect::Telnyx);
    big.send(&" ".repeat(2001));
    big.read_to_end();

    let mut guesser = Client::connect(&address, Dialect::Telnyx);
    for _ in 0..2 {
        let reply = guesser.ask("login", json!({"login": "demo-1", "passwd": "x"}));
        assert_eq!(reply["error"]["code"], -32001);
    }
    guesser.read_to_end();

    let mut idle = Client::connect(&address, Dialect::Telnyx);
    idle.read_to_end();

    let crowd: Vec<Client> = (0..3)
        .map(|_| Client::ready(&address, Dialect::FreeSwitch, "demo-2", None))
        .collect();
    let mut late = tcp(&address);
    late.write_all(b"GET / HTTP/1.1\r\nHost: sandbox\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    late.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer:?}");
    drop(crowd);

    let state = good.ask("telnyx_rtc.gatewayState", json!({}));
    assert_eq!(state["result"]["params"]["state"], "REGED");
}

#[test]
fn media_stays_within_its_ports() {
    let sandbox = Sandbox::start(&["--media-ports", "21000-21099"]);
    let mut client = Client::ready(&sandbox.address(), Dialect::Telnyx, "demo-1", None);
    client.invite("c-1", "9196", &Phone::new(1).offer());
    let answer = client.expect("answer");
    let sdp = answer["sdp"].as_str().unwrap();
    let port = sdp
        .split("m=audio ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let port: u16 = port.unwrap().parse().unwrap();
    assert!((21000..=21099).contains(&port), "{sdp}");
}

#[test]
fn nonsense_is_survived() {
    let sandbox = Sandbox::start(&[]);
    let address = sandbox.address();
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\0\0\0\0\r\n\r\n",
        &[0xff; 20_000],
    ] {
        let mut stream = tcp(&address);
        stream
            .set_read_timeout(Some(Duration::from_secs(15)))
            .unwrap();
        // The sandbox may have closed before all was written.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    for dialect in BOTH {
        let mut client = Client::ready(&address, dialect, "demo-1", None);
        for text in [
            "",
            "\u{0}",
            "[[[[",
            "{\"method\":7}",
            "null",
            "[1,2,3]",
            &"[".repeat(10_000),
        ] {
            client.send(text);
        }
        let reply = client.ask(&dialect.method("ping"), json!({}));
        assert_eq!(reply["result"]["message"], "PONG");
        for sdp in [
            "",
            "v=0",
            "v=0\r\nm=audio 9 RTP/AVP 18\r\n",
            &"a=candidate:\r\n".repeat(1000),
        ] {
            client.invite(&format!("c-{}", sdp.len()), "9196", sdp);
            assert_eq!(client.expect("bye")["causeCode"], 88);
        }
    }
}
