//! `serve`: who gets a token, whose, how often, and what is written about it.

use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;

use offhook_credentials::token_life;
use offhook_tests::skip;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use crate::http::{ask, plain};
use crate::served::Endpoint;
use crate::world::{LIMIT, World};

/// A claim of a token.
fn claim(token: &str, name: &str) -> Value {
    use std::io::Read;

    let part = token.split('.').nth(1).expect("claims");
    let mut text = String::new();
    let mut bits = 0_u32;
    let mut count = 0;
    for letter in part.bytes() {
        let value = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
            .iter()
            .position(|known| *known == letter)
            .expect("base64url");
        bits = bits << 6 | u32::try_from(value).expect("six bits");
        count += 6;
        if count >= 8 {
            count -= 8;
            let byte = u8::try_from(bits >> count & 0xff).expect("eight bits");
            (&[byte][..]).read_to_string(&mut text).expect("text");
        }
    }
    let claims: Value = serde_json::from_str(&text).expect("JSON");
    claims[name].clone()
}

#[test]
fn each_user_gets_tokens_of_its_own_credential_and_nobody_else_gets_any() {
    let world = World::new(&["--fresh-delay", "1"]);
    world.succeed(&world.create(2, ""));
    let users = world.users().users;
    let mut endpoint = Endpoint::start(&world, "--users users.toml --freshness 1s");
    let mut secrets = Vec::new();
    for user in &users {
        let secret = user.token_secret.as_ref().expect("a secret").expose();
        let reply = endpoint.token(secret);
        assert!(
            reply.head.contains("cache-control: no-store"),
            "{}",
            reply.head
        );
        let token = reply.token();
        assert_eq!(claim(&token, "sub"), user.credential_id.as_str());
        assert!(token_life::expires_at(&token).is_some());
        let answer = world.log_in_with(&token);
        assert_eq!(
            answer["result"]["message"], "logged in",
            "usable at once: {answer}"
        );
        let again = endpoint.token(secret).token();
        assert_eq!(again, token, "kept until half of its life");
        secrets.extend([secret.to_owned(), token]);
    }
    for wrong in ["", "nonsense", &secrets[0][1..]] {
        let reply = endpoint.token(wrong);
        assert_eq!(reply.status, 401);
        assert!(
            reply.head.contains("www-authenticate: bearer"),
            "{}",
            reply.head
        );
    }
    let basic = plain(
        &endpoint.address,
        "POST /token",
        &[("authorization", "Basic eDp5")],
    );
    assert_eq!(basic.status, 401);
    assert_eq!(plain(&endpoint.address, "GET /token", &[]).status, 405);
    assert_eq!(plain(&endpoint.address, "GET /healthz", &[]).body, "ok\n");
    assert_eq!(
        plain(&endpoint.address, "GET /nothing?secret=hidden", &[]).status,
        404
    );
    assert_eq!(
        endpoint.figure("offhook_credentials_tokens_minted_total"),
        2
    );
    assert_eq!(endpoint.figure("offhook_credentials_tokens_given_total"), 4);
    assert_eq!(
        endpoint.figure("offhook_credentials_requests_unauthorized_total"),
        4
    );

    let log = endpoint
        .program
        .wait_for_stderr("(other)", LIMIT)
        .to_owned();
    assert!(
        log.contains("caller=\"load-0001\"") && log.contains("status=401"),
        "{log}"
    );
    for secret in secrets
        .iter()
        .map(String::as_str)
        .chain(["hidden", "sandbox"])
    {
        assert!(!log.contains(secret), "a secret in: {log}");
    }
}

#[test]
fn text_is_given_to_who_wants_text_and_pages_of_known_origins_may_ask() {
    let world = World::new(&["--fresh-delay", "0"]);
    world.succeed(&world.create(1, ""));
    let secret = world.users().users[0]
        .token_secret
        .clone()
        .expect("a secret");
    let line = "--users users.toml --freshness 0s --allow-origin https://phone.example";
    let endpoint = Endpoint::start(&world, line);
    let bearer = format!("Bearer {}", secret.expose());
    let headers = [
        ("authorization", bearer.as_str()),
        ("accept", "text/plain"),
        ("origin", "https://phone.example"),
    ];
    let reply = plain(&endpoint.address, "POST /token", &headers);
    assert_eq!(reply.body.split('.').count(), 3);
    let allowed = "access-control-allow-origin: https://phone.example";
    assert!(reply.head.contains(allowed), "{}", reply.head);
    let asked = plain(&endpoint.address, "OPTIONS /token", &headers[2..]);
    assert!(
        asked.status == 204 && asked.head.contains(allowed),
        "{asked:?}"
    );
    let other = [("origin", "https://evil.example")];
    let asked = plain(&endpoint.address, "OPTIONS /token", &other);
    assert!(!asked.head.contains("allow-origin"), "{asked:?}");
}

#[test]
fn a_caller_that_asks_too_often_is_told_when_to_come_back() {
    let world = World::new(&["--fresh-delay", "0"]);
    world.succeed(&world.create(2, ""));
    let line = "--users users.toml --freshness 0s --per-minute 3";
    let endpoint = Endpoint::start(&world, line);
    let secrets: Vec<_> = world
        .users()
        .users
        .into_iter()
        .map(|user| user.token_secret.expect("a secret"))
        .collect();
    for _ in 0..3 {
        assert_eq!(endpoint.token(secrets[0].expose()).status, 200);
    }
    let refused = endpoint.token(secrets[0].expose());
    assert_eq!(refused.status, 429);
    assert!(refused.head.contains("retry-after: "), "{}", refused.head);
    assert_eq!(
        endpoint.token(secrets[1].expose()).status,
        200,
        "the other one may"
    );
}

#[test]
fn a_credential_is_made_at_the_first_request_and_found_again_after_a_restart() {
    let world = World::new(&["--fresh-delay", "0"]);
    let secret = "0123456789abcdef-kiosk";
    let callers = format!("[[caller]]\nname = \"kiosk-1\"\nsecret = {secret:?}\n");
    world.file("callers.toml", &callers);
    let refused = world.run("serve --callers callers.toml");
    assert!(refused.complaint.contains("kiosk-1"), "{refused:?}");

    let connection = &world.connection;
    let line = format!("--callers callers.toml --create-on {connection} --freshness 0s");
    let first = Endpoint::start(&world, &line);
    let token = first.token(secret).token();
    let made = world.credentials();
    assert_eq!(made.len(), 1);
    assert_eq!(claim(&token, "sub"), made[0].id.as_str());
    drop(first);
    let second = Endpoint::start(&world, &line);
    let token = second.token(secret).token();
    assert_eq!(claim(&token, "sub"), made[0].id.as_str());
    assert_eq!(world.credentials().len(), 1);
}

#[test]
fn a_server_that_fails_is_a_502_and_a_credential_that_is_gone_a_404() {
    let world = World::new(&["--fresh-delay", "0"]);
    let secret = "0123456789abcdef-kiosk";
    let callers =
        format!("[[caller]]\nname = \"kiosk-1\"\nsecret = {secret:?}\ncredential_id = \"gone\"\n");
    world.file("callers.toml", &callers);
    let endpoint = Endpoint::start(&world, "--callers callers.toml --freshness 0s");
    assert_eq!(endpoint.token(secret).status, 404);
    drop(world.sandbox);
    assert_eq!(endpoint.token(secret).status, 502);
    assert_eq!(
        endpoint.figure("offhook_credentials_requests_failed_total"),
        2
    );
}

#[test]
fn tokens_travel_in_clear_on_this_machine_only() {
    let world = World::new(&[]);
    let callers =
        "[[caller]]\nname = \"a\"\nsecret = \"0123456789abcdef\"\ncredential_id = \"1\"\n";
    world.file("callers.toml", callers);
    let said = world.run("serve --callers callers.toml --listen 0.0.0.0:0");
    assert_eq!(said.code, Some(1));
    assert!(said.complaint.contains("--tls-certificate"), "{said:?}");
}

#[test]
fn a_caller_with_a_known_certificate_needs_no_secret() {
    let world = World::new(&["--fresh-delay", "0"]);
    world.succeed(&world.create(1, ""));
    let id = world.users().users[0].credential_id.clone();

    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
    let leaf = |name: &str| {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        (certificate, key)
    };
    let (server, server_key) = leaf("localhost");
    let (kiosk, kiosk_key) = leaf("kiosk-1");
    let (stranger, stranger_key) = leaf("stranger");
    world.file("server.pem", &server.pem());
    world.file("server.key", &server_key.serialize_pem());
    world.file("ca.pem", &authority.pem());
    let print = sha256(kiosk.der());
    let caller = format!(
        "[[caller]]\nname = \"kiosk-1\"\ncertificate_sha256 = {print:?}\ncredential_id = {id:?}\n"
    );
    world.file("callers.toml", &caller);
    let endpoint = Endpoint::start(
        &world,
        "--callers callers.toml --freshness 0s --tls-certificate server.pem --tls-key server.key \
         --client-ca ca.pem",
    );
    let ask_as = |chain: Option<(&rcgen::Certificate, &KeyPair)>| {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let config = match chain {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
                config
                    .with_client_auth_cert(vec![certificate.der().clone()], key)
                    .expect("a certificate")
            }
        };
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
        let stream = TcpStream::connect(&endpoint.address).expect("a connection");
        ask(StreamOwned::new(connection, stream), "POST /token", &[])
    };
    let token = ask_as(Some((&kiosk, &kiosk_key))).token();
    assert_eq!(claim(&token, "sub"), id.as_str());
    assert_eq!(ask_as(None).status, 401);
    assert_eq!(ask_as(Some((&stranger, &stranger_key))).status, 401);
}

fn sha256(der: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, der);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn curl_gets_a_token_as_the_readme_says() {
    if !skip::have(&["curl"]) {
        return;
    }
    let world = World::new(&["--fresh-delay", "0"]);
    world.succeed(&world.create(1, ""));
    let user = world.users().users.remove(0);
    let secret = user.token_secret.as_ref().expect("a secret").expose();
    let endpoint = Endpoint::start(&world, "--users users.toml --freshness 0s");
    // The header stands in a file, as secrets do.
    let header = world.file(
        "authorization.header",
        &format!("Authorization: Bearer {secret}\n"),
    );
    let curl = |accept: &str| {
        let mut command = Command::new("curl");
        command
            .args([
                "--silent",
                "--show-error",
                "--fail",
                "--noproxy",
                "*",
                "-X",
                "POST",
            ])
            .args(["-H", &format!("@{}", header.display()), "-H", accept])
            .arg(format!("http://{}/token", endpoint.address));
        let said = command.output().expect("curl runs");
        assert!(
            said.status.success(),
            "{}",
            String::from_utf8_lossy(&said.stderr)
        );
        String::from_utf8(said.stdout).expect("text")
    };
    let answer: Value = serde_json::from_str(&curl("Accept: application/json")).expect("JSON");
    let token = answer["token"].as_str().expect("a token");
    assert!(
        answer["expires_at"].is_string() || answer["expires_at"].is_number(),
        "{answer}"
    );
    assert_eq!(curl("Accept: text/plain").trim(), token);
    let login = world.log_in_with(token);
    assert_eq!(login["result"]["message"], "logged in", "{login}");
}
