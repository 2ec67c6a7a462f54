//! Runs that come to something: all go well, some fail, one is ended early.

use std::time::Duration;

use nix::sys::signal::Signal;
use offhook_tests::program::Program;
use serde_json::Value;

use crate::world::{USERS, World, json, user};

#[test]
fn nine_users_talk_at_the_same_time_in_each_protocol() {
    let world = World::new(&[]);
    for dialect in ["telnyx", "freeswitch", "sip"] {
        let report = world.path(dialect);
        let ran = world.run(
            dialect,
            &[
                "--calls",
                "9",
                "--rate",
                "20",
                "--hold",
                "6",
                "--json",
                report.to_str().expect("a path"),
            ],
        );
        assert_eq!(ran.code, Some(0), "{dialect}: {}{}", ran.stdout, ran.stderr);
        let told = json(&report);
        for key in ["users", "ready", "calls", "answered", "good"] {
            assert_eq!(told[key], USERS, "{dialect} {key}: {told:#}");
        }
        assert_eq!(told["failed"], 0);
        // Six seconds of sound, both ways. Slots that this machine slept through are told as its own fault.
        let count = |of: &Value| of.as_f64().expect("a count");
        let (sent, received) = (
            count(&told["packets_sent"]),
            count(&told["packets_received"]),
        );
        let slots = sent + count(&told["this_machine"]["slots_skipped"]);
        let expected = f64::from(USERS) * 6.0 * 50.0;
        assert!(
            (0.8 * expected..1.4 * expected).contains(&slots),
            "{told:#}"
        );
        assert!(received >= 0.8 * sent, "the echo: {told:#}");
        for step in [
            "socket",
            "login",
            "ready",
            "answer",
            "ice",
            "dtls",
            "first_rtp",
        ] {
            let measured = &told["set_up_ms"][step];
            assert_eq!(measured["count"], USERS, "{dialect} {step}: {told:#}");
            assert!(measured["p50"].as_f64() <= measured["max"].as_f64());
        }
        assert_eq!(told["media"]["mos"]["count"], USERS);
        assert!(ran.stdout.contains("first RTP"), "{}", ran.stdout);
        assert!(ran.stderr.contains("ready 9/9"), "{}", ran.stderr);
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("sandbox\n"));
    }
}

#[test]
fn what_fails_is_filed_under_its_reason_and_the_rest_goes_on() {
    let world = World::new(&["--fault", "refuse-login=-32001@demo-2"]);
    let report = world.path("report");
    let arguments = [
        "--calls",
        "3",
        "--hold",
        "1",
        "--json",
        report.to_str().expect("a path"),
    ];
    let ran = world.run("telnyx", &arguments);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    let told = json(&report);
    assert_eq!((&told["good"], &told["failed"]), (&2.into(), &1.into()));
    let failures = told["failures"].as_object().expect("kinds");
    let (kind, _) = failures.iter().next().expect("one");
    assert!(kind.starts_with("login refused"), "{kind}");
    assert!(ran.stdout.contains(kind.as_str()), "{}", ran.stdout);

    // Nobody is there: each call fails, and says how.
    let ran = world.run_to("9486", "sip", &["--calls", "1"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stdout.contains("1  refused by the far end"),
        "{}",
        ran.stdout
    );
}

#[test]
fn users_call_again_and_again_until_the_time_is_over() {
    let world = World::new(&[]);
    let report = world.path("report");
    let ran = world.run(
        "sip",
        &[
            "--calls",
            "2",
            "--hold",
            "1",
            "--duration",
            "4",
            "--json",
            report.to_str().expect("a path"),
        ],
    );
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let told = json(&report);
    let calls = told["calls"].as_u64().expect("a count");
    assert!(calls >= 4, "{told:#}");
    assert_eq!(told["good"], calls);
}

#[test]
fn an_interrupt_ends_all_calls_politely() {
    let world = World::new(&[]);
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let command = world.command("telnyx", &["--calls", "3", "--hold", "600"]);
        let mut program = Program::spawn("offhook-load", command);
        program.wait_for_stderr("answered 3", Duration::from_secs(30));
        program.signal(signal);
        let status = program.wait(Duration::from_secs(20));
        let said = program.stderr().to_owned();
        assert_eq!(status.code(), Some(0), "{signal}: {said}");
        let mut table = String::new();
        while let Some(line) = program.try_line(Duration::from_secs(1)) {
            table += &line;
        }
        for part in ["calls 3, answered 3", "failed 0"] {
            assert!(table.contains(part), "{signal}: {part} in {table}");
        }
    }
}

#[test]
fn users_are_told_apart_by_their_own_names() {
    let world = World::new(&[]);
    // A name that is also a login of another user is no twin.
    let users = user("demo-2", "demo-1") + &user("demo-1", "demo-2");
    world.secret("users.toml", &users);
    let ran = world.run("sip", &["--calls", "2", "--hold", "1"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
}
