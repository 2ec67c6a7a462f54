//! What messages carry beside their purpose: headers, state, variables, SIP status, and parameters of the URL.

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::{EndedBy, Event, Said};
use offhook_signaling::session::{CloseReason, Input};
use offhook_signaling::verto::dialect::telnyx::TELNYX;
use offhook_signaling::verto::session::Config;
use offhook_signaling::verto::session::config::ProxyTarget;
use serde_json::json;

use crate::story::{ANSWER, OFFER, Story, config, password};

/// What each step of a call may say beside its purpose, and what it is told as.
#[test]
fn every_step_of_a_call_tells_what_came_with_it() {
    let beside = |mut message: serde_json::Value, value: &str| {
        let more = json!({
            "client_state": "Yg==", "telnyx_call_control_id": "v3:1", "variables": {"verto_svar_queue": value},
            "dialogParams": {"custom_headers": [{"name": "X-B", "value": value}]}
        });
        message
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        message
    };
    let said = |value: &str| {
        Box::new(Said {
            headers: vec![("X-B".into(), value.into())],
            client_state: Some("Yg==".into()),
            variables: vec![("queue".into(), value.into())],
        })
    };
    let told = |story: &mut Story| {
        loop {
            let event = story.event();
            if !matches!(event, Event::CallIds { .. }) {
                return event;
            }
        }
    };
    let mut story = Story::telnyx().ready();
    let (call, _) = story.place("c-1");
    story.says("ringing", beside(json!({"callID": "c-1"}), "1"));
    let expected = Event::Ringing {
        call: call.clone(),
        said: said("1"),
    };
    assert_eq!(told(&mut story), expected);
    story.says(
        "media",
        beside(json!({"callID": "c-1", "sdp": ANSWER}), "2"),
    );
    let expected = Event::EarlyMedia {
        fork: None,
        call: call.clone(),
        sdp: ANSWER.into(),
        said: said("2"),
    };
    assert_eq!(told(&mut story), expected);
    story.says("answer", beside(json!({"callID": "c-1"}), "3"));
    let expected = Event::Answered {
        fork: None,
        call,
        sdp: None,
        said: said("3"),
    };
    assert_eq!(told(&mut story), expected);
    story.says(
        "attach",
        beside(json!({"callID": "c-1", "sdp": OFFER}), "4"),
    );
    let Event::Attach {
        said: came, ids, ..
    } = told(&mut story)
    else {
        panic!()
    };
    assert_eq!(came, said("4"));
    assert_eq!(ids.call_control.as_deref(), Some("v3:1"));
    story.says(
        "invite",
        beside(json!({"callID": "in-1", "sdp": OFFER}), "5"),
    );
    let Event::Incoming {
        said: came, ids, ..
    } = told(&mut story)
    else {
        panic!()
    };
    assert_eq!(came, said("5"));
    assert_eq!(ids.call_control.as_deref(), Some("v3:1"));
}

#[test]
fn what_the_dialect_cannot_carry_is_refused_and_never_dropped() {
    let field = || vec![("X-A".to_owned(), "1".to_owned())];
    let bye = |call: &CallId, sip_code, headers| Command::Bye {
        call: call.clone(),
        cause: None,
        sip_code,
        headers,
    };
    let mut story = Story::telnyx().ready();
    let call = story.answered("c-1");
    story.command(bye(&call, Some(486), field()));
    let sent = story.take_sent("bye");
    assert_eq!(
        sent["params"]["dialogParams"]["custom_headers"],
        json!([{"name": "X-A", "value": "1"}])
    );
    assert_eq!(sent["params"]["sipCode"], 486);

    let mut story = Story::freeswitch().ready();
    let call = story.answered("c-1");
    story.events.clear();
    for (sip_code, headers, what) in [
        (None, field(), "header fields"),
        (Some(486), Vec::new(), "a SIP status"),
    ] {
        story.command(bye(&call, sip_code, headers));
        let told = story.failed().to_string();
        assert!(told.contains("freeswitch") && told.contains(what), "{told}");
    }
    assert!(story.sent.is_empty(), "the call lives on: {:?}", story.sent);
    let invite = |headers, client_state, user_variables| Command::Invite {
        call: CallId::from_wire("c-2").unwrap(),
        to: "9196".into(),
        sdp: OFFER.into(),
        caller_name: None,
        caller_number: None,
        headers,
        client_state,
        codecs: Vec::new(),
        user_variables,
        refer: None,
        replaces: None,
        trickle: None,
    };
    for wish in [
        invite(field(), None, Vec::new()),
        invite(Vec::new(), Some("Yg==".into()), Vec::new()),
        invite(Vec::new(), None, vec![("floor".into(), 3.into())]),
    ] {
        story.command(wish);
        let Event::Ended { detail, by, .. } = story.event() else {
            panic!()
        };
        assert_eq!(by, EndedBy::Local);
        assert!(detail.unwrap().contains("freeswitch"));
    }
    assert!(story.sent.is_empty());
    // What its channels take goes through.
    story.command(invite(
        Vec::new(),
        None,
        vec![("room".into(), "7".into()), ("vip".into(), true.into())],
    ));
    let sent = story.take_sent("invite");
    assert_eq!(
        sent["params"]["dialogParams"]["userVariables"],
        json!({"room": "7", "vip": true})
    );
}

#[test]
fn where_the_gateway_sends_us_can_be_chosen() {
    let dialled = |change: &dyn Fn(&mut Config), known: bool| {
        let mut config = config(TELNYX, password());
        config.remembered.voice_sdk_id = known.then(|| "v-1".to_owned());
        change(&mut config);
        let mut story = Story::with(config);
        let first = story.connects.pop_front().unwrap();
        story.log_in();
        story.input(Input::Closed(CloseReason::default()));
        story.pass(Duration::from_secs(60));
        (first, story.connects.pop_front())
    };
    let base = "wss://gateway.example";
    let (first, _) = dialled(&|config| config.skip_instance = true, true);
    assert_eq!(
        first,
        format!("{base}/?voice_sdk_id=v-1&skip_last_voice_sdk_id=true")
    );
    let (first, _) = dialled(&|config| config.skip_instance = true, false);
    assert_eq!(first, base, "there is none to be skipped");
    let target = ProxyTarget {
        ip: "192.0.2.7".parse().unwrap(),
        port: 8443,
    };
    let (first, next) = dialled(
        &|config| {
            config.proxy_target = Some(target);
            config.canary = true;
        },
        true,
    );
    assert_eq!(first, format!("{base}/?rtc_ip=192.0.2.7&rtc_port=8443"));
    assert_eq!(next.as_deref(), Some(first.as_str()));
    let (first, next) = dialled(&|config| config.canary = true, true);
    assert_eq!(first, format!("{base}/?canary=true"));
    assert_eq!(
        next.unwrap(),
        format!("{base}/?voice_sdk_id=v-1&canary=true")
    );
    let (first, _) = dialled(&|config| config.skip_trailing = true, true);
    assert_eq!(
        first,
        format!("{base}/?voice_sdk_id=v-1&skip_trailing=true")
    );
}
