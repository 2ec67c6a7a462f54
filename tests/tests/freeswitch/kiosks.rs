//! Many devices at one server: each with a session name of its own, kept over a crash.

use std::collections::BTreeSet;
use std::path::Path;

use nix::sys::signal::Signal;
use offhook_control::notice::Event;
use offhook_control::reply::{AccountState, CallState};
use offhook_tests::daemon::Config;
use offhook_tests::sandbox::Sandbox;
use serde_json::Value;

use crate::phone::{PATIENCE, Phone, server};

/// Every session name in a state file.
fn session_names(file: &Path) -> Vec<String> {
    fn collect(value: &Value, names: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value.as_str().filter(|_| name == "sessid") {
                        Some(sessid) => names.push(sessid.to_owned()),
                        None => collect(value, names),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
            _ => {}
        }
    }
    let text = std::fs::read_to_string(file).expect("a state file");
    let mut names = Vec::new();
    collect(&serde_json::from_str(&text).expect("JSON"), &mut names);
    names
}

/// A daemon with an account for each user, all of them ready.
fn station(sandbox: &Sandbox, users: usize) -> Phone {
    let mut config = Config::new();
    let password = config.secret("password", "sandbox");
    for user in 1..=users {
        let keys = format!("login = \"demo-{user}\"\npassword_file = {password:?}\n");
        let name = format!("kiosk-{user}");
        config = config.account_with(&name, "freeswitch", &sandbox.ready.verto, &keys);
    }
    let daemon = config.remembering().launch();
    let mut control = daemon.control();
    let snapshot = control.subscribe();
    let is_ready = |state: AccountState| state == AccountState::Ready;
    let mut ready: BTreeSet<String> = snapshot
        .accounts
        .iter()
        .filter(|account| is_ready(account.state))
        .map(|account| account.name.clone())
        .collect();
    if ready.len() < users {
        control.wait("all accounts", PATIENCE, |notice| {
            if matches!(notice.event, Event::Ready) {
                ready.extend(notice.account.clone());
            }
            (ready.len() == users).then_some(())
        });
    }
    let accounts = control.status().accounts;
    assert!(accounts.iter().all(|account| is_ready(account.state)));
    Phone { daemon, control }
}

#[test]
fn a_hundred_kiosks_have_a_session_each_and_ring_together() {
    const STATIONS: usize = 11;
    const USERS: usize = 9;
    const KIOSKS: usize = STATIONS * USERS;
    let mut sandbox = Sandbox::start(&["--dialect", "freeswitch"]);
    // Each user has a device at every station: one daemon never logs in twice as the same user.
    let mut stations: Vec<Phone> = (0..STATIONS).map(|_| station(&sandbox, USERS)).collect();
    let names: Vec<String> = stations
        .iter()
        .flat_map(|station| session_names(&station.daemon.config.folder().join("state.json")))
        .collect();
    let different: BTreeSet<&String> = names.iter().collect();
    assert_eq!((names.len(), different.len()), (KIOSKS, KIOSKS));

    // All devices of a user ring; one takes the call, and for the others it was answered elsewhere.
    sandbox.call("demo-4");
    for station in &mut stations {
        let account = station.control.wait("it to ring", PATIENCE, |notice| {
            matches!(notice.event, Event::Incoming { .. }).then(|| notice.account.clone())
        });
        assert_eq!(account.as_deref(), Some("kiosk-4"));
    }
    let taker = stations.remove(0);
    taker.run(&["answer"]);
    for mut station in stations {
        let ended = station.hear("it to stop", |event| match event {
            Event::Ended(ended) => Some(ended.clone()),
            _ => None,
        });
        assert!(ended.answered_elsewhere, "{ended:?}");
    }
}

#[test]
fn two_devices_with_one_login_each_keep_their_session_and_call_over_a_crash() {
    let sandbox = server();
    let mut phones = [0, 1].map(|_| {
        let mut phone = Phone::new(&sandbox, "demo-1");
        let call = phone.call("9196");
        phone.hears(&call);
        phone.daemon.wait_until_remembered();
        (phone, call)
    });
    let names = |phone: &Phone| session_names(&phone.daemon.config.folder().join("state.json"));
    let before: Vec<_> = phones.iter().map(|(phone, _)| names(phone)).collect();
    assert_ne!(before[0], before[1]);
    // One after the other: neither takes what belongs to the other.
    for at in [0, 1] {
        let (phone, call) = std::mem::replace(&mut phones[at], {
            let idle = Phone::new(&sandbox, "demo-2");
            (idle, String::new())
        });
        let daemon = phone.daemon.restart_after(Signal::SIGKILL);
        let mut control = daemon.control();
        let back = |calls: &[offhook_control::reply::CallStatus]| {
            let mine = calls.iter().find(|status| status.call == call);
            mine.is_some_and(|status| status.state == CallState::Active)
        };
        if !back(&control.subscribe().calls) {
            control.wait("the call of before", PATIENCE, |notice| {
                let mine = notice.call.as_deref() == Some(&call);
                (mine && matches!(notice.event, Event::Quality(_))).then_some(())
            });
        }
        let mut phone = Phone { daemon, control };
        phone.hears(&call);
        assert_eq!(phone.calls().len(), 1);
        phones[at] = (phone, call);
    }
    for (at, (phone, call)) in phones.iter_mut().enumerate() {
        phone.hears(call);
        assert_eq!(names(phone), before[at]);
    }
}
