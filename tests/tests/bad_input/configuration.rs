//! Configurations that cannot work are refused at the start, by name.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use offhook_tests::daemon::{Config, Daemon};

/// Starts the daemon, which must refuse; returns what it said.
fn refused(config: Config) -> String {
    complaint(config.launch())
}

fn complaint(mut daemon: Daemon) -> String {
    let status = daemon.program.wait(Duration::from_secs(10));
    assert!(!status.success(), "it should not have started");
    daemon.program.stderr().to_owned()
}

fn account(config: Config) -> Config {
    config.account("desk", "telnyx", "ws://127.0.0.1:1/", "demo-1", "sandbox")
}

/// Asserts that a sentence holds all of these words.
#[track_caller]
fn says(sentence: &str, words: &[&str]) {
    for word in words {
        assert!(sentence.contains(word), "no {word:?} in: {sentence}");
    }
}

#[test]
fn a_typo_is_named_with_its_line_and_the_nearest_name() {
    let said = refused(account(Config::new()).with("[contrl]\nsocket = \"x\"\n"));
    says(&said, &["contrl", "control", "line"]);
    let config = Config::new();
    let password = config.secret("p", "sandbox");
    let keys = format!("login = \"demo-1\"\npasword_file = {password:?}\n");
    let said = refused(config.account_with("desk", "telnyx", "ws://127.0.0.1:1/", &keys));
    says(&said, &["pasword_file", "password_file", "line"]);
}

#[test]
fn a_secret_that_is_missing_or_open_to_all_is_refused_by_name() {
    let keys = "login = \"demo-1\"\npassword_file = \"/nonexistent/secret\"\n";
    let said = refused(Config::new().account_with("desk", "telnyx", "ws://127.0.0.1:1/", keys));
    says(&said, &["/nonexistent/secret"]);

    let config = Config::new();
    let password = config.secret("open", "very-secret");
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o644)).expect("its mode");
    let keys = format!("login = \"demo-1\"\npassword_file = {password:?}\n");
    let said = refused(config.account_with("desk", "telnyx", "ws://127.0.0.1:1/", &keys));
    says(&said, &["open", "chmod"]);
    assert!(!said.contains("very-secret"), "{said}");
}

/// Takes the rights away from root that root has over files of others, so that a mode means something in this test.
fn as_any_user() -> Command {
    if !nix::unistd::geteuid().is_root() {
        return Command::new("env");
    }
    let mut command = Command::new("setpriv");
    command.args([
        "--inh-caps=-dac_override,-dac_read_search",
        "--bounding-set=-dac_override,-dac_read_search",
    ]);
    command
}

fn forbid(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o000)).expect("its mode");
}

#[test]
fn a_secret_or_an_input_that_may_not_be_read_is_refused_by_name() {
    let config = account(Config::new());
    let password = config.folder().join("desk.password");
    forbid(&password);
    let said = complaint(config.launch_by(as_any_user()));
    says(
        &said,
        &[&password.to_string_lossy(), "cannot read", "owner", "desk"],
    );

    let config = account(Config::new());
    let input = config.secret("hello.wav", "");
    forbid(&input);
    let config = config.audio(&format!("file:{}", input.display()), "discard");
    let said = complaint(config.launch_by(as_any_user()));
    says(
        &said,
        &[&input.to_string_lossy(), "cannot be read", "permissions"],
    );
}

#[test]
fn an_input_that_is_missing_or_no_wave_file_is_refused_by_name() {
    let said = refused(account(Config::new()).audio("file:/nonexistent/hello.wav", "discard"));
    says(&said, &["/nonexistent/hello.wav"]);
    let config = Config::new();
    let text = config.secret("hello.wav", "this is no sound");
    let said = refused(account(config).audio(&format!("file:{}", text.display()), "discard"));
    says(&said, &["hello.wav", "WAV"]);
}

#[test]
fn an_endpoint_that_makes_no_sense_is_refused_by_name() {
    let said = refused(account(Config::new()).audio("tone:loud", "discard"));
    says(&said, &["tone:loud"]);
    let said = refused(account(Config::new()).audio("silence", "filee:/tmp/x.wav"));
    says(&said, &["filee"]);
}

#[test]
fn a_socket_path_that_is_taken_is_named_and_the_first_daemon_stays() {
    let first = account(Config::new()).launch();
    let mut control = first.control();
    let file = first.config.folder().join("offhookd.toml");
    let (code, said, complained) = offhook_tests::program::run(
        "offhookd",
        &["--config", &file.to_string_lossy()],
        first.config.folder(),
    );
    assert_ne!(code, Some(0), "{said}{complained}");
    says(&complained, &["control.sock"]);
    assert_eq!(control.status().accounts.len(), 1);
}

#[test]
fn a_file_in_the_place_of_the_socket_is_named_and_left_alone() {
    let config = account(Config::new());
    let path = config.socket();
    std::fs::write(&path, "precious").expect("a file");
    let mut daemon = config.launch();
    assert!(!daemon.program.wait(Duration::from_secs(10)).success());
    says(
        daemon.program.stderr(),
        &["control.sock", "is no socket", "remove it"],
    );
    assert_eq!(std::fs::read(&path).expect("the file"), b"precious");
}

#[test]
fn a_stale_socket_is_no_obstacle() {
    let config = account(Config::new());
    drop(
        std::os::unix::net::UnixListener::bind(config.socket())
            .expect("a socket that nobody answers on"),
    );
    let daemon = config.launch();
    let mode = |path: &Path| {
        std::fs::metadata(path)
            .expect("the socket")
            .permissions()
            .mode()
            & 0o777
    };
    let mut control = daemon.control();
    assert_eq!(control.status().accounts.len(), 1);
    assert_eq!(mode(&daemon.config.socket()), 0o660);
}
