//! What shows on the way to a server.

use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use offhook_control::notice::Event;
use offhook_control::reply::AccountState;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::names::Names;
use offhook_tests::own_certificate::OwnCertificate;
use offhook_tests::sandbox::Sandbox;
use offhook_tests::skip;
use offhook_tests::tamper::{Tamper, Way, change_description};
use offhook_tests::tls_server::TlsServer;
use serde_json::Value;

use crate::clinic::{Examined, examine};
use crate::servers::{answering, closed, dated};
use crate::tokens::token;

const DIALECTS: [&str; 3] = ["telnyx", "freeswitch", "sip"];

/// Where the sandbox speaks a dialect.
fn server_of<'a>(sandbox: &'a Sandbox, dialect: &str) -> &'a str {
    match dialect {
        "sip" => &sandbox.ready.sip,
        _ => &sandbox.ready.verto,
    }
}

fn desk(dialect: &str, server: &str) -> Config {
    Config::new()
        .account("desk", dialect, server, "demo-1", "sandbox")
        .remembering()
}

/// The stages that were walked for an account, in their order.
fn stages(found: &Examined) -> Vec<&str> {
    let stages = found.report["stages"].as_array().expect("a list");
    // Servers for media are asked for all accounts at once.
    let of_account = stages.iter().filter(|stage| stage["stage"] != "stun");
    of_account
        .map(|stage| {
            assert!(stage["took_ms"].as_f64().is_some_and(|took| took >= 0.0));
            assert_eq!(stage["account"], "desk");
            stage["stage"].as_str().expect("a name")
        })
        .collect()
}

/// This and nothing else was found, of the account `desk`.
#[track_caller]
fn only<'a>(found: &'a Examined, code: &str) -> &'a Value {
    assert_eq!(found.codes(), [code], "{}", found.text);
    assert_eq!(found.code, Some(1));
    found.hides("sandbox\"");
    let finding = found.finding(code);
    assert_eq!(finding["where"]["account"], "desk");
    finding
}

/// Nobody listens there any more, so that the doctor logs in itself.
fn examine_live(config: &Config) -> Examined {
    examine(config, &["--live"])
}

#[test]
fn a_good_way_is_silent_and_every_stage_is_timed() {
    for dialect in DIALECTS {
        let sandbox = Sandbox::start(&["--tls"]);
        let url = match dialect {
            "sip" => &sandbox.ready.sip_tls,
            _ => &sandbox.ready.verto_tls,
        };
        let url = url.as_deref().expect("its TLS listener");
        let config = Config::new();
        let password = config.secret("password", "sandbox");
        let keys = format!(
            "login = \"demo-1\"\npassword_file = {password:?}\nca_file = {:?}\n",
            sandbox.ready.ca.as_ref().expect("its CA")
        );
        let config = config
            .account_with("desk", dialect, url, &keys)
            .remembering();
        let found = examine(&config, &["--live", "--number", "9196"]);
        found.is_well();
        let walked = [
            "dns",
            "tcp",
            "tls",
            "websocket",
            "login",
            "registration",
            "self_call",
            "test_call",
        ];
        assert_eq!(stages(&found), walked);
    }
}

#[test]
fn a_running_daemon_is_asked_and_not_disturbed() {
    for dialect in DIALECTS {
        let sandbox = Sandbox::start(&[]);
        let daemon = desk(dialect, server_of(&sandbox, dialect)).launch();
        let mut control = daemon.ready();
        let before = control.events().len();
        examine_live(&daemon.config).is_well();
        let status = control.status();
        assert_eq!(status.accounts[0].state, AccountState::Ready);
        assert_eq!(status.calls, []);
        // Twice a call to itself: each rang here, was refused, and nothing happened to the account.
        let mut rang = 0;
        for event in &control.events()[before..] {
            assert!(!matches!(event, Event::Account { .. }), "{event:?}");
            rang += u32::from(matches!(event, Event::Incoming { .. }));
        }
        assert_eq!(rang, 2);
    }
}

#[test]
fn nobody_logs_in_beside_a_daemon_that_does_not_answer() {
    let sandbox = Sandbox::start(&[]);
    let config = desk("telnyx", &sandbox.ready.verto);
    // It listens, and says nothing.
    let _hangs = UnixListener::bind(config.socket()).expect("a socket");
    let found = examine_live(&config);
    assert_eq!(found.codes(), ["not_ready"], "{}", found.text);
    assert_eq!(found.report["stages"], serde_json::json!([]));
    let socket = config.socket();
    assert_eq!(
        found.finding("not_ready")["where"]["file"],
        socket.to_str().expect("text")
    );
}

#[test]
fn a_region_that_cannot_be_reached_is_told_and_the_account_looked_at_all_the_same() {
    let sandbox = Sandbox::start(&["--dialect", "telnyx"]);
    let names = Names::start(&sandbox, |name| !name.starts_with("eu."));
    let config = Config::new();
    let password = config.secret("password", "sandbox");
    let keys = format!(
        "login = \"demo-1\"\npassword_file = {password:?}\nregion = \"eu\"\nproxy = {:?}\nbackoff_base = \"100ms\"\n",
        names.url
    );
    let config = config.account_with("desk", "telnyx", "ws://rtc.offhook.example:8080", &keys);
    let found = examine(&config, &["--live", "--allow", "login_in_clear"]);
    assert_eq!(found.codes(), ["region_unreachable"], "{}", found.text);
    assert_eq!(found.code, Some(4));
    let finding = found.finding("region_unreachable");
    assert!(
        finding["what"]
            .to_string()
            .contains("eu.rtc.offhook.example"),
        "{finding}"
    );
    // Well beyond the connection.
    assert!(stages(&found).contains(&"registration"), "{}", found.report);
}

#[test]
fn certificates_are_told_apart() {
    let sandbox = Sandbox::start(&["--tls"]);
    let url = sandbox
        .ready
        .verto_tls
        .as_deref()
        .expect("its TLS listener");
    let found = examine_live(&desk("telnyx", url));
    let finding = only(&found, "certificate_unknown_ca");
    assert!(
        finding["remedy"].to_string().contains("ca_file"),
        "{finding}"
    );
    assert_eq!(stages(&found), ["tls"]);

    for (name, years, code) in [
        ("pbx.example.com", (2020, 2120), "certificate_wrong_name"),
        ("localhost", (2019, 2020), "certificate_expired"),
        ("localhost", (2110, 2120), "certificate_not_yet_valid"),
    ] {
        let server = TlsServer::start(name, years);
        let config = Config::new();
        let password = config.secret("password", "sandbox");
        let keys = format!(
            "login = \"demo-1\"\npassword_file = {password:?}\nca_file = {:?}\n",
            server.ca
        );
        let url = format!("wss://localhost:{}/", server.address.port());
        let config = config.account_with("desk", "telnyx", &url, &keys);
        only(&examine_live(&config), code);
    }
}

#[test]
fn a_certificate_that_no_chain_holds_is_shown_and_can_be_pinned() {
    if !skip::have(&["openssl"]) {
        return;
    }
    let own = OwnCertificate::new();
    let sandbox = Sandbox::start(&own.arguments());
    let url = sandbox
        .ready
        .verto_tls
        .as_deref()
        .expect("its TLS listener");
    let found = examine_live(&desk("freeswitch", url));
    let finding = only(&found, "certificate_old");
    let remedy = finding["remedy"].as_str().expect("a text");
    for part in [
        format!("certificate_sha256 = \"{}\"", own.fingerprint()),
        "openssl x509".to_owned(),
        "somebody in between".to_owned(),
    ] {
        assert!(remedy.contains(&part), "{part} is missing in {remedy}");
    }
    // What it says is what helps, beside the certificate that is to come; another one alone does not.
    let next = "00".repeat(32);
    let pinned = |pins: &str| {
        let config = Config::new();
        let password = config.secret("password", "sandbox");
        let keys = format!(
            "login = \"demo-1\"\npassword_file = {password:?}\ncertificate_sha256 = {pins}\n"
        );
        config
            .account_with("desk", "freeswitch", url, &keys)
            .remembering()
    };
    examine_live(&pinned(&format!("[{:?}, {next:?}]", own.fingerprint()))).is_well();
    let found = examine_live(&pinned(&format!("{next:?}")));
    let finding = only(&found, "certificate_not_pinned");
    let what = finding["what"].as_str().expect("a text");
    assert!(
        what.contains(&own.fingerprint()) && what.contains("00:00:00"),
        "{what}"
    );
    assert!(
        finding["remedy"].to_string().contains("was renewed"),
        "{finding}"
    );
}

#[test]
fn a_proxy_that_does_not_let_through_is_named() {
    for (answer, words) in [
        (
            &b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"[..],
            "403 Forbidden",
        ),
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "user name and a password",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "does not speak HTTP"),
    ] {
        let proxy = answering(answer).replace("ws://", "http://");
        let config = Config::new();
        let password = config.secret("password", "sandbox");
        let keys = format!(
            "login = \"demo-1\"\npassword_file = {password:?}\nproxy = {:?}\n",
            proxy.trim_end_matches('/')
        );
        let config = config.account_with("desk", "telnyx", "wss://rtc.example", &keys);
        let found = examine_live(&config);
        let finding = only(&found, "proxy_failed");
        assert!(finding["what"].to_string().contains(words), "{finding}");
        // The proxy is where it failed, not the server behind it.
        let at = proxy.trim_start_matches("http://").trim_end_matches('/');
        assert_eq!(finding["where"]["server"], at);
        assert_eq!(stages(&found), ["proxy"]);
    }
}

#[test]
fn the_stage_that_fails_names_the_finding() {
    let refusing = answering(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    let no_tls = closed().replace("ws://", "wss://");
    for (server, code, words) in [
        (closed(), "tcp_failed", "refuses connections"),
        (no_tls, "tcp_failed", "refuses connections"),
        ("wss://pbx.invalid/".to_owned(), "dns_failed", "pbx.invalid"),
        (refusing, "websocket_refused", "403 Forbidden"),
        (
            answering(b"SSH-2.0-OpenSSH_9.2\r\n"),
            "websocket_refused",
            "not HTTP",
        ),
        (
            answering(b"HTTP/1.1 400 Bad Request\r\n\r\n").replace("ws://", "wss://"),
            "tls_failed",
            "TLS",
        ),
    ] {
        let found = examine_live(&desk("telnyx", &server));
        let finding = only(&found, code);
        assert!(finding["what"].to_string().contains(words), "{finding}");
        assert_eq!(finding["where"]["server"], server);
    }
}

#[test]
fn a_refused_login_is_named_for_both_ways_to_ask() {
    for dialect in DIALECTS {
        let sandbox = Sandbox::start(&[]);
        let config = Config::new()
            .account(
                "desk",
                dialect,
                server_of(&sandbox, dialect),
                "demo-1",
                "wrong-one",
            )
            .remembering();
        let found = examine_live(&config);
        let finding = only(&found, "login_refused");
        assert!(finding["what"].to_string().contains("demo-1"), "{finding}");
        found.hides("wrong-one");
        let daemon = config.launch();
        let mut control = daemon.control();
        let state = control.subscribe().accounts[0].state;
        if state != AccountState::Refused {
            control.wait("the refusal", Duration::from_secs(20), |notice| {
                let refused = AccountState::Refused;
                matches!(&notice.event, Event::Account { state, .. } if *state == refused)
                    .then_some(())
            });
        }
        only(&examine_live(&daemon.config), "login_refused");
    }
}

#[test]
fn a_gateway_that_does_not_register_is_named() {
    let sandbox = Sandbox::start(&[]);
    let tamper = Tamper::start(&sandbox.ready.verto, |way, text| {
        Some(match way {
            Way::ToClient => text.replace("\"REGED\"", "\"FAILED\""),
            Way::ToServer => text,
        })
    });
    let found = examine_live(&desk("telnyx", &tamper.url));
    let finding = only(&found, "not_registered");
    assert!(finding["what"].to_string().contains("FAILED"), "{finding}");
}

#[test]
fn tokens_are_looked_at_when_their_source_brings_them() {
    let sandbox = Sandbox::start(&[]);
    for (printed, code) in [
        (token("{\"exp\":1000}"), "token_expired"),
        (
            "KEY0123456789ABCDEF0123456789ABCDEF_abcdefghijklmnopqrst12".to_owned(),
            "api_key_as_token",
        ),
        (String::new(), "token_malformed"),
    ] {
        let config = Config::new();
        // In pieces, so that the doctor does not see it in the configuration already.
        let pieces: Vec<String> = printed
            .as_bytes()
            .chunks(15)
            .map(|piece| format!("{:?}", String::from_utf8_lossy(piece)))
            .collect();
        let keys = format!(
            "token = {{ command = [\"/usr/bin/printf\", \"%s\", {}] }}\n",
            pieces.join(", ")
        );
        let config = config.account_with("desk", "telnyx", &sandbox.ready.verto, &keys);
        let found = examine_live(&config);
        only(&found, code);
        assert!(stages(&found).contains(&"token"));
        if !printed.is_empty() {
            found.hides(&printed);
        }
    }
    let keys =
        "token = { command = [\"/bin/sh\", \"-c\", \"echo the vault is locked >&2; exit 3\"] }\n";
    let config = Config::new().account_with("desk", "telnyx", &sandbox.ready.verto, keys);
    let found = examine_live(&config);
    let finding = only(&found, "token_source_failed");
    assert!(finding["what"].to_string().contains("the vault is locked"));
}

#[test]
fn a_clock_that_is_off_is_measured_at_the_server() {
    let sandbox = Sandbox::start(&[]);
    let server = dated(&sandbox.ready.verto, "Sun, 06 Nov 2044 08:49:37 GMT");
    let found = examine_live(&desk("telnyx", &server));
    let finding = only(&found, "clock_off");
    let what = finding["what"].to_string();
    assert!(
        what.contains("behind the server's") && what.contains("days"),
        "{what}"
    );
    // The rest of the way was gone all the same.
    assert!(stages(&found).contains(&"self_call"));
}

#[test]
fn a_private_address_in_the_servers_description_comes_with_the_operators_remedy() {
    let sandbox = Sandbox::start(&[]);
    let tamper = Tamper::start(&sandbox.ready.verto, |way, text| {
        Some(change_description(&text, |line| {
            match (
                way,
                line.starts_with("a=candidate:"),
                line.starts_with("c="),
            ) {
                // The server must not find its own way to us.
                (Way::ToServer, true, _) => Vec::new(),
                (Way::ToClient, true, _) => vec![line.replace("127.0.0.1", "10.255.255.9")],
                (Way::ToClient, _, true) => vec!["c=IN IP4 10.255.255.9".to_owned()],
                _ => vec![line.to_owned()],
            }
        }))
    });
    // From there nothing leaves the machine.
    let config = desk("telnyx", &tamper.url).with("[media]\naddresses = [\"127.0.0.1\"]");
    let found = examine(&config, &["--live", "--number", "9196"]);
    let finding = only(&found, "private_media_address");
    assert!(finding["what"].to_string().contains("10.255.255.9"));
    assert!(finding["remedy"].to_string().contains("ext-rtp-ip"));
}

#[test]
fn a_test_call_that_fails_says_why() {
    let sandbox = Sandbox::start(&[]);
    let found = examine(
        &desk("freeswitch", &sandbox.ready.verto),
        &["--live", "--number", "99017"],
    );
    let finding = only(&found, "test_call_failed");
    assert!(
        finding["what"].to_string().contains("USER_BUSY"),
        "{finding}"
    );
}

/// Two daemons with one credential; the second has logged in after the first was ready.
fn two_daemons(first: &str, second: &str) -> (Daemon, Daemon) {
    let one = desk("telnyx", first).launch();
    one.ready();
    let other = desk("telnyx", second).launch();
    other.ready();
    (one, other)
}

#[test]
fn a_registration_that_was_taken_over_in_silence_is_found() {
    let sandbox = Sandbox::start(&[]);
    let (loser, winner) = two_daemons(&sandbox.ready.verto, &sandbox.ready.verto);
    // Nobody was told.
    for daemon in [&loser, &winner] {
        assert_eq!(
            daemon.control().status().accounts[0].state,
            AccountState::Ready
        );
    }
    let asked = Instant::now();
    let found = examine_live(&loser.config);
    let finding = only(&found, "registration_conflict");
    assert!(
        finding["remedy"]
            .to_string()
            .contains("who else uses this credential"),
        "{finding}"
    );
    assert!(asked.elapsed() < Duration::from_secs(60));
    // Who has it finds nothing wrong, and neither was moved by being looked at.
    examine_live(&winner.config).is_well();
    for daemon in [&loser, &winner] {
        let status = daemon.control().status();
        assert_eq!(status.accounts[0].state, AccountState::Ready);
        assert_eq!(status.calls, []);
    }
}

#[test]
fn a_number_that_is_not_the_accounts_own_is_no_conflict() {
    let sandbox = Sandbox::start(&[]);
    let config = desk("freeswitch", &sandbox.ready.verto);
    let found = examine(&config, &["--live", "--own-number", "desk=99001"]);
    assert_eq!(found.codes(), ["self_call_failed"], "{}", found.text);
    assert_eq!(found.code, Some(4));
    assert!(found.text.contains("--own-number"), "{}", found.text);
}

#[test]
fn an_account_with_tokens_calls_itself_by_the_name_of_its_user() {
    let sandbox = Sandbox::start(&[]);
    let stages = |found: &Examined| found.report["stages"].to_string();
    let config = Config::new();
    let file = config.secret("jwt", &token("{\"sub\":\"demo-1\"}"));
    let keys = format!("token_file = {file:?}\n");
    let config = config.account_with("desk", "telnyx", &sandbox.ready.verto, &keys);
    // Nothing tells it: said, and not counted.
    let found = examine_live(&config);
    assert_eq!(found.codes(), ["own_number_unknown"], "{}", found.text);
    assert_eq!(found.code, Some(0));
    assert!(found.text.contains("note: own_number_unknown"));
    let finding = found.finding("own_number_unknown");
    assert_eq!(finding["where"]["account"], "desk");
    assert!(finding["remedy"].to_string().contains("--own-number"));
    assert!(!stages(&found).contains("self_call"), "{found:?}");
    // Told by hand.
    let found = examine(&config, &["--live", "--own-number", "desk=demo-1"]);
    found.is_well();
    assert!(stages(&found).contains("self_call"), "{found:?}");
    // Told by the users file.
    let users = config.secret(
        "users.toml",
        "[[user]]\nname = \"lobby\"\ncredential_id = \"demo-1\"\nsip_username = \"demo-1\"\n",
    );
    let users = users.to_str().expect("text");
    let found = examine(&config, &["--live", "--users", users]);
    found.is_well();
    assert!(stages(&found).contains("self_call"), "{found:?}");
}

#[test]
fn a_daemon_that_runs_on_an_older_configuration_is_told() {
    let sandbox = Sandbox::start(&[]);
    let daemon = desk("telnyx", &sandbox.ready.verto).launch();
    daemon.ready();
    let Daemon { program, config } = daemon;
    let config = config.account("door", "telnyx", &sandbox.ready.verto, "demo-2", "sandbox");
    let found = examine_live(&config);
    assert_eq!(found.codes(), ["daemon_differs"], "{}", found.text);
    assert_eq!(found.finding("daemon_differs")["where"]["account"], "door");
    drop(program);
}
