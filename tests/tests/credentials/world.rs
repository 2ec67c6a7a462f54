//! A sandbox with a connection, and the program that works on it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use offhook_credentials::api::client::Client;
use offhook_credentials::api::connection::NewConnection;
use offhook_credentials::api::credential::{Credential, CredentialFilter};
use offhook_credentials::api::http::{Http, HttpConfig};
use offhook_credentials::owner_file;
use offhook_credentials::secret::Secret;
use offhook_credentials::users_file::Users;
use offhook_tests::program::{Program, path_of};
use offhook_tests::sandbox::Sandbox;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

/// Long enough for every step on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// What a run of the program said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) complaint: String,
}

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    folder: TempDir,
    pub(crate) client: Client,
    pub(crate) connection: String,
}

impl World {
    /// Everything is ready; the sandbox takes these arguments besides.
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let sandbox = Sandbox::start(arguments);
        let folder = tempfile::tempdir().expect("a folder");
        owner_file::replace(&folder.path().join("api.key"), "sandbox\n").expect("the key");
        let http = Http::new(&HttpConfig {
            proxy: false,
            ..HttpConfig::default()
        });
        let key = Secret::new("sandbox");
        let client = Client::new(&sandbox.ready.api, key, http.expect("a wire")).expect("a client");
        let connection = client
            .create_connection(&NewConnection {
                name: "test connection".to_owned(),
                user_name: "testConnection".to_owned(),
                password: Secret::new("long-enough"),
                fields: serde_json::Map::new(),
            })
            .expect("a connection");
        Self {
            sandbox,
            folder,
            client,
            connection: connection.id,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file that only its owner may read.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        owner_file::replace(&path, text).expect("a file");
        path
    }

    pub(crate) fn command(&self, command: &mut Command, line: &str) {
        command
            .current_dir(self.folder.path())
            .env_remove("OFFHOOK_API_KEY")
            .env_remove("CREDENTIALS_DIRECTORY")
            .args(["--api-url", &self.sandbox.ready.api])
            .args(["--api-key-file", "api.key"])
            .args(line.split_whitespace());
    }

    /// Starts the program.
    pub(crate) fn start(&self, line: &str) -> Program {
        Program::start("offhook-credentials", |command| self.command(command, line))
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, line: &str) -> Said {
        let mut command = Command::new(path_of("offhook-credentials"));
        self.command(&mut command, line);
        run(command)
    }

    /// Runs the program, which must succeed; what it printed.
    #[track_caller]
    pub(crate) fn succeed(&self, line: &str) -> String {
        let said = self.run(line);
        assert_eq!(said.code, Some(0), "{line}: {said:?}");
        said.output
    }

    /// The command line that makes users, who may still be too fresh when it ends.
    pub(crate) fn create(&self, count: usize, more: &str) -> String {
        format!("{} --freshness 0s", self.create_usable(count, more))
    }

    /// The command line that makes users who can be used when it ends.
    pub(crate) fn create_usable(&self, count: usize, more: &str) -> String {
        let connection = &self.connection;
        format!(
            "users create --count {count} --prefix load- --connection {connection} \
             --expires 24h --out users.toml {more}"
        )
    }

    pub(crate) fn users(&self) -> Users {
        Users::read(&self.path("users.toml")).expect("the users")
    }

    /// What the server has.
    pub(crate) fn credentials(&self) -> Vec<Credential> {
        let all = self.client.credentials(&CredentialFilter::default());
        all.expect("the list")
    }

    /// Asserts that server and file know the same users, each once.
    #[track_caller]
    pub(crate) fn agree(&self, count: usize) {
        let mut there: Vec<String> = self.credentials().into_iter().map(|c| c.id).collect();
        let users = self.users().users;
        let mut written: Vec<String> = users.into_iter().map(|u| u.credential_id).collect();
        there.sort_unstable();
        written.sort_unstable();
        assert_eq!(there.len(), count);
        assert_eq!(there, written);
    }

    /// Logs in at the gateway; what it answered.
    pub(crate) fn log_in(&self, params: Value) -> Value {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let url = self.sandbox.ready.verto.clone();
        runtime.block_on(async {
            tokio::time::timeout(LIMIT, log_in(&url, params))
                .await
                .expect("an answer in time")
        })
    }

    pub(crate) fn log_in_with(&self, token: &str) -> Value {
        self.log_in(json!({ "login_token": token }))
    }
}

async fn log_in(url: &str, params: Value) -> Value {
    use futures_util::{SinkExt, StreamExt};

    let address = url.strip_prefix("ws://").expect("a plain URL");
    let stream = TcpStream::connect(address).await.expect("the gateway");
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream)
        .await
        .expect("a WebSocket");
    let frame = json!({ "jsonrpc": "2.0", "id": "1", "method": "login", "params": params });
    let frame = Message::text(frame.to_string());
    socket.send(frame).await.expect("it is sent");
    while let Some(Ok(message)) = socket.next().await {
        let Ok(text) = message.into_text() else {
            continue;
        };
        let frame: Value = serde_json::from_str(&text).unwrap_or_default();
        if frame["id"] == "1" {
            return frame;
        }
    }
    panic!("no answer to the login");
}

pub(crate) fn run(mut command: Command) -> Said {
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said {
        code: output.status.code(),
        output: text(&output.stdout),
        complaint: text(&output.stderr),
    }
}

/// Reads whatever is there of a users file that is being written.
pub(crate) fn written(path: &Path) -> usize {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.matches("[[user]]").count()
}

/// Waits for what can be seen from outside.
#[track_caller]
pub(crate) fn eventually(what: &str, mut seen: impl FnMut() -> bool) {
    let asked = std::time::Instant::now();
    while !seen() {
        assert!(asked.elapsed() < LIMIT, "not in time: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
