//! What is refused before anything is called, with a sentence that says what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::world::{World, user};

#[test]
fn what_cannot_be_run_is_named_and_nobody_is_called() {
    let world = World::new(&[]);
    let refused = |dialect: &str, arguments: &[&str], part: &str| {
        let ran = world.run(dialect, arguments);
        assert_eq!(ran.code, Some(2), "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(part), "{part} in {}", ran.stderr);
        assert_eq!(ran.stdout, "", "no table");
    };
    refused("telnyx", &["--calls", "10"], "has 9 users and 10 calls");
    refused("telnyx", &["--calls", "1", "--rate", "0"], "--rate");
    refused("telnyx", &["--calls", "1", "--hold=-1"], "--hold");
    refused(
        "telnyx",
        &["--calls", "1", "--hold", "0"],
        "--hold is 0; it must be 1 second at least",
    );

    let url = "https://backend:hunter2@127.0.0.1/token";
    refused(
        "telnyx",
        &["--calls", "1", "--token-url", url],
        "--token-url: ... is no URL of a token endpoint",
    );
    let elsewhere = "token_url = \"https://192.0.2.1/token\"\n[[user]]\nname = \"a\"\n";
    world.secret("users.toml", elsewhere);
    refused("telnyx", &["--calls", "1"], "--allow-host 192.0.2.1");

    let two = user("a", "demo-1").trim_end().to_owned() + "\ntoken_file = \"t\"\n";
    world.secret("users.toml", &two);
    refused(
        "telnyx",
        &["--calls", "1"],
        "user a: has both `password_file` and `token_file`",
    );

    let twins = user("first", "demo-1") + &user("second", "demo-1");
    world.secret("users.toml", &twins);
    refused(
        "sip",
        &["--calls", "1"],
        "first and second have the same login",
    );

    world.secret(
        "users.toml",
        "[[user]]\nname = \"a\"\npasword_file = \"password\"\n",
    );
    refused("sip", &["--calls", "1"], "pasword_file");

    world.secret(
        "users.toml",
        "[[user]]\nname = \"a\"\nsip_username = \"demo-1\"\nsip_password = 12345678\n",
    );
    refused(
        "sip",
        &["--calls", "1"],
        "line 4: a secret must be a string in quotes",
    );

    let open = world.secret("users.toml", &user("a", "demo-1"));
    fs::set_permissions(open, fs::Permissions::from_mode(0o644)).expect("its mode");
    refused("sip", &["--calls", "1"], "chmod 600");
}

#[test]
fn a_run_that_is_refused_leaves_the_report_of_the_one_before() {
    let world = World::new(&[]);
    let report = world.path("report");
    let path = report.to_str().expect("a path");
    fs::write(&report, "of yesterday").expect("a report");
    world.secret("users.toml", &user("a", "@"));
    let ran = world.run("sip", &["--calls", "1", "--json", path]);
    assert_eq!(ran.code, Some(2), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(fs::read_to_string(&report).expect("it"), "of yesterday");

    world.secret("users.toml", &user("a", "demo-1"));
    let nowhere = world.path("missing").join("report");
    let nowhere = nowhere.to_str().expect("a path");
    let ran = world.run("sip", &["--calls", "1", "--json", nowhere]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains(nowhere), "{}", ran.stderr);

    // What shows only at the end is told after the table.
    let full = ["--calls", "1", "--hold", "1", "--json", "/dev/full"];
    let ran = world.run("sip", &full);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("good 1"), "{}", ran.stdout);
    let said = "/dev/full cannot be written: ";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}

#[test]
fn a_strangers_server_is_called_only_by_name() {
    let world = World::new(&[]);
    let mut command = world.command("sip", &["--calls", "1"]);
    command.args(["--login", "1"]);
    let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let mut stranger = std::process::Command::new(command.get_program());
    for argument in arguments {
        let server = argument.to_str() == Some(world.sandbox.ready.sip.as_str());
        // Documentation's own network (RFC 5737): nobody is there.
        match server {
            true => stranger.arg("wss://192.0.2.1/"),
            false => stranger.arg(argument),
        };
    }
    let output = stranger.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--allow-host 192.0.2.1"), "{said}");
    let output = stranger.args(["--allow-host", "192.0.2.1"]).output();
    let output = output.expect("it starts");
    assert_eq!(
        output.status.code(),
        Some(1),
        "it tries, and nobody is there"
    );
}
