//! What files alone show.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use offhook_tests::daemon::Config;
use offhook_tests::program::path_of;

use crate::clinic::{examine, examine_file, examine_within, write};
use crate::tokens::token;

/// In the form that Telnyx's keys have.
const API_KEY: &str = "KEY0123456789ABCDEF0123456789ABCDEF_abcdefghijklmnopqrst12";
const SERVER: &str = "wss://rtc.example";

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock");
    i64::try_from(since.as_secs()).expect("this century")
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("its mode");
}

/// An account that logs in with the token in a file.
fn with_token(content: &str) -> Config {
    let config = Config::new();
    let file = config.secret("token", content);
    config.account_with(
        "lobby",
        "telnyx",
        SERVER,
        &format!("token_file = {file:?}\n"),
    )
}

#[test]
fn a_good_configuration_is_silent() {
    let config = Config::new();
    let key = config.secret("lobby.key", "a-secret-of-our-backend");
    let source = format!(
        "profile = \"production\"\ntoken = {{ url = \"https://backend.example/token\", \
         headers = {{ Authorization = {{ prefix = \"Bearer \", file = {key:?} }} }} }}\n"
    );
    let config = config
        .account(
            "desk",
            "freeswitch",
            "wss://pbx.example:8082",
            "1000",
            "hunter2",
        )
        .account(
            "door",
            "freeswitch",
            "wss://pbx.example:8082",
            "1001",
            "hunter3",
        )
        .account_with("lobby", "telnyx", SERVER, &source)
        .remembering();
    examine(&config, &[]).is_well();
    // The command line program runs the same.
    let file = write(&config);
    let (code, said, complained) = offhook_tests::program::run(
        "offhook",
        &["doctor", "--config", file.to_str().expect("text")],
        config.folder(),
    );
    assert_eq!(
        (code, said.as_str(), complained.as_str()),
        (Some(0), "", "")
    );
    // Also where its own `--json` is said first, as for its other commands.
    let file = file.to_str().expect("text");
    for arguments in [
        ["--json", "doctor", "--config", file],
        ["doctor", "--json", "--config", file],
        ["doctor", "--config", file, "--json"],
    ] {
        let (code, said, _) = offhook_tests::program::run("offhook", &arguments, config.folder());
        assert_eq!(code, Some(0));
        assert_eq!(said, "{\"findings\":[],\"stages\":[]}\n");
    }
}

#[test]
fn a_password_in_production_is_a_warning() {
    let config = Config::new();
    let password = config.secret("password", "hunter2");
    let keys =
        format!("profile = \"production\"\nlogin = \"kiosk\"\npassword_file = {password:?}\n");
    let config = config.account_with("kiosk", "telnyx", SERVER, &keys);
    let found = examine(&config, &[]);
    found.has_only("password_in_production", &config, "kiosk", "password_file");
    assert_eq!(found.code, Some(4));
    found.hides("hunter2");
    // What the operator knows can be left out.
    examine(&config, &["--allow", "password_in_production"]).is_well();
}

#[test]
fn a_login_over_an_unencrypted_way_to_another_machine_is_a_warning() {
    let at = |server: &str| Config::new().account("desk", "telnyx", server, "1000", "hunter2");
    let config = at("ws://pbx.example:8081");
    let found = examine(&config, &[]);
    found.has_only("login_in_clear", &config, "desk", "server = ");
    assert_eq!(found.code, Some(4));
    assert!(found.text.contains("wss://"), "{}", found.text);
    for well in [
        "ws://localhost:8081",
        "ws://[::1]:8081",
        "wss://pbx.example:8082",
    ] {
        examine(&at(well), &[]).is_well();
    }
    // Without a secret there is nothing to read.
    let target = "anonymous = { target_type = \"ai_assistant\", target_id = \"a-1\" }\n";
    let config = Config::new().account_with("lobby", "telnyx", "ws://rtc.example", target);
    examine(&config, &[]).is_well();
}

#[test]
fn a_freeswitch_account_whose_session_name_is_kept_nowhere_is_a_warning() {
    let config = Config::new().account("desk", "freeswitch", SERVER, "1000", "hunter2");
    let found = examine(&config, &[]);
    found.has_only("session_forgotten", &config, "desk", "dialect = ");
    assert_eq!(found.code, Some(4));
    let remedy = found.finding("session_forgotten")["remedy"].to_string();
    assert!(
        remedy.contains("[state]") && remedy.contains("file = "),
        "{remedy}"
    );
    // systemd gives the service a folder.
    let folder = config.folder().to_owned();
    examine_within(&config, &[], &[("STATE_DIRECTORY", &folder)]).is_well();
    examine(&config.remembering(), &[]).is_well();
}

#[test]
fn one_credential_in_two_accounts_is_named_with_both() {
    let config = Config::new()
        .account("desk", "telnyx", SERVER, "1000", "hunter2")
        .account("door", "telnyx", SERVER, "1000", "hunter2");
    let found = examine(&config, &[]);
    found.has_only("shared_credential", &config, "door", "[[account]]");
    let what = found.finding("shared_credential")["what"].to_string();
    assert!(what.contains("`desk` and `door`"), "{what}");
    assert_eq!(found.code, Some(1));
    // The same in other words.
    let config = Config::new();
    let password = config.secret("password", "hunter2");
    let login = format!("login = \"1000@rtc.example\"\npassword_file = {password:?}\n");
    let config = config
        .account("desk", "telnyx", SERVER, "1000", "hunter2")
        .account_with("door", "telnyx", &format!("{SERVER}:443/door"), &login);
    let found = examine(&config, &[]);
    found.has_only("shared_credential", &config, "door", "[[account]]");
    // Also behind a mistake at which the reading of the configuration ends; one names the server, the other its environment.
    let config = Config::new();
    let password = config.secret("password", "hunter2");
    let keys = format!("login = \"1000\"\npassword_file = {password:?}\n");
    let config = config
        .account_with("lobby", "telnyx", SERVER, "login = \"1001\"\n")
        .account_with("desk", "telnyx", "wss://rtc.telnyx.com/", &keys)
        .with(&format!(
            "[[account]]\nname = \"door\"\ndialect = \"telnyx\"\nenvironment = \"production\"\n{keys}"
        ));
    let found = examine(&config, &[]);
    let what = found.finding("shared_credential")["what"].to_string();
    assert!(what.contains("`desk` and `door`"), "{what}");
}

#[test]
fn tokens_of_one_subject_in_two_accounts_are_one_credential() {
    let config = Config::new();
    let file = |name: &str, subject: &str| {
        let claims = format!("{{\"sub\":\"{subject}\",\"jti\":\"{name}\",\"exp\":4000000000}}");
        let file = config.secret(&format!("{name}.jwt"), &token(&claims));
        format!("token_file = {file:?}\n")
    };
    let (desk, door, gate) = (
        file("desk", "c-1"),
        file("door", "c-1"),
        file("gate", "c-2"),
    );
    let config = config
        .account_with("desk", "telnyx", SERVER, &desk)
        .account_with("door", "telnyx", SERVER, &door)
        .account_with("gate", "telnyx", SERVER, &gate);
    let found = examine(&config, &[]);
    let what = found.finding("shared_credential")["what"].to_string();
    assert!(what.contains("`desk` and `door`"), "{what}");
    let codes = found.codes();
    let shared = codes.iter().filter(|code| **code == "shared_credential");
    assert_eq!(shared.count(), 1, "{}", found.text);
}

#[test]
fn users_of_a_users_file_that_share_a_credential_are_named() {
    let config = Config::new();
    let user = |name: &str, credential: &str| {
        format!(
            "[[user]]\nname = \"{name}\"\ncredential_id = \"{credential}\"\nsip_username = \"gen{credential}\"\n\
             token_secret = \"secret-{name}\"\nexpires_at = \"2030-01-01T00:00:00\"\n"
        )
    };
    let users = config.secret(
        "users.toml",
        &[user("a", "1"), user("b", "2"), user("c", "1")].concat(),
    );
    let header = config.secret("a.header", "secret-a");
    let source = format!(
        "token = {{ url = \"https://backend.example/token\", \
         headers = {{ Authorization = {{ prefix = \"Bearer \", file = {header:?} }} }} }}\n"
    );
    // One as a client of the token endpoint, the other by password: the same user all the same.
    let config = config
        .account_with("lobby", "telnyx", SERVER, &source)
        .account("desk", "telnyx", SERVER, "gen1", "hunter2");
    let users = users.to_str().expect("text");
    let found = examine(&config, &["--users", users]);
    assert_eq!(found.codes(), ["shared_credential"; 2], "{}", found.text);
    let findings = &found.report["findings"];
    let places: Vec<_> = (0..2).map(|index| &findings[index]["where"]).collect();
    let in_file = places.iter().find(|place| place["file"] == users);
    assert_eq!(in_file.expect("the users file")["line"], 13);
    assert!(places.iter().any(|place| place["account"] == "desk"));
    assert!(found.text.contains("`a` and `c`"), "{}", found.text);
    found.hides("secret-a");
}

#[test]
fn a_token_that_nobody_replaces_is_a_warning() {
    let secret = token(&format!("{{\"exp\":{},\"iat\":{}}}", now() + 86_000, now()));
    let config = with_token(&secret);
    let found = examine(&config, &[]);
    found.has_only("token_without_source", &config, "lobby", "token_file");
    assert_eq!(found.code, Some(4));
    found.hides(&secret);
}

#[test]
fn tokens_out_of_their_time_are_told_by_what_is_wrong() {
    for (claims, codes) in [
        (
            format!("{{\"exp\":{}}}", now() - 7300),
            &["token_expired"][..],
        ),
        (
            format!("{{\"exp\":{},\"nbf\":{}}}", now() + 90_000, now() + 3600),
            &["token_not_yet_valid"],
        ),
        // Made in five minutes: this machine's clock is slow.
        (format!("{{\"iat\":{}}}", now() + 300), &["clock_off"]),
    ] {
        let secret = token(&claims);
        let config = with_token(&secret);
        let found = examine(&config, &[]);
        assert_eq!(found.codes(), codes, "{}", found.text);
        found.has(codes[0], &config, "lobby", "token_file");
        assert_eq!(found.code, Some(1));
        found.hides(&secret);
    }
    let found = examine(&with_token("no token"), &[]);
    assert_eq!(found.codes(), ["token_malformed"], "{}", found.text);
}

#[test]
fn an_api_key_given_as_a_token_is_named() {
    let config = with_token(API_KEY);
    let found = examine(&config, &[]);
    found.has_only("api_key_as_token", &config, "lobby", "token_file");
    found.hides(API_KEY);
}

#[test]
fn secrets_in_the_configuration_itself_are_found_and_never_shown() {
    let secret = token("{\"exp\":4900000000}");
    for (keys, line) in [
        // Where a path belongs: the file of that name does not exist either.
        (format!("token_file = {secret:?}\n"), "token_file"),
        (
            format!("# was: {API_KEY}\ntoken = {{ command = [\"/bin/true\"] }}\n"),
            "# was",
        ),
        (
            format!(
                "token = {{ command = [\"/bin/true\"] }}\nuser_variables = {{ a = {secret:?} }}\n"
            ),
            "user_variables",
        ),
    ] {
        let config = Config::new().account_with("lobby", "telnyx", SERVER, &keys);
        let found = examine(&config, &[]);
        found.has("secret_in_config", &config, "lobby", line);
        found.hides(&secret);
        found.hides(API_KEY);
        // Nor by the daemon itself.
        let mut daemon = config.launch();
        if keys.starts_with("token_file") {
            daemon.program.wait(std::time::Duration::from_secs(20));
            assert!(!daemon.program.stderr().contains(&secret));
        }
    }
}

#[test]
fn a_secret_file_that_others_read_is_named() {
    let config = Config::new().account("desk", "telnyx", SERVER, "1000", "hunter2");
    mode(&config.folder().join("desk.password"), 0o644);
    let found = examine(&config, &[]);
    found.has_only("secret_readable", &config, "desk", "password_file");
    assert!(found.text.contains("0644"), "{}", found.text);
    let config = config.with("[state]\nfile = \"state.json\"");
    mode(&config.folder().join("desk.password"), 0o600);
    let state = config.secret("state.json", "{}");
    mode(&state, 0o664);
    let found = examine(&config, &[]);
    found.has_only("secret_readable", &config, "", "file = ");
    std::fs::remove_file(config.folder().join("desk.password")).expect("it was there");
    mode(&state, 0o600);
    let found = examine(&config, &[]);
    found.has_only("secret_unusable", &config, "desk", "password_file");
}

#[test]
fn an_api_key_within_reach_of_a_client_is_named() {
    let config = Config::new();
    let key = config.secret("api.key", API_KEY);
    let plain = config.secret("plain.key", "sandbox");
    let script = config.secret(
        "mint",
        &format!(
            "#!/bin/sh\nexec curl -H \"Authorization: Bearer {API_KEY}\" https://x.example/token\n"
        ),
    );
    for keys in [
        // In a command line, which `ps` shows to all.
        format!("token = {{ command = [\"/usr/bin/mint\", \"{API_KEY}\"] }}\n"),
        // In a file that the command reads.
        format!(
            "token = {{ command = [\"/bin/sh\", \"-c\", \"mint @{}\"] }}\n",
            key.display()
        ),
        format!(
            "token = {{ command = [\"/usr/bin/curl\", \"--header=@{}\"] }}\n",
            key.display()
        ),
        format!(
            "token = {{ command = [\"/usr/bin/curl\", \"-H@{}\"] }}\n",
            key.display()
        ),
        // In the script that is run.
        format!("token = {{ command = [{script:?}] }}\n"),
        // In a header of whatever service.
        format!(
            "token = {{ url = \"https://backend.example/token\", headers = {{ Authorization = {{ file = {key:?} }} }} }}\n"
        ),
        // For the REST API nothing else would do.
        format!(
            "token = {{ url = \"https://api.telnyx.com/v2/telephony_credentials/x/token\", \
             headers = {{ Authorization = {{ prefix = \"Bearer \", file = {plain:?} }} }} }}\n"
        ),
    ] {
        let config = Config::new().account_with("lobby", "telnyx", SERVER, &keys);
        let found = examine(&config, &[]);
        found.has_only("api_key_at_client", &config, "lobby", "token = ");
        assert_eq!(found.code, Some(1));
        found.hides(API_KEY);
    }
}

#[test]
fn an_api_key_around_a_client_is_named() {
    let config = Config::new();
    let key = config.secret("api.key", API_KEY);
    let login = "token = { command = [\"/bin/true\"] }\n";
    for (keys, line) in [
        (
            format!(
                "{login}[[account.tool]]\nname = \"make\"\ncommand = [\"/bin/cat\", {key:?}]\n"
            ),
            "command = [\"/bin/cat\"",
        ),
        (
            format!(
                "{login}socket_headers = {{ Authorization = {{ prefix = \"Bearer \", file = {key:?} }} }}\n"
            ),
            "socket_headers",
        ),
    ] {
        let config = Config::new().account_with("lobby", "telnyx", SERVER, &keys);
        let found = examine(&config, &[]);
        found.has_only("api_key_at_client", &config, "lobby", line);
        found.hides(API_KEY);
    }
    // Of the whole daemon.
    let config = Config::new().account_with("lobby", "telnyx", SERVER, login);
    let found = examine_within(&config, &[], &[("OFFHOOK_API_KEY", Path::new(API_KEY))]);
    assert_eq!(found.codes(), ["api_key_at_client"], "{}", found.text);
    found.hides(API_KEY);
    config.secret("offhook-api-key", API_KEY);
    let credentials = config.folder().to_owned();
    let found = examine_within(&config, &[], &[("CREDENTIALS_DIRECTORY", &credentials)]);
    assert_eq!(found.codes(), ["api_key_at_client"], "{}", found.text);
    assert!(found.text.contains("LoadCredential"), "{}", found.text);
    found.hides(API_KEY);
    examine(&config, &[]).is_well();
}

#[test]
fn a_sound_device_that_is_not_there_is_named() {
    let config = Config::new()
        .account("desk", "telnyx", SERVER, "1000", "hunter2")
        .audio("device:No Such Microphone", "file:nowhere/{call}.wav");
    let found = examine(&config, &[]);
    assert_eq!(found.codes(), ["sound_unavailable"; 2], "{}", found.text);
    for words in ["No Such Microphone", "nowhere", "`input`", "`output`"] {
        assert!(found.text.contains(words), "no {words} in {}", found.text);
    }
}

#[test]
fn what_the_config_check_refuses_is_a_finding() {
    let config = Config::new().account_with(
        "desk",
        "telnyx",
        SERVER,
        "login = \"1000\"\npasword_file = \"x\"\n",
    );
    let found = examine(&config, &[]);
    assert_eq!(found.codes(), ["config_refused"]);
    found.has("config_refused", &config, "", "pasword_file");
    assert!(
        found.text.contains("did you mean `password_file`?"),
        "{}",
        found.text
    );
    assert_eq!(found.code, Some(1));

    let folder = config.folder();
    let found = examine_file(&folder.join("nowhere.toml"), folder, &[]);
    assert_eq!(
        (found.codes(), found.code),
        (vec!["config_unreadable"], Some(2))
    );
    let nonsense = folder.join("nonsense.toml");
    std::fs::write(&nonsense, "[[account]\nname = 3").expect("a file");
    let found = examine_file(&nonsense, folder, &[]);
    assert_eq!(
        (found.codes(), found.code),
        (vec!["config_refused"], Some(1))
    );
    assert_eq!(found.finding("config_refused")["where"]["line"], 1);
}

#[test]
fn several_faults_are_all_told_at_once() {
    let secret = token("{\"exp\":1}");
    let config = with_token(&secret)
        .account("desk", "freeswitch", SERVER, "1000", "hunter2")
        .account("door", "freeswitch", SERVER, "1000", "hunter2")
        .audio("device:No Such Microphone", "discard");
    mode(&config.folder().join("desk.password"), 0o604);
    let mut codes = examine(&config, &[]).codes().join(" ");
    codes.push(' ');
    for code in [
        "token_expired ",
        "secret_readable ",
        "shared_credential ",
        "sound_unavailable ",
    ] {
        assert!(codes.contains(code), "no {code} in {codes}");
    }
}

#[test]
fn too_few_descriptors_are_counted() {
    let config = Config::new().account("desk", "telnyx", SERVER, "1000", "hunter2");
    let file = write(&config);
    let said = Command::new("sh")
        .arg("-c")
        .arg("ulimit -n 60; exec \"$0\" doctor --config \"$1\" --json")
        .arg(path_of("offhookd"))
        .arg(file)
        .output()
        .expect("a shell");
    let report: serde_json::Value = serde_json::from_slice(&said.stdout).expect("JSON");
    assert_eq!(report["findings"][0]["code"], "descriptor_limit");
    let what = report["findings"][0]["what"].to_string();
    assert!(
        what.contains("60 files") && what.contains("1 account"),
        "{what}"
    );
    assert_eq!(said.status.code(), Some(4));
}

#[test]
fn wrong_usage_exits_2() {
    for arguments in [
        &["doctor"][..],
        &["doctor", "--config", "x", "--allow", "y"],
    ] {
        let (code, _, told) = offhook_tests::program::run("offhookd", arguments, Path::new("/"));
        assert_eq!(code, Some(2), "{told}");
    }
}

#[test]
fn the_command_line_program_says_when_there_is_no_offhookd() {
    let folder = Config::new();
    let alone = folder.folder().join("offhook");
    std::fs::copy(path_of("offhook"), &alone).expect("a copy");
    let said = Command::new(&alone)
        .args(["doctor", "--config", "x"])
        .env("PATH", folder.folder())
        .output()
        .expect("offhook starts");
    let told = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(3), "{told}");
    assert!(told.contains("offhookd cannot be run"), "{told}");
}
