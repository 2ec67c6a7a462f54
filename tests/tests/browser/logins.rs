//! The Telnyx client with a token from the token endpoint, and without any credential.

use std::path::Path;

use offhook_credentials::owner_file;
use offhook_credentials::users_file::Users;
use offhook_tests::authority::Issued;
use offhook_tests::browser::{Browser, BrowserEvent};
use offhook_tests::program::{Program, run};
use offhook_tests::rest;
use offhook_tests::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::world::{Kiosk, PATIENCE, TONE, have_browser};

/// Makes one user of the REST API; its name at the gateway, and the secret that its token is asked for with.
fn user(sandbox: &Sandbox, folder: &Path) -> (String, String) {
    owner_file::replace(&folder.join("api.key"), "sandbox\n").expect("the key");
    let connection = rest::connection(&sandbox.ready.api);
    let line = format!(
        "--api-url {} --api-key-file api.key users create --count 1 --prefix page- --connection {connection} \
         --expires 24h --out users.toml --freshness 0s",
        sandbox.ready.api
    );
    let arguments: Vec<&str> = line.split_whitespace().collect();
    let (code, said, complained) = run("offhook-credentials", &arguments, folder);
    assert_eq!(code, Some(0), "{said}{complained}");
    let users = Users::read(&folder.join("users.toml")).expect("the users");
    let user = users.users.into_iter().next().expect("one");
    let secret = user.token_secret.expect("a secret").expose().to_owned();
    (user.sip_username, secret)
}

/// The token endpoint over TLS, which pages of this origin may ask; and its URL.
fn endpoint(sandbox: &Sandbox, folder: &Path, origin: &str, issued: &Issued) -> (Program, String) {
    let key = std::fs::read_to_string(&issued.key_file).expect("its key");
    let key_file = folder.join("server.key");
    owner_file::replace(&key_file, &key).expect("its key again");
    let mut program = Program::start("offhook-credentials", |command| {
        command
            .current_dir(folder)
            .args(["--api-url", &sandbox.ready.api, "--api-key-file", "api.key"])
            .args(["serve", "--listen", "127.0.0.1:0", "--users", "users.toml"])
            .args(["--freshness", "0s", "--allow-origin", origin])
            .arg("--tls-certificate")
            .arg(&issued.certificate_file)
            .arg("--tls-key")
            .arg(&key_file);
    });
    let ready: Value = serde_json::from_str(&program.line(PATIENCE)).expect("its ready line");
    let url = ready["token_url"].as_str().expect("its URL").to_owned();
    assert!(url.starts_with("https://"), "{url}");
    (program, url)
}

/// A sandbox with its own kind of tokens only, whose gateway also has TLS with this certificate.
fn gateway(issued: &Issued) -> Sandbox {
    let [certificate, key] = [&issued.certificate_file, &issued.key_file]
        .map(|file| file.to_str().expect("text").to_owned());
    Sandbox::start(&[
        "--fresh-delay",
        "0",
        "--signed-tokens-only",
        "--tls",
        "--tls-certificate",
        &certificate,
        "--tls-key",
        &key,
    ])
}

#[test]
fn a_page_gets_no_token_from_a_stranger_nor_from_an_endpoint_that_does_not_know_its_origin() {
    if !have_browser() {
        return;
    }
    let issued = Issued::new("127.0.0.1", (2020, 2100));
    let stranger = Issued::new("127.0.0.1", (2020, 2100));
    let mut browser = Browser::start_secure(&issued);
    let sandbox = gateway(&issued);
    let folder = tempfile::tempdir().expect("a folder");
    let (_, secret) = user(&sandbox, folder.path());
    let origin = browser.origin.clone();
    for (allowed, shown) in [
        ("https://another.example", &issued),
        (origin.as_str(), &stranger),
    ] {
        let (_endpoint, url) = endpoint(&sandbox, folder.path(), allowed, shown);
        let told = browser.fails_to_open(&json!({
            "client": "telnyx", "server": sandbox.ready.verto_tls,
            "token_source": { "url": url, "secret": secret },
        }));
        assert!(told.contains("Failed to fetch"), "{told}");
    }
}

#[test]
fn a_page_logs_in_with_a_token_of_its_own_server_or_talks_to_an_assistant() {
    if !have_browser() {
        return;
    }
    // As on the open Internet: page, token endpoint and gateway all have TLS, and origins of their own.
    let issued = Issued::new("127.0.0.1", (2020, 2100));
    let mut browser = Browser::start_secure(&issued);
    let sandbox = gateway(&issued);
    let server = sandbox.ready.verto_tls.clone().expect("its URL with TLS");
    let folder = tempfile::tempdir().expect("a folder");
    let (name, secret) = user(&sandbox, folder.path());
    let (endpoint, url) = endpoint(&sandbox, folder.path(), &browser.origin, &issued);
    let mut kiosk = Kiosk::ready(&sandbox, "telnyx");
    browser.open(&json!({
        "client": "telnyx", "server": server, "token_source": { "url": url, "secret": secret },
    }));

    browser.call("demo-1");
    let call = kiosk.takes_call();
    browser.active();
    browser.hears_tone(TONE);
    kiosk.hears();
    browser.hangup();
    kiosk.ended(&call);

    let call = kiosk.control.call(&name);
    browser.active();
    browser.hears_tone(TONE);
    kiosk.hears();
    kiosk.control.hangup(&call);
    kiosk.ended(&call);
    browser.ended();
    drop(endpoint);

    browser.open(&json!({
        "client": "telnyx", "server": server,
        "anonymous": { "target_type": "ai_assistant", "target_id": "assistant-1" },
    }));
    browser.call("whatever");
    browser.active();
    browser.hears();
    browser.command(&json!({ "do": "message", "text": "hello from the page" }));
    let answer = browser.wait("the assistant's answer", PATIENCE, |event| match event {
        BrowserEvent::Assistant { data } => {
            let item = &data["item"];
            let whole = data["type"] == "conversation.item.created"
                && item["role"] == "assistant"
                && item["status"] == "completed";
            whole.then(|| item["content"].to_string())
        }
        _ => None,
    });
    assert!(answer.contains("You said: hello from the page"), "{answer}");
    browser.hangup();
}
