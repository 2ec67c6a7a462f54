//! Calls: placed, taken, ended from either side, and all the ways in which two messages cross.

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::cause::Cause;
use offhook_signaling::command::Command;
use offhook_signaling::deadlines::Deadline;
use offhook_signaling::error::Error;
use offhook_signaling::event::{EndedBy, Event, Party};
use offhook_signaling::verto::dialect::freeswitch::FREESWITCH;
use offhook_signaling::verto::dialect::telnyx::TELNYX;
use serde_json::{Value, json};

use crate::story::{ANSWER, OFFER, Story, config, password};

fn ended(call: &CallId, by: EndedBy, cause: Cause) -> Event {
    Event::Ended {
        call: call.clone(),
        by,
        cause,
        detail: None,
        client_state: None,
        elsewhere: false,
        headers: Vec::new(),
        sip: Box::default(),
    }
}

fn bye(call: &CallId) -> Command {
    Command::Bye {
        call: call.clone(),
        cause: None,
        sip_code: None,
        headers: Vec::new(),
    }
}

fn offered(story: &mut Story) -> CallId {
    let id = story.says(
        "invite",
        json!({
            "callID": "in-1", "sdp": OFFER, "caller_id_name": "Ann", "caller_id_number": 4711,
            "display_direction": "outbound", "variables": {"Event-Name": "x"}, "unheard_of": [1, 2],
            "dialogParams": {"custom_headers": [{"name": "X-Site", "value": "north"}]}
        }),
    );
    story.take_ack("invite", id);
    CallId::from_wire("in-1").expect("a name")
}

#[test]
fn a_call_rings_and_is_answered() {
    let mut story = Story::telnyx().ready();
    let (call, invite) = story.place("c-1");
    let dialog = &invite["params"]["dialogParams"];
    assert_eq!(invite["params"]["sdp"], OFFER);
    assert_eq!(invite["params"]["sessid"], "s-1");
    assert_eq!(invite["params"]["User-Agent"], "offhook/test");
    assert_eq!(dialog["destination_number"], "9196");
    assert_eq!(dialog["caller_id_name"], "Kiosk");
    assert_eq!(
        dialog["custom_headers"],
        json!([{"name": "X-Site", "value": "north"}])
    );
    story.reply(&invite, json!({"message": "CALL CREATED", "callID": "c-1"}));
    assert_eq!(story.event(), Event::Trying { call: call.clone() });
    let id = story.says("ringing", json!({"callID": "c-1"}));
    story.take_ack("ringing", id);
    story.says("ringing", json!({"callID": "c-1"}));
    assert_eq!(
        story.event(),
        Event::Ringing {
            call: call.clone(),
            said: Box::default()
        }
    );
    story.nothing_told();
    let id = story.says("answer", json!({"callID": "c-1", "sdp": ANSWER}));
    story.sent.pop_front();
    story.take_ack("answer", id);
    assert_eq!(
        story.event(),
        Event::Answered {
            fork: None,
            call: call.clone(),
            sdp: Some(ANSWER.into()),
            said: Box::default(),
        }
    );
    let id = story.says(
        "bye",
        json!({"callID": "c-1", "cause": "NORMAL_CLEARING", "causeCode": 16}),
    );
    story.take_ack("bye", id);
    assert_eq!(
        story.event(),
        ended(&call, EndedBy::Remote, Cause::NORMAL_CLEARING)
    );
    story.nothing_sent();
}

#[test]
fn what_the_server_needs_not_know_is_not_told() {
    let mut story = Story::freeswitch().ready();
    let (_, invite) = story.place("c-1");
    let keys: Vec<&String> = invite["params"]["dialogParams"]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    let needed = [
        "callID",
        "caller_id_name",
        "caller_id_number",
        "destination_number",
        "remote_caller_id_number",
    ];
    assert_eq!(keys, needed);
}

#[test]
fn early_media_brings_the_sdp_that_the_answer_then_lacks() {
    let mut story = Story::freeswitch().ready();
    let (call, invite) = story.place("c-1");
    story.reply(&invite, json!({"message": "CALL CREATED", "callID": "c-1"}));
    story.says("media", json!({"callID": "c-1", "sdp": ANSWER}));
    story.says("media", json!({"callID": "c-1"}));
    story.says("answer", json!({"callID": "c-1"}));
    assert_eq!(story.event(), Event::Trying { call: call.clone() });
    assert_eq!(
        story.event(),
        Event::EarlyMedia {
            fork: None,
            call: call.clone(),
            sdp: ANSWER.into(),
            said: Box::default()
        }
    );
    assert_eq!(
        story.event(),
        Event::Answered {
            fork: None,
            call,
            sdp: None,
            said: Box::default(),
        }
    );
    story.nothing_told();
}

#[test]
fn the_sdp_of_an_answer_after_early_media_is_dropped() {
    let mut story = Story::telnyx().ready();
    let (call, _) = story.place("c-1");
    story.says("media", json!({"callID": "c-1", "sdp": ANSWER}));
    story.says("answer", json!({"callID": "c-1", "sdp": "v=0 other"}));
    story.events.pop_front();
    assert_eq!(
        story.event(),
        Event::Answered {
            fork: None,
            call,
            sdp: None,
            said: Box::default(),
        }
    );
}

#[test]
fn an_answer_without_any_sdp_ends_the_call() {
    let mut story = Story::telnyx().ready();
    let (_, _) = story.place("c-1");
    story.says("answer", json!({"callID": "c-1"}));
    let Event::Ended {
        by: EndedBy::Server,
        cause,
        detail: Some(_),
        ..
    } = story.event()
    else {
        panic!()
    };
    assert_eq!(cause, Cause::MANDATORY_IE_MISSING);
    story.sent.pop_front();
    assert_eq!(story.take_sent("bye")["params"]["causeCode"], 96);
}

#[test]
fn a_refused_invite_says_the_specific_text_though_the_key_comes_twice() {
    let mut story = Story::freeswitch().ready();
    let (call, invite) = story.place("c-1");
    let id = &invite["id"];
    story.raw(&format!(
        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"message":"Cannot create channel","callID":"c-1",
        "causeCode":27,"cause":"DESTINATION_OUT_OF_ORDER","code":-32002,"message":"CALL ERROR"}}}}"#
    ));
    let detail = Some("Cannot create channel".to_owned());
    let cause = Cause::DESTINATION_OUT_OF_ORDER;
    assert_eq!(
        story.event(),
        Event::Ended {
            call,
            by: EndedBy::Server,
            cause,
            detail,
            client_state: None,
            elsewhere: false,
            headers: Vec::new(),
            sip: Box::default(),
        }
    );
    story.pass(Duration::from_secs(15));
    story.nothing_told();
}

#[test]
fn the_far_side_may_be_busy() {
    let mut story = Story::freeswitch().ready();
    let (call, invite) = story.place("c-1");
    story.reply(&invite, json!({"message": "CALL CREATED"}));
    story.says(
        "bye",
        json!({"callID": "c-1", "causeCode": "17", "cause": "USER_BUSY"}),
    );
    story.events.pop_front();
    assert_eq!(
        story.event(),
        ended(&call, EndedBy::Remote, Cause::USER_BUSY)
    );
}

#[test]
fn a_server_that_never_takes_the_call_is_not_waited_for() {
    let mut story = Story::telnyx().ready();
    let (call, _) = story.place("c-1");
    assert_eq!(story.next_deadline(), Deadline::InviteReply);
    let Event::Ended {
        by: EndedBy::Timeout,
        detail: Some(detail),
        ..
    } = story.event()
    else {
        panic!()
    };
    assert_eq!(
        detail,
        "gateway.example stays silent: no reply to the invite within 10 s"
    );
    assert_eq!(
        story.take_sent("bye")["params"]["dialogParams"],
        json!({"callID": call.as_str()})
    );
}

#[test]
fn a_call_that_rings_for_ever_is_given_up() {
    let mut story = Story::telnyx().ready();
    let (call, invite) = story.place("c-1");
    story.reply(&invite, json!({"callID": "c-1"}));
    story.says("ringing", json!({"callID": "c-1"}));
    let begun = story.now;
    while story
        .events
        .iter()
        .all(|event| !matches!(event, Event::Ended { .. }))
    {
        story.next_deadline();
        while let Some(frame) = story.sent.pop_front() {
            if frame["method"] == "telnyx_rtc.ping" {
                story.reply(&frame, json!({"message": "PONG"}));
            } else if frame["method"] == "telnyx_rtc.bye" {
                assert_eq!(frame["params"]["cause"], "NO_ANSWER");
            }
        }
    }
    assert_eq!(story.now - begun, Duration::from_secs(120));
    let Some(Event::Ended {
        call: ended,
        by: EndedBy::Timeout,
        cause,
        ..
    }) = story.events.pop_back()
    else {
        panic!()
    };
    assert_eq!((ended, cause), (call, Cause::NO_ANSWER));
}

#[test]
fn an_incoming_call_is_taken() {
    let mut story = Story::telnyx().ready();
    let call = offered(&mut story);
    let Event::Incoming {
        caller, sdp, said, ..
    } = story.event()
    else {
        panic!()
    };
    assert_eq!(
        caller,
        Party {
            name: "Ann".into(),
            number: "4711".into()
        }
    );
    assert_eq!((sdp.as_deref(), said.headers.len()), (Some(OFFER), 1));
    story.command(Command::Answer {
        call: call.clone(),
        sdp: ANSWER.into(),
        client_state: None,
        headers: Vec::new(),
        trickle: None,
    });
    let answer = story.take_sent("answer");
    assert_eq!(answer["params"]["sdp"], ANSWER);
    story.nothing_told();
    story.reply(&answer, json!({"callID": "in-1"}));
    assert_eq!(story.event(), Event::Confirmed { call: call.clone() });
    story.command(bye(&call));
    assert_eq!(
        story.event(),
        ended(&call, EndedBy::Local, Cause::NORMAL_CLEARING)
    );
    let said = story.take_sent("bye");
    assert_eq!(said["params"]["cause"], "NORMAL_CLEARING");
    story.reply(&said, json!({"callID": "in-1", "message": "CALL ENDED"}));
    story.pass(Duration::from_secs(10));
    story.nothing_told();
}

#[test]
fn an_answer_says_whom_its_caller_is_to_see_where_the_server_tells_and_nothing_else_of_us() {
    for (dialect, shows) in [(FREESWITCH, true), (TELNYX, false)] {
        let mut config = config(dialect, password());
        config.own_name = Some("Front desk".to_owned());
        config.own_number = Some("100".to_owned());
        let mut story = Story::with(config).ready();
        let call = offered(&mut story);
        story.command(Command::Answer {
            call,
            sdp: ANSWER.into(),
            client_state: None,
            headers: Vec::new(),
            trickle: None,
        });
        let answer = story.take_sent("answer");
        let dialog = &answer["params"]["dialogParams"];
        let shown = |text: &str| shows.then(|| Value::from(text));
        assert_eq!(dialog.get("callee_id_name"), shown("Front desk").as_ref());
        assert_eq!(dialog.get("callee_id_number"), shown("100").as_ref());
        let mut keys: Vec<&str> = dialog
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        keys.retain(|key| !key.starts_with("callee_id_"));
        assert_eq!(
            keys,
            ["callID", "remote_caller_id_name", "remote_caller_id_number"]
        );
    }
}

#[test]
fn an_incoming_call_is_rejected_as_busy_or_as_the_user_says() {
    for (cause, code) in [(None, 17), (Some(Cause::CALL_REJECTED), 21)] {
        let mut story = Story::freeswitch().ready();
        let call = offered(&mut story);
        story.events.clear();
        story.command(Command::Bye {
            call: call.clone(),
            cause,
            sip_code: None,
            headers: Vec::new(),
        });
        assert_eq!(story.take_sent("bye")["params"]["causeCode"], code);
        assert!(matches!(
            story.event(),
            Event::Ended {
                by: EndedBy::Local,
                ..
            }
        ));
    }
}

#[test]
fn an_incoming_call_answered_elsewhere_says_so() {
    let mut story = Story::freeswitch().ready();
    offered(&mut story);
    story.events.clear();
    story.says(
        "bye",
        json!({"callID": "in-1", "causeCode": 702, "cause": "LOSE_RACE"}),
    );
    let Event::Ended {
        by: EndedBy::Remote,
        cause,
        elsewhere: true,
        ..
    } = story.event()
    else {
        panic!("a missed call")
    };
    assert_eq!(cause, Cause::LOSE_RACE);
}

#[test]
fn an_incoming_call_that_nobody_takes_ends() {
    let mut story = Story::freeswitch().ready();
    offered(&mut story);
    story.events.clear();
    loop {
        while let Some(ping) = story.sent.pop_front() {
            story.reply(&ping, json!({"message": "PONG"}));
        }
        if !story.events.is_empty() {
            break;
        }
        story.next_deadline();
    }
    assert!(matches!(
        story.event(),
        Event::Ended {
            by: EndedBy::Timeout,
            ..
        }
    ));
    assert!(story.elapsed() <= Duration::from_secs(181));
}

#[test]
fn an_answer_to_a_caller_who_has_left_ends_once_in_both_orders() {
    let gone = "CALL DOES NOT EXIST";
    for bye_first in [true, false] {
        let mut story = Story::freeswitch().ready();
        let call = offered(&mut story);
        story.command(Command::Answer {
            call,
            sdp: ANSWER.into(),
            client_state: None,
            headers: Vec::new(),
            trickle: None,
        });
        let answer = story.take_sent("answer");
        story.events.clear();
        let said = json!({"callID": "in-1", "cause": "ORIGINATOR_CANCEL", "causeCode": 487});
        if bye_first {
            story.says("bye", said);
            story.refuse(&answer, -32002, gone);
        } else {
            story.refuse(&answer, -32002, gone);
            story.says("bye", said);
        }
        let Event::Ended {
            by: EndedBy::Remote,
            ..
        } = story.event()
        else {
            panic!()
        };
        story.nothing_told();
    }
}

#[test]
fn an_answer_that_crosses_our_cancel_changes_nothing() {
    let mut story = Story::telnyx().ready();
    let (call, invite) = story.place("c-1");
    story.command(bye(&call));
    assert_eq!(
        story.event(),
        ended(&call, EndedBy::Local, Cause::ORIGINATOR_CANCEL)
    );
    let said = story.take_sent("bye");
    story.reply(&invite, json!({"message": "CALL CREATED", "callID": "c-1"}));
    let id = story.says("answer", json!({"callID": "c-1", "sdp": ANSWER}));
    story.take_ack("answer", id);
    let id = story.says("bye", json!({"callID": "c-1", "cause": "NORMAL_CLEARING"}));
    story.take_ack("bye", id);
    story.refuse(&said, -32002, "CALL DOES NOT EXIST");
    story.nothing_sent();
    story.nothing_told();
}

#[test]
fn a_bye_whose_late_answer_wants_a_login_is_said_again() {
    let mut story = Story::freeswitch().ready();
    let call = story.answered("c-1");
    story.events.clear();
    story.command(bye(&call));
    let farewell = story.take_sent("bye");
    // Nobody waits for its answer any more, and a probe is out.
    story.next_deadline();
    let probe = story.take_sent("ping");
    story.refuse(&farewell, -32000, "Authentication Required");
    let login = story.take_sent("login");
    story.refuse(&probe, -32000, "Authentication Required");
    story.reply(&login, json!({"message": "logged in", "sessid": "s-1"}));
    let again = story.take_sent("bye");
    assert_eq!(again["params"]["dialogParams"]["callID"], call.as_str());
    story.reply(&again, json!({"callID": call.as_str()}));
}

#[test]
fn a_bye_that_is_answered_late_or_never_bothers_nobody() {
    let mut story = Story::telnyx().ready();
    let call = story.answered("c-1");
    story.command(bye(&call));
    assert_eq!(
        story.event(),
        ended(&call, EndedBy::Local, Cause::NORMAL_CLEARING)
    );
    let said = story.take_sent("bye");
    assert_eq!(story.next_deadline(), Deadline::ByeReply);
    story.reply(&said, json!({"callID": "c-1"}));
    story.nothing_told();
    story.command(bye(&call));
    let Event::CommandFailed {
        error: Error::UnknownCall { .. },
        ..
    } = story.event()
    else {
        panic!()
    };
}

#[test]
fn dtmf_goes_by_info_and_says_when_it_cannot() {
    let mut story = Story::freeswitch().ready();
    let call = story.answered("c-1");
    let dtmf = |digits: &str| Command::Dtmf {
        call: call.clone(),
        digits: digits.into(),
    };
    story.command(dtmf("12#w*A"));
    let info = story.take_sent("info");
    assert_eq!(info["params"]["dtmf"], "12#w*A");
    assert_eq!(info["params"]["dialogParams"], json!({"callID": "c-1"}));
    story.reply(&info, json!({"message": "SENT"}));
    assert_eq!(story.event(), Event::DtmfSent { call: call.clone() });
    // A FreeSWITCH that does not know the call takes digits too, and only does not say that they were sent.
    story.command(dtmf("3"));
    let info = story.take_sent("info");
    story.reply(&info, json!({"sessid": "s"}));
    let Event::CommandFailed { error, .. } = story.event() else {
        panic!("it is no success")
    };
    assert!(
        error.to_string().contains("does not say that it was sent"),
        "{error}"
    );
    story.nothing_told();
    story.command(dtmf("1x"));
    assert_eq!(
        story.event(),
        Event::CommandFailed {
            call: call.clone(),
            error: Error::NotDtmf('x')
        }
    );
    story.command(dtmf(""));
    assert_eq!(
        story.event(),
        Event::CommandFailed {
            call: call.clone(),
            error: Error::DtmfLength(0)
        }
    );
    story.command(dtmf("1"));
    let info = story.take_sent("info");
    story.refuse(&info, -32601, "Permission Denied");
    let Event::CommandFailed { error, .. } = story.event() else {
        panic!()
    };
    assert_eq!(
        error.to_string(),
        "gateway.example refused DTMF: Permission Denied (-32601)"
    );
}

#[test]
fn digits_may_have_a_length_and_be_a_flash_where_the_server_reads_that() {
    let dtmf = |story: &mut Story, call: &CallId, digits: &str| {
        let (call, digits) = (call.clone(), digits.to_owned());
        story.command(Command::Dtmf { call, digits });
    };
    let mut story = Story::freeswitch().ready();
    let call = story.answered("c-1");
    for digits in ["12@250+3", "F", "wF#@50", "1@24000"] {
        dtmf(&mut story, &call, digits);
        assert_eq!(story.take_sent("info")["params"]["dtmf"], digits);
    }
    for digits in [
        "12@", "12@x", "@250", "1++2", "1@9", "1@25000", "1@2@3", "+",
    ] {
        dtmf(&mut story, &call, digits);
        let event = story.event();
        assert!(
            matches!(
                event,
                Event::CommandFailed {
                    error: Error::Unsayable { .. },
                    ..
                }
            ),
            "{digits}: {event:?}"
        );
        story.nothing_sent();
    }
    let mut story = Story::telnyx().ready();
    let call = story.answered("c-1");
    for (digits, fault) in [("1@250", '@'), ("1+2", '+'), ("F", 'F')] {
        dtmf(&mut story, &call, digits);
        let error = Error::NotDtmf(fault);
        let call = call.clone();
        assert_eq!(story.event(), Event::CommandFailed { call, error });
        story.nothing_sent();
    }
}

#[test]
fn dtmf_before_there_is_anybody_to_hear_it_is_refused() {
    let mut story = Story::telnyx().ready();
    let (call, _) = story.place("c-1");
    story.command(Command::Dtmf {
        call: call.clone(),
        digits: "1".into(),
    });
    let Event::CommandFailed { error, .. } = story.event() else {
        panic!()
    };
    assert_eq!(
        error.to_string(),
        "DTMF is not possible while the call is not yet answered"
    );
    story.says("media", json!({"callID": "c-1", "sdp": ANSWER}));
    story.sent.clear();
    story.command(Command::Dtmf {
        call,
        digits: "1".into(),
    });
    story.take_sent("info");
}

#[test]
fn new_media_is_offered_by_update_media() {
    let mut story = Story::freeswitch().ready();
    let call = story.answered("c-1");
    let update = Command::UpdateMedia {
        call: call.clone(),
        sdp: OFFER.into(),
    };
    story.command(update.clone());
    let modify = story.take_sent("modify");
    assert_eq!(modify["params"]["action"], "updateMedia");
    story.reply(
        &modify,
        json!({"callID": "c-1", "action": "updateMedia", "holdState": "active", "sdp": ANSWER}),
    );
    assert_eq!(
        story.event(),
        Event::MediaUpdated {
            call,
            sdp: ANSWER.into()
        }
    );
    story.command(update.clone());
    let modify = story.take_sent("modify");
    story.reply(&modify, json!({"callID": "c-1", "action": "updateMedia"}));
    assert!(matches!(
        story.event(),
        Event::MediaUpdateFailed {
            error: Error::PeerMisbehaved { .. },
            ..
        }
    ));
    story.command(update.clone());
    let modify = story.take_sent("modify");
    story.refuse(&modify, -32002, "CODEC ERROR");
    assert!(matches!(
        story.event(),
        Event::MediaUpdateFailed {
            error: Error::Refused { .. },
            ..
        }
    ));
    story.command(update);
    let modify = story.take_sent("modify");
    story.refuse(&modify, -32002, "CALL DOES NOT EXIST");
    let Event::Ended {
        by: EndedBy::Server,
        cause,
        ..
    } = story.event()
    else {
        panic!()
    };
    assert_eq!(cause, Cause::INVALID_CALL_REFERENCE);
}

#[test]
fn a_new_display_is_told() {
    let mut story = Story::freeswitch().ready();
    let call = story.answered("c-1");
    let id = story.says(
        "display",
        json!({"callID": "c-1", "display_name": "Bob", "display_number": "200"}),
    );
    story.take_ack("display", id);
    assert_eq!(
        story.event(),
        Event::Display {
            call,
            remote: Party {
                name: "Bob".into(),
                number: "200".into()
            }
        }
    );
}

#[test]
fn calls_without_a_ready_session_end_with_the_reason() {
    let mut story = Story::telnyx();
    story.events.clear();
    let call = CallId::from_wire("c-1").unwrap();
    let invite = Command::Invite {
        call,
        to: "1".into(),
        sdp: OFFER.into(),
        caller_name: None,
        caller_number: None,
        headers: Vec::new(),
        client_state: None,
        codecs: Vec::new(),
        user_variables: Vec::new(),
        refer: None,
        replaces: None,
        trickle: None,
    };
    story.command(invite);
    let Event::Ended {
        by: EndedBy::Local,
        detail: Some(detail),
        ..
    } = story.event()
    else {
        panic!()
    };
    assert_eq!(
        detail,
        "not connected to gateway.example: call is not possible now"
    );
}

#[test]
fn messages_about_unknown_calls_are_left_alone() {
    let mut story = Story::freeswitch().ready();
    for method in ["bye", "answer", "media", "display", "info"] {
        story.says(method, json!({"callID": "nobody", "sdp": ANSWER}));
        story.says(method, Value::Null);
        story.says(method, json!({"callID": 7}));
    }
    story.nothing_sent();
    story.nothing_told();
}
