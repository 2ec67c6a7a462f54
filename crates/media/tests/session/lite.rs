//! A far end that is ICE-lite, as media servers at public addresses are: its description says so, with host candidates alone.

use std::time::Duration;

use offhook_media::sdp::concessions::Concessions;
use offhook_media::session::config::SessionConfig;
use offhook_media::session::event::MediaEvent;
use offhook_media::session::media_session::Renewal;

use crate::programs::Talker;
use crate::world::{Lite, Side, World, config};

const MINUTE: Duration = Duration::from_secs(60);

/// A call whose callee is one. What speaks there is a session of ours that knows nothing of ICE; the world answers checks for it.
fn world() -> World {
    let without_ice = SessionConfig {
        concessions: Concessions {
            no_ice: true,
            no_encryption: false,
        },
        ..config(Side::Callee)
    };
    let (caller, callee) = (Talker::new().0, Talker::new().0);
    World::with_configs(config(Side::Caller), caller, without_ice, callee)
}

/// As one without ICE would write it.
fn bare(description: &str) -> String {
    let of_ice = |line: &&str| {
        line.starts_with("a=ice-")
            || line.starts_with("a=candidate")
            || line.starts_with("a=end-of")
    };
    let lines = description.split_inclusive("\r\n");
    lines.filter(|line| !of_ice(line)).collect()
}

/// As a lite end writes it.
fn lite(description: &str, lite: &Lite) -> String {
    let (session, media) = description.split_once("m=audio").unwrap();
    let Lite { ufrag, pwd } = lite;
    format!(
        "{session}a=ice-lite\r\nm=audio{media}a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n\
         a=candidate:1 1 udp 2130706431 192.0.2.2 5000 typ host\r\na=end-of-candidates\r\n"
    )
}

fn credentials(number: u8) -> Lite {
    Lite {
        ufrag: format!("lite{number}"),
        pwd: format!("a-password-of-the-lite-end-{number}"),
    }
}

/// Our offer and its answer, with these credentials of its.
fn negotiate(world: &mut World, number: u8) {
    let now = world.now;
    let offer = bare(&world.caller.session.create_offer(now));
    let callee = &mut world.callee.session;
    let answer = callee.accept_offer(&offer, Renewal::Change, now).unwrap();
    let theirs = credentials(number);
    let answer = lite(&answer, &theirs);
    world.lite = Some(theirs);
    world.caller.session.accept_answer(&answer, now).unwrap();
    world.settle();
}

/// Both hear all of a minute, and nothing is told against the path.
fn goes_on(world: &mut World) {
    let heard = |world: &World| {
        [&world.caller, &world.callee]
            .map(|end| end.session.statistics(world.now).inbound.packets_received)
    };
    let before = heard(world);
    world.run(MINUTE);
    for (before, after) in before.into_iter().zip(heard(world)) {
        assert!(after >= before + 2990, "{before} to {after}");
    }
    let against = |event: &MediaEvent| {
        matches!(
            event,
            MediaEvent::PathLost { .. } | MediaEvent::Failed(_) | MediaEvent::NoMedia { .. }
        )
    };
    assert_eq!(world.count(Side::Caller, against), 0);
    let secured = |event: &MediaEvent| matches!(event, MediaEvent::DtlsConnected { .. });
    assert_eq!(world.count(Side::Caller, secured), 1);
}

fn paths(world: &mut World) -> usize {
    world.count(Side::Caller, |event| {
        matches!(event, MediaEvent::IcePair { .. })
    })
}

#[test]
fn a_call_to_one_is_as_any_other_and_outlives_restarts_of_ours() {
    let mut world = world();
    negotiate(&mut world, 1);
    world.run(Duration::from_secs(1));
    let secured = |event: &MediaEvent| matches!(event, MediaEvent::DtlsConnected { .. });
    assert!(world.told(Side::Caller, secured).unwrap() < Duration::from_millis(400));
    goes_on(&mut world);
    for restart in 2..4 {
        let now = world.now;
        world.caller.session.restart_ice(now);
        negotiate(&mut world, restart);
        world.nominations = 0;
        goes_on(&mut world);
        assert!(world.nominations > 0);
        assert_eq!(paths(&mut world), usize::from(restart));
    }
}

/// It makes the offer, so that we would be the controlled one (RFC 8445, section 6.1.1).
#[test]
fn a_call_from_one_is_too() {
    let mut world = world();
    let now = world.now;
    // A session of ours offers ICE; an end without it offers none.
    let offer = bare(&world.callee.session.create_offer(now));
    let theirs = credentials(1);
    let offer = lite(&offer, &theirs);
    world.lite = Some(theirs);
    let caller = &mut world.caller.session;
    let answer = caller.accept_offer(&offer, Renewal::Change, now).unwrap();
    let answer = bare(&answer);
    world.callee.session.accept_answer(&answer, now).unwrap();
    world.settle();
    world.run(Duration::from_secs(1));
    goes_on(&mut world);
    assert_eq!(paths(&mut world), 1);
}
