//! Calls that nobody has answered yet, and whose media the server offers anew on another connection.

use std::time::Duration;

use offhook_engine::output::MediaCommand;
use offhook_engine::request::AnswerOptions;
use offhook_engine::status::CallState;
use offhook_media::driver::event::CallEvent;
use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::error::Error;
use offhook_signaling::event::{DisconnectCause, Event, Party};

use crate::world::World;

fn state(world: &World) -> CallState {
    world.core.calls(world.now)[0].state
}

fn offer_again(world: &mut World, call: &CallId) {
    world.signal(Event::Attach {
        call: call.clone(),
        sdp: "new offer".into(),
        known: true,
        outbound: false,
        remote: Party::default(),
        said: Box::default(),
        ids: Box::default(),
    });
}

fn lose_the_connection(world: &mut World) {
    world.signal(Event::Disconnected {
        cause: DisconnectCause::Asked,
        retry_in: Some(Duration::ZERO),
    });
}

fn accepts_new_offer(world: &mut World) -> bool {
    let commands = world.media_commands();
    commands
        .iter()
        .any(|command| matches!(command, MediaCommand::AcceptOffer(sdp, _) if sdp == "new offer"))
}

#[test]
fn a_call_of_ours_waits_for_its_answer_after_an_attach() {
    for sdp in [None, Some("answer of before".to_owned())] {
        let mut world = World::ready();
        let call = world.invited();
        lose_the_connection(&mut world);
        world.make_ready();
        offer_again(&mut world, &call);
        assert!(accepts_new_offer(&mut world));
        world.media(CallEvent::LocalAnswer {
            sdp: "new answer".into(),
        });
        assert!(matches!(world.commands()[..], [Command::Attach { .. }]));
        world.signal(Event::Confirmed { call: call.clone() });
        assert_eq!(state(&world), CallState::Calling);
        world.events.clear();
        let said = Box::default();
        world.signal(Event::Answered {
            fork: None,
            call,
            sdp,
            said,
        });
        assert_eq!(state(&world), CallState::Active);
        assert_eq!(world.kinds(), ["answered"]);
        assert_eq!(world.media_commands(), [], "the media of the attach stands");
    }
}

#[test]
fn a_ringing_call_rings_on_after_an_attach_and_its_newest_offer_is_answered() {
    let mut world = World::ready();
    let call = world.incoming(Some("offer"));
    lose_the_connection(&mut world);
    world.make_ready();
    offer_again(&mut world, &call);
    assert_eq!(state(&world), CallState::Ringing);
    assert_eq!(world.media_commands(), []);
    let options = AnswerOptions::default();
    world.core.answer(Some(&call), options, world.now).unwrap();
    assert!(accepts_new_offer(&mut world));
    world.media(CallEvent::LocalAnswer {
        sdp: "new answer".into(),
    });
    assert!(matches!(world.commands()[..], [Command::Answer { .. }]));
    world.signal(Event::Confirmed { call });
    assert_eq!(state(&world), CallState::Active);
}

#[test]
fn a_call_that_was_taken_without_a_connection_is_answered_by_the_attach() {
    let mut world = World::ready();
    let call = world.incoming(Some("offer"));
    lose_the_connection(&mut world);
    let options = AnswerOptions::default();
    world.core.answer(Some(&call), options, world.now).unwrap();
    world.media(CallEvent::LocalAnswer {
        sdp: "answer".into(),
    });
    let error = Error::NotReady {
        server: "pbx".into(),
        command: "answer",
    };
    let name = call.clone();
    world.signal(Event::CommandFailed { call: name, error });
    world.make_ready();
    world.commands();
    world.media_commands();
    offer_again(&mut world, &call);
    assert!(accepts_new_offer(&mut world));
    world.media(CallEvent::LocalAnswer {
        sdp: "new answer".into(),
    });
    assert!(matches!(world.commands()[..], [Command::Attach { .. }]));
    world.signal(Event::Confirmed { call });
    assert_eq!(state(&world), CallState::Active);
    assert!(world.kinds().contains(&"answered"));
}
