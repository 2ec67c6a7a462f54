//! Keys, rate limits and what goes wrong on purpose.

use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::json;

use super::desk::{Desk, header};
use crate::fault::rest::RestFaults;
use crate::rest::message::Body;
use crate::rest::settings::{Choices, Rate, RestSettings};

#[test]
fn a_wrong_key_is_told_apart_from_one_that_may_only_read() {
    let mut desk = Desk::new(RestSettings::default());
    desk.key = "wrong".to_owned();
    let (status, answer) = desk.get("/telephony_credentials");
    assert_eq!(
        (status, &answer["errors"][0]["code"]),
        (401, &json!("10009"))
    );
    desk.key = "sandbox-readonly".to_owned();
    assert_eq!(desk.get("/telephony_credentials").0, 200);
    let (status, answer) = desk.ask("POST", "/telephony_credentials", json!({}));
    assert_eq!(
        (status, &answer["errors"][0]["code"]),
        (403, &json!("10010"))
    );
    desk.key = "sandbox".to_owned();
    assert_eq!(desk.get("/nowhere").0, 404);
    assert_eq!(desk.ask("PUT", "/telephony_credentials", json!({})).0, 405);
}

#[test]
fn a_window_is_full_for_its_endpoint_and_the_next_one_is_empty() {
    let mut desk = Desk::new(RestSettings {
        rate: Some(Rate {
            requests: 2,
            seconds: 60,
        }),
        choices: Choices {
            retry_after: true,
            ..Choices::default()
        },
        ..RestSettings::default()
    });
    desk.pass(Duration::from_secs(50));
    let first = desk
        .raw("GET", "/telephony_credentials", "")
        .response
        .unwrap();
    assert_eq!(header(&first, "x-ratelimit-limit"), "2, 2;w=60");
    assert_eq!(header(&first, "x-ratelimit-remaining"), "1");
    assert_eq!(header(&first, "x-ratelimit-reset"), "10");
    desk.get("/telephony_credentials");
    let third = desk
        .raw("GET", "/telephony_credentials", "")
        .response
        .unwrap();
    assert_eq!(third.status, 429);
    assert_eq!(header(&third, "retry-after"), "10");
    assert_eq!(desk.get("/credential_connections").0, 200);
    desk.pass(Duration::from_secs(10));
    assert_eq!(desk.get("/telephony_credentials").0, 200);
}

#[test]
fn faults_strike_every_so_many_requests() {
    let mut desk = Desk::new(RestSettings {
        faults: RestFaults {
            slow: Duration::from_millis(20),
            too_many: NonZeroU32::new(4),
            failure: NonZeroU32::new(5),
            refused: None,
            lost: NonZeroU32::new(2),
        },
        ..RestSettings::default()
    });
    let connection = desk.connection();
    let body = json!({ "connection_id": connection }).to_string();
    let lost = desk.raw("POST", "/telephony_credentials", &body);
    assert_eq!(lost.response, None);
    assert_eq!(lost.after, Duration::from_millis(20));
    let (_, list) = desk.get("/telephony_credentials");
    assert_eq!(list["meta"]["total_results"], 1, "it was carried out");
    assert_eq!(desk.get("/telephony_credentials").0, 429);
    let failed = desk
        .raw("GET", "/telephony_credentials", "")
        .response
        .unwrap();
    assert_eq!((failed.status, failed.body), (500, Body::Empty));
}
