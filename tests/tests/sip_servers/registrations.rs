//! Every kind of user that the registrar has.

use std::time::Duration;

use offhook_signaling::event::{DisconnectCause, Event};
use offhook_signaling::sip::config::Config;
use offhook_signaling::transport::options::ConnectOptions;
use offhook_signaling::transport::tls::Trust;
use offhook_tests::kamailio::Kamailio;
use offhook_tests::sip_client::SipClient;

use crate::world::{SOON, config, ready, start};

#[test]
fn users_with_every_kind_of_digest_register() {
    let servers = Kamailio::start();
    // MD5; SHA-256 alone; two challenges; without qop; nonces that work once.
    for user in [1000, 1900, 1930, 1960, 1980] {
        ready(&servers, user);
    }
}

#[test]
fn over_tls_too() {
    let servers = Kamailio::start();
    let options = ConnectOptions {
        trust: Trust::with_ca_file(servers.certificate()),
        ..ConnectOptions::default()
    };
    let config = Config {
        servers: vec![servers.wss_url().to_owned()],
        ..config(&servers, 1001)
    };
    let mut client = SipClient::start(config, options);
    client.wait(SOON, |event| *event == Event::Ready);
}

#[test]
fn a_short_registration_is_refreshed_and_a_small_one_made_longer() {
    let servers = Kamailio::start();
    // The registrar grants 20 s: refreshed after 10.
    let mut short = ready(&servers, 1996);
    let brief = Config {
        expires: Duration::from_secs(60),
        ..config(&servers, 1997)
    };
    // 423 with Min-Expires: 900.
    let mut longer = start(brief);
    longer.wait(SOON, |event| *event == Event::Ready);
    let mut busy = start(config(&servers, 1998));
    let refused = |event: &Event| matches!(event, Event::Disconnected { cause: DisconnectCause::NotRegistered, retry_in: Some(pause) } if *pause >= Duration::from_secs(2));
    // 503 with Retry-After: 2.
    busy.wait(SOON, refused);
    busy.wait(SOON, refused);
    // 21 s after its beginning the short one is still registered: nothing was told of it.
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        short.wait(Duration::from_secs(18), |event| {
            matches!(event, Event::Disconnected { .. })
        })
    }));
    assert!(told.is_err(), "the registration was lost: {told:?}");
}

#[test]
fn wrong_passwords_and_forbidden_users_are_told_and_not_tried_on() {
    let servers = Kamailio::start();
    let mut wrong = config(&servers, 1002);
    wrong.login = offhook_signaling::auth::login::Login::Password {
        user: "1002".to_owned(),
        password: "not it".to_owned().into(),
    };
    for config in [wrong, config(&servers, 1999)] {
        let mut client = start(config);
        client.wait(SOON, |event| matches!(event, Event::LoginFailed(_)));
        client.wait(SOON, |event| {
            matches!(event, Event::Disconnected { retry_in: Some(pause), .. } if *pause > Duration::from_secs(60))
        });
    }
}
