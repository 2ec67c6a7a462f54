//! Every secret of a call, as it went over the wire, is looked for in everything that was said or kept about it.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use offhook_control::notice::Event;
use offhook_control::request::{Request, Token};
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::program::run;
use offhook_tests::sandbox::Sandbox;
use offhook_tests::skip;
use offhook_tests::tamper::Tamper;
use offhook_tests::turn_server::{PASSWORD, TurnServer, USER};

use crate::tokens::endless;

const PATIENCE: Duration = Duration::from_secs(20);

/// The ICE passwords in a message.
fn ice_passwords(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split("a=ice-pwd:").skip(1).map(|rest| {
        let end = rest.find(['\\', '\r', '\n', '"']).unwrap_or(rest.len());
        rest[..end].to_owned()
    })
}

/// Everything that the folder holds and may be read by anybody, that the daemon says, and that its command line shows.
fn told(daemon: &mut Daemon) -> String {
    let mut all = daemon.program.stderr().to_owned();
    all += &fs::read_to_string(format!("/proc/{}/cmdline", daemon.program.id()))
        .expect("its command line");
    for arguments in [&["status", "--json"][..], &["calls"], &["status"]] {
        let (_, said, complained) = daemon.cli(arguments);
        all += &said;
        all += &complained;
    }
    all += &readable(daemon.config.folder());
    all
}

/// What `doctor` says of the configuration, for people and for programs.
fn doctor(daemon: &Daemon) -> String {
    let file = daemon.config.folder().join("offhookd.toml");
    let file = file.to_string_lossy();
    let mut all = String::new();
    for more in [&[][..], &["--json"][..], &["--live", "--json"][..]] {
        let arguments = [&["doctor", "--config", &*file][..], more].concat();
        let (_, said, complained) = run("offhookd", &arguments, daemon.config.folder());
        all += &said;
        all += &complained;
    }
    all
}

fn readable(folder: &Path) -> String {
    use std::os::unix::fs::PermissionsExt;
    let mut all = String::new();
    for entry in fs::read_dir(folder).expect("the folder").flatten() {
        let facts = entry.metadata().expect("its facts");
        if facts.is_file() && facts.permissions().mode() & 0o007 != 0 {
            all += &String::from_utf8_lossy(&fs::read(entry.path()).unwrap_or_default());
        }
    }
    all
}

#[test]
fn no_secret_of_a_call_stands_in_a_log_a_reply_a_file_or_a_command_line() {
    if !skip::have(&["turnserver"]) {
        return;
    }
    let turn = TurnServer::start();
    for dialect in ["telnyx", "freeswitch"] {
        // Both ends speak at full trace.
        let mut sandbox = Sandbox::start(&["--log", "trace"]);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let tamper = Tamper::start(&sandbox.ready.verto, move |_, text| {
            kept.lock().expect("no panic").extend(ice_passwords(&text));
            Some(text)
        });
        let mut secrets = Vec::new();
        let config = Config::new();
        let keys = if dialect == "telnyx" {
            let token = endless("kept secret");
            let file = config.secret("token", &token);
            secrets.push(token);
            format!("token_file = {file:?}\n")
        } else {
            let file = config.secret("password", "sandbox");
            format!("login = \"demo-1\"\npassword_file = {file:?}\n")
        };
        let relay = format!("turn:127.0.0.1:{}", turn.port);
        let password = config.secret("turn.password", PASSWORD);
        let keys = format!(
            "{keys}ice_servers = [{{ url = {relay:?}, username = {USER:?}, password_file = {password:?} }}]\n"
        );
        secrets.push(PASSWORD.to_owned());
        let state = config.folder().join("state.json");
        let mut daemon = config
            .account_with("kiosk", dialect, &tamper.url, &keys)
            .with(&format!(
                "[log]\nlevel = \"trace\"\n[state]\nfile = {state:?}"
            ))
            .launch();
        let mut control = daemon.ready();
        let call = control.call("9196");
        control.wait("sound", PATIENCE, |notice| {
            matches!(notice.event, Event::FirstRtpReceived).then_some(())
        });
        if dialect == "telnyx" {
            let token = endless("handed in");
            control.ask::<serde_json::Value>(&Request::Token(Token {
                account: None,
                token: token.clone(),
            }));
            secrets.push(token);
            control.wait("the new login", PATIENCE, |notice| {
                matches!(notice.event, Event::TokenRefreshed).then_some(())
            });
        }
        let mut all = told(&mut daemon);
        control.hangup(&call);
        control.wait_ended(&call, PATIENCE);
        all += &told(&mut daemon);
        all += &doctor(&daemon);
        all += sandbox.program.stderr();
        all += &format!("{:?}", control.notices);

        assert!(
            all.contains("TRACE"),
            "a full trace has lines of that level"
        );
        let passwords = seen.lock().expect("no panic").clone();
        assert!(passwords.len() >= 2, "{dialect}: an offer and an answer");
        secrets.extend(passwords);
        for secret in secrets {
            assert!(secret.len() >= 12, "{secret} is too short to look for");
            assert!(!all.contains(&secret), "{dialect}: {secret} was told");
        }
        if dialect == "freeswitch" {
            // The password is a word that stands elsewhere too: as a value it must not.
            for shape in ["\"sandbox\"", "passwd", "=sandbox", ": sandbox"] {
                assert!(!all.contains(shape), "{shape} was told");
            }
        }
    }
}
