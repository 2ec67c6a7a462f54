//! Each kind of user: how it logs in, and that it then talks.

use offhook_control::notice::Event;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::kamailio::Kamailio;

use crate::world::{PATIENCE, Phone, TONE, config};

/// Calls the echo and hears itself.
fn hears_itself(mut phone: Phone) {
    let call = phone.talks_to("9196");
    phone.listens(2);
    phone.hangs_up(&call);
    assert!(phone.heard(&call, TONE));
}

#[test]
fn every_digest_leads_to_a_call_with_sound() {
    let servers = Kamailio::start();
    // MD5; SHA-256; both on offer; without qop; nonces that serve once.
    for user in [1000, 1900, 1930, 1960, 1980] {
        hears_itself(Phone::ready(&servers, user));
    }
    // A registrar that shortens to 20 s, and one that wants 900 s at least.
    for user in [1996, 1997] {
        hears_itself(Phone::ready(&servers, user));
    }
}

#[test]
fn the_same_over_tls() {
    let servers = Kamailio::start();
    let config = Config::new();
    let password = config.secret("password", "pw1000");
    let recordings = format!("file:{}/heard-{{call}}.wav", config.folder().display());
    let keys = format!(
        "login = \"1000@{}\"\npassword_file = {password:?}\nca_file = {:?}\n",
        servers.realm(),
        servers.certificate()
    );
    let config = config
        .account_with("desk", "sip", servers.wss_url(), &keys)
        .audio("tone:440", &recordings);
    hears_itself(Phone::launch(config));
}

#[test]
fn who_is_refused_hears_why_and_who_is_to_wait_waits() {
    let servers = Kamailio::start();
    let refused = config(&servers, 1999, TONE, "").launch();
    let (reason, _) = comes_to(&refused, "refused");
    assert!(reason.contains("403"), "{reason}");
    // 503 with Retry-After: 2.
    let later = config(&servers, 1998, TONE, "").launch();
    let (reason, pause) = comes_to(&later, "waiting");
    assert!(reason.contains("503"), "{reason}");
    let pause = pause.expect("a time to wait");
    assert!((1_900..=4_000).contains(&pause), "{pause} ms");
}

/// Why the account entered this state, and for how many milliseconds. Told afresh: what a status says of it runs out.
fn comes_to(daemon: &Daemon, state: &str) -> (String, Option<u64>) {
    let mut control = daemon.control();
    let status = control.subscribe();
    let account = status.accounts.first().expect("its account");
    if account.state.as_str() == state && state == "refused" {
        return (
            account.reason.clone().unwrap_or_default(),
            account.retry_in_ms,
        );
    }
    control.wait(state, PATIENCE, |notice| match &notice.event {
        Event::Account {
            state: now,
            reason,
            retry_in_ms,
            ..
        } if now.as_str() == state => Some((reason.clone().unwrap_or_default(), *retry_in_ms)),
        _ => None,
    })
}

#[test]
fn the_same_device_after_a_restart() {
    let servers = Kamailio::start();
    let phone = Phone::ready(&servers, 1001);
    let before = servers.contacts(1001);
    phone.daemon.wait_until_remembered();
    let daemon = phone
        .daemon
        .restart_after(nix::sys::signal::Signal::SIGKILL);
    let _control = daemon.ready();
    let after = servers.contacts(1001);
    assert_eq!(before.len(), 1, "{before:?}");
    assert_eq!(before, after, "another instance id");
}
