//! Replies of the REST API, whatever they say, through every call of the client.
//!
//! Records are separated by the byte 0x1e. Each begins with a line of the status and header fields (`429 retry-after: 3;
//! x-ratelimit-reset: 5`); what follows is the body.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use offhook_credentials::api::client::Client;
use offhook_credentials::api::connection::{ConnectionFilter, NewConnection};
use offhook_credentials::api::credential::{CredentialChange, CredentialFilter, NewCredential};
use offhook_credentials::api::error::Error;
use offhook_credentials::api::registration::NameOf;
use offhook_credentials::api::wire::{Arrived, HttpReply, HttpRequest, Wire, WireFault};
use offhook_credentials::secret::Secret;
use offhook_credentials::token_life::expires_at;

/// Replies read from one input.
const MOST: usize = 64;
/// What no error may show.
const KEY: &str = "KEY-of-the-fuzzer";
/// Nor that.
const PASSWORD: &str = "password-of-the-fuzzer";

struct Replies {
    left: Mutex<VecDeque<HttpReply>>,
    now: Mutex<Duration>,
}

impl Wire for Replies {
    fn send(&self, _request: &HttpRequest) -> Result<HttpReply, WireFault> {
        let next = self.left.lock().ok().and_then(|mut left| left.pop_front());
        next.ok_or_else(|| WireFault {
            arrived: Arrived::No,
            may_pass: false,
            text: "nothing more".to_owned(),
        })
    }

    fn now(&self) -> Duration {
        self.now.lock().map_or(Duration::ZERO, |now| *now)
    }

    fn pause(&self, time: Duration) {
        if let Ok(mut now) = self.now.lock() {
            *now = now.saturating_add(time);
        }
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

/// Plays the replies to each call in turn.
///
/// # Panics
/// When an error shows the key or the password, or the client waits without end.
pub fn run(data: &[u8]) {
    let call = |number: u8| {
        let replies = data.split(|byte| *byte == 0x1e).take(MOST).map(reply);
        let wire = Replies {
            left: Mutex::new(replies.collect()),
            now: Mutex::new(Duration::ZERO),
        };
        let Ok(client) = Client::new("https://api.example/v2", Secret::new(KEY.to_owned()), wire)
        else {
            return;
        };
        if let Err(error) = ask(&client, number) {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(KEY), "{shown}");
            assert!(!shown.contains(PASSWORD), "{shown}");
        }
        let waited = client.now();
        assert!(
            waited <= Duration::from_secs(24 * 3600),
            "waited {waited:?}"
        );
    };
    (0..13).for_each(call);
}

fn ask(client: &Client, number: u8) -> Result<(), Error> {
    match number {
        0 => client.connections(&ConnectionFilter::default()).map(drop),
        1 => client.connection("1").map(drop),
        2 => client.credentials(&CredentialFilter::default()).map(drop),
        3 => client.find_credential("user-1", "run-1").map(drop),
        4 => client
            .create_credential(&NewCredential {
                connection_id: "1".to_owned(),
                name: "user-1".to_owned(),
                tag: "run-1".to_owned(),
                expires_at: None,
            })
            .map(drop),
        5 => client.delete_credential("1").map(drop),
        6 => {
            let token = client.token("1")?;
            let _end = expires_at(token.expose());
            Ok(())
        }
        7 => client.token_material("1").map(drop),
        8 => client
            .create_connection(&NewConnection {
                name: "kiosks".to_owned(),
                user_name: "kiosks1".to_owned(),
                password: Secret::new(PASSWORD.to_owned()),
                fields: Default::default(),
            })
            .map(drop),
        9 => client.update_connection("1", Default::default()).map(drop),
        10 => {
            let change = CredentialChange {
                name: Some("user-2".to_owned()),
                ..CredentialChange::default()
            };
            client.update_credential("1", &change).map(drop)
        }
        11 => client.delete_connection("1").map(drop),
        _ => {
            client.connection_registration("1")?;
            client.sip_registration(NameOf::TelephonyCredential, "gencred1")?;
            Ok(())
        }
    }
}

fn reply(record: &[u8]) -> HttpReply {
    let line = record
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let body = record.get(line.len() + 1..).unwrap_or_default().to_vec();
    let line = String::from_utf8_lossy(line);
    let (status, fields) = line.split_once(' ').unwrap_or((&line, ""));
    let headers = fields
        .split(';')
        .filter_map(|field| field.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    HttpReply {
        status: status.parse().unwrap_or(200),
        headers,
        body,
    }
}
