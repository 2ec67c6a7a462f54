//! Logging in: each way, each refusal, each silence.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use offhook_signaling::auth::login::Login;
use offhook_signaling::command::Command;
use offhook_signaling::deadlines::Deadline;
use offhook_signaling::error::{Error, Remedy};
use offhook_signaling::event::{DisconnectCause, Event};
use offhook_signaling::secret::Secret;
use offhook_signaling::session::{ConnectFailure, Input};
use offhook_signaling::verto::dialect::freeswitch::FREESWITCH;
use offhook_signaling::verto::dialect::telnyx::TELNYX;
use offhook_signaling::verto::session::Config;
use serde_json::json;

use crate::story::{Story, config, password};

/// Claims `{"exp":1000}`.
const TOKEN: &str = "e30.eyJleHAiOjEwMDB9.c2ln";

#[test]
fn telnyx_is_ready_when_its_gateway_is_registered() {
    let mut story = Story::telnyx();
    assert_eq!(story.connects, ["wss://gateway.example"]);
    assert_eq!(story.event(), Event::Connecting { attempt: 1 });
    story.opened();
    assert_eq!(story.event(), Event::Connected);
    let login = story.take_sent("login");
    assert_eq!(login["params"]["login"], "1000");
    assert_eq!(login["params"]["passwd"], "hunter2");
    assert_eq!(login["params"]["reconnection"], false);
    assert_eq!(login["params"]["User-Agent"]["data"], "offhook/test");
    assert_eq!(login["params"]["login_token"], json!(null));
    assert_eq!(login["params"]["sessid"], json!(null));
    story.reply(&login, json!({"message": "logged in", "sessid": "s-1"}));
    assert_eq!(
        story.event(),
        Event::LoggedIn {
            sessid: "s-1".into()
        }
    );
    story.nothing_sent();
    story.client_ready(&[]);
    story.nothing_told();
    let question = story.take_sent("gatewayState");
    assert_eq!(question["voice_sdk_id"], "v-1");
    story.reply(&question, json!({"params": {"state": "REGED"}}));
    assert_eq!(story.event(), Event::Ready);
    story.nothing_sent();
}

#[test]
fn freeswitch_is_ready_with_client_ready_and_gets_our_own_sessid() {
    let mut story = Story::freeswitch();
    story.opened();
    let login = story.take_sent("login");
    let sessid = login["params"]["sessid"].as_str().unwrap().to_owned();
    assert_eq!(sessid.len(), 36);
    assert_eq!(login["params"]["User-Agent"], json!(null));
    assert_eq!(login["params"]["reconnection"], json!(null));
    story.reply(&login, json!({"message": "logged in", "sessid": sessid}));
    story.events.clear();
    story.client_ready(&[]);
    assert_eq!(story.event(), Event::Ready);
    story.nothing_sent();
    // The same session again after a lost socket.
    story.closed();
    story.until(Duration::from_secs(5), |event| {
        matches!(event, Event::Connecting { .. })
    });
    story.opened();
    assert_eq!(story.take_sent("login")["params"]["sessid"], sessid);
}

#[test]
fn a_token_goes_as_login_token() {
    let mut story = Story::with(config(
        TELNYX,
        Login::Token {
            token: Secret::new(TOKEN),
        },
    ));
    story.opened();
    let login = story.take_sent("login");
    assert_eq!(login["params"]["login_token"], TOKEN);
    assert_eq!(login["params"]["passwd"], json!(null));
}

#[test]
fn anonymous_names_its_target() {
    let login = Login::Anonymous {
        target_type: "ai_assistant".into(),
        target_id: "assistant-1".into(),
        target_version: Some("v2".into()),
        target_params: BTreeMap::from([("conversation_id".into(), "c-1".into())]),
    };
    let mut story = Story::with(config(TELNYX, login));
    story.opened();
    let login = story.take_sent("anonymous_login");
    assert_eq!(login["params"]["target_id"], "assistant-1");
    assert_eq!(login["params"]["target_version_id"], "v2");
    assert_eq!(
        login["params"]["target_params"],
        json!({"conversation_id": "c-1"})
    );
    assert_eq!(login["params"]["loginParams"], json!(null));
    story.reply(&login, json!({"message": "logged in", "sessid": "s-1"}));
    story.client_ready(&[]);
    story.register();
    assert_eq!(story.events.pop_back(), Some(Event::Ready));
}

#[test]
fn states_may_come_unasked_early_or_inside_client_ready() {
    let mut inside = Story::telnyx();
    inside.log_in();
    inside.says("clientReady", json!({"state": "REGED"}));
    inside.nothing_sent();
    assert_eq!(inside.events.pop_back(), Some(Event::Ready));

    let mut unasked = Story::telnyx();
    unasked.log_in();
    unasked.client_ready(&[]);
    unasked.says("gatewayState", json!({"state": "REGED"}));
    assert_eq!(unasked.events.pop_back(), Some(Event::Ready));

    let mut other_id = Story::telnyx();
    other_id.log_in();
    other_id.client_ready(&[]);
    other_id.raw(r#"{"jsonrpc":"2.0","id":"else","result":{"params":{"state":"REGED"}}}"#);
    assert_eq!(other_id.events.pop_back(), Some(Event::Ready));

    let mut early = Story::telnyx();
    early.opened();
    let login = early.take_sent("login");
    early.says(
        "clientReady",
        json!({"reattached_sessions": [], "state": "REGED"}),
    );
    early.nothing_sent();
    early.reply(&login, json!({"message": "logged in", "sessid": "s-1"}));
    assert_eq!(early.events.pop_back(), Some(Event::Ready));
}

#[test]
fn every_gateway_state_leads_to_ready_or_a_typed_error_in_bounded_time() {
    let states = [
        "UNREGED",
        "NOREG",
        "TRYING",
        "FAILED",
        "FAIL_WAIT",
        "TIMEOUT",
        "EXPIRED",
        "UNREGISTER",
        "DOWN",
        "ATTACHED",
        "NEVER_SEEN",
    ];
    for state in states {
        let mut story = Story::telnyx();
        story.log_in();
        story.client_ready(&[]);
        let begun = story.now;
        loop {
            while let Some(question) = story.sent.pop_front() {
                story.reply(&question, json!({"params": {"state": state}}));
            }
            if story.disconnects > 0 {
                break;
            }
            story.next_deadline();
        }
        assert!(story.now - begun <= Duration::from_secs(60), "{state}");
        let error = Error::NotRegistered {
            server: "gateway.example".into(),
            state: state.into(),
        };
        assert!(
            story.events.contains(&Event::Failed(error)),
            "{state}: {:?}",
            story.events
        );
        let Some(Event::Disconnected {
            cause: DisconnectCause::NotRegistered,
            retry_in: Some(retry_in),
        }) = story.events.back()
        else {
            panic!("{state}: {:?}", story.events)
        };
        assert!((2..=30).contains(&retry_in.as_secs()), "{retry_in:?}");
        // The next socket asks for another instance of the gateway.
        story.connects.clear();
        story.events.clear();
        story.until(Duration::from_secs(60), |event| {
            matches!(event, Event::Connecting { .. })
        });
        assert_eq!(
            story.connects,
            ["wss://gateway.example/?voice_sdk_id=v-1&skip_last_voice_sdk_id=true"]
        );
    }
}

#[test]
fn a_gateway_that_stays_at_register_is_ready_in_bounded_time_and_stays_so() {
    let mut story = Story::telnyx();
    story.log_in();
    story.client_ready(&[]);
    let begun = story.now;
    let mut ready = None;
    while story.now - begun < Duration::from_secs(3600) {
        while let Some(request) = story.sent.pop_front() {
            if request["method"] == "telnyx_rtc.gatewayState" {
                story.reply(&request, json!({"params": {"state": "REGISTER"}}));
            } else {
                story.reply(&request, json!({"message": "PONG"}));
            }
        }
        while let Some(event) = story.events.pop_front() {
            if event == Event::Ready {
                assert_eq!(ready.replace(story.now - begun), None, "twice");
            }
            assert!(!matches!(
                event,
                Event::Failed(_) | Event::Disconnected { .. }
            ));
        }
        story.next_deadline();
    }
    assert!(ready.expect("ready") <= Duration::from_secs(30));
    // Registered after all, it is no news.
    story.says("gatewayState", json!({"state": "REGED"}));
    story.nothing_told();
}

#[test]
fn a_state_that_mends_itself_is_waited_for() {
    let mut story = Story::telnyx();
    story.log_in();
    story.client_ready(&[]);
    for state in ["TRYING", "UNREGED", "REGED"] {
        let question = story.take_sent("gatewayState");
        story.reply(&question, json!({"params": {"state": state}}));
        if state != "REGED" {
            assert_eq!(story.next_deadline(), Deadline::GatewayAsk);
        }
    }
    assert_eq!(story.events.pop_back(), Some(Event::Ready));
}

#[test]
fn a_ready_session_that_loses_its_registration_for_a_moment_is_not_ready_twice() {
    let mut story = Story::telnyx().ready();
    story.says("gatewayState", json!({"state": "UNREGED"}));
    assert!(matches!(story.event(), Event::RegistrationConflict { .. }));
    assert_eq!(story.next_deadline(), Deadline::GatewayAsk);
    let question = story.take_sent("gatewayState");
    story.reply(&question, json!({"params": {"state": "REGED"}}));
    story.nothing_told();
}

#[test]
fn a_silent_server_is_left_in_bounded_time_at_every_stage() {
    type Stage = (Deadline, fn(&mut Story));
    let stages: [Stage; 4] = [
        (Deadline::Connect, |_| {}),
        (Deadline::LoginReply, |story| story.opened()),
        (Deadline::ClientReady, Story::log_in),
        (Deadline::GatewayReply, |story| {
            story.log_in();
            story.client_ready(&[]);
        }),
    ];
    for (deadline, get_there) in stages {
        let mut story = Story::telnyx();
        get_there(&mut story);
        assert_eq!(story.next_deadline(), deadline);
        assert!(story.elapsed() <= Duration::from_secs(45));
        let Some(Event::Disconnected {
            cause,
            retry_in: Some(_),
        }) = story.events.pop_back()
        else {
            panic!("{deadline:?}")
        };
        assert_eq!(cause, DisconnectCause::Silent(deadline));
        assert_eq!(story.disconnects, 1);
    }
}

#[test]
fn a_wrong_password_is_said_at_once_and_tried_again_only_after_a_quarter_of_an_hour() {
    let mut story = Story::freeswitch();
    story.opened();
    let login = story.take_sent("login");
    story.events.clear();
    story.refuse(&login, -32001, "Authentication Failure");
    let Event::LoginFailed(error) = story.event() else {
        panic!()
    };
    assert_eq!(
        error.to_string(),
        "gateway.example refused the login as 1000: Authentication Failure (-32001)"
    );
    assert_eq!(error.remedy(), Remedy::NewCredentials);
    let retry_in = Some(Duration::from_secs(900));
    assert_eq!(
        story.event(),
        Event::Disconnected {
            cause: DisconnectCause::LoginRefused,
            retry_in
        }
    );
    assert_eq!(story.disconnects, 1);
    let mut logins = 0;
    let end = story.now + Duration::from_secs(24 * 3600);
    while story.now < end {
        story.next_deadline();
        story.opened();
        while let Some(login) = story.sent.pop_front() {
            logins += 1;
            story.refuse(&login, -32001, "Authentication Failure");
        }
    }
    assert!((20..=27).contains(&logins), "{logins} logins in a day");
}

#[test]
fn a_password_of_a_few_seconds_gets_a_second_chance_after_ten() {
    let seconds = Duration::from_secs;
    for (age, rests) in [
        (Some(seconds(3)), [10, 900]),
        (Some(seconds(3600)), [900, 1800]),
        (None, [900, 1800]),
    ] {
        let mut story = Story::with(Config {
            login_age: age,
            ..config(TELNYX, password())
        });
        for rest in rests {
            story.opened();
            let login = story.take_sent("login");
            story.refuse(&login, -32001, "Authentication Failure");
            let told = story.until(seconds(1), |event| {
                matches!(event, Event::Disconnected { .. })
            });
            let cause = DisconnectCause::LoginRefused;
            let retry_in = Some(seconds(rest));
            assert_eq!(told, Event::Disconnected { cause, retry_in }, "{age:?}");
            story.next_deadline();
        }
    }
}

#[test]
fn authentication_required_as_the_answer_to_a_login_is_a_refusal() {
    let mut story = Story::telnyx();
    story.opened();
    let login = story.take_sent("login");
    story.refuse(&login, -32000, "Authentication Required");
    story.nothing_sent();
    assert!(matches!(
        story.events.pop_back(),
        Some(Event::Disconnected {
            cause: DisconnectCause::LoginRefused,
            ..
        })
    ));
    assert!(matches!(
        story.events.pop_back(),
        Some(Event::LoginFailed(Error::LoginRejected {
            code: Some(-32000),
            ..
        }))
    ));
}

#[test]
fn fresh_credentials_are_used_at_once_after_a_refusal() {
    let mut story = Story::freeswitch();
    story.opened();
    let login = story.take_sent("login");
    story.refuse(&login, -32001, "Authentication Failure");
    story.connects.clear();
    let fresh = Login::Password {
        user: "1000".into(),
        password: Secret::new("better"),
    };
    story.command(Command::Login(fresh));
    assert_eq!(story.connects.len(), 1);
    story.opened();
    assert_eq!(story.take_sent("login")["params"]["passwd"], "better");
}

#[test]
fn an_expired_token_is_named_as_such() {
    let mut config = config(
        TELNYX,
        Login::Token {
            token: Secret::new(TOKEN),
        },
    );
    config.wall_clock = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1090));
    let mut story = Story::with(config);
    story.now += Duration::from_secs(10);
    story.opened();
    let login = story.take_sent("login");
    story.events.clear();
    story.refuse(&login, -32001, "Login Incorrect");
    let Event::LoginFailed(error) = story.event() else {
        panic!()
    };
    assert_eq!(
        error.to_string(),
        "gateway.example refused the token: it expired 100 s ago by this machine's clock"
    );
    assert_eq!(error.remedy(), Remedy::Clock);
}

#[test]
fn credentials_that_cannot_work_never_reach_the_wire() {
    let malformed = Story::with(config(
        TELNYX,
        Login::Token {
            token: Secret::new("KEY0123"),
        },
    ));
    let unsupported = Story::with(config(
        FREESWITCH,
        Login::Token {
            token: Secret::new(TOKEN),
        },
    ));
    for (mut story, text) in [
        (
            malformed,
            "the token for gateway.example is malformed: a token has three parts separated by dots, this has 1",
        ),
        (
            unsupported,
            "gateway.example speaks the freeswitch dialect, which has no token login",
        ),
    ] {
        assert!(story.connects.is_empty());
        let Event::LoginFailed(error) = story.event() else {
            panic!()
        };
        assert_eq!(error.to_string(), text);
        assert_eq!(
            story.event(),
            Event::Disconnected {
                cause: DisconnectCause::LoginRefused,
                retry_in: None
            }
        );
        assert_eq!(story.wait, None);
        story.command(Command::Login(password()));
        assert_eq!(story.connects.len(), 1);
    }
}

#[test]
fn a_new_login_on_the_live_socket_drops_no_call() {
    let mut story = Story::telnyx().ready();
    story.answered("c-1");
    story.command(Command::Login(password()));
    let login = story.take_sent("login");
    assert_eq!(login["params"]["reconnection"], true);
    assert_eq!(login["params"]["sessid"], "s-1");
    story.reply(&login, json!({"message": "logged in", "sessid": "s-1"}));
    story.client_ready(&[]);
    story.client_ready(&["somebody-elses"]);
    assert_eq!(
        story.event(),
        Event::LoggedIn {
            sessid: "s-1".into()
        }
    );
    story.pass(Duration::from_secs(15));
    story.nothing_told();
}

#[test]
fn authentication_required_means_one_login_and_the_request_again_at_most_twice() {
    let mut story = Story::freeswitch().ready();
    let (_, mut invite) = story.place("c-1");
    for _ in 0..2 {
        story.refuse(&invite, -32000, "Authentication Required");
        let login = story.take_sent("login");
        story.nothing_sent();
        story.reply(&login, json!({"message": "logged in", "sessid": "s-1"}));
        let again = story.take_sent("invite");
        assert_ne!(again["id"], invite["id"]);
        assert_eq!(again["params"], invite["params"]);
        invite = again;
    }
    story.events.clear();
    story.refuse(&invite, -32000, "Authentication Required");
    story.nothing_sent();
    assert!(matches!(story.event(), Event::Ended { .. }));
}

#[test]
fn a_bye_that_is_not_heard_after_all_logins_is_said_again_on_a_new_socket() {
    let mut story = Story::freeswitch().ready();
    let call = story.answered("c-1");
    story.command(Command::Bye {
        call,
        cause: None,
        sip_code: None,
        headers: Vec::new(),
    });
    for _ in 0..2 {
        let bye = story.take_sent("bye");
        story.refuse(&bye, -32000, "Authentication Required");
        let login = story.take_sent("login");
        story.reply(&login, json!({"message": "logged in"}));
    }
    let bye = story.take_sent("bye");
    story.refuse(&bye, -32000, "Authentication Required");
    assert_eq!(story.disconnects, 1);
    story.come_back(&[]);
    story.take_sent("bye");
}

#[test]
fn a_server_that_always_wants_another_login_gets_no_storm() {
    let mut story = Story::freeswitch().ready();
    let mut logins = 0;
    let end = story.now + Duration::from_secs(600);
    while story.now < end {
        while let Some(frame) = story.sent.pop_front() {
            if frame["method"] == "login" {
                logins += 1;
                story.reply(&frame, json!({"message": "logged in"}));
                story.client_ready(&[]);
            } else {
                story.refuse(&frame, -32000, "Authentication Required");
            }
        }
        story.next_deadline();
        if story.connects.pop_front().is_some() {
            story.opened();
        }
    }
    assert!(logins <= 60, "{logins} logins in ten minutes");
}

#[test]
fn a_server_that_closes_each_socket_after_the_login_gets_at_most_six_logins_a_minute() {
    let mut story = Story::freeswitch();
    let mut times = Vec::new();
    while times.len() < 40 {
        if story.connects.pop_front().is_none() {
            story.next_deadline();
            continue;
        }
        story.log_in();
        times.push(story.now);
        story.client_ready(&[]);
        story.closed();
    }
    for seven in times.windows(7) {
        assert!(seven[6] - seven[0] >= Duration::from_secs(60));
    }
}

#[test]
fn a_failed_connection_is_told_and_tried_again() {
    let mut story = Story::telnyx();
    story.events.clear();
    let failure = ConnectFailure {
        stage: "DNS".into(),
        text: "no address for gateway.example".into(),
        remedy: None,
        retry_after: None,
    };
    story.input(Input::Failed(failure.clone()));
    let Event::Disconnected {
        cause,
        retry_in: Some(_),
    } = story.event()
    else {
        panic!()
    };
    assert_eq!(cause, DisconnectCause::Connect(failure));
    assert_eq!(story.next_deadline(), Deadline::Reconnect);
    assert_eq!(story.event(), Event::Connecting { attempt: 2 });
}

#[test]
fn a_server_that_is_full_at_the_upgrade_is_left_alone_as_long_as_it_asks() {
    for (asked, kept) in [(300, 300), (u64::MAX, 3600)] {
        let mut story = Story::telnyx();
        story.events.clear();
        story.input(Input::Failed(ConnectFailure {
            stage: "upgrade".into(),
            text: "503".into(),
            remedy: None,
            retry_after: Some(Duration::from_secs(asked)),
        }));
        let Event::Disconnected {
            retry_in: Some(pause),
            ..
        } = story.event()
        else {
            panic!()
        };
        assert_eq!(pause, Duration::from_secs(kept));
    }
}

#[test]
fn no_formatter_shows_a_secret() {
    let session = config(TELNYX, password());
    assert!(!format!("{session:?}").contains("hunter2"));
    let command = Command::Login(Login::Token {
        token: Secret::new(TOKEN),
    });
    assert!(!format!("{command:?}").contains(TOKEN));
}

#[test]
fn a_session_name_of_somebody_else_is_replaced_and_the_next_attempt_is_an_ordinary_one() {
    let mut story = Story::freeswitch();
    story.opened();
    let login = story.take_sent("login");
    let taken = login["params"]["sessid"].clone();
    assert!(taken.is_string());
    story.events.clear();
    story.refuse(&login, -32001, "Session in use");
    assert!(matches!(story.event(), Event::LoginFailed(_)));
    assert!(matches!(story.event(), Event::RegistrationConflict { .. }));
    let Event::Disconnected {
        cause: DisconnectCause::SessionInUse,
        retry_in: Some(pause),
    } = story.event()
    else {
        panic!("a pause")
    };
    assert!(
        pause <= Duration::from_secs(60),
        "a refused credential would rest {pause:?}"
    );
    story.connects.clear();
    story.pass(pause);
    assert_eq!(story.connects.len(), 1);
    story.opened();
    let again = story.take_sent("login");
    assert!(again["params"]["sessid"].is_string());
    assert_ne!(again["params"]["sessid"], taken);
}
