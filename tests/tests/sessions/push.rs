//! A phone that sleeps: what calls it waits for it, until it wants no more push messages.

use std::time::Duration;

use nix::sys::signal::Signal;
use offhook_control::notice::Event;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::sandbox::Sandbox;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

fn phone(sandbox: &Sandbox, keys: &str) -> Daemon {
    let config = Config::new();
    let password = config.secret("password", "sandbox");
    let login = format!("login = \"demo-1\"\npassword_file = {password:?}\n{keys}");
    config
        .account_with("phone", "telnyx", &sandbox.ready.verto, &login)
        .launch()
}

#[test]
fn a_phone_that_was_woken_asks_for_the_calls_that_wait() {
    let mut sandbox = Sandbox::start(&[]);
    let keys = "user_variables = { push_device_token = \"d-1\", push_notification_provider = \"android\" }\n";
    let mut phone = phone(&sandbox, keys);
    phone.ready();
    // It falls asleep; somebody calls, and it wakes up.
    phone = phone.restart_later(Signal::SIGTERM, |_| {
        sandbox.call("demo-1");
        sandbox
            .program
            .wait_for_stderr("push message: a call waits", PATIENCE);
    });
    let mut control = phone.ready();
    assert!(control.status().calls.is_empty());
    let (code, said, complained) = phone.cli(&["--json", "attach-calls"]);
    assert_eq!(code, Some(0), "{said}{complained}");
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(said["answer"]["message"], "CALLS ATTACHED");
    control.wait("the call", PATIENCE, |notice| {
        matches!(notice.event, Event::Incoming { .. }).then_some(())
    });
    control.answer();
    control.wait("its sound", PATIENCE, |notice| {
        matches!(notice.event, Event::FirstRtpReceived).then_some(())
    });

    // Nothing else waits.
    let (code, said, complained) = phone.cli(&["attach-calls"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(complained.contains("CALL DOES NOT EXIST"), "{complained}");

    let (code, said, complained) = phone.cli(&["disable-push-notification"]);
    assert_eq!(code, Some(0), "{said}{complained}");
    phone.program.signal(Signal::SIGTERM);
    phone.program.wait(PATIENCE);
    let caller = Config::new()
        .account("desk", "telnyx", &sandbox.ready.verto, "demo-2", "sandbox")
        .launch();
    let mut control = caller.ready();
    let call = control.call("demo-1");
    let ended = control.wait_ended(&call, PATIENCE);
    assert_eq!(ended.cause, "USER_NOT_REGISTERED", "{ended:?}");
}

#[test]
fn without_a_device_there_is_nothing_to_end_and_elsewhere_no_push_message_at_all() {
    let sandbox = Sandbox::start(&[]);
    let bare = phone(&sandbox, "");
    bare.ready();
    let (code, _, complained) = bare.cli(&["disable-push-notification"]);
    assert_eq!(code, Some(1), "{complained}");
    assert!(complained.contains("push_device_token"), "{complained}");
    // Nor has this server an echo.
    let (code, _, complained) = bare.cli(&["echo"]);
    assert_eq!(code, Some(1), "{complained}");
    assert!(complained.contains("echo"), "{complained}");

    let other = Config::new()
        .account(
            "desk",
            "freeswitch",
            &sandbox.ready.verto,
            "demo-2",
            "sandbox",
        )
        .launch();
    other.ready();
    for command in ["attach-calls", "disable-push-notification"] {
        let (code, _, complained) = other.cli(&[command]);
        assert_eq!(code, Some(1), "{complained}");
        assert!(complained.contains("push messages"), "{complained}");
    }
}
