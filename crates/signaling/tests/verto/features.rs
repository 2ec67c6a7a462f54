//! What calls can do beside being up: hold, transfer, chat, headers, candidates; and what a restart remembers.

use std::time::{Duration, SystemTime};

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::{Command, PreferredCodec};
use offhook_signaling::error::Error;
use offhook_signaling::event::{DisconnectCause, Event, Party, PlatformIds, Said, SipEnd};
use offhook_signaling::remembered::Remembered;
use offhook_signaling::session::{ConnectFailure, Input};
use offhook_signaling::verto::dialect::freeswitch::FREESWITCH;
use offhook_signaling::verto::dialect::telnyx::TELNYX;
use offhook_signaling::verto::session::Config;
use serde_json::json;

use crate::story::{ANSWER, OFFER, Story, config, password};

#[test]
fn hold_is_what_the_server_says() {
    for mut story in [Story::telnyx().ready(), Story::freeswitch().ready()] {
        let call = story.answered("c-1");
        for (on, action, said, held) in [
            (true, "hold", "held", true),
            (true, "hold", "active", false),
            (false, "unhold", "unheld", false),
            (false, "unhold", "sent-only", true),
        ] {
            story.command(Command::Hold {
                call: call.clone(),
                on,
            });
            let modify = story.take_sent("modify");
            assert_eq!(modify["params"]["action"], action);
            assert_eq!(modify["params"]["dialogParams"]["callID"], "c-1");
            story.reply(
                &modify,
                json!({"callID": "c-1", "action": action, "holdState": said}),
            );
            assert_eq!(
                story.event(),
                Event::HoldState {
                    call: call.clone(),
                    held
                }
            );
        }
        story.command(Command::Hold {
            call: call.clone(),
            on: true,
        });
        let modify = story.take_sent("modify");
        story.reply(&modify, json!({"callID": "c-1"}));
        assert!(matches!(story.failed(), Error::PeerMisbehaved { .. }));
        let (other, _) = story.place("c-2");
        story.command(Command::Hold {
            call: other,
            on: true,
        });
        assert!(matches!(story.failed(), Error::WrongState { .. }));
    }
}

#[test]
fn hold_is_carried_over_a_lost_socket() {
    let mut story = Story::freeswitch().ready();
    let call = story.answered("c-1");
    story.command(Command::Hold {
        call: call.clone(),
        on: true,
    });
    let modify = story.take_sent("modify");
    story.reply(&modify, json!({"holdState": "held"}));
    story.closed();
    story.come_back(&["c-1"]);
    story.sent.clear();
    story.command(Command::Attach {
        call,
        sdp: ANSWER.into(),
    });
    let attach = story.take_sent("attach");
    story.reply(&attach, json!({}));
    assert_eq!(story.take_sent("modify")["params"]["action"], "hold");
}

#[test]
fn a_blind_transfer_says_whether_it_worked() {
    let mut story = Story::freeswitch().ready();
    let call = story.answered("c-1");
    story.command(Command::Transfer {
        call: call.clone(),
        to: "1002".into(),
    });
    let modify = story.take_sent("modify");
    assert_eq!(modify["params"]["action"], "transfer");
    assert_eq!(modify["params"]["destination"], "1002");
    story.refuse(&modify, -32002, "call is not bridged");
    assert_eq!(
        story.failed().to_string(),
        "gateway.example refused transfer: call is not bridged (-32002)"
    );
    story.command(Command::Transfer {
        call: call.clone(),
        to: "1002".into(),
    });
    let modify = story.take_sent("modify");
    story.reply(&modify, json!({"message": "CALL TRANSFERRED"}));
    assert_eq!(story.event(), Event::Transferred { call: call.clone() });
    story.says(
        "bye",
        json!({"callID": "c-1", "cause": "BLIND_TRANSFER", "causeCode": 800}),
    );
    assert!(matches!(
        story.event(),
        Event::Ended {
            elsewhere: false,
            ..
        }
    ));
    story.command(Command::Transfer {
        call,
        to: "1002".into(),
    });
    assert!(matches!(story.failed(), Error::UnknownCall { .. }));
}

#[test]
fn an_attended_transfer_joins_two_calls_of_ours_and_no_others() {
    let mut story = Story::freeswitch().ready();
    let (one, two) = (story.answered("c-1"), story.answered("c-2"));
    for stranger in ["c-1", "somebody-elses"] {
        let with = CallId::from_wire(stranger).unwrap();
        story.command(Command::Replace {
            call: one.clone(),
            with,
        });
        assert!(matches!(story.failed(), Error::Unsayable { .. }));
        story.nothing_sent();
    }
    story.command(Command::Replace {
        call: one.clone(),
        with: two,
    });
    let modify = story.take_sent("modify");
    assert_eq!(modify["params"]["action"], "replace");
    assert_eq!(modify["params"]["replaceCallID"], "c-2");
    story.reply(&modify, json!({"message": "CALL TRANSFERRED"}));
    assert_eq!(story.event(), Event::Transferred { call: one });
}

#[test]
fn messages_go_both_ways_within_calls_and_without() {
    let mut story = Story::freeswitch().ready();
    let call = story.answered("c-1");
    let message = |call| Command::Message {
        id: 7,
        call,
        to: "1001@pbx".into(),
        body: "hi".into(),
    };
    story.command(message(None));
    let info = story.take_sent("info");
    assert_eq!(
        info["params"]["msg"],
        json!({"to": "1001@pbx", "body": "hi"})
    );
    story.reply(&info, json!({"message": "SENT"}));
    let accepted = |call| Event::MessageAccepted {
        call,
        id: 7,
        stored: false,
    };
    assert_eq!(story.event(), accepted(None));
    story.command(message(Some(call.clone())));
    let info = story.take_sent("info");
    assert_eq!(info["params"]["msg"]["inDialog"], true);
    assert_eq!(info["params"]["dialogParams"]["callID"], "c-1");
    story.reply(&info, json!({"message": "SENT"}));
    assert_eq!(story.event(), accepted(Some(call.clone())));
    story.command(message(Some(call.clone())));
    let info = story.take_sent("info");
    story.refuse(&info, -32602, "Permission Denied");
    assert!(matches!(
        story.event(),
        Event::MessageFailed {
            call: Some(of),
            id: 7,
            error: Error::Refused { .. }
        } if of == call
    ));
    story.command(Command::Message {
        id: 7,
        call: None,
        to: String::new(),
        body: "hi".into(),
    });
    assert!(matches!(
        story.event(),
        Event::MessageFailed {
            call: None,
            id: 7,
            error: Error::Unsayable { .. }
        }
    ));
    story.says(
        "info",
        json!({"msg": {"from": "1001@pbx", "to": "1000", "body": "ho", "from_msg_name": "Ann"}}),
    );
    let from = Party {
        name: "Ann".into(),
        number: "1001@pbx".into(),
    };
    assert_eq!(
        story.event(),
        Event::Message {
            call: None,
            from: from.clone(),
            body: "ho".into()
        }
    );
    story.says(
        "info",
        json!({"callID": "c-1", "msg": {"from": "1001@pbx", "body": "ho", "from_msg_name": "Ann"}}),
    );
    assert_eq!(
        story.event(),
        Event::Message {
            call: Some(call),
            from,
            body: "ho".into()
        }
    );
}

#[test]
fn headers_state_codecs_and_variables_go_out_and_in() {
    let mut story = Story::with(Config {
        user_variables: [
            ("site".to_owned(), "north".into()),
            ("push_when_active".to_owned(), false.into()),
        ]
        .into(),
        ..config(TELNYX, password())
    });
    story.opened();
    assert_eq!(
        story.sent[0]["params"]["userVariables"],
        json!({"site": "north", "push_when_active": false})
    );
    let mut story = Story::telnyx().ready();
    let call = CallId::from_wire("c-1").unwrap();
    let opus = PreferredCodec {
        mime_type: "audio/opus".into(),
        clock_rate: 48000,
        channels: Some(2),
        fmtp: None,
    };
    story.command(Command::Invite {
        call: call.clone(),
        to: "9196".into(),
        sdp: OFFER.into(),
        caller_name: None,
        caller_number: None,
        headers: vec![("X-A".into(), "1".into())],
        client_state: Some("c3RhdGU=".into()),
        codecs: vec![opus],
        user_variables: vec![
            ("room".into(), "7".into()),
            ("floor".into(), 3.into()),
            ("vip".into(), true.into()),
        ],
        refer: None,
        replaces: None,
        trickle: None,
    });
    let dialog = story.take_sent("invite")["params"]["dialogParams"].clone();
    assert_eq!(dialog["clientState"], "c3RhdGU=");
    assert_eq!(
        dialog["userVariables"],
        json!({"room": "7", "floor": 3, "vip": true})
    );
    assert_eq!(
        dialog["preferred_codecs"],
        json!([{"mimeType": "audio/opus", "clockRate": 48000, "channels": 2}])
    );
    assert_eq!(dialog["iceServers"], json!(null));
    story.says(
        "answer",
        json!({
            "callID": "c-1", "sdp": ANSWER, "client_state": "Yg==", "telnyx_session_id": "t-1", "telnyx_leg_id": "l-1",
            "variables": {"Core-UUID": "x", "verto_svar_queue": "sales"},
            "dialogParams": {"custom_headers": [{"name": "X-B", "value": "2"}]}
        }),
    );
    assert_eq!(
        story.event(),
        Event::CallIds {
            call: call.clone(),
            ids: Box::new(PlatformIds {
                session: Some("t-1".into()),
                leg: Some("l-1".into()),
                call_control: None
            })
        }
    );
    assert_eq!(
        story.event(),
        Event::Answered {
            fork: None,
            call,
            sdp: Some(ANSWER.into()),
            said: Box::new(Said {
                headers: vec![("X-B".into(), "2".into())],
                client_state: Some("Yg==".into()),
                variables: vec![("queue".into(), "sales".into())],
            })
        }
    );
    story.sent.clear();
    // Both spellings at once must not cost the bye.
    story.says(
        "bye",
        json!({"callID": "c-1", "cause": "USER_BUSY", "clientState": "Yw==", "client_state": "Yw==",
            "sipCode": 486, "sipReason": "Busy Here", "sip_call_id": "s-1@a",
            "dialogParams": {"custom_headers": [{"name": "X-C", "value": "3"}]}}),
    );
    let Event::Ended {
        headers,
        client_state,
        sip,
        ..
    } = story.event()
    else {
        panic!()
    };
    let said = SipEnd {
        code: Some(486),
        reason: Some("Busy Here".into()),
        call_id: Some("s-1@a".into()),
    };
    assert_eq!(*sip, said);
    assert_eq!(headers, [("X-C".to_owned(), "3".to_owned())]);
    assert_eq!(client_state.as_deref(), Some("Yw=="));
    let mut story = Story::freeswitch().ready();
    story.says(
        "invite",
        json!({"callID": "in-1", "sdp": OFFER, "verto_h_X-Id": "9", "display_direction": "outbound"}),
    );
    let Event::Incoming { said, .. } = story.event() else {
        panic!()
    };
    assert_eq!(said.headers, [("X-Id".to_owned(), "9".to_owned())]);
}

#[test]
fn candidates_trickle_both_ways_and_may_come_before_their_call() {
    let mut story = Story::with(Config {
        trickle: true,
        ..config(TELNYX, password())
    })
    .ready();
    let (call, invite) = story.place("c-1");
    assert_eq!(invite["params"]["trickle"], true);
    let line = "candidate:1 1 udp 1 192.0.2.1 9 typ host";
    story.command(Command::Candidate {
        call: call.clone(),
        candidate: line.into(),
    });
    let sent = story.take_sent("candidate");
    assert_eq!(sent["params"]["candidate"], line);
    assert_eq!(sent["params"]["callID"], "c-1");
    assert_eq!(sent["params"]["dialogParams"]["callID"], "c-1");
    story.refuse(&sent, -32601, "unknown");
    story.command(Command::EndOfCandidates { call: call.clone() });
    assert_eq!(
        story.take_sent("endOfCandidates")["params"]["endOfCandidates"],
        true
    );
    story.says(
        "candidate",
        json!({"dialogParams": {"callId": "c-1"}, "candidate": format!("a={line}"), "sdpMid": 0}),
    );
    assert_eq!(
        story.event(),
        Event::RemoteCandidate {
            call,
            candidate: line.into()
        }
    );
    story.says("candidate", json!({"callID": "in-1", "candidate": line}));
    story.says("endOfCandidates", json!({"callID": "in-1"}));
    story.nothing_told();
    story.says("invite", json!({"callID": "in-1", "sdp": OFFER}));
    assert!(matches!(story.event(), Event::Incoming { .. }));
    assert!(matches!(story.event(), Event::RemoteCandidate { .. }));
    assert!(matches!(story.event(), Event::RemoteEndOfCandidates { .. }));
    let mut story = Story::with(Config {
        trickle: true,
        ..config(FREESWITCH, password())
    })
    .ready();
    let (call, invite) = story.place("c-1");
    assert_eq!(invite["params"]["trickle"], json!(null));
    story.command(Command::Candidate {
        call,
        candidate: line.into(),
    });
    assert!(matches!(story.failed(), Error::NotInDialect { .. }));
}

#[test]
fn one_call_says_itself_whether_candidates_follow_and_keeps_to_it() {
    for (session, wanted) in [(false, true), (true, false)] {
        let mut story = Story::with(Config {
            trickle: session,
            ..config(TELNYX, password())
        })
        .ready();
        let said = |wanted: bool| if wanted { json!(true) } else { json!(null) };
        let (_, usual) = story.place("c-0");
        assert_eq!(usual["params"]["trickle"], said(session));
        let call = CallId::from_wire("c-1").unwrap();
        story.command(Command::Invite {
            call: call.clone(),
            to: "9196".into(),
            sdp: OFFER.into(),
            caller_name: None,
            caller_number: None,
            headers: Vec::new(),
            client_state: None,
            codecs: Vec::new(),
            user_variables: Vec::new(),
            refer: None,
            replaces: None,
            trickle: Some(wanted),
        });
        let invite = story.take_sent("invite");
        assert_eq!(invite["params"]["trickle"], said(wanted));
        story.reply(
            &invite,
            json!({"message": "CALL CREATED", "callID": "c-1", "sessid": "s-1"}),
        );
        story.says("answer", json!({"callID": "c-1", "sdp": ANSWER}));
        story.sent.clear();
        // Also when its media is renewed, by us or by the server.
        story.command(Command::UpdateMedia {
            call: call.clone(),
            sdp: OFFER.into(),
        });
        let modify = story.take_sent("modify");
        assert_eq!(modify["params"]["trickle"], said(wanted));
        story.reply(
            &modify,
            json!({"callID": "c-1", "action": "updateMedia", "sdp": ANSWER}),
        );
        story.says("attach", json!({"callID": "c-1", "sdp": OFFER}));
        story.sent.clear();
        story.command(Command::Attach {
            call,
            sdp: ANSWER.into(),
        });
        let attach = story.take_sent("attach");
        assert_eq!(attach["params"]["trickle"], said(wanted));

        story.says("invite", json!({"callID": "in-1", "sdp": OFFER}));
        story.sent.clear();
        story.command(Command::Answer {
            call: CallId::from_wire("in-1").unwrap(),
            sdp: ANSWER.into(),
            headers: Vec::new(),
            client_state: None,
            trickle: Some(wanted),
        });
        let answer = story.take_sent("answer");
        assert_eq!(answer["params"]["trickle"], said(wanted));
    }
}

#[test]
fn what_is_remembered_recovers_a_call_of_an_earlier_process() {
    let wall = |second: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + second);
    let mut story = Story::with(Config {
        wall_clock: Some(wall(0)),
        ..config(TELNYX, password())
    })
    .ready();
    story.answered("c-1");
    let ends = story.now + Duration::from_secs(100);
    while story.now < ends {
        story.next_deadline();
        while let Some(frame) = story.sent.pop_front() {
            story.reply(&frame, json!({}));
        }
    }
    let kept = story.remembered.last().unwrap().clone();
    assert_eq!(kept.sessid.as_deref(), Some("s-1"));
    assert_eq!(kept.voice_sdk_id.as_deref(), Some("v-1"));
    assert!(kept.at.unwrap() >= wall(60), "{:?}", kept.at);
    for (age, named) in [(60, json!("s-1")), (90, json!("s-1")), (91, json!(null))] {
        let config = Config {
            wall_clock: Some(kept.at.unwrap() + Duration::from_secs(age)),
            remembered: kept.clone(),
            ..config(TELNYX, password())
        };
        let mut story = Story::with(config);
        assert_eq!(story.connects, ["wss://gateway.example/?voice_sdk_id=v-1"]);
        story.opened();
        let login = story.take_sent("login");
        assert_eq!(login["params"]["sessid"], named);
        assert_eq!(login["params"]["reconnection"], true);
        story.reply(&login, json!({"message": "logged in", "sessid": "s-1"}));
        story.client_ready(&["c-1"]);
        story.says("attach", json!({"callID": "c-1", "sdp": OFFER}));
        assert!(
            story
                .events
                .iter()
                .any(|event| matches!(event, Event::Attach { known: false, .. }))
        );
    }
    // A device of FreeSWITCH stays itself for ever, a deliberate end at a gateway leaves nothing.
    story.command(Command::Shutdown);
    let bye = story.take_sent("bye");
    story.reply(&bye, json!({}));
    assert_eq!(story.remembered.last(), Some(&Remembered::default()));
    let kept = Remembered {
        sessid: Some("device-7".into()),
        ..Remembered::default()
    };
    let mut story = Story::with(Config {
        remembered: kept,
        ..config(FREESWITCH, password())
    });
    story.opened();
    assert_eq!(story.take_sent("login")["params"]["sessid"], "device-7");
}

#[test]
fn a_region_that_cannot_be_reached_gives_way_to_the_automatic_choice() {
    let mut config = config(TELNYX, password());
    config.server = "wss://rtc.telnyx.com/?x=1".into();
    config.region = Some("eu".into());
    let mut story = Story::with(config);
    assert_eq!(story.connects, ["wss://eu.rtc.telnyx.com/?x=1"]);
    let failure = || ConnectFailure {
        stage: "DNS".into(),
        text: "no such host".into(),
        remedy: None,
        retry_after: None,
    };
    story.input(Input::Failed(failure()));
    story.next_deadline();
    assert_eq!(story.connects[1], "wss://rtc.telnyx.com/?x=1");
    let mut story = story.ready();
    story.closed();
    story.next_deadline();
    assert_eq!(
        story.connects[0],
        "wss://eu.rtc.telnyx.com/?x=1&voice_sdk_id=v-1"
    );
}

#[test]
fn a_region_whose_host_opens_and_lets_nobody_in_gives_way_too() {
    const REGIONAL: &str = "wss://eu.rtc.telnyx.com/";
    const AUTOMATIC: &str = "wss://rtc.telnyx.com/";
    let regional = || {
        let mut config = config(TELNYX, password());
        config.server = AUTOMATIC.into();
        config.region = Some("eu".into());
        let mut story = Story::with(config);
        assert_eq!(story.connects, [REGIONAL]);
        story.connects.clear();
        story.opened();
        story
    };
    let next = |mut story: Story| {
        while story.connects.is_empty() {
            story.next_deadline();
        }
        story.connects.pop_front().expect("an attempt")
    };
    // No answer to the login, a socket closed under it, and trouble of the server's own.
    let story = regional();
    assert_eq!(next(story), AUTOMATIC);
    let mut story = regional();
    story.closed();
    assert_eq!(next(story), AUTOMATIC);
    let mut story = regional();
    let login = story.take_sent("login");
    story.refuse(&login, -32603, "internal error");
    assert_eq!(next(story), AUTOMATIC);
    // A host that refuses the login has answered for its region.
    let mut story = regional();
    let login = story.take_sent("login");
    story.refuse(&login, -32001, "no such user");
    assert_eq!(next(story), REGIONAL);
    // So does one that had let us in.
    let mut story = regional().ready();
    story.closed();
    assert!(next(story).starts_with(REGIONAL));
}

#[test]
fn a_registration_lost_twice_is_not_fought_for() {
    registration_fight(config(TELNYX, password()));
    // Nor by whoever never tries a refused login again.
    let mut never = config(TELNYX, password());
    never.timers.refused = Duration::ZERO;
    registration_fight(never);
}

fn registration_fight(config: Config) {
    let mut story = Story::with(config).ready();
    for round in 0..4 {
        story.says("gatewayState", json!({"state": "UNREGED"}));
        assert!(matches!(story.event(), Event::RegistrationConflict { .. }));
        let rest = loop {
            while let Some(question) = story.sent.pop_front() {
                story.reply(&question, json!({"params": {"state": "UNREGED"}}));
            }
            match story.events.pop_front() {
                Some(Event::Disconnected {
                    cause: DisconnectCause::NotRegistered,
                    retry_in,
                }) => break retry_in,
                Some(_) => {}
                None => drop(story.next_deadline()),
            }
        };
        if round == 0 {
            assert!(
                rest.is_some_and(|rest| rest <= Duration::from_secs(6)),
                "{rest:?}"
            );
        } else {
            assert_eq!(rest, Some(Duration::from_secs(900)), "{round}");
        }
        story.until(Duration::from_secs(901), |event| {
            matches!(event, Event::Connecting { .. })
        });
        story = story.ready();
    }
}

#[test]
fn a_registration_that_is_lost_silently_is_found() {
    let mut story = Story::telnyx().ready();
    let ends = story.now + Duration::from_secs(400);
    let mut found = false;
    while story.now < ends && !found {
        while let Some(frame) = story.sent.pop_front() {
            story.reply(&frame, json!({"params": {"state": "UNREGED"}}));
        }
        found = story
            .events
            .drain(..)
            .any(|event| matches!(event, Event::RegistrationConflict { .. }));
        story.next_deadline();
    }
    assert!(found);
}
