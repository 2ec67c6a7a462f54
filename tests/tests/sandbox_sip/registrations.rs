//! Logins of every kind.

use std::time::Duration;

use offhook_signaling::auth::login::Login;
use offhook_signaling::event::{DisconnectCause, Event};
use offhook_signaling::sip::config::Config;
use offhook_signaling::transport::options::ConnectOptions;
use offhook_signaling::transport::tls::Trust;
use offhook_tests::rest;
use offhook_tests::sandbox::Sandbox;
use offhook_tests::sip_client::SipClient;

use crate::world::{SOON, config, ready, start};

#[test]
fn users_register_by_every_digest_and_with_nonces_that_work_once() {
    let sandbox = Sandbox::start(&[
        "--sip-users",
        "10",
        "--fault",
        "challenge=sha-256@demo-2",
        "--fault",
        "one-time-nonces=on@demo-3",
        "--fault",
        "one-time-nonces=next@demo-6",
        "--fault",
        "min-expires=900@demo-4",
        "--fault",
        "short-registrations=20@demo-5",
    ]);
    for user in [
        "demo-1", "demo-2", "demo-3", "demo-4", "demo-5", "demo-6", "user-10",
    ] {
        ready(&sandbox, user);
    }
    let mut unknown = start(config(&sandbox, "user-11"));
    unknown.wait(SOON, |event| matches!(event, Event::LoginFailed(_)));
}

#[test]
fn over_tls_too() {
    let sandbox = Sandbox::start(&["--tls"]);
    let authority = sandbox.ready.ca.clone().expect("a CA");
    let options = ConnectOptions {
        trust: Trust::with_ca_file(authority),
        ..ConnectOptions::default()
    };
    let config = Config {
        servers: vec![sandbox.ready.sip_tls.clone().expect("a TLS listener")],
        ..config(&sandbox, "demo-1")
    };
    let mut client = SipClient::start(config, options);
    client.wait(SOON, |event| *event == Event::Ready);
}

#[test]
fn a_token_of_the_rest_api_is_a_login_until_it_expires() {
    let sandbox = Sandbox::start(&["--fresh-delay", "0"]);
    let credential = rest::credential(&sandbox.ready.api);
    let token = rest::token(&sandbox.ready.api, &credential);
    let with = |token: &str| Config {
        login: Login::Token {
            token: token.to_owned().into(),
        },
        trusted_authz: vec!["https://sandbox.invalid/token".to_owned()],
        ..config(&sandbox, &credential.sip_username)
    };
    let mut client = start(with(&token));
    client.wait(SOON, |event| *event == Event::Ready);
    let mut forged = start(with(&token.replace('.', ".x")));
    forged.wait(SOON, |event| matches!(event, Event::LoginFailed(_)));
}

#[test]
fn an_overloaded_registrar_is_tried_again_and_a_wrong_password_is_not() {
    let sandbox = Sandbox::start(&["--fault", "unavailable=2:2@demo-1"]);
    let mut busy = start(config(&sandbox, "demo-1"));
    busy.wait(SOON, |event| {
        matches!(event, Event::Disconnected { cause: DisconnectCause::NotRegistered, retry_in: Some(pause) } if *pause >= Duration::from_secs(2))
    });
    busy.wait(SOON, |event| *event == Event::Ready);
    let mut wrong = config(&sandbox, "demo-2");
    wrong.login = Login::Password {
        user: "demo-2".to_owned(),
        password: "not it".to_owned().into(),
    };
    let mut client = start(wrong);
    client.wait(SOON, |event| matches!(event, Event::LoginFailed(_)));
}
