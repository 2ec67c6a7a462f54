//! What a call can do beside being placed and ended: hold, switch, transfer, tokens, adoption; in virtual time.

use std::time::Duration;

use offhook_engine::error::Error;
use offhook_engine::event::EventKind;
use offhook_engine::output::MediaCommand;
use offhook_engine::quality_warning::{Problem, QualityWarning};
use offhook_engine::request::{AnswerOptions, Dtmf, EndOptions, ServerCommand};
use offhook_engine::status::{CallState, Direction};
use offhook_engine::vocabulary::RingbackTone;
use offhook_media::driver::event::CallEvent;
use offhook_media::program::ProgramCommand;
use offhook_media::quality::statistics::Statistics;
use offhook_media::session::config::Hold;
use offhook_media::session::event::MediaEvent;
use offhook_media::srtp::profile::SrtpProfile;
use offhook_signaling::auth::login::Login;
use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::{DisconnectCause, Event, Party};
use offhook_signaling::secret::Secret;
use serde_json::json;

use crate::world::World;

#[test]
fn hold_is_what_the_server_says_it_is() {
    let mut world = World::ready();
    let call = world.answered();
    world.core.hold(None, true, world.now).unwrap();
    assert_eq!(
        world.commands(),
        [Command::Hold {
            call: call.clone(),
            on: true
        }]
    );
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Active);

    world.signal(Event::HoldState {
        call: call.clone(),
        held: true,
    });
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Held);
    assert_eq!(
        world.media_commands(),
        [
            MediaCommand::Hold(Hold::SendOnly),
            MediaCommand::Program(ProgramCommand::Mute(true))
        ]
    );
    // Muting a held call changes what is heard after it only.
    world.core.mute(&call, true, world.now).unwrap();
    assert_eq!(world.media_commands(), []);
    world.core.hold(None, false, world.now).unwrap();
    world.signal(Event::HoldState {
        call: call.clone(),
        held: false,
    });
    assert_eq!(world.media_commands(), [MediaCommand::Hold(Hold::Off)]);
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Active);
    let held: Vec<bool> = world
        .events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::Held { on } => Some(on),
            _ => None,
        })
        .collect();
    assert_eq!(held, [true, false]);
    assert!(matches!(
        world.core.hold(None, false, world.now),
        Err(Error::NoCall(_))
    ));
}

#[test]
fn new_media_of_a_held_call_is_described_as_if_it_were_not() {
    let mut world = World::ready();
    let call = world.answered();
    world.signal(Event::HoldState {
        call: call.clone(),
        held: true,
    });
    world.media_commands();
    world.signal(Event::Attach {
        call,
        sdp: "new offer".into(),
        known: true,
        outbound: false,
        remote: Party::default(),
        said: Box::default(),
        ids: Box::default(),
    });
    let commands = world.media_commands();
    assert!(
        matches!(
            &commands[..],
            [MediaCommand::Hold(Hold::Off), MediaCommand::AcceptOffer(..)]
        ),
        "{commands:?}"
    );
    world.media(CallEvent::LocalAnswer {
        sdp: "new answer".into(),
    });
    assert_eq!(world.media_commands(), [MediaCommand::Hold(Hold::SendOnly)]);
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Held);
}

#[test]
fn digits_that_the_media_has_not_begun_wait_while_nobody_hears_them() {
    let profile = SrtpProfile::ALL[0];
    let pauses = |world: &mut World| -> Vec<bool> {
        let commands = world.media_commands().into_iter();
        let pauses = commands.filter_map(|command| match command {
            MediaCommand::Program(ProgramCommand::PauseDtmf(on)) => Some(on),
            _ => None,
        });
        pauses.collect()
    };
    let mut world = World::new(Dtmf::Rfc4733, 10);
    world.make_ready();
    let call = world.answered();
    world.core.dtmf(&call, "123456", world.now).unwrap();
    assert_eq!(pauses(&mut world), [false; 0]);
    world.signal(Event::Disconnected {
        cause: DisconnectCause::Asked,
        retry_in: Some(Duration::ZERO),
    });
    assert_eq!(pauses(&mut world), [true]);
    world.make_ready();
    world.signal(Event::Attach {
        call: call.clone(),
        sdp: "new offer".into(),
        known: true,
        outbound: false,
        remote: Party::default(),
        said: Box::default(),
        ids: Box::default(),
    });
    let sdp = "new answer".into();
    world.media(CallEvent::LocalAnswer { sdp });
    world.signal(Event::Confirmed { call });
    assert!(!pauses(&mut world).contains(&false), "no path yet");
    world.media(CallEvent::Media(MediaEvent::DtlsConnected { profile }));
    assert_eq!(pauses(&mut world), [false]);
}

#[test]
fn digits_for_the_media_wait_until_it_is_heard_again() {
    let profile = SrtpProfile::ALL[0];
    let digits = |world: &mut World| -> Vec<String> {
        let commands = world.media_commands().into_iter();
        let digits = commands.filter_map(|command| match command {
            MediaCommand::Program(ProgramCommand::Dtmf { digits }) => Some(digits),
            _ => None,
        });
        digits.collect()
    };
    let mut world = World::new(Dtmf::Rfc4733, 10);
    world.make_ready();
    let call = world.answered();
    world.signal(Event::Disconnected {
        cause: DisconnectCause::Asked,
        retry_in: Some(Duration::ZERO),
    });
    world.core.dtmf(&call, "1", world.now).unwrap();
    world.make_ready();
    world.signal(Event::Attach {
        call: call.clone(),
        sdp: "new offer".into(),
        known: true,
        outbound: false,
        remote: Party::default(),
        said: Box::default(),
        ids: Box::default(),
    });
    let sdp = "new answer".into();
    world.media(CallEvent::LocalAnswer { sdp });
    world.signal(Event::Confirmed { call: call.clone() });
    world.core.dtmf(&call, "2", world.now).unwrap();
    assert_eq!(digits(&mut world), [""; 0], "the path is not there yet");
    world.media(CallEvent::Media(MediaEvent::DtlsConnected { profile }));
    world.core.dtmf(&call, "3", world.now).unwrap();
    assert_eq!(digits(&mut world), ["1", "2", "3"]);
    // Those that wait for a call that ends are told as failed.
    world.signal(Event::Disconnected {
        cause: DisconnectCause::Asked,
        retry_in: Some(Duration::ZERO),
    });
    world.core.dtmf(&call, "4", world.now).unwrap();
    world.events.clear();
    let options = EndOptions::default();
    world.core.hang_up(Some(&call), options, world.now).unwrap();
    let failed = |event: &offhook_engine::event::Event| {
        matches!(event.kind, EventKind::RequestFailed { .. })
    };
    world.commands();
    assert_eq!(world.events.iter().filter(|event| failed(event)).count(), 1);
}

#[test]
fn switching_answers_one_call_and_holds_the_other() {
    let mut world = World::ready();
    let first = world.answered();
    let second = world.incoming(Some("their offer"));
    world
        .core
        .switch(None, AnswerOptions::default(), world.now)
        .unwrap();
    assert_eq!(
        world.commands(),
        [Command::Hold {
            call: first.clone(),
            on: true
        }]
    );
    world.media(CallEvent::LocalAnswer {
        sdp: "our answer".into(),
    });
    world.signal(Event::HoldState {
        call: first.clone(),
        held: true,
    });
    world.signal(Event::Confirmed {
        call: second.clone(),
    });
    world.commands();
    // And back again.
    world
        .core
        .switch(None, AnswerOptions::default(), world.now)
        .unwrap();
    assert_eq!(
        world.commands(),
        [
            Command::Hold {
                call: second,
                on: true
            },
            Command::Hold {
                call: first,
                on: false
            }
        ]
    );
}

#[test]
fn transfers_name_their_partner() {
    let mut world = World::ready();
    let first = world.answered();
    world.core.transfer(None, "1002", world.now).unwrap();
    assert_eq!(
        world.commands(),
        [Command::Transfer {
            call: first.clone(),
            to: "1002".into()
        }]
    );
    assert!(matches!(
        world.core.transfer(None, "no such number", world.now),
        Err(Error::Number { .. })
    ));
    assert_eq!(
        world.core.transfer_with(Some(&first), &first, world.now),
        Err(Error::TransferPartner)
    );
    let second = world.answered();
    world.core.transfer_with(None, &second, world.now).unwrap();
    assert_eq!(
        world.commands(),
        [Command::Replace {
            call: first,
            with: second
        }]
    );
}

/// RFC 5589, section 7.6: the session keeps the wish until the second call is answered.
#[test]
fn with_sip_the_second_call_of_a_transfer_may_still_ring() {
    let mut world = World::at_sip_server();
    let first = world.answered();
    let second = world.invited();
    world.signal(Event::Ringing {
        call: second.clone(),
        said: Box::default(),
    });
    world.core.transfer_with(None, &second, world.now).unwrap();
    let join = Command::Replace {
        call: first.clone(),
        with: second.clone(),
    };
    assert_eq!(world.commands(), [join]);
    // The far end that is sent on has to be there.
    let refused = world
        .core
        .transfer_with(Some(&second), &first, world.now)
        .unwrap_err();
    assert!(matches!(refused, Error::WrongState { .. }), "{refused}");
    // Who calls us cannot take anybody yet, and Verto's servers know only answered calls.
    let third = world.incoming(Some("their offer"));
    let refused = world.core.transfer_with(Some(&first), &third, world.now);
    assert!(
        matches!(refused, Err(Error::WrongState { .. })),
        "{refused:?}"
    );
    let mut world = World::ready();
    world.answered();
    let second = world.invited();
    let refused = world.core.transfer_with(None, &second, world.now);
    assert!(
        matches!(refused, Err(Error::WrongState { .. })),
        "{refused:?}"
    );
    assert_eq!(world.commands(), []);
}

#[test]
fn a_lost_path_asks_the_server_for_a_new_one() {
    let mut world = World::ready();
    let call = world.answered();
    world.media(CallEvent::Media(MediaEvent::PathLost { given_up: false }));
    assert_eq!(world.media_commands(), [MediaCommand::RestartIce]);
    // Only once, until the server has answered.
    world.media(CallEvent::Media(MediaEvent::PathLost { given_up: true }));
    assert_eq!(world.media_commands(), []);
    world.media(CallEvent::LocalOffer {
        sdp: "new offer".into(),
    });
    assert_eq!(
        world.commands(),
        [Command::UpdateMedia {
            call: call.clone(),
            sdp: "new offer".into()
        }]
    );
    world.signal(Event::MediaUpdated {
        call,
        sdp: "new answer".into(),
    });
    assert_eq!(
        world.media_commands(),
        [MediaCommand::AcceptAnswer("new answer".into())]
    );
    world.media(CallEvent::Media(MediaEvent::PathLost { given_up: false }));
    assert_eq!(world.media_commands(), [MediaCommand::RestartIce]);
}

#[test]
fn a_call_of_an_earlier_process_is_taken_up() {
    let mut world = World::ready();
    let call = World::name("earlier");
    world.signal(Event::Attach {
        call: call.clone(),
        sdp: "their offer".into(),
        known: false,
        outbound: false,
        remote: Party {
            name: String::new(),
            number: "9196".into(),
        },
        said: Box::default(),
        ids: Box::default(),
    });
    let media = world.media_commands();
    assert!(
        matches!(&media[..], [MediaCommand::Open(..), MediaCommand::AcceptOffer(sdp, _)] if sdp == "their offer"),
        "{media:?}"
    );
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Recovering);
    world.media(CallEvent::LocalAnswer {
        sdp: "our answer".into(),
    });
    assert_eq!(
        world.commands(),
        [Command::Attach {
            call: call.clone(),
            sdp: "our answer".into()
        }]
    );
    world.signal(Event::Confirmed { call });
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Active);
    assert_eq!(world.core.calls(world.now)[0].number, "9196");
}

#[test]
fn a_call_of_an_earlier_process_is_what_the_server_shows_and_muted_like_the_accounts_others() {
    for outbound in [true, false] {
        let mut world = World::starting_muted();
        world.signal(Event::Attach {
            call: World::name("earlier"),
            sdp: "their offer".into(),
            known: false,
            outbound,
            remote: Party::default(),
            said: Box::default(),
            ids: Box::default(),
        });
        let muted = MediaCommand::Program(ProgramCommand::Mute(true));
        let commands = world.media_commands();
        assert_eq!(commands[1], muted, "before any media: {commands:?}");
        assert!(world.kinds().contains(&"muted"));
        let status = &world.core.calls(world.now)[0];
        assert!(status.muted);
        assert_eq!(status.direction == Direction::Outbound, outbound);
    }
}

#[test]
fn a_server_that_offers_an_unknown_call_later_opens_no_microphone() {
    let mut world = World::ready();
    world.pass(Duration::from_secs(121));
    let call = World::name("by itself");
    world.signal(Event::Attach {
        call: call.clone(),
        sdp: "their offer".into(),
        known: false,
        outbound: false,
        remote: Party::default(),
        said: Box::default(),
        ids: Box::default(),
    });
    assert_eq!(world.media_commands(), []);
    assert!(matches!(&world.commands()[..], [Command::Bye { call: named, .. }] if *named == call));
    told_as_unknown(&world, &call, "later");
}

/// An unknown call was told once, as the account's, with its reason.
pub(crate) fn told_as_unknown(world: &World, call: &CallId, why: &str) {
    let [event] = &world.events[..] else {
        panic!("{:?}", world.events)
    };
    let EventKind::UnknownCall {
        call: named,
        reason,
        ..
    } = &event.kind
    else {
        panic!("{event:?}")
    };
    assert!(named == call && reason.contains(why), "{event:?}");
    assert_eq!(event.call, None);
}

#[test]
fn a_token_is_looked_at_before_it_is_used() {
    let mut world = World::ready();
    let token = Secret::new("e30.e30.x");
    world.core.token(None, token.clone()).unwrap();
    assert_eq!(world.commands(), [Command::Login(Login::Token { token })]);
    let told = world
        .core
        .token(Some("desk"), Secret::new("KEY0123"))
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("three parts") && !told.contains("KEY0123"),
        "{told}"
    );
    // A new login on the live connection is no new beginning.
    world.signal(Event::LoggedIn { sessid: "s".into() });
    assert!(world.kinds().contains(&"token refreshed"));
}

#[test]
fn server_commands_need_leave() {
    let mut world = World::ready();
    let refused = world.core.server_command(
        None,
        1,
        ServerCommand::Text {
            command: "status".into(),
            arguments: String::new(),
        },
    );
    assert!(
        matches!(refused, Err(Error::CommandsNotAllowed { .. })),
        "{refused:?}"
    );
    assert!(
        refused
            .unwrap_err()
            .remedy()
            .unwrap()
            .contains("server_commands")
    );
}

#[test]
fn an_echo_and_push_messages_are_for_servers_that_have_them() {
    let ask = |world: &mut World, command| world.core.server_command(None, 1, command);
    let echo = || ServerCommand::Echo {
        data: serde_json::Value::Null,
    };
    // Needs no leave: nothing is run by it.
    let mut world = World::ready();
    ask(&mut world, echo()).unwrap_err();
    ask(&mut world, ServerCommand::AttachCalls { call: None }).unwrap();
    ask(&mut world, ServerCommand::DisablePush).unwrap();
    assert_eq!(
        world.commands(),
        [
            Command::AttachCalls { id: 1, call: None },
            Command::DisablePush { id: 1 }
        ]
    );
    let mut world = World::at_bare_server();
    ask(&mut world, echo()).unwrap();
    assert!(matches!(world.commands()[..], [Command::Echo { .. }]));
    let refused = ask(&mut world, ServerCommand::DisablePush).unwrap_err();
    assert!(matches!(refused, Error::NotCarried { .. }), "{refused}");
    let mut world = World::at_sip_server();
    for command in [echo(), ServerCommand::AttachCalls { call: None }] {
        let refused = ask(&mut world, command).unwrap_err();
        assert!(matches!(refused, Error::NotCarried { .. }), "{refused}");
    }
    assert_eq!(world.commands(), []);
}

fn headers(headers: Vec<(String, String)>) -> AnswerOptions {
    AnswerOptions {
        headers,
        ..AnswerOptions::default()
    }
}

#[test]
fn header_fields_are_checked_before_they_travel() {
    let mut world = World::ready();
    let call = world.incoming(Some("their offer"));
    for (name, value) in [("X Site", "a"), ("", "a"), ("X-Site", "a\r\nVia: b")] {
        let refused =
            world
                .core
                .answer(None, headers(vec![(name.into(), value.into())]), world.now);
        assert!(matches!(refused, Err(Error::Unsendable { .. })), "{name}");
    }
    let fields = vec![("X-Site".to_owned(), "north".to_owned())];
    world
        .core
        .answer(None, headers(fields.clone()), world.now)
        .unwrap();
    world.media(CallEvent::LocalAnswer {
        sdp: "our answer".into(),
    });
    let [Command::Answer { headers, .. }] = &world.commands()[..] else {
        panic!("no answer")
    };
    assert_eq!(headers, &fields);
    world.signal(Event::Confirmed { call });
    world.pass(Duration::from_secs(1));
}

/// What the media worker was told of the tone, in order.
fn tones(world: &mut World) -> Vec<Option<RingbackTone>> {
    let commands = world.media_commands();
    let tone = |command| match command {
        MediaCommand::Program(ProgramCommand::Ringback(tone)) => Some(tone),
        _ => None,
    };
    commands.into_iter().filter_map(tone).collect()
}

/// With Verto, where early media is what it is called.
#[test]
fn a_caller_hears_the_far_end_ring_until_something_else_can_be_heard() {
    let tone = Some(RingbackTone::Europe);
    for early in [true, false] {
        // FreeSWITCH never says that it rings: it does as soon as the server has the call.
        let mut world = World::with_ringback(RingbackTone::Europe, false);
        let call = world.invited();
        assert_eq!(tones(&mut world), []);
        world.signal(Event::Trying { call: call.clone() });
        assert_eq!(tones(&mut world), [tone]);
        world.signal(Event::Trying { call: call.clone() });
        assert_eq!(tones(&mut world), [], "once is enough");
        let sdp = "theirs".to_owned();
        world.signal(if early {
            Event::EarlyMedia {
                fork: None,
                call,
                sdp,
                said: Box::default(),
            }
        } else {
            Event::Answered {
                fork: None,
                call,
                sdp: Some(sdp),
                said: Box::default(),
            }
        });
        assert_eq!(tones(&mut world), [None]);
    }
}

/// RFC 3960, section 3.2: only 180 rings, and a description in it, or before it, proves no sound.
#[test]
fn a_sip_caller_hears_the_far_end_ring_whatever_description_came() {
    let early = |call: &CallId| Event::EarlyMedia {
        fork: Some("one".to_owned()),
        call: call.clone(),
        sdp: "theirs".to_owned(),
        said: Box::default(),
    };
    let ringing = |call: &CallId| Event::Ringing {
        call: call.clone(),
        said: Box::default(),
    };
    let told = |world: &mut World| {
        let kinds = world.kinds();
        let ringing = kinds.iter().filter(|kind| **kind == "ringing").count();
        let early = kinds.iter().filter(|kind| **kind == "early").count();
        (ringing, early)
    };
    let tone = Some(RingbackTone::Europe);
    for ringing_first in [true, false] {
        let mut world = World::at_sip_server_with_ringback(RingbackTone::Europe);
        let call = world.invited();
        world.signal(Event::Trying { call: call.clone() });
        if ringing_first {
            world.signal(ringing(&call));
            assert_eq!(tones(&mut world), [tone]);
            world.signal(early(&call));
        } else {
            world.signal(early(&call));
            assert_eq!(tones(&mut world), [], "nobody said that it rings");
            world.signal(ringing(&call));
            assert_eq!(tones(&mut world), [tone]);
        }
        assert_eq!(told(&mut world), (1, 1));
        // Another fork, and more of the same.
        world.signal(early(&call));
        world.signal(ringing(&call));
        assert_eq!(tones(&mut world), [], "it rings on, once");
        assert_eq!(told(&mut world), (1, 1));
        assert_eq!(world.core.calls(world.now)[0].state, CallState::Early);
        world.signal(Event::Answered {
            fork: Some("one".to_owned()),
            call,
            sdp: None,
            said: Box::default(),
        });
        assert_eq!(tones(&mut world), [None]);
    }
}

#[test]
fn a_server_that_tells_of_ringing_is_waited_for() {
    let mut world = World::with_ringback(RingbackTone::Europe, true);
    let call = world.invited();
    world.signal(Event::Trying { call: call.clone() });
    assert_eq!(tones(&mut world), []);
    world.signal(Event::Ringing {
        call,
        said: Box::default(),
    });
    assert_eq!(tones(&mut world), [Some(RingbackTone::Europe)]);
}

/// Whether the media worker was asked for a new path.
fn asks_for_a_path(world: &mut World) -> bool {
    let silent_for = Duration::from_secs(5);
    world.media(CallEvent::Media(MediaEvent::NoMedia { silent_for }));
    world.media_commands().contains(&MediaCommand::RestartIce)
}

#[test]
fn silence_right_after_an_attach_is_healed_by_an_offer_of_ours() {
    let mut world = World::ready();
    let call = world.answered();
    assert!(
        !asks_for_a_path(&mut world),
        "whoever is silent may have nothing to say"
    );
    world.signal(Event::Attach {
        call,
        sdp: "their new offer".to_owned(),
        remote: Party::default(),
        said: Box::default(),
        ids: Box::default(),
        known: true,
        outbound: false,
    });
    world.media(CallEvent::LocalAnswer {
        sdp: "our answer".to_owned(),
    });
    world.media_commands();
    assert!(asks_for_a_path(&mut world));
    assert!(!asks_for_a_path(&mut world), "once");
}

#[test]
fn silence_is_a_lost_path_where_the_server_would_send_noise() {
    let mut world = World::at_noisy_server();
    let call = world.answered();
    world.signal(Event::HoldState {
        call: call.clone(),
        held: true,
    });
    assert!(!asks_for_a_path(&mut world), "on hold nothing is expected");
    world.signal(Event::HoldState { call, held: false });
    assert!(asks_for_a_path(&mut world));
}

#[test]
fn whoever_is_at_the_far_end_now_is_told_once() {
    let mut world = World::ready();
    let call = world.answered();
    let remote = Party {
        name: "Bob".to_owned(),
        number: "300".to_owned(),
    };
    for _ in 0..2 {
        world.signal(Event::Display {
            call: call.clone(),
            remote: remote.clone(),
        });
    }
    let displays = world.displays();
    let name = Some("Bob".to_owned());
    let number = "300".to_owned();
    assert_eq!(displays, [EventKind::Display { number, name }]);
}

#[test]
fn what_the_server_says_about_a_call_or_without_one_is_told() {
    let mut world = World::ready();
    let call = world.answered();
    world.events.clear();
    for about in [None, Some(call)] {
        let data = json!({"txt": {"chars": "h"}});
        world.signal(Event::Info {
            call: about.clone(),
            data: data.clone(),
        });
        let told = world.events.pop().expect("an event");
        assert_eq!((told.call, told.kind), (about, EventKind::Info { data }));
    }
}

#[test]
fn bad_quality_is_told_of_a_call_that_is_up_and_not_on_hold() {
    let mut world = World::ready();
    let call = world.answered();
    let mut statistics = Statistics::default();
    let mut seconds = |world: &mut World, count: u32| {
        for _ in 0..count {
            statistics.at += Duration::from_secs(1);
            // Packets with silence in them.
            statistics.inbound.packets_received += 50;
            statistics.outbound.bytes_sent += 8000;
            world.pass(Duration::from_secs(1));
            let told = MediaEvent::Statistics(Box::new(statistics.clone()));
            world.media(CallEvent::Media(told));
        }
    };
    let told = |world: &World| {
        let warnings = world.events.iter().filter_map(|event| match &event.kind {
            EventKind::QualityWarning(warning) => Some(*warning),
            _ => None,
        });
        warnings.collect::<Vec<_>>()
    };
    let hold = |held| Event::HoldState {
        call: call.clone(),
        held,
    };
    world.signal(hold(true));
    seconds(&mut world, 10);
    assert_eq!(told(&world), []);
    world.signal(hold(false));
    seconds(&mut world, 3);
    let silence = QualityWarning {
        problem: Problem::LowInboundAudio,
        on: true,
        value: 0.0,
    };
    assert_eq!(told(&world), [silence]);
}
