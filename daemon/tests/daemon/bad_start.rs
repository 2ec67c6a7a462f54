//! A start that cannot be: one sentence that names the thing, and an exit code.

use std::fs;
use std::os::unix::net::UnixListener;

use crate::process::{Folder, unused_server};

#[test]
fn a_bad_configuration_is_one_sentence_and_exit_code_2() {
    let folder = Folder::new();
    folder.configure(&unused_server(), "pasword_file = \"x\"");
    for arguments in [&[][..], &["--check"][..]] {
        let (code, told) = folder.run(arguments);
        assert_eq!(code, Some(2), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(
            told.contains("line 9") && told.contains("did you mean `password_file`?"),
            "{told}"
        );
    }
}

#[test]
fn a_good_configuration_passes_the_check_in_silence() {
    let folder = Folder::new();
    assert_eq!(folder.run(&["--check"]), (Some(0), String::new()));
    assert!(!folder.socket().exists());
}

#[test]
fn an_account_marked_for_production_that_logs_in_by_password_warns_at_the_start() {
    let folder = Folder::new();
    folder.configure(&unused_server(), "profile = \"production\"");
    let running = folder.start();
    running.signal(nix::sys::signal::Signal::SIGTERM);
    let (code, _, log) = running.wait();
    assert_eq!(code, Some(0), "{log}");
    let warning = log.lines().find(|line| line.contains("production"));
    let warning = warning.unwrap_or_else(|| panic!("no warning in {log}"));
    assert!(
        warning.contains("password") && warning.contains("token"),
        "{warning}"
    );
}

#[test]
fn an_input_file_that_is_missing_or_no_wav_is_refused() {
    let folder = Folder::new();
    let input = "[audio]\ninput = \"file:speech.wav\"";
    folder.configure(&unused_server(), input);
    let (code, told) = folder.run(&[]);
    assert_eq!(code, Some(2));
    assert!(
        told.contains("speech.wav") && told.contains("does not exist"),
        "{told}"
    );
    fs::write(folder.path().join("speech.wav"), "no sound at all").unwrap();
    let (code, told) = folder.run(&[]);
    assert_eq!(code, Some(2));
    assert!(
        told.contains("speech.wav") && told.contains("is no WAV file"),
        "{told}"
    );
}

#[test]
fn a_folder_of_recordings_that_does_not_exist_is_refused() {
    let folder = Folder::new();
    folder.configure(
        &unused_server(),
        "[audio]\noutput = \"file:nowhere/{call}.wav\"",
    );
    let (code, told) = folder.run(&[]);
    assert_eq!(code, Some(2));
    assert!(
        told.contains("nowhere") && told.contains("does not exist"),
        "{told}"
    );
}

#[test]
fn an_unknown_device_fails_the_check_but_not_the_start() {
    let folder = Folder::new();
    folder.configure(
        &unused_server(),
        "[audio]\ninput = \"device:No Such Microphone\"",
    );
    let (code, told) = folder.run(&["--check"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("No Such Microphone"), "{told}");
    if cfg!(feature = "device") {
        let running = folder.start();
        running.signal(nix::sys::signal::Signal::SIGTERM);
        let (code, _, log) = running.wait();
        assert_eq!(code, Some(0));
        assert!(log.contains("No Such Microphone"), "{log}");
    }
}

#[test]
fn a_second_daemon_is_refused_and_told_of_the_first() {
    let folder = Folder::new();
    let first = folder.start();
    let (code, told) = folder.run(&[]);
    assert_eq!(code, Some(1));
    assert!(
        told.contains(&format!("process {}", first.pid())) && told.contains("control.sock"),
        "{told}"
    );
    assert!(first.client().line().is_some(), "the first one goes on");
}

#[test]
fn a_killed_daemons_socket_is_no_hindrance() {
    let folder = Folder::new();
    drop(folder.start());
    assert!(folder.socket().exists(), "killed, it cannot tidy up");
    drop(folder.start());
}

#[test]
fn a_socket_of_another_program_is_left_alone() {
    let folder = Folder::new();
    let _other = UnixListener::bind(folder.socket()).unwrap();
    let (code, told) = folder.run(&[]);
    assert_eq!(code, Some(1));
    assert!(told.contains("control.sock"), "{told}");
}
