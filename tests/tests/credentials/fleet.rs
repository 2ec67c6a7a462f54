//! Many users of one daemon, each with a credential of its own, who get their tokens from `serve`.

use std::collections::HashSet;
use std::time::Duration;

use offhook_control::notice::Event;
use offhook_control::reply::AccountState;
use offhook_tests::control::Control;
use offhook_tests::daemon::Config;

use crate::world::{LIMIT, World};

/// In `make test`; `OFFHOOK_USERS` asks for more.
const USUAL: usize = 40;

/// Waits until every account is ready.
fn all_ready(control: &mut Control, count: usize) {
    let snapshot = control.subscribe();
    let mut ready: HashSet<String> = snapshot
        .accounts
        .iter()
        .filter(|account| account.state == AccountState::Ready)
        .map(|account| account.name.clone())
        .collect();
    if ready.len() < count {
        control.wait(
            "all accounts",
            LIMIT + Duration::from_secs(count as u64 / 4),
            |notice| {
                if matches!(notice.event, Event::Ready) {
                    ready.extend(notice.account.clone());
                }
                (ready.len() == count).then_some(())
            },
        );
    }
}

#[test]
fn users_log_in_through_serve_call_each_other_and_leave_nothing() {
    let count = std::env::var("OFFHOOK_USERS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(USUAL);
    let sockets = (count + 100).to_string();
    let world = World::new(&[
        "--fresh-delay",
        "0",
        "--signed-tokens-only",
        "--max-sessions",
        &sockets,
    ]);
    world.succeed(&world.create(count, ""));
    let users = world.users().users;
    let mut endpoint = world.start("serve --listen 127.0.0.1:0 --users users.toml --freshness 0s");
    let ready: serde_json::Value =
        serde_json::from_str(&endpoint.line(LIMIT)).expect("its ready line");
    let url = ready["token_url"].as_str().expect("its URL");

    let config = users.iter().fold(Config::new(), |config, user| {
        let secret = user.token_secret.as_ref().expect("a bearer");
        let file = config.secret(&format!("{}.key", user.name), secret.expose());
        let source = format!(
            "token = {{ url = {url:?}, headers = {{ Authorization = {{ prefix = \"Bearer \", file = {file:?} }} }} }}\n"
        );
        config.account_with(&user.name, "telnyx", &world.sandbox.ready.verto, &source)
    });
    let daemon = config.launch();
    let mut control = daemon.control();
    all_ready(&mut control, count);

    // One calls another by its own address, both in this daemon.
    let (caller, callee) = (&users[0], &users[count - 1]);
    let call = control.call_with(&caller.name, &callee.sip_username);
    let incoming = control.wait("the call at its callee", LIMIT, |notice| {
        let there = notice.account.as_deref() == Some(&callee.name);
        (there && matches!(notice.event, Event::Incoming { .. })).then(|| notice.call.clone())?
    });
    control.answer();
    // Which of the two hears first is chance.
    let mut deaf = vec![call.clone(), incoming];
    control.wait("sound at both", LIMIT, |notice| {
        if matches!(notice.event, Event::FirstRtpReceived) {
            deaf.retain(|call| notice.call.as_ref() != Some(call));
        }
        deaf.is_empty().then_some(())
    });
    control.hangup(&call);
    control.wait_ended(&call, LIMIT);
    drop(daemon);
    drop(endpoint);

    world.succeed("users delete --in users.toml --freshness 0s");
    assert_eq!(world.credentials().len(), 0);
}
