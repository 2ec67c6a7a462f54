//! What a server is asked beside calls, and answers: an echo, the calls that wait behind a push message, the end of such messages.

use offhook_signaling::auth::login::Login;
use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::error::Error;
use offhook_signaling::event::Event;
use offhook_signaling::secret::Secret;
use offhook_signaling::verto::dialect::telnyx::TELNYX;
use offhook_signaling::verto::session::Config;
use serde_json::{Value, json};

use crate::story::{ANSWER, OFFER, Story, config, password};

/// A client that push messages can wake.
fn phone(login: Login) -> Story {
    let variables = [
        ("push_device_token", "d-1"),
        ("push_notification_provider", "android"),
        ("site", "north"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.into()));
    Story::with(Config {
        user_variables: variables.into(),
        ..config(TELNYX, login)
    })
    .ready()
}

fn refused(story: &mut Story) -> Error {
    let event = story.event();
    let Event::ApiReply {
        result: Err(error), ..
    } = event
    else {
        panic!("{event:?}")
    };
    error
}

#[test]
fn an_echo_comes_back_as_it_was_said_without_what_the_server_adds() {
    let mut story = Story::freeswitch().ready();
    for (data, said) in [
        (
            json!({"n": [1, {"a": null}]}),
            json!({"n": [1, {"a": null}]}),
        ),
        (Value::Null, json!({})),
    ] {
        story.command(Command::Echo { id: 4, data });
        let sent = story.sent.pop_front().expect("an echo");
        assert_eq!((&sent["method"], &sent["params"]), (&json!("echo"), &said));
        let mut back = said.clone();
        back["sessid"] = json!("s-1");
        story.reply(&sent, back);
        let result = Ok(said);
        assert_eq!(story.event(), Event::ApiReply { id: 4, result });
    }
    for data in [json!([1]), json!("text")] {
        story.command(Command::Echo { id: 5, data });
        assert!(matches!(refused(&mut story), Error::Unsayable { .. }));
        story.nothing_sent();
    }
    story.command(Command::Echo {
        id: 6,
        data: Value::Null,
    });
    let sent = story.sent.pop_front().expect("an echo");
    story.refuse(
        &sent,
        -32601,
        "Invalid Method, Missing Method or Permission Denied",
    );
    let error = refused(&mut story);
    assert!(error.to_string().contains("echo"), "{error}");
    assert!(
        error
            .remedy()
            .to_string()
            .contains("jsonrpc-allowed-methods")
    );
    let mut story = Story::telnyx().ready();
    story.command(Command::Echo {
        id: 7,
        data: Value::Null,
    });
    assert!(matches!(refused(&mut story), Error::NotInDialect { .. }));
    story.nothing_sent();
}

#[test]
fn calls_that_wait_are_asked_for_and_come_as_any_other() {
    let mut story = phone(password());
    story.command(Command::AttachCalls { id: 1, call: None });
    let sent = story.take_sent("attachCalls");
    assert_eq!(
        sent["params"],
        json!({
            "userVariables": {"push_device_token": "d-1", "push_notification_provider": "android", "site": "north"},
            "loginParams": {}
        })
    );
    story.reply(&sent, json!({"message": "OK", "sessid": "s-1"}));
    assert_eq!(
        story.event(),
        Event::ApiReply {
            id: 1,
            result: Ok(json!({"message": "OK"}))
        }
    );
    story.says("invite", json!({"callID": "in-1", "sdp": OFFER}));
    story.sent.clear();
    assert!(matches!(story.event(), Event::Incoming { .. }));
    // Its user's other devices need not be woken any more.
    story.command(Command::Answer {
        call: CallId::from_wire("in-1").unwrap(),
        sdp: ANSWER.into(),
        headers: Vec::new(),
        client_state: None,
        trickle: None,
    });
    let answer = story.take_sent("answer");
    assert_eq!(answer["params"]["answered_device_token"], "d-1");

    story.command(Command::AttachCalls {
        id: 2,
        call: CallId::from_wire("in-2"),
    });
    let sent = story.take_sent("attachCalls");
    assert_eq!(sent["params"]["callID"], "in-2");
    story.refuse(&sent, -32002, "CALL DOES NOT EXIST");
    let error = refused(&mut story);
    assert!(error.to_string().contains("CALL DOES NOT EXIST"), "{error}");
    // Without a connection there is nobody to ask, and nothing is asked later.
    story.closed();
    story.events.clear();
    story.command(Command::AttachCalls { id: 3, call: None });
    assert!(matches!(refused(&mut story), Error::NotReady { .. }));

    let mut story = Story::freeswitch().ready();
    story.command(Command::AttachCalls { id: 4, call: None });
    assert!(matches!(refused(&mut story), Error::NotInDialect { .. }));
    story.nothing_sent();
}

#[test]
fn push_messages_end_for_the_device_that_the_login_named() {
    let device = json!({"push_device_token": "d-1", "push_notification_provider": "android"});
    let token = |text: &str| Login::Token {
        token: Secret::new(text),
    };
    for (login, key, who) in [
        (password(), "user", "1000"),
        (token("e30.e30.first"), "login_token", "e30.e30.first"),
    ] {
        let named = matches!(login, Login::Token { .. });
        let mut story = phone(login);
        story.command(Command::DisablePush { id: 1 });
        let sent = story.take_sent("disable_push_notification");
        if named {
            assert_eq!(sent["params"][key], who);
        }
        assert!(sent["params"][key].is_string(), "{sent}");
        assert_eq!(sent["params"]["User-Agent"], device);
        assert_eq!(sent["params"].as_object().unwrap().len(), 2, "{sent}");
        story.reply(&sent, json!({"message": "off"}));
        let result = Ok(json!({"message": "off"}));
        assert_eq!(story.event(), Event::ApiReply { id: 1, result });
    }
}

#[test]
fn the_end_of_push_messages_said_again_names_the_login_in_force() {
    let token = |text: &str| Login::Token {
        token: Secret::new(text),
    };
    let mut story = phone(token("e30.e30.first"));
    story.command(Command::DisablePush { id: 1 });
    let sent = story.take_sent("disable_push_notification");
    story.command(Command::Login(token("e30.e30.second")));
    let login = story.take_sent("login");
    story.reply(&login, json!({"message": "logged in", "sessid": "s-1"}));
    story.events.clear();
    story.refuse(&sent, -32000, "Authentication Required");
    let login = story.take_sent("login");
    story.reply(&login, json!({"message": "logged in", "sessid": "s-1"}));
    let again = story.take_sent("disable_push_notification");
    assert_eq!(again["params"]["login_token"], "e30.e30.second");
    assert_eq!(again["params"]["User-Agent"]["push_device_token"], "d-1");
}

#[test]
fn who_has_no_device_or_no_identity_has_no_push_messages() {
    let mut story = Story::telnyx().ready();
    story.command(Command::DisablePush { id: 1 });
    let error = refused(&mut story);
    assert!(error.to_string().contains("push_device_token"), "{error}");
    story.nothing_sent();

    let mut story = Story::with(config(
        TELNYX,
        Login::Anonymous {
            target_type: "ai_assistant".into(),
            target_id: "a-1".into(),
            target_version: None,
            target_params: Default::default(),
        },
    ));
    story.opened();
    story.events.clear();
    for command in [
        Command::DisablePush { id: 1 },
        Command::AttachCalls { id: 2, call: None },
    ] {
        story.command(command);
        assert!(matches!(
            refused(&mut story),
            Error::NotWithAnonymous { .. }
        ));
    }
}
