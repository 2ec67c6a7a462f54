//! What a person may get wrong in a configuration, and the sentence that each mistake gets.

mod anonymous;
mod gateway;
mod identity;
mod sip;
mod trust;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use offhook_engine::ice::IceServers;
use offhook_engine::request::Dtmf;
use offhook_engine::token_source::{HttpMethod, TokenSource};
use offhook_engine::vocabulary::{
    AudioCodec, CandidatePolicy, Certificates, Extras, LoginKind, MediaPolicy, Readiness, SinkSpec,
    SourceSpec,
};
use tempfile::TempDir;
use tracing::level_filters::LevelFilter;

use crate::config::checked::{Config, load};

/// A folder with a configuration and a password.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.file("password", "hunter2\n", 0o600);
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str, content: &str, mode: u32) {
        let path = self.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn load(&self, text: &str) -> Result<Config, String> {
        self.load_with(text, None)
    }

    fn load_with(&self, text: &str, credentials: Option<&Path>) -> Result<Config, String> {
        self.file("offhookd.toml", text, 0o644);
        load(&self.path().join("offhookd.toml"), credentials).map_err(|error| {
            let told = error.to_string();
            assert!(
                !told.contains("hunter2") && !told.contains('\n'),
                "{told:?}"
            );
            told
        })
    }

    /// The sentence about a configuration that must be refused.
    fn refusal(&self, text: &str) -> String {
        self.load(text).unwrap_err()
    }
}

const ACCOUNT: &str = r#"[[account]]
name = "desk"
dialect = "freeswitch"
server = "wss://pbx.example:8082"
login = "1000"
password_file = "password"
"#;

fn assert_has(told: &str, parts: &[&str]) {
    for part in parts {
        assert!(told.contains(part), "{part:?} is missing in: {told}");
    }
}

#[test]
fn everything_that_may_be_said_is_understood() {
    let folder = Folder::new();
    folder.file("token", "abc.def.ghi", 0o640);
    folder.file("ca.pem", "", 0o644);
    let config = folder
        .load(&format!(
            r#"{ACCOUNT}ca_file = "ca.pem"
proxy = "http://proxy.example:3128"
no_proxy = ["localhost", "10.0.0.0/8"]
caller_name = "Desk"
caller_number = "+4930123"
backoff_base = "1s"
backoff_max = 2
reconnect_attempts = 5

[[account]]
name = "cloud"
dialect = "telnyx"
server = "wss://rtc.telnyx.com"
token_file = "token"

[[account]]
name = "assistant"
dialect = "telnyx"
server = "wss://rtc.telnyx.com"
anonymous = {{ target_type = "ai_assistant", target_id = "a-1", conversation_id = "c" }}

[control]
socket = "control.sock"

[audio]
input = "tone:1004"
output = "file:heard/{{call}}.wav"

[media]
media_timeout = 0
no_media = "2500ms"
codecs = ["PCMU", "opus"]
addresses = ["192.0.2.7"]
loopback = false
dtmf = "rfc4733"
ports = "40000-40999"
real_time = 0

[log]
level = "debug"
"#
        ))
        .unwrap();
    let names: Vec<&str> = config
        .accounts
        .iter()
        .map(|account| account.name.as_str())
        .collect();
    assert_eq!(names, ["desk", "cloud", "assistant"]);
    let kinds: Vec<LoginKind> = config
        .accounts
        .iter()
        .map(|account| account.login.kind())
        .collect();
    assert_eq!(
        kinds,
        [LoginKind::Password, LoginKind::Token, LoginKind::Anonymous]
    );
    let desk = &config.accounts[0];
    assert_eq!(
        (desk.backoff.base, desk.backoff.cap),
        (Duration::from_secs(1), Duration::from_secs(2))
    );
    assert_eq!(desk.backoff.attempts, Some(5));
    assert!(desk.connect.proxy.is_some());
    assert_eq!(config.socket, Some(folder.path().join("control.sock")));
    assert_eq!(config.audio.input, SourceSpec::Tone(1004.0));
    assert_eq!(
        config.audio.output,
        SinkSpec::File(folder.path().join("heard/{call}.wav"))
    );
    assert_eq!(config.media.media_timeout, Duration::ZERO);
    assert_eq!(config.media.no_media_after, Duration::from_millis(2500));
    assert_eq!(config.media.codecs, [AudioCodec::Pcmu, AudioCodec::Opus]);
    assert_eq!(config.media.dtmf, Some(Dtmf::Rfc4733));
    assert_eq!(config.media.ports, Some(40_000..=40_999));
    assert_eq!(config.media.real_time, None);
    assert_eq!(config.level, LevelFilter::DEBUG);
    assert!(
        !format!("{config:?}").contains("hunter2"),
        "a secret is shown by Debug"
    );
}

#[test]
fn a_typing_error_gets_its_line_and_the_nearest_name() {
    let folder = Folder::new();
    let told = folder.refusal(&format!("{ACCOUNT}sevrer = \"x\"\n"));
    assert_has(
        &told,
        &[
            "offhookd.toml, line 7",
            "`sevrer`",
            "[[account]]",
            "did you mean `server`?",
        ],
    );
    let told = folder.refusal(&format!("{ACCOUNT}\n[audoi]\ninput = \"silence\"\n"));
    assert_has(&told, &["line 8", "`audoi`", "did you mean `audio`?"]);
    let told = folder.refusal(&format!("{ACCOUNT}\n[media]\nmedia_timeuot = 3\n"));
    assert_has(&told, &["line 9", "did you mean `media_timeout`?"]);
    let told =
        folder.refusal(&ACCOUNT.replace("password_file = \"password\"", "password = \"hunter2\""));
    assert_has(
        &told,
        &["line 6", "`password`", "did you mean `password_file`?"],
    );
    let told = folder.refusal(&ACCOUNT.replace("login", "zzz"));
    assert_has(&told, &["`zzz`", "known here are", "token_file"]);
    let told = folder.refusal(&format!("{ACCOUNT}anonymous = {{ target_tpye = \"x\" }}\n"));
    assert_has(&told, &["line 7", "did you mean `target_type`?"]);
}

#[test]
fn the_first_mistake_of_the_file_is_told_first() {
    let folder = Folder::new();
    let told = folder.refusal(&format!("[log]\nlevle = \"info\"\n{ACCOUNT}sevrer = 1\n"));
    assert_has(&told, &["line 2", "`levle`"]);
}

#[test]
fn no_toml_and_wrong_types_get_their_line() {
    let folder = Folder::new();
    assert_has(&folder.refusal("[[account]\n"), &["line 1"]);
    assert_has(
        &folder.refusal(&format!("{ACCOUNT}\n[control]\nsocket = 3\n")),
        &["line 9", "string"],
    );
    assert_has(
        &folder.refusal(&ACCOUNT.replace("\"1000\"", "1000")),
        &["line 5", "string"],
    );
}

#[test]
fn what_is_missing_is_named_with_its_meaning() {
    let folder = Folder::new();
    assert_has(
        &folder.refusal("[log]\nlevel = \"info\"\n"),
        &["no account", "[[account]]"],
    );
    for (key, meaning) in [
        ("name", "requests"),
        ("dialect", "telnyx"),
        ("server", "wss://"),
    ] {
        let without: String = ACCOUNT
            .lines()
            .filter(|line| !line.starts_with(key))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_has(
            &folder.refusal(&without),
            &["line 1", &format!("`{key}`"), meaning],
        );
    }
    assert_has(&folder.load("").unwrap_err(), &["no account"]);
    let missing = load(&folder.path().join("nowhere.toml"), None)
        .unwrap_err()
        .to_string();
    assert_has(&missing, &["nowhere.toml", "cannot read"]);
}

#[test]
fn an_account_has_exactly_one_way_to_log_in() {
    let folder = Folder::new();
    folder.file("token", "abc.def.ghi", 0o600);
    let bare = ACCOUNT.replace("login = \"1000\"\n", "");
    assert_has(
        &folder.refusal(&bare),
        &["`desk`", "`password_file` without `login`"],
    );
    let bare = bare.replace("password_file = \"password\"\n", "");
    assert_has(&folder.refusal(&bare), &["`desk`", "no way to log in"]);
    assert_has(
        &folder.refusal(&format!("{bare}login = \"1\"\n")),
        &["`login` without `password_file`"],
    );
    assert_has(
        &folder.refusal(&format!("{ACCOUNT}token_file = \"token\"\n")),
        &["more than one way"],
    );
    let told = folder.refusal(&format!("{bare}token_file = \"token\"\n"));
    assert_has(
        &told,
        &["line 5", "freeswitch", "`token_file`", "password_file"],
    );
    assert_has(
        &folder.refusal(&format!("{ACCOUNT}{ACCOUNT}")),
        &["line 7", "two accounts", "`desk`"],
    );
}

#[test]
fn values_that_do_not_work_are_told_with_those_that_do() {
    let folder = Folder::new();
    let told = folder.refusal(&ACCOUNT.replace("freeswitch", "freeswich"));
    assert_has(
        &told,
        &["line 3", "freeswich", "did you mean \"freeswitch\"?"],
    );
    for server in [
        "pbx.example:8082",
        "https://pbx.example",
        "wss://",
        "wss:// pbx",
    ] {
        let told = folder.refusal(&ACCOUNT.replace("wss://pbx.example:8082", server));
        assert_has(&told, &["line 4", "`server", "wss://pbx.example:8082"]);
    }
    let told = folder.refusal(&ACCOUNT.replace("wss://", "wss://1000:hunter2@"));
    assert_has(&told, &["line 4", "ends up in logs"]);
    for (line, parts) in [
        (
            "[media]\nmedia_timeout = \"60 parsec\"",
            ["line 8", "60 parsec", "\"60s\""],
        ),
        (
            "[media]\nports = \"40000\"",
            ["line 8", "ports = \"40000\"", "no range of ports"],
        ),
        (
            "[media]\nports = \"5000-4000\"",
            ["line 8", "5000-4000", "last port comes before"],
        ),
        (
            "[media]\nreal_time = 120",
            ["line 8", "real_time = \"120\"", "1 to 99"],
        ),
        (
            "[media]\nmedia_timeout = \"25h\"",
            ["line 8", "25h", "longer than a day"],
        ),
        (
            "[media]\ncodecs = [\"opus\", \"opux\"]",
            ["line 8", "opux", "did you mean \"opus\"?"],
        ),
        (
            "[media]\naddresses = [\"eth0\"]",
            ["line 8", "eth0", "no IP address"],
        ),
        (
            "[media]\ninterfaces = { deny = [\"10.0.0.0/40\"] }",
            ["line 8", "10.0.0.0/40", "impossible length"],
        ),
        (
            "[media]\naddresses = [\"192.0.2.7\"]\ninterfaces = { allow = [\"eth0\"] }",
            ["line 9", "`interfaces`", "`addresses`"],
        ),
        (
            "[media]\ninterfaces = { alow = [\"eth0\"] }",
            ["line 8", "alow", "`allow`"],
        ),
        ("[media]\ndtmf = \"sip\"", ["line 8", "sip", "rfc4733"]),
        (
            "[log]\nlevel = \"inof\"",
            ["line 8", "inof", "did you mean \"info\"?"],
        ),
        (
            "[audio]\ninput = \"devise:Mic\"",
            ["line 8", "devise:Mic", "device:NAME"],
        ),
        (
            "[audio]\ninput = \"tone:loud\"",
            ["line 8", "tone:loud", "tone:1004"],
        ),
        (
            "[audio]\noutput = \"silence\"",
            ["line 8", "silence", "discard"],
        ),
    ] {
        assert_has(&folder.refusal(&format!("{ACCOUNT}{line}\n")), &parts);
    }
    let told = folder.refusal(&format!("{ACCOUNT}proxy = \"socks5://proxy\"\n"));
    assert_has(&told, &["line 7", "`proxy", "http://"]);
    let told = folder.refusal(&format!("{ACCOUNT}proxy = \"http://u:hunter2@proxy\"\n"));
    assert_has(&told, &["line 7", "`proxy"]);
    let told = folder.refusal(&format!("{ACCOUNT}ca_file = \"nowhere.pem\"\n"));
    assert_has(
        &told,
        &["line 7", "ca_file", "nowhere.pem", "check the path"],
    );
}

#[test]
fn a_secret_at_the_wrong_place_is_not_shown() {
    let folder = Folder::new();
    for key in [
        "token = \"hunter2\"",
        "socket_headers = { Authorization = \"Bearer hunter2\" }",
        "token = { url = \"https://a.example/t\", headers = { Authorization = \"Bearer hunter2\" } }",
        "password_file = { text = \"hunter2\" }",
        "canary = \"hunter2\"",
    ] {
        let told = folder.refusal(&format!("{ACCOUNT}{key}\n"));
        assert!(told.contains("line "), "{told}");
    }
    let told = folder.refusal(&format!(
        "{ACCOUNT}refresh_before = true\ncanary = 12345678\n"
    ));
    assert!(!told.contains("12345678"), "{told}");
}

#[test]
fn a_secret_that_others_can_read_is_refused_by_name() {
    let folder = Folder::new();
    for mode in [0o604, 0o644, 0o602, 0o601] {
        folder.file("password", "hunter2", mode);
        assert_has(
            &folder.refusal(ACCOUNT),
            &[
                "line 6",
                "`password_file`",
                "`desk`",
                "chmod o-rwx",
                "password",
            ],
        );
    }
    for mode in [0o600, 0o640, 0o660, 0o400] {
        folder.file("password", "hunter2", mode);
        folder.load(ACCOUNT).unwrap();
    }
}

#[test]
fn a_secret_that_is_none_is_refused_by_name() {
    let folder = Folder::new();
    folder.file("password", "\n", 0o600);
    assert_has(&folder.refusal(ACCOUNT), &["is empty"]);
    fs::write(folder.path().join("password"), [0xff, 0xfe]).unwrap();
    assert_has(&folder.refusal(ACCOUNT), &["UTF-8"]);
    folder.file("password", &"x".repeat(70_000), 0o600);
    assert_has(&folder.refusal(ACCOUNT), &["larger than"]);
    fs::remove_file(folder.path().join("password")).unwrap();
    assert_has(&folder.refusal(ACCOUNT), &["cannot read", "password"]);
    fs::create_dir(folder.path().join("password")).unwrap();
    assert_has(&folder.refusal(ACCOUNT), &["not a regular file"]);
}

#[test]
fn a_pipe_in_place_of_a_secret_does_not_hold_up_the_start() {
    let folder = Folder::new();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    assert_has(
        &folder.refusal(&ACCOUNT.replace("\"password\"", "\"pipe\"")),
        &["not a regular file"],
    );
}

#[test]
fn systemd_credentials_are_found_by_name_and_only_there() {
    let folder = Folder::new();
    let credentials = tempfile::tempdir().unwrap();
    let path = credentials.path().join("desk");
    fs::write(&path, "hunter2\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    let text = ACCOUNT.replace("\"password\"", "\"credential:desk\"");
    folder.load_with(&text, Some(credentials.path())).unwrap();
    assert_has(
        &folder.load_with(&text, None).unwrap_err(),
        &["CREDENTIALS_DIRECTORY", "LoadCredential=desk"],
    );
    let told = folder.load_with(
        &text.replace("credential:desk", "credential:../desk"),
        Some(credentials.path()),
    );
    assert_has(&told.unwrap_err(), &["no credential's name"]);
}

#[test]
fn one_newline_is_taken_off_a_secret_and_no_more() {
    let folder = Folder::new();
    for (content, secret) in [
        ("a\n", "a"),
        ("a\r\n", "a"),
        ("a\n\n", "a\n"),
        (" a ", " a "),
    ] {
        folder.file("password", content, 0o600);
        let read = crate::config::secret_file::read(&folder.path().join("password")).unwrap();
        assert_eq!(read.expose(), secret);
    }
}

/// A Telnyx account that logs in this way.
fn cloud(keys: &str) -> String {
    format!(
        "[[account]]\nname = \"lobby\"\ndialect = \"telnyx\"\nserver = \"wss://rtc.telnyx.com\"\n{keys}\n"
    )
}

#[test]
fn a_token_comes_from_a_program_a_service_or_a_file() {
    let folder = Folder::new();
    folder.file("key", "hunter2\n", 0o600);
    folder.file("jwt", "e30.e30.x", 0o600);
    let source = |keys: &str| {
        let config = folder.load(&cloud(keys)).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        config.accounts[0].token_source.clone().unwrap()
    };
    let TokenSource::Command(command) =
        source("token = { command = [\"/bin/vault\", \"-q\"], time_limit = \"3s\" }")
    else {
        panic!("no command")
    };
    assert_eq!(
        (command.argv.len(), command.time_limit),
        (2, Duration::from_secs(3))
    );
    let TokenSource::Endpoint(endpoint) = source(
        "token = { url = \"https://a.example/t\", method = \"GET\", pointer = \"/a/b\", \
         headers = { Authorization = { prefix = \"Bearer \", file = \"key\" } } }",
    ) else {
        panic!("no endpoint")
    };
    assert_eq!(
        (endpoint.method, endpoint.pointer.as_deref()),
        (HttpMethod::Get, Some("/a/b"))
    );
    assert_eq!(endpoint.headers.len(), 1);
    assert_eq!(
        source("token_file = \"jwt\""),
        TokenSource::File(folder.path().join("jwt"))
    );
}

#[test]
fn a_token_source_that_is_none_is_told_with_what_is_wrong() {
    let folder = Folder::new();
    folder.file("open", "hunter2\n", 0o644);
    for (keys, parts) in [
        (
            "token = {}",
            &["line 5", "neither a `command` nor a `url`"][..],
        ),
        (
            "token = { command = [\"a\"], url = \"https://a\" }",
            &["both a `command` and a `url`"],
        ),
        ("token = { command = [] }", &["an empty `command`"]),
        (
            "token = { command = [\"a\"], method = \"GET\" }",
            &["belong to a `url`"],
        ),
        (
            "token = { url = \"https://u:hunter2@a\" }",
            &["ends up in logs"],
        ),
        (
            "token = { url = \"https://a\", method = \"PUT\" }",
            &["PUT", "\"GET\" or \"POST\""],
        ),
        (
            "token = { url = \"https://a\", pointer = \"token\" }",
            &["no JSON pointer"],
        ),
        (
            "token = { url = \"https://a\", headers = { X = { file = \"open\" } } }",
            &["readable by everybody", "chmod o-rwx"],
        ),
        (
            "token = { comand = [\"a\"] }",
            &["`comand`", "did you mean `command`?"],
        ),
        (
            "token_file = \"open\"\ntoken = { command = [\"a\"] }",
            &["more than one way to log in"],
        ),
        (
            "token = { command = [\"a\"] }\nregion = \"EU west\"",
            &["region", "\"eu\""],
        ),
    ] {
        assert_has(&folder.refusal(&cloud(keys)), parts);
    }
}

#[test]
fn a_credential_belongs_to_one_account_and_a_production_password_is_told() {
    let folder = Folder::new();
    let second = ACCOUNT.replace("\"desk\"", "\"door\"");
    let told = folder.refusal(&format!("{ACCOUNT}\n{second}"));
    assert_has(&told, &["`desk` and `door`", "give each its own"]);
    let other_server = second.replace("pbx.example", "pbx.other");
    folder.load(&format!("{ACCOUNT}\n{other_server}")).unwrap();
    // The same server and the same user in other words.
    for (from, to) in [
        ("wss://pbx.example:8082", "wss://PBX.example:8082/lobby"),
        ("wss://pbx.example:8082", "wss://pbx.example.:8082/?x=1"),
        ("\"1000\"", "\"1000@pbx.example\""),
    ] {
        let told = folder.refusal(&format!("{ACCOUNT}\n{}", second.replace(from, to)));
        assert_has(&told, &["`desk` and `door`"]);
    }
    for (from, to) in [
        ("wss://pbx.example:8082", "wss://pbx.example"),
        ("wss://pbx.example:8082", "ws://pbx.example:8082"),
        ("\"1000\"", "\"1001@pbx.example\""),
    ] {
        let text = format!("{ACCOUNT}\n{}", second.replace(from, to));
        folder.load(&text).unwrap();
    }
    // One names the server, the other has it from its environment.
    let cloud = "[[account]]\nname = \"a\"\ndialect = \"telnyx\"\nenvironment = \"production\"\n\
         login = \"gen1\"\npassword_file = \"password\"\n";
    let named = cloud.replace("\"a\"", "\"b\"").replace(
        "environment = \"production\"",
        "server = \"wss://rtc.telnyx.com:443/\"",
    );
    let told = folder.refusal(&format!("{cloud}\n{named}"));
    assert_has(&told, &["`a` and `b`"]);
    let other = cloud
        .replace("\"a\"", "\"c\"")
        .replace("production", "development");
    folder.load(&format!("{cloud}\n{other}")).unwrap();

    let marked = format!("{ACCOUNT}profile = \"production\"\n");
    let config = folder.load(&marked).unwrap();
    assert_has(&config.warnings[0], &["`desk`", "password", "token"]);
    let config = folder
        .load(&marked.replace("production", "development"))
        .unwrap();
    assert!(config.warnings.is_empty());
}

#[test]
fn stun_and_turn_servers_are_read_with_their_credentials() {
    let folder = Folder::new();
    let config = folder
        .load(&format!(
            r#"{ACCOUNT}ice_servers = ["stun:stun.example", {{ url = "turns:turn.example", username = "kiosk", password_file = "password" }}]
ice_policy = "relay-only"
trickle_ice = true
"#
        ))
        .unwrap();
    let ice = &config.accounts[0].ice;
    assert_eq!(ice.policy, CandidatePolicy::RelayOnly);
    assert!(ice.trickle);
    let IceServers::These(servers) = &ice.servers else {
        panic!("servers of its own: {ice:?}");
    };
    let written: Vec<String> = servers.iter().map(ToString::to_string).collect();
    assert_eq!(
        written,
        ["stun:stun.example:3478", "turns:turn.example:5349"]
    );
    let credentials = servers[1].credentials.as_ref().unwrap();
    assert_eq!(
        (credentials.username.as_str(), credentials.password.as_str()),
        ("kiosk", "hunter2")
    );
    let none = folder
        .load(&format!("{ACCOUNT}ice_servers = []\n"))
        .unwrap();
    assert_eq!(none.accounts[0].ice.servers, IceServers::These(Vec::new()));
    let platform = folder.load(ACCOUNT).unwrap();
    assert_eq!(platform.accounts[0].ice.servers, IceServers::Platform);
}

#[test]
fn a_stun_or_turn_server_that_cannot_be_used_is_refused_by_name() {
    let folder = Folder::new();
    let long = format!(
        r#"ice_servers = [{{ url = "turn:t.example", username = "{}", password_file = "password" }}]"#,
        "u".repeat(509)
    );
    for (keys, parts) in [
        (
            r#"ice_servers = ["stun.example"]"#,
            &["stun.example", "line 7", "stun:HOST"][..],
        ),
        (
            long.as_str(),
            &["t.example", "509 bytes long", "at most 508"],
        ),
        (
            r#"ice_servers = ["turn:turn.example"]"#,
            &["turn.example", "user name and a password"],
        ),
        (
            r#"ice_servers = [{ url = "stun:s.example", username = "a", password_file = "password" }]"#,
            &["s.example", "takes no user name"],
        ),
        (
            r#"ice_servers = [{ url = "turn:t.example", username = "a", password_file = "nowhere" }]"#,
            &["ice_servers", "nowhere"],
        ),
        (
            r#"ice_servers = [{ url = "turn:t.example", user = "a" }]"#,
            &["`user`", "username"],
        ),
        (r#"ice_policy = "relay""#, &["ice_policy", "relay-only"]),
        (
            r#"ice_servers = ["turn:a:hunter2@t.example"]"#,
            &["ice_servers"],
        ),
    ] {
        assert_has(&folder.refusal(&format!("{ACCOUNT}{keys}\n")), parts);
    }
}

#[test]
fn an_account_says_what_its_media_may_do() {
    let folder = Folder::new();
    let config = folder
        .load(&format!(
            r#"{ACCOUNT}media = {{ redundancy = "offered", comfort_noise = "never", short_tags = true, sha1_fingerprints = true, minimum_rsa_bits = 2048, certificate = "per-call" }}
"#
        ))
        .unwrap();
    let expected = MediaPolicy {
        extras: Extras {
            redundancy: Readiness::Offered,
            comfort_noise: Readiness::Never,
            ..Extras::default()
        },
        short_tags: true,
        sha1_fingerprints: true,
        minimum_rsa_bits: 2048,
        certificates: Certificates::PerCall,
        ..MediaPolicy::default()
    };
    assert_eq!(config.accounts[0].media, expected);
    let sdes = folder
        .load(&format!("{ACCOUNT}media = {{ sdes = true }}\n"))
        .unwrap();
    assert_eq!(sdes.accounts[0].media.sdes, Ok(()));
    let asking = folder
        .load(&format!("{ACCOUNT}media = {{ mdns = true }}\n"))
        .unwrap();
    assert!(asking.accounts[0].media.mdns);
    let plain = "media = { without_ice = true, unencrypted = true, latching = true }";
    let plain = folder.load(&format!("{ACCOUNT}{plain}\n")).unwrap();
    let plain = plain.accounts[0].media;
    assert!(plain.concessions.no_ice && plain.concessions.no_encryption && plain.latching);
    let usual = folder.load(ACCOUNT).unwrap();
    assert_eq!(usual.accounts[0].media, MediaPolicy::default());
    for (keys, parts) in [
        (
            r#"redundancy = "offer""#,
            &["redundancy", "did you mean \"offered\""][..],
        ),
        ("latching = true", &["latching", "without_ice = true"]),
        (
            "minimum_rsa_bits = 512",
            &["minimum_rsa_bits", "512", "1024 to 4096"],
        ),
        (r#"certificate = "own""#, &["certificate", "per-call"]),
        ("redundance = 1", &["`redundance`", "redundancy"]),
    ] {
        let refusal = folder.refusal(&format!("{ACCOUNT}media = {{ {keys} }}\n"));
        assert_has(&refusal, parts);
    }
}

#[test]
fn two_tokens_for_one_subject_are_a_warning() {
    let folder = Folder::new();
    // Perhaps one credential. Claims {"sub":"c-1"}, and the same with a `jti`.
    folder.file("a.jwt", "e30.eyJzdWIiOiJjLTEifQ.x", 0o600);
    folder.file("b.jwt", "e30.eyJzdWIiOiJjLTEiLCJqdGkiOiIyIn0.x", 0o600);
    let account = |name: &str| {
        cloud(&format!("token_file = \"{name}.jwt\"")).replace("\"lobby\"", &format!("\"{name}\""))
    };
    let config = folder.load(&[account("a"), account("b")].concat()).unwrap();
    assert_has(&config.warnings[0], &["`a` and `b`", "credential"]);
}
