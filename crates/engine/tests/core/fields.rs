//! What calls bring along and take along: headers, state, ids, SIP status, and the options of one call; in virtual time.

use offhook_engine::error::Error;
use offhook_engine::event::{EventKind, Said};
use offhook_engine::output::{CallMedia, MediaCommand};
use offhook_engine::request::{AnswerOptions, CallRequest, EndOptions};
use offhook_engine::vocabulary::{AudioCodec, CallId, Cause, IceServer, PlatformIds, SipEnd};
use offhook_media::driver::event::CallEvent;
use offhook_media::program::ProgramCommand;
use offhook_signaling::command::Command;
use offhook_signaling::event::{EndedBy, Event, Party, Said as Brought};

use crate::world::World;

const ID: &str = "0b5d7a1e-3f7c-4a58-9d59-6f2f7f2f3c11";

fn field(name: &str, value: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), value.to_owned())]
}

/// A message that brings a header, a state and a variable.
fn brought(value: &str) -> Box<Brought> {
    Box::new(Brought {
        headers: field("X-Site", value),
        client_state: Some("Yg==".to_owned()),
        variables: field("queue", "sales"),
    })
}

/// The same as the engine tells it.
fn told(value: &str) -> Said {
    Said {
        headers: [field("X-Site", value), field("queue", "sales")].concat(),
        client_state: Some("Yg==".to_owned()),
    }
}

fn ids() -> PlatformIds {
    PlatformIds {
        session: Some("session-1".to_owned()),
        leg: Some("leg-1".to_owned()),
        call_control: Some("v3:1".to_owned()),
    }
}

#[test]
fn what_comes_with_each_step_of_a_call_is_told() {
    let mut world = World::ready();
    let call = world.invited();
    world.signal(Event::Ringing {
        call: call.clone(),
        said: brought("ringing"),
    });
    world.signal(Event::EarlyMedia {
        fork: None,
        call: call.clone(),
        sdp: "early".to_owned(),
        said: brought("early"),
    });
    world.signal(Event::Answered {
        fork: None,
        call: call.clone(),
        sdp: None,
        said: brought("answer"),
    });
    world.signal(Event::Attach {
        call: call.clone(),
        sdp: "new offer".to_owned(),
        known: true,
        outbound: false,
        remote: Party::default(),
        said: brought("attach"),
        ids: Box::default(),
    });
    world.signal(Event::Ended {
        call,
        by: EndedBy::Remote,
        cause: Cause::USER_BUSY,
        detail: Some("Busy Here".to_owned()),
        elsewhere: false,
        headers: field("X-Site", "bye"),
        client_state: Some("Yw==".to_owned()),
        sip: Box::new(SipEnd {
            code: Some(486),
            reason: Some("Busy Here".to_owned()),
            call_id: Some("s-1@a".to_owned()),
        }),
    });
    world.media(World::closed());
    let steps: Vec<EventKind> = world
        .events
        .iter()
        .map(|event| event.kind.clone())
        .filter(|kind| {
            matches!(
                kind,
                EventKind::Ringing(_)
                    | EventKind::Early(_)
                    | EventKind::Answered(_)
                    | EventKind::Attached(_)
            )
        })
        .collect();
    assert_eq!(
        steps,
        [
            EventKind::Ringing(told("ringing")),
            EventKind::Early(told("early")),
            EventKind::Answered(told("answer")),
            EventKind::Attached(told("attach")),
        ]
    );
    let ended = world.ended();
    assert_eq!(ended.headers, field("X-Site", "bye"));
    assert_eq!(ended.client_state.as_deref(), Some("Yw=="));
    assert_eq!(ended.sip.code, Some(486));
    assert_eq!(ended.sip.reason.as_deref(), Some("Busy Here"));
    assert_eq!(ended.sip.call_id.as_deref(), Some("s-1@a"));
}

#[test]
fn every_event_of_a_call_names_it_as_the_platform_does() {
    let mut world = World::ready();
    let call = World::name("theirs");
    world.signal(Event::Incoming {
        call,
        caller: Party::default(),
        sdp: Some("their offer".to_owned()),
        said: Box::default(),
        ids: Box::new(ids()),
        replaces: None,
    });
    let status = world.core.calls(world.now).remove(0);
    assert_eq!(status.ids.as_deref(), Some(&ids()));
    world
        .core
        .reject(None, EndOptions::default(), world.now)
        .unwrap();
    assert_eq!(world.kinds(), ["incoming", "ended"]);
    for event in &world.events {
        assert_eq!(event.ids.as_deref(), Some(&ids()), "{event:?}");
    }
    // They may come later, and some of them.
    let call = world.invited();
    world.events.clear();
    let leg = PlatformIds {
        leg: Some("leg-2".to_owned()),
        ..PlatformIds::default()
    };
    world.signal(Event::CallIds {
        call: call.clone(),
        ids: Box::new(leg.clone()),
    });
    world.signal(Event::Ringing {
        call,
        said: Box::default(),
    });
    let after: Vec<_> = world
        .events
        .iter()
        .map(|event| event.ids.as_deref())
        .collect();
    assert_eq!(after, [Some(&leg), Some(&leg)]);
}

#[test]
fn an_answer_takes_headers_state_and_silence_along() {
    let mut world = World::ready();
    world.incoming(Some("their offer"));
    let options = AnswerOptions {
        headers: field("X-Desk", "7"),
        client_state: Some("YQ==".to_owned()),
        muted: Some(true),
        ..AnswerOptions::default()
    };
    world.core.answer(None, options, world.now).unwrap();
    assert!(world.core.calls(world.now)[0].muted);
    assert!(
        world
            .media_commands()
            .contains(&MediaCommand::Program(ProgramCommand::Mute(true)))
    );
    world.media(CallEvent::LocalAnswer {
        sdp: "our answer".to_owned(),
    });
    let [
        Command::Answer {
            headers,
            client_state,
            ..
        },
    ] = &world.commands()[..]
    else {
        panic!("no answer")
    };
    assert_eq!(headers, &field("X-Desk", "7"));
    assert_eq!(client_state.as_deref(), Some("YQ=="));
}

#[test]
fn a_call_asks_servers_of_its_own_whoever_placed_it() {
    let relay: IceServer = "turn:relay.example".parse().unwrap();
    let servers = vec![
        "stun:stun.example".parse().unwrap(),
        relay.clone().with_credentials("kiosk", "hunter2"),
    ];
    let mut world = World::ready();
    let request = CallRequest {
        ice_servers: Some(servers.clone()),
        trickle: Some(true),
        ..CallRequest::to("9196")
    };
    assert!(!format!("{request:?}").contains("hunter2"));
    world.core.call(&request, world.now).unwrap();
    let wanted = CallMedia {
        ice_servers: Some(servers.clone()),
        trickle: Some(true),
        ..CallMedia::default()
    };
    let commands = world.media_commands();
    assert!(
        matches!(&commands[..], [MediaCommand::Open(_, _, media), MediaCommand::CreateOffer] if *media == wanted),
        "{commands:?}"
    );
    world.media(CallEvent::LocalOffer {
        sdp: "offer".to_owned(),
    });
    assert!(matches!(
        world.commands()[..],
        [Command::Invite {
            trickle: Some(true),
            ..
        }]
    ));

    let mut world = World::ready();
    let call = world.incoming(Some("their offer"));
    let options = AnswerOptions {
        ice_servers: Some(servers),
        trickle: Some(true),
        ..AnswerOptions::default()
    };
    world.core.answer(None, options.clone(), world.now).unwrap();
    let commands = world.media_commands();
    assert!(
        matches!(&commands[..], [MediaCommand::Open(_, _, media), MediaCommand::AcceptOffer(..)] if *media == wanted),
        "{commands:?}"
    );
    world.media(CallEvent::LocalAnswer {
        sdp: "our answer".to_owned(),
    });
    assert!(matches!(
        world.commands()[..],
        [Command::Answer {
            trickle: Some(true),
            ..
        }]
    ));
    // Answered already, it takes none.
    world.signal(Event::Confirmed { call: call.clone() });
    let error = world
        .core
        .switch(Some(&call), options, world.now)
        .unwrap_err();
    assert!(error.to_string().contains("go with the answer"), "{error}");

    let mut world = World::ready();
    let many = vec!["stun:stun.example".parse().unwrap(); 13];
    let stun: IceServer = "stun:stun.example".parse().unwrap();
    for (servers, words) in [
        (many, "more than 12"),
        (vec![relay], "wants a user name"),
        (
            vec![stun.with_credentials("kiosk", "hunter2")],
            "takes no user name",
        ),
    ] {
        let request = CallRequest {
            ice_servers: Some(servers),
            ..CallRequest::to("9196")
        };
        let error = world.core.call(&request, world.now).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(!error.to_string().contains("hunter2") && error.remedy().is_some());
    }
    assert_eq!(world.media_commands(), []);
}

#[test]
fn a_sip_user_agent_says_to_everybody_or_to_nobody_that_candidates_follow() {
    let mut world = World::at_sip_server();
    let wish = |trickle| CallRequest {
        trickle: Some(trickle),
        ..CallRequest::to("bob")
    };
    let error = world.core.call(&wish(true), world.now).unwrap_err();
    assert!(error.to_string().contains("one by one"), "{error}");
    assert!(error.remedy().unwrap().contains("trickle_ice"));
    world.core.call(&wish(false), world.now).unwrap();
}

#[test]
fn an_end_takes_headers_and_a_sip_status_along() {
    let mut world = World::ready();
    let call = world.incoming(Some("their offer"));
    let end = |sip_code, cause| EndOptions {
        cause,
        sip_code,
        headers: field("X-Why", "lunch"),
    };
    for code in [200, 399, 700] {
        let refused = world.core.reject(None, end(Some(code), None), world.now);
        assert!(matches!(refused, Err(Error::Unsendable { .. })), "{code}");
    }
    world
        .core
        .reject(None, end(Some(486), None), world.now)
        .unwrap();
    let expected = |call, cause, sip_code| Command::Bye {
        call,
        cause: Some(cause),
        sip_code,
        headers: field("X-Why", "lunch"),
    };
    assert_eq!(
        world.commands(),
        [expected(call, Cause::USER_BUSY, Some(486))]
    );
    // A cause that is given stays, whatever the status.
    let call = world.answered();
    let wanted = end(Some(503), Some(Cause::NORMAL_CLEARING));
    world.core.hang_up(None, wanted, world.now).unwrap();
    assert_eq!(
        world.commands(),
        [expected(call, Cause::NORMAL_CLEARING, Some(503))]
    );
}

#[test]
fn what_a_server_does_not_carry_is_refused_and_named() {
    let mut world = World::at_bare_server();
    let refused = |outcome: Result<CallId, Error>, what: &str| {
        let error = outcome.unwrap_err();
        let sentence = error.to_string();
        assert!(
            sentence.contains("`desk`")
                && sentence.contains("freeswitch")
                && sentence.contains(what),
            "{sentence}"
        );
        error.remedy().unwrap()
    };
    let call = CallRequest::to("9196");
    let with_headers = CallRequest {
        headers: field("X-Site", "north"),
        ..call.clone()
    };
    let remedy = refused(world.core.call(&with_headers, world.now), "header fields");
    assert!(remedy.contains("user_variables"), "{remedy}");
    let with_state = CallRequest {
        client_state: Some("YQ==".to_owned()),
        ..call.clone()
    };
    refused(world.core.call(&with_state, world.now), "client state");
    let with_number = CallRequest {
        user_variables: vec![("floor".to_owned(), 3.into())],
        ..call.clone()
    };
    refused(world.core.call(&with_number, world.now), "number");
    let with_trickle = CallRequest {
        trickle: Some(true),
        ..call
    };
    refused(world.core.call(&with_trickle, world.now), "one by one");
    world.incoming(Some("their offer"));
    let answer = AnswerOptions {
        headers: field("X-Site", "north"),
        ..AnswerOptions::default()
    };
    refused(
        world.core.answer(None, answer.clone(), world.now),
        "header fields",
    );
    refused(world.core.switch(None, answer, world.now), "header fields");
    let answer = AnswerOptions {
        client_state: Some("YQ==".to_owned()),
        ..AnswerOptions::default()
    };
    refused(world.core.answer(None, answer, world.now), "client state");
    let answer = AnswerOptions {
        trickle: Some(true),
        ..AnswerOptions::default()
    };
    refused(world.core.answer(None, answer, world.now), "one by one");
    let end = EndOptions {
        sip_code: Some(486),
        ..EndOptions::default()
    };
    refused(world.core.reject(None, end, world.now), "SIP status");
    let end = EndOptions {
        headers: field("X-Site", "north"),
        ..EndOptions::default()
    };
    refused(world.core.hang_up(None, end, world.now), "header fields");
    assert_eq!(world.commands(), [], "nothing of it happened");
    assert_eq!(world.core.calls(world.now).len(), 1);
}

#[test]
fn a_call_has_options_of_its_own() {
    let mut world = World::ready();
    let request = CallRequest {
        id: CallId::from_wire(ID),
        user_variables: vec![
            ("room".to_owned(), "7".into()),
            ("vip".to_owned(), true.into()),
            ("floor".to_owned(), 3.into()),
        ],
        codecs: vec![AudioCodec::Pcma],
        muted: Some(true),
        relay_only: true,
        ..CallRequest::to("9196")
    };
    let call = world.core.call(&request, world.now).unwrap();
    assert_eq!(call.as_str(), ID);
    let media = CallMedia {
        codecs: vec![AudioCodec::Pcma],
        relay_only: true,
        ..CallMedia::default()
    };
    let commands = world.media_commands();
    assert!(
        matches!(&commands[..], [
            MediaCommand::Open(_, _, wanted),
            MediaCommand::Program(ProgramCommand::Mute(true)),
            MediaCommand::CreateOffer,
        ] if *wanted == media),
        "{commands:?}"
    );
    assert_eq!(world.kinds(), ["muted"]);
    world.media(CallEvent::LocalOffer {
        sdp: "offer".to_owned(),
    });
    let [
        Command::Invite {
            call: named,
            codecs,
            user_variables,
            ..
        },
    ] = &world.commands()[..]
    else {
        panic!("no invite")
    };
    assert_eq!(*named, call);
    assert_eq!(user_variables, &request.user_variables);
    let codecs: Vec<&str> = codecs.iter().map(|codec| &codec.mime_type[..]).collect();
    assert_eq!(codecs, ["audio/PCMA"]);
    // The name is taken now.
    let again = world.core.call(&request, world.now);
    assert_eq!(again, Err(Error::CallExists { call }));
    for wrong in ["", "call-7", "0b5d7a1e3f7c4a589d596f2f7f2f3c11"] {
        let Some(id) = CallId::from_wire(wrong) else {
            continue;
        };
        let request = CallRequest {
            id: Some(id),
            ..CallRequest::to("9196")
        };
        let refused = world.core.call(&request, world.now);
        assert!(matches!(refused, Err(Error::NoUuid { .. })), "{refused:?}");
    }
}

#[test]
fn calls_of_an_account_begin_muted_where_it_says_so() {
    let mut world = World::starting_muted();
    world.incoming(Some("their offer"));
    assert!(!world.core.calls(world.now)[0].muted);
    world
        .core
        .answer(None, AnswerOptions::default(), world.now)
        .unwrap();
    world
        .core
        .call(&CallRequest::to("9196"), world.now)
        .unwrap();
    let loud = CallRequest {
        muted: Some(false),
        ..CallRequest::to("9196")
    };
    world.core.call(&loud, world.now).unwrap();
    let muted: Vec<bool> = world
        .core
        .calls(world.now)
        .iter()
        .map(|call| call.muted)
        .collect();
    assert_eq!(muted, [true, true, false]);
}

#[test]
fn switching_to_a_ringing_call_answers_it_with_all_that_goes_along() {
    let mut world = World::ready();
    let first = world.answered();
    world.incoming(Some("their offer"));
    let options = AnswerOptions {
        headers: field("X-Desk", "7"),
        client_state: Some("YQ==".to_owned()),
        ..AnswerOptions::default()
    };
    world.core.switch(None, options.clone(), world.now).unwrap();
    world.media(CallEvent::LocalAnswer {
        sdp: "our answer".to_owned(),
    });
    let commands = world.commands();
    assert!(
        matches!(&commands[..], [
            Command::Hold { call, on: true },
            Command::Answer { headers, client_state: Some(_), .. },
        ] if *call == first && *headers == options.headers),
        "{commands:?}"
    );
    // A call that is answered has no answer for them to go with, and nothing of the request happens.
    world.signal(Event::HoldState {
        call: first.clone(),
        held: true,
    });
    let refused = world.core.switch(Some(&first), options, world.now);
    assert!(
        matches!(refused, Err(Error::Unsendable { .. })),
        "{refused:?}"
    );
    assert_eq!(world.commands(), []);
}
