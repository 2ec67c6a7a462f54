//! Runs that come to something: all go well, some fail, one is ended early.

use std::time::Duration;

use nix::sys::signal::Signal;
use offhook_tests::program::Program;
use offhook_tests::rest;
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
        assert_eq!(
            (&told["failed"], &told["users_failed"]),
            (&0.into(), &0.into())
        );
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
            "our_queue",
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
fn with_sip_users_log_in_by_tokens_and_call() {
    let world = World::new(&["--fresh-delay", "0"]);
    let api = &world.sandbox.ready.api;
    let credential = rest::credential(api);
    world.secret("token", &rest::token(api, &credential));
    let login = &credential.sip_username;
    let user = format!("[[user]]\nname = \"kiosk\"\nlogin = {login:?}\ntoken_file = \"token\"\n");
    world.secret("users.toml", &user);
    let authz = ["--trusted-authz", "https://sandbox.invalid/token"];
    let arguments = [&["--calls", "1", "--hold", "1"], &authz[..]].concat();
    let ran = world.run("sip", &arguments);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("good 1"), "{}", ran.stdout);
    // It is shown to nobody who does not ask in the name of a server that is trusted.
    let ran = world.run("sip", &["--calls", "1", "--login", "5"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("login refused"), "{}", ran.stdout);
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
    let counts = ["calls", "good", "failed", "users_failed"].map(|key| &told[key]);
    assert_eq!(counts, [2, 2, 0, 1], "{told:#}");
    let failures = told["user_failures"].as_object().expect("kinds");
    let (kind, _) = failures.iter().next().expect("one");
    assert!(kind.starts_with("login refused"), "{kind}");
    assert!(ran.stdout.contains(kind.as_str()), "{}", ran.stdout);

    // One fault is one kind, whoever it befell.
    world.secret("password", "wrong\n");
    let arguments = ["--calls", "5", "--json", report.to_str().expect("a path")];
    for dialect in ["sip", "freeswitch"] {
        let ran = world.run(dialect, &arguments);
        assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
        let told = json(&report);
        let failures = told["user_failures"].as_object().expect("kinds");
        let counts: Vec<_> = failures.values().collect();
        assert_eq!(counts, [5], "{dialect}: {failures:?}");
    }
    world.secret("password", "sandbox\n");

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
fn a_call_whose_far_end_falls_silent_before_the_end_has_failed() {
    let world = World::new(&[]);
    let report = world.path("report");
    let report_path = report.to_str().expect("a path");
    let command = world.command(
        "sip",
        &["--calls", "2", "--hold", "4", "--json", report_path],
    );
    let mut program = Program::spawn("offhook-load", command);
    program.wait_for_stderr("answered 2", Duration::from_secs(30));
    // It stands still from now on, and with it the sound, for three of the four seconds at least.
    world.sandbox.program.signal(Signal::SIGSTOP);
    let status = program.wait(Duration::from_secs(30));
    world.sandbox.program.signal(Signal::SIGCONT);
    assert_eq!(status.code(), Some(1), "{}", program.stderr());
    let told = json(&report);
    assert_eq!(
        (&told["good"], &told["failed"]),
        (&0.into(), &2.into()),
        "{told:#}"
    );
    let failures = told["failures"].as_object().expect("kinds");
    let silent = |kind: &String| kind.starts_with("answered, and ");
    assert!(failures.keys().all(silent), "{failures:?}");
    // What was not sent is as lost as what went astray.
    let media = &told["media"];
    assert!(media["loss_in"]["p50"].as_f64() > Some(40.0), "{media:#}");
    let mos = media["mos"]["p50"].as_f64().expect("a rating");
    assert!(mos < 3.0, "{media:#}");
}

#[test]
fn users_without_a_connection_do_not_call_and_do_when_it_is_back() {
    let world = World::new(&["--fault", "drop-after=3:1@demo-1"]);
    let report = world.path("report");
    let arguments = [
        "--calls",
        "2",
        "--hold",
        "1",
        "--duration",
        "10",
        "--json",
        report.to_str().expect("a path"),
    ];
    let ran = world.run("sip", &arguments);
    let told = json(&report);
    assert_eq!(
        told["connections_lost"]["users"], 1,
        "{told:#}{}",
        ran.stderr
    );
    assert!(
        ran.stdout.contains("connections lost: 1, of 1 users"),
        "{}",
        ran.stdout
    );
    let failures = told["failures"].as_object().expect("kinds");
    assert!(
        !failures
            .keys()
            .any(|kind| kind.contains("could not be placed")),
        "{failures:?}"
    );
    assert!(told["good"].as_u64() > Some(5), "{told:#}");
}

#[test]
fn a_run_without_a_call_has_not_passed() {
    let world = World::new(&[]);
    let ran = world.run("sip", &["--calls", "1", "--hold", "1", "--duration", "0"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("calls 0"), "{}", ran.stdout);
}

/// In `make test`; `OFFHOOK_LOAD_USERS` asks for more.
const USUAL: u32 = 50;

#[test]
fn each_of_many_users_has_its_call_and_no_packet_is_lost_here_unless_the_table_says_why() {
    let asked = std::env::var("OFFHOOK_LOAD_USERS").ok();
    let count = asked.map_or(USUAL, |asked| asked.parse().expect("a number"));
    let world = World::new(&["--sip-users", &count.to_string()]);
    let users: String = (1..=count)
        .map(|number| user(&format!("load-{number}"), &format!("user-{number}")))
        .collect();
    world.secret("users.toml", &users);
    let report = world.path("report");
    let calls = count.to_string();
    // All of them talk at the same time for five seconds at least.
    let rate = 25_u32;
    let hold = (count / rate + 5).to_string();
    let arguments = [
        "--calls",
        &calls,
        "--rate",
        &rate.to_string(),
        "--hold",
        &hold,
        "--json",
        report.to_str().expect("a path"),
    ];
    let ran = world.run("sip", &arguments);
    println!("{}", ran.stdout);
    let told = json(&report);
    let ours = &told["this_machine"];
    let lost_here = ["slots_skipped", "send_errors", "receive_drops"];
    let lost_here = lost_here.iter().any(|key| ours[key] != 0);
    let limits = told["limits_met"].as_array().expect("limits");
    assert!(!lost_here || !limits.is_empty(), "{told:#}");
    for limit in limits {
        let line = format!("limit met: {}", limit.as_str().expect("a sentence"));
        assert!(ran.stdout.contains(&line), "{line} in {}", ran.stdout);
    }
    assert_eq!(told["ready"], count, "{}", ran.stdout);
    assert_eq!(told["calls"], count, "{}", ran.stdout);
    if limits.is_empty() {
        assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
        assert_eq!(told["good"], count, "{told:#}");
    }
    // Nobody says that this machine was at its end without a count to show for it.
    let counted = [
        "slots_late",
        "slots_skipped",
        "send_errors",
        "receive_drops",
        "events_lost",
        "calls_left_out",
    ];
    let counted = counted.iter().any(|key| ours[key] != 0);
    let ours = ["failures", "user_failures"].into_iter().any(|key| {
        let mut kinds = told[key].as_object().expect("kinds").keys();
        kinds.any(|kind| kind.starts_with("our own limit"))
    });
    assert_eq!(!limits.is_empty(), counted || ours, "{told:#}");
}

#[test]
fn who_is_too_slow_for_its_rate_says_so_and_still_listens() {
    let world = World::new(&[]);
    let report = world.path("report");
    let report_path = report.to_str().expect("a path");
    // No call of these lasts: the next one is always due.
    let arguments = [
        "--calls",
        "2",
        "--rate",
        "100000",
        "--duration",
        "600",
        "--json",
        report_path,
    ];
    let command = world.command_to("no number", "sip", &arguments);
    let mut program = Program::spawn("offhook-load", command);
    program.wait_for_stderr("ready 2/2", Duration::from_secs(30));
    program.signal(Signal::SIGINT);
    let status = program.wait(Duration::from_secs(20));
    assert_eq!(status.code(), Some(1), "{}", program.stderr());
    let told = json(&report);
    let rate = &told["rate"];
    assert_eq!(rate["wanted"], 100_000.0);
    let reached = rate["reached"].as_f64().expect("a rate");
    assert!((1.0..99_000.0).contains(&reached), "{told:#}");
    let limits = told["limits_met"].as_array().expect("limits");
    let ours = |limit: &&Value| {
        limit
            .as_str()
            .is_some_and(|limit| limit.starts_with("rate: "))
    };
    assert_eq!(limits.iter().filter(ours).count(), 1, "{told:#}");
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
        for part in ["calls 3 = good", "failed 0; answered 3"] {
            assert!(table.contains(part), "{signal}: {part} in {table}");
        }
    }
    // What rings has not been judged.
    let report = world.path("report");
    let report_path = report.to_str().expect("a path");
    let command = world.command_to("9180", "telnyx", &["--calls", "2", "--json", report_path]);
    let mut program = Program::spawn("offhook-load", command);
    program.wait_for_stderr("calls 2", Duration::from_secs(30));
    program.signal(Signal::SIGINT);
    let status = program.wait(Duration::from_secs(20));
    assert_eq!(status.code(), Some(0), "{}", program.stderr());
    let told = json(&report);
    assert_eq!(
        (&told["good"], &told["stopped"], &told["failed"]),
        (&0.into(), &2.into(), &0.into()),
        "{told:#}"
    );
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
