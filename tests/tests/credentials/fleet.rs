//! Many users of one daemon, each with a credential of its own, who get their tokens from `serve`.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use offhook_control::notice::Event;
use offhook_control::reply::AccountState;
use offhook_control::request::{Answer, Request};
use offhook_credentials::users_file::User;
use offhook_tests::control::Control;
use offhook_tests::daemon::Config;

use crate::world::{LIMIT, World};

/// In `make test`; `OFFHOOK_USERS` asks for more.
const USUAL: usize = 40;
/// Calls at the same time, each with both of its ends in the same daemon.
const AT_ONCE: usize = 5;

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

/// The first of each pair calls the second; both hear the other, and both see the end.
fn talk(control: &mut Control, pairs: &[(&User, &User)]) {
    let calls: Vec<String> = pairs
        .iter()
        .map(|(caller, callee)| control.call_with(&caller.name, &callee.sip_username))
        .collect();
    // Which end hears first is chance.
    let mut heard = HashSet::new();
    let mut incoming = HashMap::new();
    control.wait("all calls at their callees", LIMIT, |notice| {
        if matches!(notice.event, Event::Incoming { .. }) {
            let there = notice.account.clone().zip(notice.call.clone());
            incoming.extend(there);
        } else if matches!(notice.event, Event::FirstRtpReceived) {
            heard.extend(notice.call.clone());
        }
        (incoming.len() == pairs.len()).then_some(())
    });
    let mut ends: HashSet<String> = calls.iter().cloned().collect();
    for (_, callee) in pairs {
        let call = incoming.remove(&callee.name);
        let call = call.unwrap_or_else(|| panic!("nobody called {}", callee.name));
        control.ask::<serde_json::Value>(&Request::Answer(Answer {
            call: Some(call.clone()),
            ..Answer::default()
        }));
        ends.insert(call);
    }
    assert_eq!(ends.len(), 2 * pairs.len());
    if !heard.is_superset(&ends) {
        control.wait("sound at both ends of all", LIMIT, |notice| {
            if matches!(notice.event, Event::FirstRtpReceived) {
                heard.extend(notice.call.clone());
            }
            heard.is_superset(&ends).then_some(())
        });
    }
    for call in &calls {
        control.hangup(call);
    }
    control.wait("the end at both ends of all", LIMIT, |notice| {
        if let Event::Ended(ended) = &notice.event {
            assert!(ended.answered, "{ended:?}");
            ends.remove(notice.call.as_ref().expect("of a call"));
        }
        ends.is_empty().then_some(())
    });
}

#[test]
fn users_log_in_through_serve_are_each_called_and_leave_nothing() {
    let count = std::env::var("OFFHOOK_USERS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(USUAL)
        .next_multiple_of(2);
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

    // Each calls another by its own address, and is called itself.
    let half = count / 2;
    let pairs: Vec<_> = (0..count)
        .map(|index| (&users[index], &users[(index + half) % count]))
        .collect();
    for pairs in [&pairs[..half], &pairs[half..]] {
        for at_once in pairs.chunks(AT_ONCE) {
            talk(&mut control, at_once);
        }
    }
    drop(daemon);
    drop(endpoint);

    world.succeed("users delete --in users.toml --freshness 0s");
    assert_eq!(world.credentials().len(), 0);
}
