//! The fault plan itself: as a file, and as it changes while the sandbox runs.

use std::fs::write;
use std::sync::Mutex;

use offhook_control::notice::Event;
use offhook_control::reply::AccountState;
use offhook_control::request::{OfAccount, Request};
use offhook_tests::program::run;
use offhook_tests::sandbox::Sandbox;

use crate::world::Scene;

#[test]
fn a_plan_is_read_from_a_file_and_ends_by_a_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("plan");
    write(&file, "# nobody gets in\nrefuse-login=-32001  # for ever\n").expect("a file");
    let file = file.to_str().expect("a path");
    let sandbox = Sandbox::start(&["--dialect", "telnyx", "--fault-plan", file]);
    let sandbox = Mutex::new(sandbox);
    let mut world = Scene::of(&sandbox, "telnyx", "demo-1").launch(&[]);
    assert_eq!(world.trouble().state, AccountState::Refused);
    let mut all = sandbox.lock().expect("no panic");
    all.fault("none");
    all.settled();
    drop(all);
    let retry = Request::Retry(OfAccount::default());
    world.control.ask::<serde_json::Value>(&retry);
    world.expect("ready", |event| matches!(event, Event::Ready));
}

#[test]
fn a_plan_that_is_wrong_is_named_by_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("plan");
    write(&file, "stall=5\n\nstall=x\n").expect("a file");
    let file = file.to_str().expect("a path");
    let (code, _, said) = run("offhook-sandbox", &["--fault-plan", file], folder.path());
    assert_eq!(code, Some(2));
    assert!(
        said.contains("plan, line 3: stall wants milliseconds"),
        "{said}"
    );
}
