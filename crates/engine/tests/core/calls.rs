//! The core as stories in virtual time: what users, sessions and media workers do to each other's calls.

use std::time::Duration;

use offhook_engine::ended::{EndReason, EndedBy};
use offhook_engine::error::Error;
use offhook_engine::event::EventKind;
use offhook_engine::output::{AccountKey, CallMedia, MediaCommand};
use offhook_engine::request::{AnswerOptions, CallRequest, Dtmf, EndOptions};
use offhook_engine::status::{AccountState, CallState};
use offhook_media::driver::event::CallEvent;
use offhook_media::media_transport::event::IceFailure;
use offhook_media::program::ProgramCommand;
use offhook_media::session::error::MediaError;
use offhook_media::session::event::MediaEvent;
use offhook_media::session::forks::{AnswerKind, ForkAnswer};
use offhook_signaling::cause::Cause;
use offhook_signaling::command::Command;
use offhook_signaling::event::{DisconnectCause, EndedBy as SignalingEndedBy, Event, Party};
use offhook_signaling::session::CloseReason;

use crate::features::told_as_unknown;
use crate::world::World;

#[test]
fn an_outbound_call_goes_from_offer_to_answer_to_end_in_order() {
    let mut world = World::ready();
    let call = world
        .core
        .call(&CallRequest::to("9196"), world.now)
        .unwrap();
    assert_eq!(
        world.media_commands(),
        [
            MediaCommand::Open(call.clone(), AccountKey(0), CallMedia::default()),
            MediaCommand::CreateOffer
        ]
    );
    assert_eq!(world.commands(), []);

    world.media(CallEvent::LocalOffer {
        sdp: "offer".into(),
    });
    let [Command::Invite { to, sdp, .. }] = &world.commands()[..] else {
        panic!("no invite")
    };
    assert_eq!((to.as_str(), sdp.as_str()), ("9196", "offer"));

    world.signal(Event::Ringing {
        call: call.clone(),
        said: Box::default(),
    });
    world.signal(Event::EarlyMedia {
        fork: None,
        call: call.clone(),
        sdp: "answer".into(),
        said: Box::default(),
    });
    world.signal(Event::Answered {
        fork: None,
        call: call.clone(),
        sdp: None,
        said: Box::default(),
    });
    assert_eq!(
        world.media_commands(),
        [MediaCommand::AcceptAnswer("answer".into())]
    );
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Active);

    world.pass(Duration::from_secs(7));
    world
        .core
        .hang_up(None, EndOptions::default(), world.now)
        .unwrap();
    assert_eq!(
        world.commands(),
        [Command::Bye {
            call: call.clone(),
            cause: Some(Cause::NORMAL_CLEARING),
            sip_code: None,
            headers: Vec::new(),
        }]
    );
    assert_eq!(world.media_commands(), [MediaCommand::Close]);
    world.media(World::closed());
    assert_eq!(
        world.kinds(),
        ["invite", "ringing", "early", "answered", "ended"]
    );
    let ended = world.ended();
    assert_eq!(
        (ended.by, ended.talk, ended.answered),
        (EndedBy::Local, Duration::from_secs(7), true)
    );
    assert!(world.core.calls(world.now).is_empty());

    // What signalling says afterwards changes nothing.
    world.signal(Event::Ended {
        call,
        by: SignalingEndedBy::Local,
        cause: Cause::NORMAL_CLEARING,
        detail: None,
        client_state: None,
        elsewhere: false,
        headers: Vec::new(),
        sip: Box::default(),
    });
    assert_eq!(world.kinds().len(), 5);
}

#[test]
fn the_forks_of_a_call_are_kept_apart_and_one_of_them_has_it() {
    let mut world = World::ready();
    let request = CallRequest::to("9196");
    let call = world.core.call(&request, world.now).unwrap();
    world.media_commands();
    world.media(CallEvent::LocalOffer {
        sdp: "offer".into(),
    });
    world.commands();
    let answer = |fork: &str, kind| {
        MediaCommand::AcceptForkAnswer(ForkAnswer {
            fork: fork.to_owned(),
            sdp: format!("answer of {fork}"),
            kind,
        })
    };
    for fork in ["one", "two"] {
        world.signal(Event::EarlyMedia {
            call: call.clone(),
            sdp: format!("answer of {fork}"),
            fork: Some(fork.to_owned()),
            said: Box::default(),
        });
    }
    world.signal(Event::Answered {
        call,
        sdp: Some("answer of one".to_owned()),
        fork: Some("one".to_owned()),
        said: Box::default(),
    });
    let early = ["one", "two"].map(|fork| answer(fork, AnswerKind::Provisional));
    let [first, second] = early;
    let last = answer("one", AnswerKind::Final);
    assert_eq!(world.media_commands(), [first, second, last]);
}

#[test]
fn an_inbound_call_opens_nothing_before_it_is_answered() {
    let mut world = World::ready();
    let call = world.incoming(Some("their offer"));
    assert_eq!(world.media_commands(), []);
    world
        .core
        .answer(None, AnswerOptions::default(), world.now)
        .unwrap();
    let commands = world.media_commands();
    assert!(
        matches!(&commands[..], [MediaCommand::Open(..), MediaCommand::AcceptOffer(sdp, _)] if sdp == "their offer")
    );
    world.media(CallEvent::LocalAnswer {
        sdp: "our answer".into(),
    });
    assert_eq!(
        world.commands(),
        [Command::Answer {
            call: call.clone(),
            sdp: "our answer".into(),
            client_state: None,
            headers: Vec::new(),
            trickle: None,
        }]
    );
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Answering);
    world.signal(Event::Confirmed { call });
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Active);
    assert_eq!(world.kinds(), ["incoming", "answered"]);
}

#[test]
fn a_refused_call_names_the_far_end_its_cause_and_the_remedy() {
    let mut world = World::ready();
    let call = world.invited();
    world.signal(Event::Ended {
        call,
        by: SignalingEndedBy::Remote,
        cause: Cause::USER_BUSY,
        detail: None,
        client_state: None,
        elsewhere: false,
        headers: Vec::new(),
        sip: Box::default(),
    });
    world.media(World::closed());
    let ended = world.ended();
    assert_eq!(
        (ended.by, ended.cause.clone(), ended.answered),
        (EndedBy::Remote, Cause::USER_BUSY, false)
    );
    assert_eq!(ended.reason.to_string(), "busy");
    assert_eq!(ended.reason.remedy(), Some("try again later"));
    assert_eq!(ended.quality, None, "there was no media");
}

#[test]
fn a_call_ends_once_whatever_comes_together() {
    let mut world = World::ready();
    let call = world.answered();
    let error = MediaError::MediaTimeout {
        silent_for: Duration::from_secs(60),
    };
    world.media(CallEvent::Media(MediaEvent::Failed(error.clone())));
    assert!(matches!(&world.commands()[..], [Command::Bye { .. }]));
    world.signal(Event::Ended {
        call: call.clone(),
        by: SignalingEndedBy::Remote,
        cause: Cause::NORMAL_CLEARING,
        detail: None,
        client_state: None,
        elsewhere: false,
        headers: Vec::new(),
        sip: Box::default(),
    });
    assert!(matches!(
        world
            .core
            .hang_up(Some(&call), EndOptions::default(), world.now),
        Err(Error::WrongState { .. })
    ));
    world.media(CallEvent::Closed {
        error: Some(error.clone()),
        statistics: Box::default(),
    });
    world.media(World::closed());
    let ended = world.ended();
    assert_eq!(ended.reason, EndReason::Media(error));
    assert_eq!(ended.by, EndedBy::Network);
}

#[test]
fn a_worker_that_stays_silent_holds_up_no_end_and_no_call() {
    let mut world = World::ready();
    world
        .core
        .call(&CallRequest::to("9196"), world.now)
        .unwrap();
    world.pass(Duration::from_secs(14));
    assert_eq!(world.core.calls(world.now).len(), 1);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Ending);
    world.pass(Duration::from_secs(2));
    assert_eq!(world.ended().reason, EndReason::MediaLost);
    assert_eq!(world.commands(), [], "the server never heard of the call");
}

#[test]
fn descriptions_that_do_not_fit_end_the_call_with_the_reason() {
    let mut world = World::ready();
    let call = world.incoming(None);
    world
        .core
        .answer(Some(&call), AnswerOptions::default(), world.now)
        .unwrap();
    assert!(
        matches!(&world.commands()[..], [Command::Bye { cause: Some(cause), .. }] if *cause == Cause::INCOMPATIBLE_DESTINATION)
    );
    assert_eq!(world.ended().reason, EndReason::NoOffer);

    let mut world = World::ready();
    let call = world.invited();
    world.signal(Event::Answered {
        fork: None,
        call,
        sdp: Some("nothing in common".into()),
        said: Box::default(),
    });
    world.media(CallEvent::Refused(
        offhook_media::session::error::Refusal::Over,
    ));
    world.media(World::closed());
    assert!(matches!(world.ended().reason, EndReason::MediaRefused(_)));
}

#[test]
fn a_lost_socket_keeps_the_call_and_an_attach_renews_its_media() {
    let mut world = World::ready();
    let call = world.answered();
    world.signal(Event::Disconnected {
        cause: DisconnectCause::Closed(CloseReason::default()),
        retry_in: Some(Duration::from_secs(1)),
    });
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Recovering);
    assert_eq!(
        world.core.status(world.now).accounts[0].state,
        AccountState::Waiting
    );
    world.signal(Event::Attach {
        call: call.clone(),
        sdp: "new offer".into(),
        known: true,
        outbound: false,
        remote: Party::default(),
        said: Box::default(),
        ids: Box::default(),
    });
    let commands = world.media_commands();
    assert!(matches!(&commands[..], [MediaCommand::AcceptOffer(sdp, _)] if sdp == "new offer"));
    world.media(CallEvent::LocalAnswer {
        sdp: "new answer".into(),
    });
    assert_eq!(
        world.commands(),
        [Command::Attach {
            call: call.clone(),
            sdp: "new answer".into()
        }]
    );
    world.signal(Event::Confirmed { call });
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Active);
    assert_eq!(
        world.kinds(),
        ["invite", "answered", "account", "recovering", "recovering"]
    );
}

#[test]
fn a_call_of_an_earlier_life_is_hung_up_where_none_is_taken_up() {
    let mut world = World::without_adoption();
    let call = World::name("left over");
    world.signal(Event::Attach {
        call: call.clone(),
        sdp: "offer".into(),
        known: false,
        outbound: false,
        remote: Party::default(),
        said: Box::default(),
        ids: Box::default(),
    });
    assert!(matches!(&world.commands()[..], [Command::Bye { call: named, .. }] if *named == call));
    told_as_unknown(&world, &call, "takes up no calls");
}

#[test]
fn requests_are_refused_with_what_to_do() {
    let mut world = World::new(Dtmf::Info, 1);
    let refused = world
        .core
        .call(&CallRequest::to("9196"), world.now)
        .unwrap_err();
    assert!(matches!(refused, Error::NotReady { .. }), "{refused}");
    world.make_ready();
    for number in ["", "12 34", "a\nb", &"9".repeat(300)] {
        assert!(
            matches!(
                world.core.call(&CallRequest::to(number), world.now),
                Err(Error::Number { .. })
            ),
            "{number:?}"
        );
    }
    let elsewhere = CallRequest {
        account: Some("dask".into()),
        ..CallRequest::to("9196")
    };
    let refused = world.core.call(&elsewhere, world.now).unwrap_err();
    assert_eq!(refused.remedy().unwrap(), "name one of desk");
    assert!(matches!(
        world.core.answer(None, AnswerOptions::default(), world.now),
        Err(Error::NoCall(_))
    ));
    assert!(matches!(
        world.core.hang_up(None, EndOptions::default(), world.now),
        Err(Error::NoCall(_))
    ));
    let call = world.invited();
    assert!(matches!(
        world.core.dtmf(&call, "1", world.now),
        Err(Error::WrongState { .. })
    ));
    // By RTP there are only the tones of a telephone; by the server, what the server reads.
    for (way, possible) in [(Dtmf::Rfc4733, false), (Dtmf::Info, true)] {
        let mut world = World::new(way, 10);
        world.make_ready();
        let call = world.answered();
        let sent = world.core.dtmf(&call, "1f@250+a", world.now);
        assert_eq!(sent.is_ok(), possible);
        let digits = "1F@250+A".to_owned();
        let commands = world.commands();
        assert_eq!(
            commands,
            [Command::Dtmf { call, digits }][..usize::from(possible)]
        );
    }
    assert!(matches!(
        world.core.dtmf(&call, "x", world.now),
        Err(Error::Digit('x'))
    ));
    assert!(matches!(
        world
            .core
            .answer(Some(&call), AnswerOptions::default(), world.now),
        Err(Error::WrongState { .. })
    ));
    assert!(matches!(
        world.core.call(&CallRequest::to("9196"), world.now),
        Err(Error::TooManyCalls { limit: 1 })
    ));
    let second = World::name("second");
    let caller = Party::default();
    world.signal(Event::Incoming {
        call: second,
        caller,
        sdp: Some(String::new()),
        said: Box::default(),
        ids: Box::default(),
        replaces: None,
    });
    assert!(
        matches!(&world.commands()[..], [Command::Bye { cause: Some(cause), .. }] if *cause == Cause::USER_BUSY)
    );
}

#[test]
fn digits_go_by_the_way_that_was_chosen() {
    let mut world = World::ready();
    let call = world.answered();
    world.core.dtmf(&call, "1a#w", world.now).unwrap();
    assert_eq!(
        world.commands(),
        [Command::Dtmf {
            call,
            digits: "1A#w".into()
        }]
    );

    let mut world = World::new(Dtmf::Rfc4733, 10);
    world.make_ready();
    let call = world.answered();
    world.core.dtmf(&call, "12", world.now).unwrap();
    let digits = ProgramCommand::Dtmf {
        digits: "12".into(),
    };
    assert_eq!(world.media_commands(), [MediaCommand::Program(digits)]);
}

#[test]
fn mute_is_told_once_and_holds_for_a_call_that_is_answered_later() {
    let mut world = World::ready();
    let call = world.incoming(Some("offer"));
    world.core.mute(&call, true, world.now).unwrap();
    world.core.mute(&call, true, world.now).unwrap();
    world
        .core
        .answer(None, AnswerOptions::default(), world.now)
        .unwrap();
    assert!(
        world
            .media_commands()
            .contains(&MediaCommand::Program(ProgramCommand::Mute(true)))
    );
    assert_eq!(world.kinds(), ["incoming", "muted"]);
}

#[test]
fn a_deaf_call_stays_deaf_through_hold_and_new_media_and_in_the_call_that_takes_its_place() {
    let deaf = |on| MediaCommand::Program(ProgramCommand::Deaf(on));
    let mut world = World::ready();
    let call = world.incoming(Some("offer"));
    world.core.deaf(&call, true, world.now).unwrap();
    world.core.deaf(&call, true, world.now).unwrap();
    assert_eq!(world.media_commands(), [], "nothing is open yet");
    world
        .core
        .answer(None, AnswerOptions::default(), world.now)
        .unwrap();
    assert!(world.media_commands().contains(&deaf(true)));
    assert_eq!(world.kinds(), ["incoming", "deaf"]);
    world.media(CallEvent::LocalAnswer {
        sdp: "answer".into(),
    });
    world.signal(Event::Confirmed { call: call.clone() });
    world.core.mute(&call, true, world.now).unwrap();
    world.media_commands();

    for held in [true, false] {
        world.signal(Event::HoldState {
            call: call.clone(),
            held,
        });
    }
    world.signal(Event::Attach {
        call: call.clone(),
        sdp: "new offer".into(),
        known: true,
        outbound: false,
        remote: Party::default(),
        said: Box::default(),
        ids: Box::default(),
    });
    let commands = world.media_commands();
    assert!(!commands.contains(&deaf(false)), "{commands:?}");
    assert!(world.core.calls(world.now)[0].deaf);

    world.signal(Event::Incoming {
        call: World::name("in its place"),
        caller: Party::default(),
        sdp: Some("offer".into()),
        said: Box::default(),
        ids: Box::default(),
        replaces: Some(call.clone()),
    });
    let commands = world.media_commands();
    assert!(commands.contains(&deaf(true)), "{commands:?}");
    let calls = world.core.calls(world.now);
    assert!(calls[1].deaf && calls[1].muted);

    world.core.deaf(&call, false, world.now).unwrap();
    assert_eq!(world.media_commands(), [deaf(false)]);
    assert!(!world.core.calls(world.now)[0].deaf);
    let unknown = world.core.deaf(&World::name("nobody"), true, world.now);
    assert!(unknown.is_err());
}

#[test]
fn shutdown_ends_calls_then_sessions_and_waits_for_neither_longer_than_4_s() {
    let mut world = World::ready();
    world.answered();
    world.core.shut_down(world.now);
    assert_eq!(world.commands(), [Command::Shutdown]);
    assert!(matches!(
        world.core.call(&CallRequest::to("1"), world.now),
        Err(Error::ShuttingDown)
    ));
    world.media(World::closed());
    assert_eq!(world.ended().reason, EndReason::ShutDown);
    assert!(!world.finished);
    world.signal(Event::Stopped);
    assert!(world.finished);

    let mut deaf = World::ready();
    deaf.answered();
    deaf.core.shut_down(deaf.now);
    deaf.pass(Duration::from_millis(3999));
    assert!(!deaf.finished);
    deaf.pass(Duration::from_millis(1));
    assert!(deaf.finished);
    deaf.ended();
}

#[test]
fn an_account_says_why_it_is_not_ready_until_it_is() {
    let mut world = World::new(Dtmf::Info, 10);
    let error = offhook_signaling::error::Error::LoginRejected {
        server: "pbx".into(),
        user: "1000".into(),
        code: Some(-32001),
        reason: "Authentication Failure".into(),
        setting: None,
    };
    world.signal(Event::LoginFailed(error));
    world.signal(Event::Disconnected {
        cause: DisconnectCause::LoginRefused,
        retry_in: Some(Duration::from_secs(900)),
    });
    let account = &world.core.status(world.now).accounts[0];
    assert_eq!(account.state, AccountState::Refused);
    assert!(
        account
            .reason
            .as_deref()
            .unwrap()
            .contains("refused the login as 1000")
    );
    assert!(account.remedy.as_deref().unwrap().contains("password"));
    assert_eq!(account.retry_in, Some(Duration::from_secs(900)));
    world.make_ready();
    let account = &world.core.status(world.now).accounts[0];
    assert_eq!(
        (account.state, &account.reason, account.retry_in),
        (AccountState::Ready, &None, None)
    );
}

#[test]
fn every_event_carries_the_time_since_its_call_began() {
    let mut world = World::ready();
    world.pass(Duration::from_secs(100));
    let call = world.invited();
    world.pass(Duration::from_millis(250));
    world.signal(Event::Ringing {
        call,
        said: Box::default(),
    });
    let ringing = world
        .events
        .iter()
        .find(|event| matches!(event.kind, EventKind::Ringing(_)))
        .unwrap();
    assert_eq!(ringing.at, Duration::from_millis(250));
}

#[test]
fn a_path_that_is_never_found_to_a_private_address_names_the_operators_setting() {
    let described = |address: &str| format!("v=0\r\nc=IN IP4 {address}\r\n");
    let failed = |sdp: String| {
        let mut world = World::ready();
        let call = world.invited();
        let sdp = Some(sdp);
        world.signal(Event::Answered {
            fork: None,
            call,
            sdp,
            said: Box::default(),
        });
        let error = MediaError::IceFailed(IceFailure::NeverConnected { candidates: 1 });
        world.media(CallEvent::Media(MediaEvent::Failed(error)));
        world.media(World::closed());
        world.ended().reason
    };
    let private = failed(described("10.0.0.5"));
    assert!(private.to_string().contains("10.0.0.5"), "{private}");
    assert!(
        private
            .remedy()
            .is_some_and(|remedy| remedy.contains("ext-rtp-ip"))
    );
    // A path that was there and is gone, or a server in the open, has other reasons.
    let public = failed(described("203.0.113.5"));
    assert!(matches!(public, EndReason::Media(_)), "{public:?}");
}

#[test]
fn candidates_that_come_while_a_call_rings_wait_for_the_answer() {
    let mut world = World::ready();
    let call = world.incoming(Some("offer"));
    let candidate = |number: usize| Event::RemoteCandidate {
        call: World::name("theirs"),
        candidate: format!("candidate:{number}"),
    };
    for number in 0..1000 {
        world.signal(candidate(number));
    }
    world.signal(Event::RemoteEndOfCandidates { call: call.clone() });
    assert_eq!(world.media_commands(), [], "nothing is opened before");
    world
        .core
        .answer(Some(&call), AnswerOptions::default(), world.now)
        .unwrap();
    let commands = world.media_commands();
    assert!(
        matches!(
            &commands[..3],
            [MediaCommand::Open(..), MediaCommand::AcceptOffer(..), MediaCommand::AddRemoteCandidate(first)]
                if first == "candidate:0"
        ),
        "{commands:?}"
    );
    assert_eq!(commands.len(), 2 + 32, "bounded");
    world.signal(candidate(7));
    let late = MediaCommand::AddRemoteCandidate("candidate:7".into());
    assert_eq!(world.media_commands(), [late]);
}

#[test]
fn candidates_of_an_offer_that_was_replaced_are_not_taken_for_the_new_ones() {
    let mut world = World::ready();
    let call = world.incoming(Some("offer"));
    for candidate in ["candidate:old", "candidate:new"] {
        world.signal(Event::RemoteCandidate {
            call: call.clone(),
            candidate: candidate.into(),
        });
        if candidate == "candidate:old" {
            world.signal(Event::Attach {
                call: call.clone(),
                sdp: "newer".into(),
                known: true,
                outbound: false,
                remote: Party {
                    name: "Ann".into(),
                    number: "200".into(),
                },
                said: Box::default(),
                ids: Box::default(),
            });
        }
    }
    world
        .core
        .answer(Some(&call), AnswerOptions::default(), world.now)
        .unwrap();
    let commands = world.media_commands();
    let added: Vec<&MediaCommand> = commands
        .iter()
        .filter(|command| matches!(command, MediaCommand::AddRemoteCandidate(_)))
        .collect();
    assert_eq!(
        added,
        [&MediaCommand::AddRemoteCandidate("candidate:new".into())]
    );
}
