//! What the gateway of Telnyx may say of our registration, one account for each word.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use offhook_control::notice::Event;
use offhook_control::reply::AccountState;
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::sandbox::Sandbox;

use crate::world::{Scene, Trouble};

const STATES: [&str; 12] = [
    "REGED",
    "REGISTER",
    "UNREGED",
    "NOREG",
    "TRYING",
    "FAILED",
    "FAIL_WAIT",
    "TIMEOUT",
    "EXPIRED",
    "UNREGISTER",
    "DOWN",
    "ATTACHED",
];

/// So many in each sandbox.
const USERS: usize = 6;

/// A daemon with one account for each state, which the gateway answers so many times (`:1`), or always.
fn with_states(times: &str) -> (Vec<Sandbox>, Daemon, Control) {
    let mut config = Config::new();
    let mut sandboxes = Vec::new();
    for states in STATES.chunks(USERS) {
        let users = states.iter().zip(1..);
        let arguments: Vec<String> = users
            .clone()
            .map(|(state, user)| format!("--fault=gateway-state={state}{times}@demo-{user}"))
            .collect();
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        arguments.extend(["--dialect", "telnyx"]);
        let sandbox = Sandbox::start(&arguments);
        for (state, user) in users {
            let server = sandbox.ready.verto.clone();
            let login = format!("demo-{user}");
            config = config.account(state, "telnyx", &server, &login, "sandbox");
        }
        sandboxes.push(sandbox);
    }
    let daemon = config.launch();
    let mut control = daemon.control();
    control.subscribe();
    (sandboxes, daemon, control)
}

/// What was told first of each account, trouble (or nothing) and then whether it became ready.
fn outcomes(
    control: &mut Control,
    limit: Duration,
    enough: impl Fn(&BTreeMap<String, Outcome>) -> bool,
) -> BTreeMap<String, Outcome> {
    let mut seen: BTreeMap<String, Outcome> = BTreeMap::new();
    for account in control.status().accounts {
        if account.state == AccountState::Ready {
            seen.entry(account.name).or_default().ready = true;
        }
    }
    let end = Instant::now() + limit;
    while !enough(&seen) {
        let left = end.saturating_duration_since(Instant::now());
        let (name, change) = control.wait("an outcome", left, |notice| {
            let name = notice.account.clone()?;
            match (&notice.event, Trouble::of(notice)) {
                (Event::Ready, _) => Some((name, None)),
                (_, Some(trouble)) => Some((name, Some(trouble))),
                _ => None,
            }
        });
        let outcome = seen.entry(name).or_default();
        match change {
            Some(trouble) => outcome.trouble = outcome.trouble.take().or(Some(trouble)),
            None => outcome.ready = true,
        }
    }
    seen
}

#[derive(Debug, Default)]
struct Outcome {
    trouble: Option<Trouble>,
    ready: bool,
}

#[test]
fn every_state_that_passes_leads_to_ready() {
    let (mut sandboxes, _daemon, mut control) = with_states(":1");
    let seen = outcomes(&mut control, Duration::from_secs(30), |seen| {
        seen.values().filter(|outcome| outcome.ready).count() == STATES.len()
    });
    for state in STATES {
        // A gateway that failed is left for another socket; of the others only the question is asked again.
        let failed = ["FAILED", "FAIL_WAIT", "TIMEOUT", "DOWN"].contains(&state);
        let trouble = seen[state].trouble.as_ref();
        assert_eq!(trouble.is_some(), failed, "{state}: {trouble:?}");
        if let Some(trouble) = trouble {
            assert!(trouble.reason.contains(state), "{state}: {trouble:?}");
        }
    }
    for (index, state) in STATES.iter().enumerate() {
        let failed = ["FAILED", "FAIL_WAIT", "TIMEOUT", "DOWN"].contains(state);
        let logins = sandboxes[index / USERS].logins(&format!("demo-{}", index % USERS + 1));
        assert_eq!(logins, 1 + usize::from(failed), "{state}");
    }
}

#[test]
fn every_state_that_stays_is_told_as_an_error_of_its_own() {
    let (mut sandboxes, _daemon, mut control) = with_states("");
    // Five questions, two to six seconds apart. A gateway that stays at REGISTER serves all the same.
    let seen = outcomes(&mut control, Duration::from_secs(40), |seen| {
        seen.len() == STATES.len()
    });
    for state in STATES {
        let outcome = &seen[state];
        let served = ["REGED", "REGISTER"].contains(&state);
        assert_eq!(outcome.ready, served, "{state}: {outcome:?}");
        if let Some(trouble) = &outcome.trouble {
            assert!(trouble.reason.contains(state), "{state}: {trouble:?}");
            assert!(trouble.remedy.is_some(), "{state}: {trouble:?}");
        }
    }
    for (index, state) in STATES.iter().enumerate() {
        let logins = sandboxes[index / USERS].logins(&format!("demo-{}", index % USERS + 1));
        assert!(
            logins <= 6,
            "{state}: {logins} logins in less than a minute"
        );
    }
}

#[test]
fn a_registration_that_is_lost_unasked_is_told_and_comes_back_without_a_second_ready() {
    let sandbox = Mutex::new(Sandbox::start(&["--dialect", "telnyx"]));
    let mut world = Scene::of(&sandbox, "telnyx", "demo-1").ready(&[]);
    let call = world.talk();
    for state in ["UNREGED", "EXPIRED", "NOREG", "UNREGISTER"] {
        world.scene.tell_state(state);
        world.control.wait(
            "the conflict",
            Duration::from_secs(10),
            |notice| match &notice.event {
                Event::RegistrationConflict { reason, .. } => {
                    assert!(reason.contains(state), "{reason}");
                    Some(())
                }
                _ => None,
            },
        );
        world.scene.tell_state("REGED");
    }
    let before = world
        .call(&call)
        .expect("the call")
        .quality
        .expect("figures");
    world.hear_after(&call, before.packets_received);
    assert_eq!(world.account().state, AccountState::Ready);
    world.check_told();
    assert_eq!(world.scene.logins(), 1);

    // One that says it failed is left at once, and the call goes along.
    world.scene.tell_state("FAILED");
    world.comes_back(&call);
    assert_eq!(world.scene.logins(), 2);
    world.check_told();
}
