//! Servers that ask at the TLS handshake who connects: our own certificate, with SIP and with Verto.

use offhook_control::notice::Event;
use offhook_control::reply::AccountStatus;
use offhook_tests::authority::Issued;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::kamailio::Kamailio;
use offhook_tests::sandbox::Sandbox;
use offhook_tests::tls_server::Gatekeeper;

use crate::world::{PATIENCE, Phone, TONE};

/// A certificate for clients, and another one of a CA that nobody knows.
fn certificates() -> [Issued; 2] {
    ["desk", "stranger"].map(|name| Issued::new(name, (2020, 2120)))
}

/// The keys that show this certificate.
fn showing(config: &Config, own: &Issued) -> String {
    let key = std::fs::read_to_string(&own.key_file).expect("its key");
    let key = config.secret("own.key", &key);
    format!(
        "client_certificate_file = {:?}\nclient_key_file = {key:?}\n",
        own.certificate_file
    )
}

/// What is told of an account that does not become ready.
fn trouble(daemon: &Daemon) -> AccountStatus {
    let mut control = daemon.control();
    let mut status = control.subscribe();
    while status.accounts[0].state.as_str() != "waiting" {
        control.wait("trouble", PATIENCE, |notice| {
            matches!(notice.event, Event::Account { .. }).then_some(())
        });
        status = control.status();
    }
    status.accounts.remove(0)
}

/// With a certificate of their CA we are let in, without and with another one we are told what to do.
fn is_let_in_and_turned_away(account: impl Fn(Option<&Issued>) -> Config, own: &[Issued; 2]) {
    let mut phone = Phone::launch(account(Some(&own[0])));
    let call = phone.talks_to("9196");
    phone.listens(2);
    phone.hangs_up(&call);
    assert!(phone.heard(&call, TONE));
    let without = trouble(&account(None).launch());
    let reason = without.reason.clone().unwrap_or_default();
    assert!(
        reason.contains("wants to see a certificate of ours"),
        "{without:?}"
    );
    let remedy = without.remedy.clone().unwrap_or_default();
    assert!(remedy.contains("client_key_file"), "{without:?}");
    let stranger = trouble(&account(Some(&own[1])).launch());
    let reason = stranger.reason.clone().unwrap_or_default();
    assert!(reason.contains("refused our certificate"), "{stranger:?}");
    let remedy = stranger.remedy.clone().unwrap_or_default();
    assert!(remedy.contains("which CA it takes"), "{stranger:?}");
}

#[test]
fn kamailio_lets_in_who_shows_a_certificate_of_its_ca() {
    let own = certificates();
    let servers = Kamailio::start_for_clients_of(&own[0].ca);
    let account = |shown: Option<&Issued>| {
        let config = Config::new();
        let password = config.secret("password", "pw1000");
        let recordings = format!("file:{}/heard-{{call}}.wav", config.folder().display());
        let keys = format!(
            "login = \"1000@{}\"\npassword_file = {password:?}\nca_file = {:?}\n{}",
            servers.realm(),
            servers.certificate(),
            shown.map_or_else(String::new, |own| showing(&config, own))
        );
        config
            .account_with("desk", "sip", servers.wss_url(), &keys)
            .audio("tone:440", &recordings)
    };
    is_let_in_and_turned_away(account, &own);
}

#[test]
fn so_does_a_gatekeeper_before_a_verto_server() {
    let own = certificates();
    let sandbox = Sandbox::start(&[]);
    let gate = Gatekeeper::before(&sandbox.ready.verto, &own[0].ca);
    let server = format!("wss://localhost:{}/", gate.address.port());
    let account = |shown: Option<&Issued>| {
        let config = Config::new();
        let password = config.secret("password", "sandbox");
        let recordings = format!("file:{}/heard-{{call}}.wav", config.folder().display());
        let keys = format!(
            "login = \"demo-1\"\npassword_file = {password:?}\nca_file = {:?}\n{}",
            gate.ca,
            shown.map_or_else(String::new, |own| showing(&config, own))
        );
        config
            .account_with("desk", "freeswitch", &server, &keys)
            .audio("tone:440", &recordings)
    };
    is_let_in_and_turned_away(account, &own);
}
