//! A run that needs every kind of secret, also where it fails: none of them is told, kept for others to read, or shown by `/proc`.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use offhook_control::notice::Event;
use offhook_control::reply::AccountState;
use offhook_control::request::{Request, Token};
use offhook_credentials::owner_file;
use offhook_credentials::users_file::Users;
use offhook_tests::authority::Issued;
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::names::Names;
use offhook_tests::program::{Program, run};
use offhook_tests::sandbox::Sandbox;
use serde_json::Value;
use tempfile::TempDir;

use crate::tokens::endless;

const PATIENCE: Duration = Duration::from_secs(60);

/// Every secret of the run, and everything that was said and shown.
#[derive(Default)]
struct Record {
    secrets: Vec<(&'static str, String)>,
    told: String,
}

impl Record {
    /// A secret that stands nowhere else.
    fn secret(&mut self, what: &'static str) -> String {
        let secret = format!("Zq7.{}.9vKx", what.replace(' ', "."));
        self.know(what, &secret);
        secret
    }

    /// A token that stands nowhere else.
    fn token(&mut self, what: &'static str) -> String {
        let token = endless(what);
        self.know(what, &token);
        token
    }

    fn know(&mut self, what: &'static str, secret: &str) {
        assert!(secret.len() >= 12, "{what} is too short to look for");
        self.secrets.push((what, secret.to_owned()));
    }

    fn tell(&mut self, text: &str) {
        self.told.push_str(text);
        self.told.push('\n');
    }

    /// What every process on the machine shows of its command line; those of this test are among them.
    fn command_lines(&mut self) {
        for entry in fs::read_dir("/proc").expect("/proc").flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            self.tell(&String::from_utf8_lossy(&line));
        }
    }

    /// All files of a folder that others may read, and the state file, whoever may.
    fn files(&mut self, folder: &Path) {
        use std::os::unix::fs::PermissionsExt;

        for entry in fs::read_dir(folder).expect("the folder").flatten() {
            let facts = entry.metadata().expect("its facts");
            let open = facts.permissions().mode() & 0o007 != 0;
            if facts.is_file() && (open || entry.file_name() == "state.json") {
                let content = fs::read(entry.path()).unwrap_or_default();
                self.tell(&String::from_utf8_lossy(&content));
            }
        }
    }

    fn is_silent(&self) {
        for (what, secret) in &self.secrets {
            if let Some(at) = self.told.find(secret.as_str()) {
                let before = self.told[..at].lines().last().unwrap_or_default();
                panic!("{what} was told behind: {before}");
            }
        }
    }
}

/// Runs `offhook-credentials`; its output, once its complaint and its command line are on record.
fn credentials(record: &mut Record, folder: &Path, api: &str, key: &str, line: &str) -> String {
    let mut program = Program::start("offhook-credentials", |command| {
        command
            .current_dir(folder)
            .args(["--api-url", api, "--api-key-file", key])
            .args(line.split_whitespace());
    });
    record.command_lines();
    program.wait(PATIENCE);
    record.tell(program.stderr());
    let mut output = String::new();
    while let Some(line) = program.try_line(PATIENCE) {
        output.push_str(&line);
    }
    output
}

/// What `serve` answers on a path.
fn get(address: &str, request: &str, bearer: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the endpoint");
    write!(
        stream,
        "{request} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {bearer}\r\naccept: text/plain\r\n\
         connection: close\r\ncontent-length: 0\r\n\r\n"
    )
    .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    body.trim().to_owned()
}

/// The sandbox, its REST API's user, and the token endpoint.
struct Backend {
    sandbox: Sandbox,
    folder: TempDir,
    serve: Program,
    address: String,
    bearer: String,
    relay: UdpSocket,
}

impl Backend {
    fn start(record: &mut Record) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, content: &str| {
            let path = folder.path().join(name);
            owner_file::replace(&path, content).expect("a file");
            path.to_str().expect("text").to_owned()
        };
        let key = file("api.key", &record.secret("API key"));
        file("wrong.key", &record.secret("wrong API key"));
        let password = file("password", &record.secret("FreeSWITCH password"));
        let sandbox = Sandbox::start(&[
            "--log",
            "trace",
            "--tls",
            "--fresh-delay",
            "0",
            "--rest-key-file",
            &key,
            "--password-file",
            &password,
        ]);
        let api = sandbox.ready.api.clone();
        let ask = |record: &mut Record, key: &str, line: &str| {
            credentials(record, folder.path(), &api, key, line)
        };
        let told = ask(record, "wrong.key", "connections list");
        record.tell(&told);
        let line = "connections create --name kiosks --out kiosks.toml --json";
        let made = ask(record, "api.key", line);
        record.tell(&made);
        let made: Value = serde_json::from_str(&made).expect("JSON");
        let connection = made["id"].as_str().expect("an id").to_owned();
        let kept = fs::read_to_string(folder.path().join("kiosks.toml")).expect("its login");
        let password = kept
            .lines()
            .find_map(|line| line.strip_prefix("password = "));
        let password = password.expect("its password").trim_matches('"');
        record.know("password of the connection", password);
        let line = format!(
            "users create --count 1 --prefix lobby- --connection {connection} --expires 24h --out users.toml --freshness 0s"
        );
        let said = ask(record, "api.key", &line);
        record.tell(&said);
        let users = Users::read(&folder.path().join("users.toml")).expect("the users");
        let user = users.users.into_iter().next().expect("one");
        let bearer = user.token_secret.expect("a bearer").expose().to_owned();
        record.know("bearer of the token endpoint", &bearer);
        if let Some(password) = &user.sip_password {
            record.know("password of the credential", password.expose());
        }
        // Printing it is what this command is for.
        let token = ask(record, "api.key", &format!("token {}", user.credential_id));
        record.know("printed token", token.trim());

        let mut serve = Program::start("offhook-credentials", |command| {
            command
                .current_dir(folder.path())
                .args(["--api-url", &api, "--api-key-file", "api.key"])
                .args(["serve", "--listen", "127.0.0.1:0", "--users", "users.toml"])
                .args(["--freshness", "0s"]);
        });
        let ready: Value = serde_json::from_str(&serve.line(PATIENCE)).expect("its ready line");
        let url = ready["token_url"].as_str().expect("its URL");
        let address = url.split('/').nth(2).expect("HOST:PORT").to_owned();
        Self {
            sandbox,
            folder,
            serve,
            address,
            bearer,
            relay: UdpSocket::bind("127.0.0.1:0").expect("a free port"),
        }
    }

    fn relay_url(&self) -> String {
        format!("turn:{}", self.relay.local_addr().expect("its address"))
    }
}

/// A daemon with an account for each way to log in, and for each way to fail.
fn daemon(record: &mut Record, backend: &Backend, proxy: &str) -> Daemon {
    let config = Config::new();
    let verto = backend.sandbox.ready.verto.as_str();
    let source = |file: &Path| {
        format!(
            "token = {{ url = \"http://{}/token\", headers = {{ Authorization = {{ prefix = \"Bearer \", file = {file:?} }} }} }}\n",
            backend.address
        )
    };
    let bearer = config.secret("bearer", &backend.bearer);
    let served = format!("{}call_reports = true\n", source(&bearer));
    let wrong = config.secret("wrong.bearer", &record.secret("wrong bearer"));
    let turned_away = source(&wrong);
    // The program shows what `/proc` tells of it.
    let vault = config.secret("vault", &record.token("token of a program"));
    let shown = config.folder().join("shown");
    let script = format!(
        "cat /proc/$$/cmdline /proc/$$/environ >> {}\ncat {}\n",
        shown.display(),
        vault.display()
    );
    let script = config.secret("vault.sh", &script);
    let programmed = format!("token = {{ command = [\"/bin/sh\", {script:?}] }}\n");
    let half = config.secret("half", &record.secret("output of a failing program"));
    let failing = format!(
        "token = {{ command = [\"/bin/sh\", \"-c\", \"cat {}; echo the vault is locked >&2; exit 3\"] }}\n",
        half.display()
    );
    let password = backend.folder.path().join("password");
    let proxy_user = format!("kiosk:{}\n", record.secret("password of the proxy"));
    let proxy_user = config.secret("proxy.credentials", &proxy_user);
    let desk = format!(
        "login = \"demo-1\"\npassword_file = {password:?}\nproxy = {proxy:?}\nproxy_credentials_file = {proxy_user:?}\n"
    );
    let header = config.secret("socket.header", &record.secret("header of the upgrade"));
    let headers = format!(
        "socket_headers = {{ Authorization = {{ prefix = \"Bearer \", file = {header:?} }} }}\n"
    );
    // A relay that never answers: its password has no other way to go than out of this process by mistake.
    let relay = config.secret("relay.password", &record.secret("password of the relay"));
    let relay = format!(
        "ice_servers = [{{ url = {:?}, username = \"kiosk\", password_file = {relay:?} }}]\n",
        backend.relay_url()
    );
    let desk = format!("{desk}{headers}{relay}");
    let ours = Issued::new("kiosk", (2020, 2120));
    let key = ours.key.serialize_pem();
    let line = key.lines().nth(1).expect("the key, in base64");
    record.know("key of the client's certificate", line);
    let key = config.secret("client.key", &key);
    let certificate = config.secret("client.pem", &ours.certificate.pem());
    let ready = &backend.sandbox.ready;
    let identified = format!(
        "login = \"demo-3\"\npassword_file = {password:?}\nca_file = {:?}\nclient_certificate_file = {certificate:?}\nclient_key_file = {key:?}\n",
        ready.ca.as_ref().expect("its CA")
    );
    let secure = ready.verto_tls.as_deref().expect("its TLS listener");
    let mistaken = config.secret("mistaken", &record.secret("refused password"));
    let refused = format!("login = \"demo-2\"\npassword_file = {mistaken:?}\n");
    config
        .account_with("served", "telnyx", verto, &served)
        .account_with("programmed", "telnyx", verto, &programmed)
        .account_with("desk", "freeswitch", "ws://pbx.offhook.example:8080", &desk)
        .account_with("refused", "freeswitch", verto, &refused)
        .account_with("identified", "freeswitch", secure, &identified)
        .account_with("failing", "telnyx", verto, &failing)
        .account_with("turned-away", "telnyx", verto, &turned_away)
        .with("[log]\nlevel = \"trace\"")
        .remembering()
        .launch()
}

/// Waits until each account is where its login leads it.
fn settle(control: &mut Control) {
    let begun = Instant::now();
    loop {
        let accounts = control.status().accounts;
        let settled = accounts.iter().all(|account| match account.name.as_str() {
            "served" | "programmed" | "desk" | "identified" => account.state == AccountState::Ready,
            _ => account.reason.is_some(),
        });
        if settled {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{accounts:#?}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// What the daemon, its files and the command line program say at this moment.
fn look(record: &mut Record, daemon: &mut Daemon) {
    record.command_lines();
    for arguments in [&["status", "--json"][..], &["calls"], &["status"]] {
        let (_, said, complained) = daemon.cli(arguments);
        record.tell(&said);
        record.tell(&complained);
    }
    record.files(daemon.config.folder());
    record.tell(daemon.program.stderr());
}

/// Configurations in which a secret stands where it does not belong.
fn bad_configurations(record: &mut Record) {
    let secret = record.secret("secret in a configuration");
    let token = record.token("token in a configuration");
    let account = "[[account]]\nname = \"desk\"\ndialect = \"telnyx\"\n";
    let server = "server = \"wss://rtc.example\"\n";
    for rest in [
        format!("{server}login = \"a\"\npassword = \"{secret}\"\n"),
        format!("{server}login = \"a\"\npassword_file = \"{secret}\n"),
        format!("{server}token_file = \"{token}\"\n"),
        format!("server = \"wss://a:{secret}@rtc.example\"\nlogin = \"a\"\n"),
        format!("{server}token = {{ url = \"https://a:{secret}@rtc.example/\" }}\n"),
        format!("{server}token = \"{token}\"\n"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("bad.toml"), format!("{account}{rest}")).expect("a file");
        for arguments in [
            &["--config", "bad.toml"][..],
            &["--config", "bad.toml", "--check"],
            &["doctor", "--config", "bad.toml"],
            &["doctor", "--config", "bad.toml", "--json"],
        ] {
            let (code, said, complained) = run("offhookd", arguments, folder.path());
            assert_ne!(code, Some(0), "{arguments:?}: {rest}");
            record.tell(&said);
            record.tell(&complained);
            record.is_silent();
        }
    }
}

#[test]
fn no_secret_of_a_run_with_all_of_them_is_told_anywhere() {
    let mut record = Record::default();
    bad_configurations(&mut record);
    let mut backend = Backend::start(&mut record);
    let names = Names::start(&backend.sandbox, |_| true);
    let mut daemon = daemon(&mut record, &backend, &names.url);
    let mut control = daemon.control();
    let snapshot = control.subscribe();
    record.tell(&format!("{snapshot:?}"));
    settle(&mut control);
    // It keeps its tokens, so this is the one that the daemon has.
    let token = get(&backend.address, "POST /token", &backend.bearer);
    assert_eq!(token.split('.').count(), 3, "no token");
    record.know("token of the endpoint", &token);

    let calls: Vec<String> = ["served", "desk"]
        .map(|account| control.call_with(account, "9196"))
        .into();
    let mut deaf = calls.clone();
    control.wait("sound in both calls", PATIENCE, |notice| {
        if matches!(notice.event, Event::FirstRtpReceived) {
            deaf.retain(|call| notice.call.as_ref() != Some(call));
        }
        deaf.is_empty().then_some(())
    });
    let token = record.token("token that was handed in");
    control.ask::<Value>(&Request::Token(Token {
        account: Some("programmed".to_owned()),
        token,
    }));
    control.wait("the new login", PATIENCE, |notice| {
        matches!(notice.event, Event::TokenRefreshed).then_some(())
    });
    look(&mut record, &mut daemon);
    for call in &calls {
        control.hangup(call);
        control.wait_ended(call, PATIENCE);
    }
    look(&mut record, &mut daemon);
    let log = backend
        .sandbox
        .program
        .wait_for_stderr("reports=1", PATIENCE);
    assert!(
        log.contains("call report as it came"),
        "its body is looked at"
    );
    let file = daemon.config.folder().join("offhookd.toml");
    let file = file.to_str().expect("text").to_owned();
    for more in [&[][..], &["--json"], &["--live", "--json"]] {
        let arguments = [&["doctor", "--config", &*file][..], more].concat();
        let (_, said, complained) = run("offhookd", &arguments, daemon.config.folder());
        record.tell(&said);
        record.tell(&complained);
    }
    record.tell(&get(&backend.address, "GET /metrics", ""));
    daemon.program.signal(Signal::SIGTERM);
    daemon.program.wait(PATIENCE);
    record.tell(daemon.program.stderr());
    record.files(daemon.config.folder());
    record.tell(backend.sandbox.program.stderr());
    record.tell(backend.serve.stderr());
    record.files(backend.folder.path());
    record.tell(&format!("{:?}", control.notices));

    // All of it did happen.
    let asked = names.heads();
    let authorized = |head: &String| head.to_lowercase().contains("proxy-authorization: basic ");
    assert!(asked.iter().any(authorized), "{asked:?}");
    for part in [
        "TRACE",
        "the vault is locked",
        "answered 401",
        "check the API key",
        "vault.sh",
        "IceServerFailed",
        "demo-2",
    ] {
        assert!(record.told.contains(part), "{part} was not told");
    }
    record.is_silent();
    // What the proxy was sent in another form, and the keys of media.
    for head in &asked {
        let lower = head.to_lowercase();
        let Some(at) = lower.find("proxy-authorization: basic ") else {
            continue;
        };
        let form = head[at + 27..].lines().next().unwrap_or_default();
        assert!(form.len() > 12 && !record.told.contains(form), "{form}");
    }
    let passwords = record.told.matches("ice-pwd:").count();
    assert_eq!(passwords, 0, "media keys were told");
}
