//! What two ends tell each other by RTCP once they agreed on it.

use std::time::Duration;

use offhook_media::sdp::extras::{Extras, Readiness};
use offhook_media::session::config::{Hold, SessionConfig};
use offhook_media::session::event::MediaEvent;

use crate::programs::{Mute, Talker};
use crate::world::{Side, World, config};

const SECOND: Duration = Duration::from_secs(1);

fn with(side: Side, extras: Extras) -> SessionConfig {
    SessionConfig {
        extras,
        ..config(side)
    }
}

fn offering_reports() -> Extras {
    Extras {
        voip_metrics: Readiness::Offered,
        reduced_size: Readiness::Offered,
        ..Extras::default()
    }
}

fn world(caller: Extras, callee: Extras) -> World {
    World::with_configs(
        with(Side::Caller, caller),
        Talker::new().0,
        with(Side::Callee, callee),
        Talker::new().0,
    )
}

#[test]
fn each_end_learns_how_the_other_hears_it() {
    let mut world = world(offering_reports(), Extras::default());
    world.negotiate();
    world.run(SECOND);
    world.lose_every = 10;
    world.run(40 * SECOND);
    world.lose_every = 0;
    world.run(10 * SECOND);
    let now = world.now;
    for side in [Side::Caller, Side::Callee] {
        let sent = world.end(side).session.statistics(now);
        let heard = sent.remote_voip.expect("VoIP metrics came");
        assert!(heard.reports > 10, "{heard:?}");
        let share = 0.1 * 40.0 / 51.0;
        assert!((heard.loss_rate - share).abs() < 0.03, "{heard:?}");
        // Both ways share a link that loses every tenth: always of the same way, until a report shifts them. So one way loses
        // every fifth for a while, which is a burst, and then none.
        assert!((heard.burst_density - 0.2).abs() < 0.03, "{heard:?}");
        assert!(heard.burst_duration > SECOND / 2, "{heard:?}");
        assert!(heard.gap_duration > SECOND / 2, "{heard:?}");
        assert!(heard.gap_density < 0.01, "{heard:?}");
        let round_trip = Duration::from_millis(20);
        assert_eq!(heard.round_trip_time, Some(round_trip));
        assert!(heard.end_system_delay.unwrap() >= 2 * round_trip);
        let rating = heard.r_factor.unwrap();
        assert!((55..80).contains(&rating), "{heard:?}");
        assert!((2.9..4.1).contains(&heard.mos_conversation.unwrap()));
        assert_eq!(heard.signal_level, None, "these programs play nothing");
        let clocks = sent.remote_outbound.unwrap();
        let measured = clocks.round_trip_time.unwrap();
        assert!(clocks.round_trip_time_measurements > 10, "{clocks:?}");
        assert!(measured.abs_diff(round_trip) < Duration::from_millis(1));
    }
}

#[test]
fn who_only_listens_reports_as_a_receiver() {
    let mut world = world(Extras::default(), Extras::default());
    world.negotiate();
    world.run(10 * SECOND);
    // Reports of the callee that tell of a stream of its own, and those that tell how it hears.
    let reports = |world: &World| {
        let figures = world.caller.session.statistics(world.now);
        let heard = figures.remote_inbound.unwrap();
        let sent = figures.remote_outbound.unwrap().reports_sent;
        (sent, heard.round_trip_time_measurements)
    };
    let (sent, _) = reports(&world);
    assert!(sent > 2);
    let now = world.now;
    world.caller.session.hold(Hold::SendOnly, now);
    world.negotiate();
    // Until the second report after its last packet it counts as a sender.
    world.run(10 * SECOND);
    let (sent, heard) = reports(&world);
    world.run(10 * SECOND);
    let (still, goes_on) = reports(&world);
    assert_eq!(still, sent);
    assert!(goes_on > heard + 2);
    let now = world.now;
    world.caller.session.hold(Hold::Off, now);
    world.negotiate();
    world.run(10 * SECOND);
    assert!(reports(&world).0 > sent + 2);
}

#[test]
fn nothing_of_it_is_said_to_a_far_end_that_did_not_ask() {
    let never = Extras {
        voip_metrics: Readiness::Never,
        ..Extras::default()
    };
    for (caller, callee) in [
        (Extras::default(), Extras::default()),
        (offering_reports(), never),
        (never, offering_reports()),
    ] {
        let mut world = world(caller, callee);
        world.negotiate();
        world.run(10 * SECOND);
        let now = world.now;
        for side in [Side::Caller, Side::Callee] {
            let statistics = world.end(side).session.statistics(now);
            assert_eq!(statistics.remote_voip, None);
            assert!(statistics.remote_inbound.unwrap().round_trip_time.is_some());
        }
    }
}

#[test]
fn reduced_size_saves_bytes_and_loses_no_report() {
    let bytes = |reduced_size| {
        let extras = Extras {
            reduced_size,
            ..Extras::default()
        };
        let mut world = world(extras, Extras::default());
        world.negotiate();
        world.run(60 * SECOND);
        let now = world.now;
        let statistics = world.caller.session.statistics(now);
        assert!(statistics.remote_outbound.unwrap().reports_sent >= 25);
        assert_eq!(statistics.transport.packets_refused, 0);
        statistics.transport.bytes_received
    };
    let saved = bytes(Readiness::WhenOffered) - bytes(Readiness::Offered);
    // SDES with a name of 16 characters: 28 bytes, left out of three in four of about thirty reports.
    assert!((400..900).contains(&saved), "{saved} bytes");
}

#[test]
fn a_goodbye_says_why() {
    let goodbye = |world: &mut World, side| {
        world.end(side).events.iter().find_map(|(_, event)| {
            if let MediaEvent::Goodbye { reason } = event {
                Some(reason.clone())
            } else {
                None
            }
        })
    };
    // The callee never speaks and the caller loses patience; its BYE names the reason.
    let mut impatient = config(Side::Caller);
    impatient.media_timeout = 3 * SECOND;
    let mut world = World::with_configs(
        impatient,
        Talker::new().0,
        config(Side::Callee),
        Box::new(Mute),
    );
    world.negotiate();
    world.run(6 * SECOND);
    let said = goodbye(&mut world, Side::Callee);
    assert_eq!(said, Some(Some("no media".to_owned())));
    // An ordinary end needs none.
    let mut world = self::world(Extras::default(), Extras::default());
    world.negotiate();
    world.run(2 * SECOND);
    let now = world.now;
    world.caller.session.close(now);
    world.settle();
    world.run(SECOND);
    assert_eq!(goodbye(&mut world, Side::Callee), Some(None));
}
