//! Where an account connects to, and what it says of itself there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use offhook_control::notice::Event;
use offhook_tests::daemon::Config;
use offhook_tests::names::Names;
use offhook_tests::sandbox::Sandbox;
use offhook_tests::tamper::{Tamper, Way};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_region_that_cannot_be_reached_gives_way_and_is_tried_again_next_time() {
    let mut sandbox = Sandbox::start(&["--dialect", "telnyx"]);
    let names = Names::start(&sandbox, |name| !name.starts_with("eu."));
    let config = Config::new();
    let password = config.secret("password", "sandbox");
    let keys = format!(
        "login = \"demo-1\"\npassword_file = {password:?}\nregion = \"eu\"\nproxy = {:?}\nbackoff_base = \"100ms\"\n",
        names.url
    );
    let daemon = config
        .account_with("kiosk", "telnyx", "ws://rtc.offhook.example:8080", &keys)
        .launch();
    let mut control = daemon.ready();
    let both = ["eu.rtc.offhook.example:8080", "rtc.offhook.example:8080"];
    assert_eq!(names.asked(), both);
    sandbox.fault("drop");
    control.wait("ready", PATIENCE, |notice| {
        matches!(notice.event, Event::Ready).then_some(())
    });
    assert_eq!(names.asked(), [both, both].concat());
}

#[test]
fn a_region_that_can_be_reached_is_used() {
    let sandbox = Sandbox::start(&["--dialect", "telnyx"]);
    let names = Names::start(&sandbox, |_| true);
    let config = Config::new();
    let password = config.secret("password", "sandbox");
    let keys = format!(
        "login = \"demo-1\"\npassword_file = {password:?}\nregion = \"us-east\"\nproxy = {:?}\n",
        names.url
    );
    let daemon = config
        .account_with("kiosk", "telnyx", "ws://rtc.offhook.example:8080", &keys)
        .launch();
    daemon.ready();
    assert_eq!(names.asked(), ["us-east.rtc.offhook.example:8080"]);
}

#[test]
fn facts_and_variables_of_the_configuration_go_along_with_the_login() {
    for dialect in ["telnyx", "freeswitch"] {
        let sandbox = Sandbox::start(&[]);
        let logins = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&logins);
        let tamper = Tamper::start(&sandbox.ready.verto, move |way, text| {
            let frame: Value = serde_json::from_str(&text).unwrap_or_default();
            if way == Way::ToServer && frame["method"] == "login" {
                seen.lock().expect("no panic").push(frame["params"].clone());
            }
            Some(text)
        });
        let config = Config::new();
        let password = config.secret("password", "sandbox");
        let keys = format!(
            "login = \"demo-1\"\npassword_file = {password:?}\nlogin_params = {{ flavour = \"kiosk\" }}\nuser_variables = {{ site = \"north\" }}\n"
        );
        let daemon = config
            .account_with("kiosk", dialect, &tamper.url, &keys)
            .launch();
        daemon.ready();
        let logins = logins.lock().expect("no panic");
        assert_eq!(logins.len(), 1, "{dialect}");
        assert_eq!(logins[0]["loginParams"]["flavour"], "kiosk", "{dialect}");
        assert_eq!(logins[0]["userVariables"]["site"], "north", "{dialect}");
    }
}
