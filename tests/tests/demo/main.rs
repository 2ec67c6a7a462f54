//! The demo as a newcomer meets it: it proves that speech came back, says so when it did not, and leaves nothing behind.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use offhook_tests::program::{Program, path_of, run};

fn out() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("offhook-demo-test")
        .tempdir()
        .expect("a folder for the test")
}

fn demo(arguments: &[&str], out: &Path) -> (Option<i32>, String, String) {
    let mut all = vec!["--out", out.to_str().expect("a path of ASCII"), "--plain"];
    all.extend(arguments);
    run("demo", &all, out)
}

/// Processes of this workspace whose command line names the folder.
fn left_over(out: &Path) -> Vec<String> {
    let needle = out.to_string_lossy().into_owned();
    let processes = std::fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(Result::ok);
    let files =
        processes.filter_map(|entry| std::fs::read_to_string(entry.path().join("environ")).ok());
    files
        .filter(|environment| environment.contains(&format!("OFFHOOK_DEMO_TEST={needle}")))
        .collect()
}

#[test]
fn speech_comes_back_in_a_call_out_and_a_call_in() {
    for dialect in ["telnyx", "freeswitch"] {
        let out = out();
        let (code, said, complained) = demo(&["--dialect", dialect, "--log", "trace"], out.path());
        assert_eq!(code, Some(0), "{said}\n{complained}");
        let steps = [
            "socket",
            "TLS",
            "login",
            "ready",
            "invite",
            "answered",
            "ICE pair",
            "DTLS",
            "first RTP in",
        ];
        let steps = steps
            .iter()
            .chain((dialect == "telnyx").then_some(&"ringing"));
        for step in steps.chain(&[
            "loss",
            "jitter",
            "round trip",
            "mouth to ear",
            "MOS",
            "correlation",
        ]) {
            assert!(said.contains(step), "no {step} in\n{said}");
        }
        let page = std::fs::read_to_string(out.path().join("report.html")).expect("the report");
        for part in ["played", "heard", "jitter, ms", "lost packets", "</svg>"] {
            assert!(page.contains(part), "no {part} in the report");
        }
        assert!(
            !page.contains("<script") && !page.contains("src="),
            "the report must stand alone"
        );
        let recordings = wave_files(out.path());
        assert_eq!(recordings.len(), 3, "{recordings:?}");
        no_secret_in_the_logs(out.path());
    }
}

fn wave_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .expect("the folder")
        .filter_map(Result::ok)
        .map(|entry| entry.path());
    entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "wav"))
        .collect()
}

/// The daemon's log at full trace: neither the password nor an ICE password may stand in it.
fn no_secret_in_the_logs(folder: &Path) {
    let log = std::fs::read_to_string(folder.join("offhookd.log")).expect("the daemon's log");
    assert!(log.len() > 1000, "a full trace says more than this:\n{log}");
    for line in log.lines() {
        // The name of the program holds the password's letters; the password itself would stand in quotes or after a colon.
        assert!(
            !line.contains("\"sandbox\"") && !line.contains("passwd"),
            "the password in: {line}"
        );
        assert!(!line.contains("ice-pwd"), "an ICE password in: {line}");
    }
}

#[test]
fn a_mute_return_path_fails_and_is_named() {
    let out = out();
    let (code, said, complained) = demo(&["--mute-return"], out.path());
    assert_eq!(code, Some(1), "{said}\n{complained}");
    assert!(said.contains("the return path is silent"), "{said}");
}

#[test]
fn silence_put_in_fails_and_is_named() {
    let out = out();
    let (code, said, complained) = demo(&["--silence"], out.path());
    assert_eq!(code, Some(1), "{said}\n{complained}");
    assert!(said.contains("silence was put in"), "{said}");
}

#[test]
fn ctrl_c_leaves_no_process_behind() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let out = out();
        let mut command = Command::new(path_of("demo"));
        command
            .args(["--plain", "--out"])
            .arg(out.path())
            .env("OFFHOOK_DEMO_TEST", out.path());
        let mut demo = Program::spawn("demo", command);
        while !demo.line(Duration::from_secs(30)).contains("answered") {}
        assert_eq!(
            left_over(out.path()).len(),
            3,
            "the demo, the sandbox and the daemon run"
        );
        demo.signal(signal);
        assert_eq!(demo.wait(Duration::from_secs(10)).code(), Some(130));
        assert_eq!(left_over(out.path()), Vec::<String>::new());
    }
}
