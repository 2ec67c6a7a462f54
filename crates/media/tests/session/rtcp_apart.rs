//! A far end that does not multiplex RTCP with RTP (RFC 5761): reports go by a component of their own.

use std::time::Duration;

use offhook_media::session::media_session::Renewal;

use crate::programs::Talker;
use crate::world::{Side, World};

const SECOND: Duration = Duration::from_secs(1);

/// The caller's next offer, as one that knows no rtcp-mux writes it.
fn offer_without_mux(world: &mut World) -> String {
    let now = world.now;
    let offer = world.caller.session.create_offer(now);
    assert!(offer.contains("a=rtcp-mux\r\n"));
    offer.replace("a=rtcp-mux\r\n", "")
}

fn answer(world: &mut World, offer: &str, renewal: Renewal) -> String {
    let now = world.now;
    let callee = &mut world.callee;
    if callee.session.wants_rtcp_sockets(offer) {
        let socket = callee.rtcp_address;
        callee.session.add_rtcp_host_candidate(socket, now);
    }
    callee.session.accept_offer(offer, renewal, now).unwrap()
}

fn world() -> World {
    let mut world = World::new(Talker::new().0, Talker::new().0);
    let (socket, now) = (world.caller.rtcp_address, world.now);
    world.caller.session.add_rtcp_host_candidate(socket, now);
    world
}

fn agree(world: &mut World, offer: &str, renewal: Renewal) -> String {
    let answer = answer(world, offer, renewal);
    let now = world.now;
    world.caller.session.accept_answer(&answer, now).unwrap();
    world.settle();
    answer
}

fn reports(world: &mut World, side: Side) -> u64 {
    let now = world.now;
    let statistics = world.end(side).session.statistics(now);
    let heard = statistics.remote_inbound;
    heard.map_or(0, |heard| heard.round_trip_time_measurements)
}

#[test]
fn reports_go_by_the_second_component() {
    let mut world = world();
    let offer = offer_without_mux(&mut world);
    let answer = agree(&mut world, &offer, Renewal::Change);
    assert!(!answer.contains("rtcp-mux"));
    assert!(
        answer.contains("a=rtcp:5001 IN IP4 192.0.2.2\r\n"),
        "{answer}"
    );
    let second = |line: &&str| line.starts_with("a=candidate:") && line.contains(" 2 udp ");
    let candidate = answer.lines().find(second).expect("component 2");
    assert!(
        candidate.contains(" 192.0.2.2 5001 typ host"),
        "{candidate}"
    );

    world.run(20 * SECOND);
    for side in [Side::Caller, Side::Callee] {
        assert!(reports(&mut world, side) > 2, "{side:?}");
        let end = world.end(side);
        let is_rtcp = |datagram: &&Vec<u8>| (200..=204).contains(&datagram[1]);
        assert!(end.sent_apart.iter().filter(is_rtcp).count() > 2);
        let is_rtp = |datagram: &&Vec<u8>| datagram[0] & 0xC0 == 0x80 && datagram[1] & 0x7F < 72;
        assert_eq!(end.sent_apart.iter().filter(is_rtp).count(), 0);
    }
}

#[test]
fn the_goodbye_goes_there_too() {
    let mut world = world();
    let offer = offer_without_mux(&mut world);
    agree(&mut world, &offer, Renewal::Change);
    world.run(5 * SECOND);
    let now = world.now;
    world.caller.session.close(now);
    world.settle();
    world.run(SECOND);
    let is_goodbye = |event: &_| {
        matches!(
            event,
            offhook_media::session::event::MediaEvent::Goodbye { .. }
        )
    };
    assert!(world.told(Side::Callee, is_goodbye).is_some());
}

#[test]
fn a_restart_and_a_fresh_start_take_both_components_along() {
    let mut world = world();
    let offer = offer_without_mux(&mut world);
    agree(&mut world, &offer, Renewal::Change);
    world.run(5 * SECOND);
    let now = world.now;
    world.caller.session.restart_ice(now);
    let offer = offer_without_mux(&mut world);
    agree(&mut world, &offer, Renewal::Change);
    world.run(10 * SECOND);
    let before = reports(&mut world, Side::Callee);
    world.run(10 * SECOND);
    assert!(reports(&mut world, Side::Callee) > before);
}

#[test]
fn a_far_end_that_multiplexes_after_all_needs_no_second_component() {
    let mut world = world();
    let now = world.now;
    let offer = world.caller.session.create_offer(now);
    assert!(!world.callee.session.wants_rtcp_sockets(&offer));
    agree(&mut world, &offer, Renewal::Change);
    world.run(10 * SECOND);
    assert!(reports(&mut world, Side::Caller) > 0);
    let is_rtcp = |datagram: &&Vec<u8>| datagram[0] & 0xC0 == 0x80;
    assert_eq!(world.callee.sent_apart.iter().filter(is_rtcp).count(), 0);
}

/// No way for RTCP: the call is as good as without.
#[test]
fn a_second_component_that_never_connects_costs_the_call_nothing() {
    let mut world = World::new(Talker::new().0, Talker::new().0);
    let now = world.now;
    let offer = world.caller.session.create_offer(now);
    let first = offer
        .lines()
        .find(|line| line.starts_with("a=candidate:"))
        .unwrap()
        .to_owned();
    let second = first
        .replace(" 1 udp ", " 2 udp ")
        .replace("192.0.2.1 4000", "192.0.2.1 4001");
    let offer = offer
        .replace("a=rtcp-mux\r\n", "")
        .replace(&first, &format!("{first}\r\n{second}"));
    agree(&mut world, &offer, Renewal::Change);
    world.run(60 * SECOND);
    let now = world.now;
    let heard = world
        .callee
        .session
        .statistics(now)
        .inbound
        .packets_received;
    assert!(heard > 55 * 50, "{heard}");
    assert_eq!(reports(&mut world, Side::Callee), 0);
    let is_failure =
        |event: &_| matches!(event, offhook_media::session::event::MediaEvent::Failed(_));
    assert_eq!(world.told(Side::Callee, is_failure), None);
}
