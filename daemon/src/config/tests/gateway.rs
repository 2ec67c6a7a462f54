//! Keys about the gateway behind a server: each reaches the account, and each that cannot work is named.

use std::time::Duration;

use offhook_engine::ice::{Environment, IceServers};
use offhook_engine::vocabulary::Variable;

use super::{ACCOUNT, Folder, assert_has};

/// A Telnyx account with a token, with or without a server.
fn desk(keys: &str) -> String {
    format!(
        "[[account]]\nname = \"lobby\"\ndialect = \"telnyx\"\ntoken = {{ command = [\"/bin/true\"] }}\n{keys}\n"
    )
}

#[test]
fn each_key_reaches_the_account() {
    let folder = Folder::new();
    let config = folder
        .load(&desk(
            "environment = \"development\"\nskip_last_voice_sdk_id = true\nrtc_ip = \"192.0.2.7\"\nrtc_port = 8443\n\
             skip_trailing = true\norigin = \"https://kiosk.example:8443\"\nrefused_retry = \"2m\"\nrefused_retry_max = 600\n\
             start_muted = true\nuser_variables = { site = \"north\", push_when_active = true, floor = 3, share = 0.5 }\n\
             login_params = { early_sdp_answer = true }",
        ))
        .unwrap();
    let account = &config.accounts[0];
    assert_eq!(account.server, "wss://rtcdev.telnyx.com");
    assert_eq!(
        account.ice.servers,
        IceServers::Environment(Environment::Development)
    );
    assert!(account.skip_instance && account.skip_trailing && account.start_muted);
    assert!(!account.canary);
    let target = account.proxy_target.unwrap();
    assert_eq!(
        (target.ip.to_string(), target.port),
        ("192.0.2.7".to_owned(), 8443)
    );
    assert_eq!(
        account.connect.origin.as_deref(),
        Some("https://kiosk.example:8443")
    );
    assert_eq!(account.refused_retry, Duration::from_secs(120));
    assert_eq!(account.refused_cap, Duration::from_secs(600));
    let half = serde_json::Number::from_f64(0.5).unwrap();
    let expected = [
        ("floor", 3.into()),
        ("push_when_active", true.into()),
        ("share", Variable::Number(half)),
        ("site", "north".into()),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value));
    assert_eq!(account.user_variables, expected.into());
    let expected = [("early_sdp_answer".to_owned(), true.into())];
    assert_eq!(account.login_params, expected.into());

    let canary = folder.load(&desk(
        "environment = \"production\"\ncanary = true\nrefused_retry = 0",
    ));
    let account = &canary.unwrap().accounts[0];
    assert_eq!(account.server, "wss://rtc.telnyx.com");
    assert!(account.canary);
    assert_eq!(account.refused_retry, Duration::ZERO);
    assert_eq!(account.refused_cap, Duration::from_secs(3600));
    // A server of one's own goes before the environment's.
    let own = folder.load(&desk(
        "server = \"wss://gateway.example\"\nenvironment = \"development\"",
    ));
    assert_eq!(own.unwrap().accounts[0].server, "wss://gateway.example");
    // A first pause beyond the usual longest one is its own longest.
    let long = folder.load(&desk(
        "environment = \"production\"\nrefused_retry = \"120m\"",
    ));
    assert_eq!(
        long.unwrap().accounts[0].refused_cap,
        Duration::from_secs(7200)
    );
}

#[test]
fn each_key_that_cannot_work_is_named() {
    let folder = Folder::new();
    for (keys, parts) in [
        ("", &["needs `server`"][..]),
        (
            "environment = \"staging\"",
            &["line 5", "environment", "staging"],
        ),
        (
            "rtc_ip = \"192.0.2.7\"",
            &["line 6", "`rtc_ip`", "needs `rtc_port`"],
        ),
        (
            "rtc_port = 443",
            &["line 6", "`rtc_port`", "needs `rtc_ip`"],
        ),
        (
            "rtc_ip = \"gateway\"\nrtc_port = 443",
            &["line 6", "rtc_ip", "no IP address"],
        ),
        (
            "rtc_ip = \"192.0.2.7\"\nrtc_port = 70000",
            &["line 7", "rtc_port", "70000"],
        ),
        (
            "rtc_ip = \"192.0.2.7\"\nrtc_port = 443\ncanary = true",
            &["line 8", "canary", "rtc_ip"],
        ),
        (
            "origin = \"kiosk\"",
            &["line 6", "origin", "https://kiosk.example"],
        ),
        (
            "origin = \"https://kiosk.example/\\r\\nX: y\"",
            &["line 6", "origin"],
        ),
        (
            "refused_retry = \"soon\"",
            &["line 6", "refused_retry", "no duration"],
        ),
        (
            "refused_retry = 600\nrefused_retry_max = 60",
            &["line 7", "refused_retry_max", "600 s"],
        ),
        (
            "call_report_interval = \"500ms\"",
            &[
                "line 6",
                "call_report_interval",
                "500ms",
                "too short",
                "1 s to 60 s",
            ],
        ),
        (
            "call_report_interval = 61",
            &["line 6", "call_report_interval", "61", "too long"],
        ),
        (
            "call_report_flush_interval = 2",
            &[
                "line 6",
                "call_report_flush_interval",
                "too short",
                "5 s to 1 h",
            ],
        ),
        (
            "call_report_interval = 60\ncall_report_flush_interval = 30",
            &[
                "line 7",
                "call_report_flush_interval",
                "`call_report_interval` (60 s)",
            ],
        ),
        (
            "user_variables = { a = [1] }",
            &["line 6", "user_variables", "a = ...", "no single value"],
        ),
        (
            "login_params = { a = { b = 1 } }",
            &["line 6", "login_params", "a = ...", "no single value"],
        ),
    ] {
        let needs_one = !keys.is_empty() && !keys.starts_with("environment");
        let server = if needs_one {
            "server = \"wss://gateway.example\"\n"
        } else {
            ""
        };
        assert_has(&folder.refusal(&desk(&format!("{server}{keys}"))), parts);
    }
}

#[test]
fn what_freeswitch_has_not_is_named() {
    let folder = Folder::new();
    for (keys, parts) in [
        (
            "environment = \"production\"",
            &["environment", "freeswitch"][..],
        ),
        (
            "skip_last_voice_sdk_id = true",
            &["skip_last_voice_sdk_id", "freeswitch"],
        ),
        ("canary = true", &["canary", "freeswitch"]),
        ("skip_trailing = true", &["skip_trailing", "freeswitch"]),
        (
            "rtc_ip = \"192.0.2.7\"\nrtc_port = 443",
            &["rtc_ip", "freeswitch"],
        ),
        (
            "user_variables = { floor = 3 }",
            &["user_variables", "floor", "freeswitch", "text"],
        ),
        (
            "login_params = { floor = 3 }",
            &["login_params", "floor", "freeswitch", "text"],
        ),
    ] {
        assert_has(&folder.refusal(&format!("{ACCOUNT}\n{keys}\n")), parts);
    }
    let taken = folder
        .load(&format!(
            "{ACCOUNT}\nuser_variables = {{ site = \"north\", vip = true }}\ncanary = false\n"
        ))
        .unwrap();
    assert_eq!(taken.accounts[0].user_variables.len(), 2);
}

#[test]
fn channels_are_watched_from_the_beginning() {
    let folder = Folder::new();
    let account = |dialect: &str, keys: &str| {
        let of = format!("\"{dialect}\"");
        format!("{ACCOUNT}\n{keys}\n").replace("\"freeswitch\"", &of)
    };
    let watch = "watch = [\"presence:bob@example.com\", \"message-summary\"]";
    for dialect in ["freeswitch", "sip"] {
        let config = folder.load(&account(dialect, watch)).unwrap();
        assert_eq!(
            config.accounts[0].watch,
            ["presence:bob@example.com", "message-summary"]
        );
    }
    for (dialect, keys, parts) in [
        ("telnyx", watch, &["watch", "telnyx server has no channels"]),
        ("sip", "watch = [\"\"]", &["watch", "1 to 256 bytes"]),
    ] {
        assert_has(&folder.refusal(&account(dialect, keys)), parts);
    }
}
