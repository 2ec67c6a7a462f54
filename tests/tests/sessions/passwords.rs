//! A password is read again from its file: when that changes, and when somebody asks for another try.

use std::fs::{Permissions, rename, set_permissions, write};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use offhook_control::notice::Event;
use offhook_control::reply::AccountState;
use offhook_control::request::{OfAccount, Request};
use offhook_tests::control::Control;
use offhook_tests::daemon::Config;
use offhook_tests::sandbox::Sandbox;

const PATIENCE: Duration = Duration::from_secs(30);

fn refused(control: &mut Control) {
    if control.subscribe().accounts[0].state != AccountState::Refused {
        control.wait("the refusal", PATIENCE, |notice| {
            let refused = AccountState::Refused;
            matches!(&notice.event, Event::Account { state, .. } if *state == refused).then_some(())
        });
    }
}

fn ready(control: &mut Control) {
    control.wait("the account to be ready", PATIENCE, |notice| {
        matches!(notice.event, Event::Ready).then_some(())
    });
}

#[test]
fn a_corrected_password_file_heals_a_refused_login_by_itself_or_when_somebody_asks() {
    for dialect in ["telnyx", "freeswitch"] {
        for asks in [false, true] {
            let mut sandbox = Sandbox::start(&[]);
            let config = Config::new();
            let file = config.secret("kiosk.password", "mistyped");
            let better = config.secret("kiosk.password.new", "sandbox");
            let keys = format!("login = \"demo-1\"\npassword_file = {file:?}\n");
            let daemon = config
                .account_with("kiosk", dialect, &sandbox.ready.verto, &keys)
                .launch();
            let mut control = daemon.control();
            refused(&mut control);
            rename(&better, &file).expect("a rename");
            if asks {
                control.ask::<serde_json::Value>(&Request::Retry(OfAccount::default()));
            }
            ready(&mut control);
            assert_eq!(sandbox.logins("demo-1"), 1, "{dialect}, asked: {asks}");
        }
    }
}

#[test]
fn a_password_file_that_everybody_can_read_is_told_and_not_used() {
    let sandbox = Sandbox::start(&[]);
    let config = Config::new();
    let file = config.secret("kiosk.password", "mistyped");
    let keys = format!("login = \"demo-1\"\npassword_file = {file:?}\n");
    let daemon = config
        .account_with("kiosk", "freeswitch", &sandbox.ready.verto, &keys)
        .launch();
    let mut control = daemon.control();
    refused(&mut control);
    set_permissions(&file, Permissions::from_mode(0o644)).expect("its mode");
    write(&file, "sandbox").expect("a file for the test");
    let reason = control.wait("the fault", PATIENCE, |notice| match &notice.event {
        Event::RequestFailed { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    assert!(
        reason.contains("kiosk.password") && !reason.contains("sandbox"),
        "{reason}"
    );
    assert_eq!(control.status().accounts[0].state, AccountState::Refused);
    set_permissions(&file, Permissions::from_mode(0o600)).expect("its mode");
    ready(&mut control);
}
