//! Media that is lost while the server is there: new paths, new connections, and when it is enough.

use std::time::Duration;

use offhook_engine::error::Error as EngineError;
use offhook_engine::output::MediaCommand;
use offhook_media::driver::event::CallEvent;
use offhook_media::quality::statistics::Statistics;
use offhook_media::session::event::MediaEvent;
use offhook_media::srtp::profile::SrtpProfile;
use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::error::Error;
use offhook_signaling::event::{DisconnectCause, Event, Party};

use crate::world::World;

/// A second of figures, with so many packets received since the call began.
fn figures(world: &mut World, heard: u64) {
    let mut statistics = Statistics::default();
    statistics.inbound.packets_received = heard;
    statistics.outbound.packets_sent = 1;
    world.pass(Duration::from_secs(1));
    world.media(CallEvent::Media(MediaEvent::Statistics(Box::new(
        statistics,
    ))));
}

fn lose_the_path(world: &mut World) {
    world.media(CallEvent::Media(MediaEvent::PathLost { given_up: false }));
}

/// Lets a new path be asked for and refused.
fn refuse_new_path(world: &mut World, call: &CallId) {
    assert_eq!(world.media_commands(), [MediaCommand::RestartIce]);
    let sdp = "new offer".to_owned();
    world.media(CallEvent::LocalOffer { sdp });
    assert!(matches!(
        world.commands()[..],
        [Command::UpdateMedia { .. }]
    ));
    let error = Error::Refused {
        server: "pbx".into(),
        setting: None,
        method: "media update",
        code: None,
        reason: "CODEC ERROR".into(),
    };
    let call = call.clone();
    world.signal(Event::MediaUpdateFailed { call, error });
}

/// The connection is lost and comes back, and the server offers the call again.
fn come_back(world: &mut World, call: &CallId) {
    world.signal(Event::Disconnected {
        cause: DisconnectCause::Asked,
        retry_in: Some(Duration::ZERO),
    });
    world.make_ready();
    world.signal(Event::Attach {
        call: call.clone(),
        sdp: "their new offer".to_owned(),
        known: true,
        outbound: false,
        remote: Party::default(),
        said: Box::default(),
        ids: Box::default(),
    });
    let sdp = "our answer".to_owned();
    world.media(CallEvent::LocalAnswer { sdp });
    world.signal(Event::Confirmed { call: call.clone() });
    world.media_commands();
    world.commands();
}

#[test]
fn a_new_path_that_is_refused_while_media_is_bad_costs_the_connection_a_bounded_number_of_times() {
    let mut world = World::ready();
    let call = world.answered();
    for _ in 0..2 {
        lose_the_path(&mut world);
        refuse_new_path(&mut world, &call);
        assert_eq!(world.commands(), [Command::Reconnect]);
        come_back(&mut world, &call);
    }
    lose_the_path(&mut world);
    refuse_new_path(&mut world, &call);
    assert_eq!(world.commands(), [], "now its media time limit ends it");
    assert_eq!(world.core.calls(world.now).len(), 1);
}

#[test]
fn a_refused_new_path_changes_nothing_when_media_came_back_or_the_connection_is_gone() {
    let mut world = World::ready();
    let call = world.answered();
    figures(&mut world, 100);
    lose_the_path(&mut world);
    for heard in [100, 110, 110, 160] {
        figures(&mut world, heard);
    }
    refuse_new_path(&mut world, &call);
    assert_eq!(world.commands(), []);
    lose_the_path(&mut world);
    assert_eq!(world.media_commands(), [MediaCommand::RestartIce]);
    let error = Error::NotReady {
        server: "pbx".into(),
        command: "media update",
    };
    let name = call.clone();
    world.signal(Event::MediaUpdateFailed { call: name, error });
    assert_eq!(world.commands(), []);
    // The server was quicker with an offer of its own.
    lose_the_path(&mut world);
    let error = Error::WrongState {
        command: "media update",
        state: "offered again",
    };
    world.signal(Event::MediaUpdateFailed { call, error });
    assert_eq!(world.commands(), []);
}

#[test]
fn a_new_path_can_be_asked_for_when_nothing_is_lost() {
    let mut world = World::ready();
    let ringing = world.incoming(Some("offer"));
    let refused = world.core.restart_ice(Some(&ringing), world.now);
    assert!(
        matches!(refused, Err(EngineError::WrongState { .. })),
        "{refused:?}"
    );
    let call = world.answered();
    world.media_commands();
    assert_eq!(world.core.restart_ice(None, world.now).unwrap(), call);
    assert_eq!(world.media_commands(), [MediaCommand::RestartIce]);
    // While it is on its way, asking again is no second one.
    assert_eq!(
        world.core.restart_ice(Some(&call), world.now).unwrap(),
        call
    );
    assert_eq!(world.media_commands(), []);
    let sdp = "new offer".to_owned();
    world.media(CallEvent::LocalOffer { sdp });
    assert!(matches!(
        world.commands()[..],
        [Command::UpdateMedia { .. }]
    ));
    let sdp = "new answer".to_owned();
    world.signal(Event::MediaUpdated {
        call: call.clone(),
        sdp,
    });
    assert_eq!(
        world.media_commands(),
        [MediaCommand::AcceptAnswer("new answer".to_owned())]
    );
    // While the server is gone nobody can be asked.
    world.signal(Event::Disconnected {
        cause: DisconnectCause::Asked,
        retry_in: Some(Duration::ZERO),
    });
    let refused = world.core.restart_ice(Some(&call), world.now);
    assert!(
        matches!(refused, Err(EngineError::WrongState { .. })),
        "{refused:?}"
    );
    assert_eq!(world.media_commands(), []);
}

#[test]
fn other_requests_that_fail_do_not_make_a_second_offer_of_media() {
    let mut world = World::ready();
    let call = world.answered();
    lose_the_path(&mut world);
    assert_eq!(world.media_commands(), [MediaCommand::RestartIce]);
    let error = Error::NotDtmf('x');
    world.signal(Event::CommandFailed { call, error });
    lose_the_path(&mut world);
    assert_eq!(world.media_commands(), []);
    assert_eq!(world.commands(), []);
}

#[test]
fn new_paths_that_bring_nothing_lead_to_a_new_connection_where_silence_is_a_loss() {
    let mut world = World::at_noisy_server();
    let call = world.answered();
    figures(&mut world, 100);
    let silent_for = Duration::from_secs(5);
    world.media(CallEvent::Media(MediaEvent::NoMedia { silent_for }));
    for _ in 0..2 {
        assert_eq!(world.media_commands(), [MediaCommand::RestartIce]);
        let sdp = "new offer".to_owned();
        world.media(CallEvent::LocalOffer { sdp });
        world.commands();
        let (call, sdp) = (call.clone(), "new answer".to_owned());
        world.signal(Event::MediaUpdated { call, sdp });
        world.media_commands();
        for _ in 0..6 {
            figures(&mut world, 100);
        }
    }
    assert_eq!(world.commands(), [Command::Reconnect]);
    come_back(&mut world, &call);
    for heard in [150, 200, 250, 300, 350, 350, 350, 350] {
        figures(&mut world, heard);
    }
    assert_eq!(world.media_commands(), [], "it is well");
}

#[test]
fn no_new_media_is_offered_before_the_first_is_secured_where_that_ends_the_call() {
    let mut world = World::at_mod_verto();
    world.answered();
    lose_the_path(&mut world);
    assert_eq!(world.media_commands(), []);
    let profile = SrtpProfile::ALL[0];
    world.media(CallEvent::Media(MediaEvent::DtlsConnected { profile }));
    lose_the_path(&mut world);
    assert_eq!(world.media_commands(), [MediaCommand::RestartIce]);
}
