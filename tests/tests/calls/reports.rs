//! Reports of calls: posted where they are switched on, and only there.

use std::time::Duration;

use nix::sys::signal::Signal;
use offhook_control::notice::Event;
use offhook_tests::daemon::Config;
use offhook_tests::sandbox::Sandbox;

const PATIENCE: Duration = Duration::from_secs(15);

#[test]
fn a_call_is_reported_at_its_end_where_the_account_wants_it() {
    let mut sandbox = Sandbox::start(&[]);
    // The silent account calls first, so that its report would be there by the time the other's is.
    for (user, keys) in [("demo-1", ""), ("demo-2", "call_reports = true\n")] {
        let config = Config::new();
        let password = config.secret("password", "sandbox");
        let login = format!("login = {user:?}\npassword_file = {password:?}\n{keys}");
        let daemon = config
            .account_with("kiosk", "telnyx", &sandbox.ready.verto, &login)
            .launch();
        let mut control = daemon.ready();
        let call = control.call("9185");
        let ended = control.wait_ended(&call, PATIENCE);
        assert!(ended.answered);
        if keys.is_empty() {
            continue;
        }
        let log = sandbox.program.wait_for_stderr("call report", PATIENCE);
        let report = log.lines().find(|line| line.contains("call report"));
        let report = report.expect("it is there");
        assert!(
            report.contains("user=\"demo-2\"") && report.contains(&call),
            "{report}"
        );
        assert!(
            !report.contains("refused") && !report.contains("intervals=0"),
            "{report}"
        );
    }
    assert!(
        !sandbox
            .program
            .stderr()
            .contains("call report user=\"demo-1\"")
    );
}

#[test]
fn a_daemon_that_ends_in_a_call_stays_until_its_report_is_taken() {
    for (fault, reports) in [("report-500=2@demo-1", true), ("none", false)] {
        let mut sandbox = Sandbox::start(&[]);
        if reports {
            sandbox.fault(fault);
        }
        let config = Config::new();
        let password = config.secret("password", "sandbox");
        let login =
            format!("login = \"demo-1\"\npassword_file = {password:?}\ncall_reports = {reports}\n");
        let mut daemon = config
            .account_with("kiosk", "telnyx", &sandbox.ready.verto, &login)
            .launch();
        let mut control = daemon.ready();
        control.call("9196");
        control.wait("sound", PATIENCE, |notice| {
            matches!(notice.event, Event::Quality(_)).then_some(())
        });
        daemon.program.signal(Signal::SIGTERM);
        assert!(daemon.program.wait(PATIENCE).success());
        let log = sandbox.settled();
        // It failed twice, and was repeated after 0.5 and 1 s.
        assert_eq!(
            log.matches("fault=ReportFails").count(),
            2 * usize::from(reports)
        );
        assert_eq!(log.contains("reports=1"), reports, "{log}");
    }
}

#[test]
fn a_report_is_posted_again_until_it_is_taken_and_names_the_instance() {
    let mut sandbox = Sandbox::start(&["--fault", "report-500=3@demo-1"]);
    let config = Config::new();
    let password = config.secret("password", "sandbox");
    let login = format!("login = \"demo-1\"\npassword_file = {password:?}\ncall_reports = true\n");
    let daemon = config
        .account_with("kiosk", "telnyx", &sandbox.ready.verto, &login)
        .launch();
    let mut control = daemon.ready();
    let call = control.call("9185");
    control.wait_ended(&call, PATIENCE);
    // Three repeats, after 0.5, 1 and 2 s.
    let log = sandbox.program.wait_for_stderr("reports=1", PATIENCE);
    assert_eq!(log.matches("fault=ReportFails").count(), 3, "{log}");
    let report = log.lines().find(|line| line.contains("reports=1"));
    let report = report.expect("it is there");
    assert!(report.contains("instance=\"ours\""), "{report}");
}

#[test]
fn a_long_call_is_reported_in_parts_as_often_and_as_finely_as_the_account_wants() {
    let mut sandbox = Sandbox::start(&[]);
    let config = Config::new();
    let password = config.secret("password", "sandbox");
    let login = format!(
        "login = \"demo-1\"\npassword_file = {password:?}\ncall_reports = true\n\
         call_report_interval = \"2s\"\ncall_report_flush_interval = \"5s\"\n"
    );
    let daemon = config
        .account_with("kiosk", "telnyx", &sandbox.ready.verto, &login)
        .launch();
    let mut control = daemon.ready();
    let call = control.call("9196");
    let log = sandbox.program.wait_for_stderr("reports=2", PATIENCE);
    let rows: Vec<usize> = log
        .lines()
        .filter_map(|line| line.split_once("intervals=")?.1.split(' ').next())
        .map(|rows| rows.parse().expect("a number"))
        .collect();
    // Two whole ones and what was left.
    assert!(rows.iter().all(|rows| (2..=3).contains(rows)), "{log}");
    assert_eq!(control.status().calls.len(), 1, "it goes on");
    control.hangup(&call);
    control.wait_ended(&call, PATIENCE);
}
