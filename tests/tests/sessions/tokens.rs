//! Tokens come from their sources again and again, and calls go on.

use std::fs::{rename, write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use offhook_control::notice::Event;
use offhook_control::reply::{AccountState, CallState};
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::rest::credential;
use offhook_tests::sandbox::Sandbox;

const PATIENCE: Duration = Duration::from_secs(30);

/// Well-formed, and good for about a century.
pub(crate) fn endless(mark: &str) -> String {
    ending(mark, 4_900_000_000)
}

/// Well-formed, and good until this second.
fn ending(mark: &str, second: u64) -> String {
    use std::fmt::Write as _;
    let claims = format!("{{\"exp\":{second},\"sub\":\"{mark}\"}}");
    // base64url by hand: three bytes are four letters.
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::from("e30.");
    for chunk in claims.as_bytes().chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for letter in 0..=chunk.len() {
            let index = bits >> (18 - 6 * letter) & 63;
            let _ = text.write_char(char::from(alphabet[index as usize]));
        }
    }
    text + ".c2ln"
}

fn refreshed(control: &mut Control) {
    control.wait("new login", PATIENCE, |notice| {
        assert!(
            !matches!(notice.event, Event::Recovering { .. } | Event::Ended(_)),
            "the call was hurt: {notice:?}"
        );
        matches!(notice.event, Event::TokenRefreshed).then_some(())
    });
}

/// Why there is no token.
fn failure(control: &mut Control) -> String {
    let snapshot = control.subscribe();
    match &snapshot.accounts[0].reason {
        Some(reason) => reason.clone(),
        None => control.wait("the failure", PATIENCE, |notice| match &notice.event {
            Event::TokenFailed { reason } => Some(reason.clone()),
            _ => None,
        }),
    }
}

fn state(daemon: &Daemon) -> AccountState {
    daemon.control().status().accounts[0].state
}

#[test]
fn a_call_goes_on_across_five_tokens_that_end() {
    let sandbox = Sandbox::start(&[
        "--token-life",
        "20",
        "--fresh-delay",
        "0",
        "--signed-tokens-only",
    ]);
    let made = credential(&sandbox.ready.api);
    let config = Config::new();
    let key = config.secret("api.key", "sandbox");
    let source = format!(
        "token = {{ url = \"{}/telephony_credentials/{}/token\", headers = {{ Authorization = {{ prefix = \"Bearer \", file = {key:?} }} }} }}\n",
        sandbox.ready.api, made.id
    );
    let daemon = config
        .account_with("kiosk", "telnyx", &sandbox.ready.verto, &source)
        .launch();
    let mut control = daemon.ready();
    let call = control.call("9196");
    control.wait("the answer", PATIENCE, |notice| {
        matches!(notice.event, Event::Answered(_)).then_some(())
    });
    for _ in 0..5 {
        refreshed(&mut control);
        assert_eq!(state(&daemon), AccountState::Ready);
    }
    let status = control.status();
    let live = &status.calls[0];
    assert_eq!((&live.call, live.state), (&call, CallState::Active));
    let quality = live.quality.as_ref().expect("figures");
    assert!(quality.packets_received > 45 * 50, "{quality:?}");
    assert!(quality.packets_lost < 25, "{quality:?}");
}

#[test]
fn a_token_file_is_read_again_when_it_was_replaced() {
    let sandbox = Sandbox::start(&[]);
    let config = Config::new();
    let file = config.secret("token", &endless("first"));
    let fresh = config.secret("token.new", &endless("second"));
    let daemon = config
        .account_with(
            "kiosk",
            "telnyx",
            &sandbox.ready.verto,
            &format!("token_file = {file:?}\n"),
        )
        .launch();
    let mut control = daemon.ready();
    rename(&fresh, &file).expect("a rename");
    refreshed(&mut control);
    // And when it was written over.
    write(&file, endless("third")).expect("a file for the test");
    refreshed(&mut control);
    assert_eq!(state(&daemon), AccountState::Ready);
}

#[test]
fn a_new_login_whose_answer_names_no_call_ends_none() {
    let mut sandbox = Sandbox::start(&["--fault", "list-calls=none"]);
    let config = Config::new();
    let file = config.secret("token", &endless("demo-1"));
    let daemon = config
        .account_with(
            "kiosk",
            "telnyx",
            &sandbox.ready.verto,
            &format!("token_file = {file:?}\n"),
        )
        .launch();
    let mut control = daemon.ready();
    let call = control.call("9196");
    control.wait("sound", PATIENCE, |notice| {
        matches!(notice.event, Event::FirstRtpReceived).then_some(())
    });
    write(&file, ending("demo-1", 4_900_000_001)).expect("a file for the test");
    refreshed(&mut control);
    assert!(sandbox.settled().contains("ListNone"), "the fault was used");
    let mut seconds = 0;
    control.wait("three more seconds of sound", PATIENCE, |notice| {
        assert!(
            !matches!(notice.event, Event::Recovering { .. } | Event::Ended(_)),
            "the call was hurt: {notice:?}"
        );
        seconds += u32::from(matches!(notice.event, Event::Quality(_)));
        (seconds == 3).then_some(())
    });
    let status = control.status();
    let live = &status.calls[0];
    assert_eq!((&live.call, live.state), (&call, CallState::Active));
}

#[test]
fn a_failing_command_is_told_with_its_own_words_and_a_token_by_hand_heals() {
    let sandbox = Sandbox::start(&[]);
    let daemon = Config::new()
        .account_with(
            "kiosk",
            "telnyx",
            &sandbox.ready.verto,
            "token = { command = [\"/bin/sh\", \"-c\", \"echo the vault is locked >&2; exit 3\"] }\n",
        )
        .launch();
    let mut control = daemon.control();
    let told = failure(&mut control);
    for part in ["`/bin/sh`", "exit status: 3", "the vault is locked"] {
        assert!(told.contains(part), "{told}");
    }
    let token = endless("by hand");
    let said = daemon.cli_with_input(&["token"], &token);
    assert_eq!(said.0, Some(0), "{said:?}");
    control.wait("the account to be ready", PATIENCE, |notice| {
        matches!(notice.event, Event::Ready).then_some(())
    });
    // No secret in what is shown of it all.
    let (_, status, _) = daemon.cli(&["status", "--json"]);
    assert!(!status.contains(&token));
}

#[test]
fn a_command_brings_the_first_token_and_an_endpoint_that_refuses_is_named() {
    let sandbox = Sandbox::start(&[]);
    let config = Config::new();
    let file = config.secret("vault", &endless("from the vault"));
    let daemon = config
        .account_with(
            "kiosk",
            "telnyx",
            &sandbox.ready.verto,
            &format!("token = {{ command = [\"/bin/cat\", {file:?}] }}\n"),
        )
        .launch();
    let _ready = daemon.ready();

    let config = Config::new();
    let key = config.secret("api.key", "wrong");
    let source = format!(
        "token = {{ url = \"{}/telephony_credentials/none/token\", headers = {{ Authorization = {{ prefix = \"Bearer \", file = {key:?} }} }} }}\n",
        sandbox.ready.api
    );
    let daemon = config
        .account_with("kiosk", "telnyx", &sandbox.ready.verto, &source)
        .launch();
    let mut control = daemon.control();
    let told = failure(&mut control);
    assert!(
        told.contains("answered 401") && told.contains("header fields") && !told.contains("wrong"),
        "{told}"
    );
}

#[test]
fn the_end_of_a_token_that_nothing_replaces_is_told_before_and_when_it_comes() {
    let sandbox = Sandbox::start(&[]);
    let config = Config::new();
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since.expect("a clock").as_secs();
    let file = |name: &str, left: u64| {
        let file = config.secret(name, &ending(name, now + left));
        format!("token_file = {file:?}\n")
    };
    // The last warning comes two minutes before the end.
    let (soon, short) = (file("demo-1", 128), file("demo-2", 8));
    let daemon = config
        .account_with("kiosk", "telnyx", &sandbox.ready.verto, &soon)
        .account_with("lobby", "telnyx", &sandbox.ready.verto, &short)
        .launch();
    let mut control = daemon.control();
    control.subscribe();
    let (mut warned, mut ended) = (false, false);
    control.wait("warning and end", PATIENCE, |notice| {
        match &notice.event {
            Event::TokenExpiringSoon { left_s } if notice.account.as_deref() == Some("kiosk") => {
                assert!((100..=120).contains(left_s), "{left_s} s left");
                warned = true;
            }
            Event::TokenExpired if notice.account.as_deref() == Some("lobby") => ended = true,
            _ => {}
        }
        (warned && ended).then_some(())
    });
    assert_eq!(
        daemon.control().status().accounts[0].state,
        AccountState::Ready
    );
}
