//! `serve` over TLS with a certificate of a private authority, as `offhookd` and `curl` ask it.

use std::path::Path;
use std::process::Command;

use offhook_control::notice::Event;
use offhook_tests::authority::Issued;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::skip;
use serde_json::Value;

use crate::served::Endpoint;
use crate::world::{LIMIT, World};

/// A world with one user, whose endpoint speaks TLS; the user's bearer.
struct Secure {
    world: World,
    endpoint: Endpoint,
    issued: Issued,
    bearer: String,
}

impl Secure {
    fn new() -> Self {
        let world = World::new(&["--fresh-delay", "0", "--signed-tokens-only"]);
        world.succeed(&world.create(1, ""));
        let user = world.users().users.remove(0);
        let bearer = user.token_secret.expect("a secret").expose().to_owned();
        let issued = Issued::new("127.0.0.1", (2020, 2100));
        let key = std::fs::read_to_string(&issued.key_file).expect("its key");
        let key = world.file("server.key", &key);
        let line = format!(
            "--users users.toml --freshness 0s --tls-certificate {} --tls-key {}",
            issued.certificate_file.display(),
            key.display()
        );
        let endpoint = Endpoint::start(&world, &line);
        Self {
            world,
            endpoint,
            issued,
            bearer,
        }
    }

    fn url(&self) -> String {
        format!("https://{}/token", self.endpoint.address)
    }

    /// A daemon whose account asks the endpoint.
    fn daemon(&self, keys: &str) -> Daemon {
        let config = Config::new();
        let file = config.secret("bearer", &self.bearer);
        let url = self.url();
        let source = format!(
            "token = {{ url = {url:?}, {keys} headers = {{ Authorization = {{ prefix = \"Bearer \", file = {file:?} }} }} }}\n"
        );
        config
            .account_with("kiosk", "telnyx", &self.world.sandbox.ready.verto, &source)
            .launch()
    }

    fn ca_key(&self) -> String {
        format!("ca_file = {:?}, ", self.issued.ca)
    }
}

/// Why the account has no token.
fn failure(daemon: &Daemon) -> String {
    let mut control = daemon.control();
    let snapshot = control.subscribe();
    match &snapshot.accounts[0].reason {
        Some(reason) => reason.clone(),
        None => control.wait("the failure", LIMIT, |notice| {
            if let Event::TokenFailed { reason } = &notice.event {
                Some(reason.clone())
            } else {
                None
            }
        }),
    }
}

#[test]
fn offhookd_gets_its_tokens_over_tls_from_whom_its_own_authority_vouches_for() {
    let secure = Secure::new();
    // Its own authority is unknown to the system.
    let told = failure(&secure.daemon(""));
    assert!(told.to_lowercase().contains("certificate"), "{told}");
    // Nor is the authority of somebody else any good.
    let other = Issued::new("127.0.0.1", (2020, 2100));
    let told = failure(&secure.daemon(&format!("ca_file = {:?}, ", other.ca)));
    assert!(told.to_lowercase().contains("certificate"), "{told}");
    assert_eq!(
        figure(&secure, "offhook_credentials_tokens_given_total"),
        0,
        "nothing was said to whom nobody vouches for"
    );

    // As text, and where a pointer leads into JSON.
    for pointer in ["", "pointer = \"/token\", "] {
        let daemon = secure.daemon(&format!("{}{pointer}", secure.ca_key()));
        daemon.ready();
    }
    // This endpoint takes POST alone.
    let keys = format!("{}method = \"GET\", ", secure.ca_key());
    let told = failure(&secure.daemon(&keys));
    assert!(told.contains("405"), "{told}");
}

#[test]
fn curl_gets_a_token_over_tls_with_the_authority_and_not_without() {
    if !skip::have(&["curl"]) {
        return;
    }
    let secure = Secure::new();
    let (code, _) = curl(&secure, "/token", &["-X", "POST"]);
    assert_eq!(code, Some(60), "a certificate that nobody vouches for");
    let ca = secure.issued.ca.to_str().expect("text");
    let (code, answer) = curl(&secure, "/token", &["-X", "POST", "--cacert", ca]);
    assert_eq!(code, Some(0));
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let token = answer["token"].as_str().expect("a token");
    let login = secure.world.log_in_with(token);
    assert_eq!(login["result"]["message"], "logged in", "{login}");
}

/// Exit code and output of curl, with the user's bearer in a file.
fn curl(secure: &Secure, path: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let header = format!("Authorization: Bearer {}\n", secure.bearer);
    let header = secure.world.file("authorization.header", &header);
    let said = Command::new("curl")
        .args(["--silent", "--fail", "--noproxy", "*", "-H"])
        .arg(format!("@{}", Path::new(&header).display()))
        .args(arguments)
        .arg(format!("https://{}{path}", secure.endpoint.address))
        .output()
        .expect("curl runs");
    let text = String::from_utf8(said.stdout).expect("text");
    (said.status.code(), text)
}

fn figure(secure: &Secure, name: &str) -> u64 {
    let ca = secure.issued.ca.to_str().expect("text");
    let (_, text) = curl(secure, "/metrics", &["--cacert", ca]);
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    value.trim().parse().expect("a number")
}
