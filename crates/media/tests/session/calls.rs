//! The life of a call's media, told as stories.

use std::time::Duration;

use offhook_media::media_transport::event::{DtlsFailure, IceFailure};
use offhook_media::program::{AudioCodec, Destination, ProgramCommand};
use offhook_media::session::config::Hold;
use offhook_media::session::error::{MediaError, Refusal};
use offhook_media::session::event::MediaEvent;
use offhook_media::session::media_session::Renewal;

use crate::programs::{Echo, Mute, Talker};
use crate::world::{Side, World, config};

const SECOND: Duration = Duration::from_secs(1);

fn connected() -> (World, crate::programs::Shared, crate::programs::Shared) {
    let (caller, caller_seen) = Talker::new();
    let (callee, callee_seen) = Talker::new();
    let mut world = World::new(caller, callee);
    world.negotiate();
    world.run(SECOND);
    assert!(
        world
            .told(Side::Caller, |event| matches!(
                event,
                MediaEvent::FirstRtpReceived
            ))
            .is_some()
    );
    assert!(
        world
            .told(Side::Callee, |event| matches!(
                event,
                MediaEvent::FirstRtpReceived
            ))
            .is_some()
    );
    (world, caller_seen, callee_seen)
}

fn failure(world: &mut World, side: Side) -> Option<MediaError> {
    world.end(side).events.iter().find_map(|(_, event)| {
        if let MediaEvent::Failed(error) = event {
            Some(error.clone())
        } else {
            None
        }
    })
}

#[test]
fn a_call_connects_and_fifty_packets_a_second_flow_each_way() {
    let (mut world, caller_seen, callee_seen) = connected();
    for side in [Side::Caller, Side::Callee] {
        let order = [
            world.told(side, |event| matches!(event, MediaEvent::Negotiated(_))),
            world.told(side, |event| matches!(event, MediaEvent::IcePair { .. })),
            world.told(side, |event| {
                matches!(event, MediaEvent::DtlsConnected { .. })
            }),
            world.told(side, |event| matches!(event, MediaEvent::FirstRtpSent)),
        ]
        .map(Option::unwrap);
        assert!(order.is_sorted(), "{order:?}");
        assert!(order[3] < Duration::from_millis(400), "{order:?}");
    }
    let before = [&caller_seen, &callee_seen].map(|seen| seen.lock().unwrap().audio.len());
    world.run(60 * SECOND);
    for (seen, before) in [&caller_seen, &callee_seen].into_iter().zip(before) {
        let seen = seen.lock().unwrap();
        assert_eq!(seen.audio.len() - before, 60 * 50);
        for pair in seen.audio.windows(2) {
            let [
                (sequence, timestamp, count),
                (next_sequence, next_timestamp, next_count),
            ] = pair
            else {
                continue;
            };
            assert_eq!(*next_sequence, sequence.wrapping_add(1));
            assert_eq!(*next_timestamp, timestamp.wrapping_add(960));
            assert_eq!(*next_count, count.wrapping_add(1));
        }
        // An hour's worth of slots would show any drift as well: each lies exactly 20 ms after the one before.
        assert!(
            seen.slots
                .windows(2)
                .all(|pair| pair[1].1 - pair[0].1 == Duration::from_millis(20))
        );
    }
}

#[test]
fn statistics_come_each_second_and_agree_with_the_link() {
    let (mut world, _, callee_seen) = connected();
    world.lose_every = 10;
    world.run(30 * SECOND);
    world.lose_every = 0;
    world.run(5 * SECOND);
    let told = world.count(Side::Callee, |event| {
        matches!(event, MediaEvent::Statistics(_))
    });
    assert!((34..=36).contains(&told), "{told}");
    let now = world.now;
    let sent = world.caller.session.statistics(now);
    let received = world.callee.session.statistics(now);
    let heard = callee_seen.lock().unwrap().audio.len() as u64;
    assert_eq!(received.inbound.packets_received, heard);
    assert_eq!(received.inbound.bytes_received, heard * 80);
    assert!(sent.outbound.packets_sent - heard > 140, "{sent:?}");
    assert!(received.inbound.packets_lost > 140, "{received:?}");
    // The last packet is still on its way.
    assert!(sent.outbound.packets_sent - heard - received.inbound.packets_lost as u64 <= 1);
    let remote = sent.remote_inbound.unwrap();
    assert!(remote.packets_lost > 130, "{remote:?}");
    let round_trip = remote.round_trip_time.unwrap();
    assert!(
        (Duration::from_millis(19)..Duration::from_millis(22)).contains(&round_trip),
        "{round_trip:?}"
    );
    assert_eq!(remote.jitter, Duration::ZERO);
    assert!(received.remote_outbound.unwrap().packets_sent > 1500);
    assert_eq!(received.local, Default::default());
}

#[test]
fn digits_pass_and_the_audio_goes_on_behind_them() {
    let (mut world, _, callee_seen) = connected();
    let now = world.now;
    world.caller.session.program(
        ProgramCommand::Dtmf {
            digits: "12#".to_owned(),
        },
        now,
    );
    world.settle();
    world.run(2 * SECOND);
    let digits: String = world
        .callee
        .events
        .iter()
        .filter_map(|(_, event)| {
            if let MediaEvent::Dtmf { digit } = event {
                Some(*digit)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(digits, "12#");
    let lost = world
        .callee
        .session
        .statistics(world.now)
        .inbound
        .packets_lost;
    assert_eq!(lost, 0);
    assert!(callee_seen.lock().unwrap().audio.len() > 100);
}

#[test]
fn an_echo_comes_back_under_our_own_numbers_without_a_copy_of_loss() {
    let (talker, seen) = Talker::new();
    let mut world = World::new(
        talker,
        Box::new(Echo {
            to: Destination::Echo,
        }),
    );
    world.negotiate();
    world.run(SECOND);
    world.lose_every = 20;
    world.run(10 * SECOND);
    let seen = seen.lock().unwrap();
    assert!(seen.audio.len() > 450);
    // What was lost on the way there and on the way back shows as gaps in sequence and payload alike.
    for pair in seen.audio.windows(2) {
        let step = pair[1].0.wrapping_sub(pair[0].0);
        assert_eq!(u16::from(pair[1].2.wrapping_sub(pair[0].2)), step);
        assert_eq!(pair[1].1.wrapping_sub(pair[0].1), u32::from(step) * 960);
    }
}

#[test]
fn a_silent_far_end_is_told_after_five_seconds_and_ends_the_call_after_sixty() {
    let (talker, _) = Talker::new();
    let mut world = World::new(talker, Box::new(Mute));
    world.negotiate();
    world.run(4 * SECOND);
    assert_eq!(
        world.count(Side::Caller, |event| matches!(
            event,
            MediaEvent::NoMedia { .. }
        )),
        0
    );
    world.run(2 * SECOND);
    assert_eq!(
        world.count(Side::Caller, |event| matches!(
            event,
            MediaEvent::NoMedia { .. }
        )),
        1
    );
    world.run(53 * SECOND);
    assert_eq!(failure(&mut world, Side::Caller), None);
    world.run(3 * SECOND);
    let error = failure(&mut world, Side::Caller).unwrap();
    assert!(matches!(error, MediaError::MediaTimeout { .. }));
    assert!(error.to_string().contains("60 s"), "{error}");
    // The one that hears us has no reason to complain, and learns that we are gone.
    assert_eq!(failure(&mut world, Side::Callee), None);
    assert!(
        world
            .told(Side::Callee, |event| matches!(
                event,
                MediaEvent::ClosedByPeer
            ))
            .is_some()
    );
}

#[test]
fn media_that_stops_and_comes_back_is_told_both_times() {
    let (mut world, _, _) = connected();
    world.callee.muzzled = true;
    world.run(7 * SECOND);
    assert_eq!(
        world.count(Side::Caller, |event| matches!(
            event,
            MediaEvent::NoMedia { .. }
        )),
        1
    );
    world.callee.muzzled = false;
    world.run(5 * SECOND);
    assert_eq!(
        world.count(Side::Caller, |event| matches!(
            event,
            MediaEvent::MediaResumed
        )),
        1
    );
    world.callee.muzzled = true;
    world.run(7 * SECOND);
    assert_eq!(
        world.count(Side::Caller, |event| matches!(
            event,
            MediaEvent::NoMedia { .. }
        )),
        2
    );
    assert_eq!(failure(&mut world, Side::Caller), None);
}

#[test]
fn media_timeout_zero_waits_for_ever() {
    let (talker, _) = Talker::new();
    let mut patient = config(Side::Caller);
    patient.media_timeout = Duration::ZERO;
    let mut world = World::with_configs(patient, talker, config(Side::Callee), Box::new(Mute));
    world.negotiate();
    world.run(600 * SECOND);
    assert_eq!(failure(&mut world, Side::Caller), None);
    assert_eq!(
        world.count(Side::Caller, |event| matches!(
            event,
            MediaEvent::NoMedia { .. }
        )),
        1
    );
}

#[test]
fn on_hold_nobody_is_missed() {
    let (mut world, _, callee_seen) = connected();
    let now = world.now;
    world.caller.session.hold(Hold::Inactive, now);
    world.negotiate();
    world.run(100 * SECOND);
    let heard = callee_seen.lock().unwrap().audio.len();
    world.run(100 * SECOND);
    assert_eq!(callee_seen.lock().unwrap().audio.len(), heard);
    for side in [Side::Caller, Side::Callee] {
        assert_eq!(
            world.count(side, |event| matches!(event, MediaEvent::NoMedia { .. })),
            0
        );
        assert_eq!(failure(&mut world, side), None);
    }
    assert!(!callee_seen.lock().unwrap().formats.last().unwrap().receive);
    let now = world.now;
    world.caller.session.hold(Hold::Off, now);
    world.negotiate();
    world.run(10 * SECOND);
    assert!(callee_seen.lock().unwrap().audio.len() > heard + 450);
    assert_eq!(
        world
            .callee
            .session
            .statistics(world.now)
            .inbound
            .packets_lost,
        0
    );
}

/// As for a call that rings with our offer: its media may connect, and nobody speaks before the answer.
#[test]
fn an_answer_is_to_the_offer_and_a_hold_of_meanwhile_goes_by_itself() {
    let (caller, caller_seen) = Talker::new();
    let (callee, callee_seen) = Talker::new();
    let mut world = World::new(caller, callee);
    let now = world.now;
    let offer = world.caller.session.create_offer(now);
    world.caller.session.hold(Hold::Inactive, now);
    let answered = world
        .callee
        .session
        .accept_offer(&offer, Renewal::Change, now);
    let accepted = world.caller.session.accept_answer(&answered.unwrap(), now);
    accepted.unwrap();
    world.settle();
    world.run(10 * SECOND);
    assert!(callee_seen.lock().unwrap().audio.is_empty());
    assert!(caller_seen.lock().unwrap().audio.is_empty());
    let now = world.now;
    world.caller.session.hold(Hold::Off, now);
    world.run(SECOND);
    assert!(callee_seen.lock().unwrap().audio.len() > 40);
    assert!(caller_seen.lock().unwrap().audio.len() > 40);
}

/// Some far ends are never told, or send on all the same.
#[test]
fn on_hold_nothing_is_heard_of_a_far_end_that_goes_on() {
    let (mut world, caller_seen, _) = connected();
    let now = world.now;
    world.caller.session.hold(Hold::Inactive, now);
    let heard = caller_seen.lock().unwrap().audio.len();
    let received = |world: &mut World| {
        let statistics = world.caller.session.statistics(world.now);
        statistics.inbound.packets_received
    };
    let before = received(&mut world);
    world.run(10 * SECOND);
    assert!(received(&mut world) >= before + 490, "it does go on");
    assert_eq!(caller_seen.lock().unwrap().audio.len(), heard);
    let now = world.now;
    world.caller.session.hold(Hold::Off, now);
    world.run(SECOND);
    assert!(caller_seen.lock().unwrap().audio.len() > heard + 40);
}

#[test]
fn an_attach_replaces_the_transport_and_nothing_else() {
    let (mut world, caller_seen, callee_seen) = connected();
    // The callee starts afresh, like a server whose client lost its socket, and offers.
    let ssrc = callee_seen.lock().unwrap().ssrcs.clone();
    let (talker, again) = Talker::new();
    let now = world.now;
    let mut fresh = World::beginning_at(
        now,
        [3, 4],
        config(Side::Caller),
        Box::new(Mute),
        config(Side::Callee),
        talker,
    );
    std::mem::swap(&mut world.callee, &mut fresh.callee);
    let offer = world.callee.session.create_offer(now);
    let answer = world
        .caller
        .session
        .accept_offer(&offer, Renewal::Afresh, now)
        .unwrap();
    assert!(answer.contains("a=setup:active"), "{answer}");
    world.callee.session.accept_answer(&answer, now).unwrap();
    world.settle();
    world.run(3 * SECOND);
    assert_eq!(
        again.lock().unwrap().ssrcs,
        ssrc,
        "our source stays the same"
    );
    assert!(again.lock().unwrap().audio.len() > 100);
    let seen = caller_seen.lock().unwrap();
    assert_eq!(seen.ssrcs.len(), 2, "theirs is a new one");
    assert!(
        seen.slots.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1),
        "the program was paced all the time"
    );
    drop(seen);
    assert_eq!(
        world.count(Side::Caller, |event| matches!(
            event,
            MediaEvent::DtlsConnected { .. }
        )),
        2
    );
}

#[test]
fn the_name_of_our_dtls_association_is_said_to_whoever_says_its_own_and_changes_with_it() {
    let mut world = World::new(Box::new(Mute), Box::new(Mute));
    let now = world.now;
    let offer = world.caller.session.create_offer(now);
    let named = |sdp: &str| {
        let mut lines = sdp.lines();
        lines.find_map(|line| Some(line.strip_prefix("a=tls-id:")?.to_owned()))
    };
    assert_eq!(named(&offer), None, "we do not begin with it");
    let mut answer_to = |theirs: Option<&str>| {
        let with = theirs.map_or(String::new(), |id| format!("a=tls-id:{id}\r\n"));
        let offer = format!("{offer}{with}");
        let callee = &mut world.callee.session;
        named(&callee.accept_offer(&offer, Renewal::Change, now).unwrap())
    };
    assert_eq!(answer_to(None), None);
    let first = answer_to(Some("theirs-number-one-20c")).expect("our name");
    assert!((20..=255).contains(&first.len()), "{first}");
    let same = answer_to(Some("theirs-number-one-20c"));
    assert_eq!(same.as_ref(), Some(&first));
    let second = answer_to(Some("theirs-number-two-20c"));
    assert!(second.is_some() && second.as_ref() != Some(&first));
}

#[test]
fn an_ice_restart_keeps_the_media_flowing() {
    let (mut world, _, callee_seen) = connected();
    let before = world.caller.session.create_offer(world.now);
    let now = world.now;
    world.caller.session.restart_ice(now);
    let after = world.caller.session.create_offer(now);
    let ufrag = |sdp: &str| {
        sdp.lines()
            .find(|line| line.starts_with("a=ice-ufrag"))
            .unwrap()
            .to_owned()
    };
    assert_ne!(ufrag(&before), ufrag(&after));
    world.negotiate();
    world.run(10 * SECOND);
    assert_eq!(
        world.count(Side::Caller, |event| matches!(
            event,
            MediaEvent::DtlsConnected { .. }
        )),
        1
    );
    let inbound = world.callee.session.statistics(world.now).inbound;
    assert_eq!(inbound.packets_lost, 0);
    assert!(callee_seen.lock().unwrap().audio.len() > 500);
}

#[test]
fn the_same_answer_twice_changes_nothing() {
    let (caller, _) = Talker::new();
    let (callee, callee_seen) = Talker::new();
    let mut world = World::new(caller, callee);
    let now = world.now;
    let offer = world.caller.session.create_offer(now);
    let answer = world
        .callee
        .session
        .accept_offer(&offer, Renewal::Change, now)
        .unwrap();
    world.caller.session.accept_answer(&answer, now).unwrap();
    world.settle();
    world.run(SECOND);
    let now = world.now;
    world.caller.session.accept_answer(&answer, now).unwrap();
    world.settle();
    world.run(SECOND);
    assert_eq!(
        world.count(Side::Caller, |event| matches!(
            event,
            MediaEvent::Negotiated(_)
        )),
        1
    );
    assert!(callee_seen.lock().unwrap().audio.len() > 80);
}

#[test]
fn what_cannot_be_agreed_on_is_refused_and_the_call_goes_on() {
    let (mut world, _, callee_seen) = connected();
    let now = world.now;
    let session = &mut world.callee.session;
    let only = |codecs: Vec<AudioCodec>| {
        let mut other = config(Side::Caller);
        other.codecs = codecs;
        let mut world =
            World::with_configs(other, Box::new(Mute), config(Side::Callee), Box::new(Mute));
        world.caller.session.create_offer(now)
    };
    let garbage = session
        .accept_offer("this is no SDP", Renewal::Change, now)
        .unwrap_err();
    assert!(matches!(garbage, Refusal::Sdp(_)), "{garbage}");
    let offer = only(vec![AudioCodec::Opus]);
    let bare: String = offer
        .lines()
        .filter(|line| !line.contains("fingerprint"))
        .map(|line| format!("{line}\r\n"))
        .collect();
    for renewal in [Renewal::Change, Renewal::Afresh] {
        let refused = session.accept_offer(&bare, renewal, now).unwrap_err();
        assert!(refused.to_string().contains("fingerprint"), "{refused}");
    }
    assert_eq!(session.accept_answer(&offer, now), Err(Refusal::NoOffer));
    world.settle();
    let heard = callee_seen.lock().unwrap().audio.len();
    world.run(SECOND);
    assert!(callee_seen.lock().unwrap().audio.len() >= heard + 49);
}

#[test]
fn nothing_in_common_is_a_refusal_that_names_both_sides() {
    let mut opus = config(Side::Caller);
    opus.codecs = vec![AudioCodec::Opus];
    let mut g711 = config(Side::Callee);
    g711.codecs = vec![AudioCodec::Pcma];
    let mut world = World::with_configs(opus, Box::new(Mute), g711, Box::new(Mute));
    let now = world.now;
    let offer = world.caller.session.create_offer(now);
    let refusal = world
        .callee
        .session
        .accept_offer(&offer, Renewal::Change, now)
        .unwrap_err();
    let sentence = refusal.to_string();
    assert!(
        sentence.contains("opus") && sentence.contains("PCMA"),
        "{sentence}"
    );
}

#[test]
fn a_far_end_that_never_answers_checks_fails_in_time() {
    let (talker, _) = Talker::new();
    let mut world = World::new(talker, Box::new(Mute));
    world.callee.muzzled = true;
    world.negotiate();
    world.run(20 * SECOND);
    let error = failure(&mut world, Side::Caller).unwrap();
    assert!(
        matches!(
            error,
            MediaError::IceFailed(IceFailure::NeverConnected { .. })
        ),
        "{error}"
    );
}

/// The path goes silent the moment it is found: that it is in doubt and that the handshake is overdue come due together.
#[test]
fn nothing_is_told_after_a_failure() {
    let mut world = World::new(Box::new(Mute), Box::new(Mute));
    world.negotiate();
    let pair = |event: &MediaEvent| matches!(event, MediaEvent::IcePair { .. });
    while world.told(Side::Caller, pair).is_none() {
        world.run(Duration::from_millis(1));
    }
    world.callee.muzzled = true;
    world.run(60 * SECOND);
    let error = failure(&mut world, Side::Caller).unwrap();
    assert!(
        matches!(error, MediaError::DtlsFailed(DtlsFailure::Timeout)),
        "{error}"
    );
    let (_, last) = world.caller.events.last().unwrap();
    assert_eq!(*last, MediaEvent::Failed(error));
}

#[test]
fn a_wrong_fingerprint_is_named_and_no_media_flows() {
    let (caller, caller_seen) = Talker::new();
    let (callee, callee_seen) = Talker::new();
    let mut world = World::new(caller, callee);
    let now = world.now;
    let offer = world.caller.session.create_offer(now);
    let answer = world
        .callee
        .session
        .accept_offer(&offer, Renewal::Change, now)
        .unwrap();
    let forged: String = answer
        .lines()
        .map(|line| match line.strip_prefix("a=fingerprint:") {
            Some(_) => format!("a=fingerprint:sha-256 {}\r\n", ["AB"; 32].join(":")),
            None => format!("{line}\r\n"),
        })
        .collect();
    world.caller.session.accept_answer(&forged, now).unwrap();
    world.settle();
    world.run(20 * SECOND);
    let error = failure(&mut world, Side::Caller).unwrap();
    assert!(
        matches!(
            error,
            MediaError::DtlsFailed(DtlsFailure::FingerprintMismatch { .. })
        ),
        "{error}"
    );
    assert!(caller_seen.lock().unwrap().audio.is_empty());
    assert!(callee_seen.lock().unwrap().audio.is_empty());
}

#[test]
fn garbage_and_replays_disturb_nobody_and_are_counted() {
    let (mut world, _, callee_seen) = connected();
    let heard = callee_seen.lock().unwrap().audio.len();
    let mut state = 1_u64;
    for length in 0..400_usize {
        let mut bytes: Vec<u8> = (0..length)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        if let Some(first) = bytes.first_mut() {
            *first = [0, 22, 0x80, 0x90, 64, 255][length % 6];
        }
        world.deliver(Side::Callee, &mut bytes);
    }
    world.run(SECOND);
    assert!(callee_seen.lock().unwrap().audio.len() >= heard + 49);
    let statistics = world.callee.session.statistics(world.now);
    assert!(statistics.transport.packets_refused > 300, "{statistics:?}");
    assert_eq!(statistics.inbound.packets_lost, 0);
    assert_eq!(failure(&mut world, Side::Callee), None);
}

#[test]
fn a_close_says_goodbye_and_then_nothing_more() {
    let (mut world, _, callee_seen) = connected();
    let now = world.now;
    world.caller.session.close(now);
    world.settle();
    world.run(SECOND);
    assert!(
        world
            .told(Side::Callee, |event| matches!(
                event,
                MediaEvent::ClosedByPeer
            ))
            .is_some()
    );
    let heard = callee_seen.lock().unwrap().audio.len();
    world.run(10 * SECOND);
    assert_eq!(callee_seen.lock().unwrap().audio.len(), heard);
    assert_eq!(
        world.caller.session.accept_answer("", world.now),
        Err(Refusal::Over)
    );
}

#[test]
fn another_program_goes_on_where_the_one_before_stopped() {
    let (mut world, _, callee_seen) = connected();
    let (talker, _) = Talker::new();
    let now = world.now;
    world.caller.session.replace_program(talker, now);
    world.settle();
    world.run(SECOND);
    let seen = callee_seen.lock().unwrap();
    for pair in seen.audio.windows(2) {
        assert_eq!(pair[1].0, pair[0].0.wrapping_add(1));
        assert_eq!(pair[1].1, pair[0].1.wrapping_add(960));
    }
}

#[test]
fn a_caller_can_hear_a_tone_before_there_is_a_far_end_and_the_call_is_the_same_afterwards() {
    use offhook_media::graph::ringback::RingbackTone;

    let (caller, caller_seen) = Talker::new();
    let (callee, callee_seen) = Talker::new();
    let mut world = World::new(caller, callee);
    let now = world.now;
    let tone = ProgramCommand::Ringback(Some(RingbackTone::Europe));
    world.end(Side::Caller).session.program(tone, now);
    world.settle();
    world.run(SECOND);
    let slots = caller_seen.lock().unwrap().slots.len();
    assert!((49..=51).contains(&slots), "{slots} slots in a second");
    assert_eq!(
        world.told(Side::Caller, |event| matches!(
            event,
            MediaEvent::Statistics(_) | MediaEvent::NoMedia { .. }
        )),
        None,
        "there are no figures of a call that has no media yet"
    );
    world.negotiate();
    world.run(SECOND);
    for seen in [&caller_seen, &callee_seen] {
        let heard = seen.lock().unwrap().audio.len();
        assert!(heard >= 45, "{heard} packets in a second");
    }
}

#[test]
fn candidates_of_the_far_end_may_come_one_by_one_before_or_after_its_description() {
    for early in [true, false] {
        let (caller, _) = Talker::new();
        let (callee, _) = Talker::new();
        let mut world = World::new(caller, callee);
        let now = world.now;
        let offer = world.end(Side::Caller).session.create_offer(now);
        let offered = without_candidates(&offer);
        let callee = &mut world.end(Side::Callee).session;
        let answer = callee
            .accept_offer(&offered.0, Renewal::Change, now)
            .unwrap();
        let (answer, theirs) = without_candidates(&answer);
        assert!(!theirs.is_empty());
        let trickle = |world: &mut World| {
            for line in &theirs {
                let candidate = line.parse().unwrap();
                world
                    .end(Side::Caller)
                    .session
                    .add_remote_candidate(candidate, now);
            }
        };
        if early {
            trickle(&mut world);
        }
        let caller = &mut world.end(Side::Caller).session;
        caller.accept_answer(&answer, now).unwrap();
        if !early {
            world.settle();
            trickle(&mut world);
        }
        world.settle();
        world.run(SECOND);
        assert!(
            world
                .told(Side::Caller, |event| matches!(
                    event,
                    MediaEvent::FirstRtpReceived
                ))
                .is_some(),
            "early: {early}"
        );
    }
}

/// A description as trickle ICE sends it first, and the candidate lines that follow by themselves.
fn without_candidates(sdp: &str) -> (String, Vec<String>) {
    let (candidates, rest): (Vec<&str>, Vec<&str>) = sdp
        .lines()
        .partition(|line| line.starts_with("a=candidate:"));
    let lines = candidates.into_iter().map(str::to_owned).collect();
    (rest.join("\r\n") + "\r\n", lines)
}

#[test]
fn what_was_relayed_for_an_old_way_is_not_offered_for_a_new_one() {
    use offhook_media::ice::candidate::{CandidateType, LocalCandidate};

    let (caller, _) = Talker::new();
    let (callee, _) = Talker::new();
    let mut world = World::new(caller, callee);
    let (now, host) = (world.now, world.end(Side::Caller).address);
    let session = &mut world.end(Side::Caller).session;
    for (address, typ) in [
        ("198.51.100.3:50000", CandidateType::Relay),
        ("203.0.113.7:61000", CandidateType::ServerReflexive),
    ] {
        let address = address.parse().unwrap();
        let candidate = LocalCandidate {
            address,
            base: host,
            typ,
            by_connection: false,
        };
        session.add_local_candidate(candidate, now);
    }
    let (_, before) = without_candidates(&session.create_offer(now));
    assert_eq!(before.len(), 3, "{before:?}");
    session.keep_candidates(&[host], now);
    let (_, after) = without_candidates(&session.create_offer(now));
    assert_eq!(after.len(), 1, "{after:?}");
    assert!(after[0].contains("typ host"), "{after:?}");
}

/// As a telephone that sends nothing while its user listens, or a voice mail that records.
#[test]
fn a_far_end_that_was_heard_and_is_silent_on_purpose_keeps_its_call() {
    let (mut world, _, _) = connected();
    let now = world.now;
    world.callee.session.replace_program(Box::new(Mute), now);
    world.run(600 * SECOND);
    let told = |world: &mut World| {
        world.count(Side::Caller, |event| {
            matches!(event, MediaEvent::NoMedia { .. })
        })
    };
    assert_eq!(told(&mut world), 1);
    assert_eq!(failure(&mut world, Side::Caller), None);
    // Once nothing at all comes of it, its minute begins.
    world.callee.muzzled = true;
    world.run(55 * SECOND);
    assert_eq!(failure(&mut world, Side::Caller), None);
    world.run(10 * SECOND);
    let error = failure(&mut world, Side::Caller).unwrap();
    assert!(matches!(error, MediaError::MediaTimeout { .. }), "{error}");
}

/// RFC 3264, section 8.4: `sendonly`, with music or without.
#[test]
fn a_far_end_that_put_us_on_hold_without_music_is_not_missed() {
    let (mut world, _, _) = connected();
    let now = world.now;
    world.callee.session.replace_program(Box::new(Mute), now);
    world.callee.session.hold(Hold::SendOnly, now);
    world.negotiate();
    world.run(200 * SECOND);
    assert_eq!(
        world.count(Side::Caller, |event| matches!(
            event,
            MediaEvent::NoMedia { .. }
        )),
        0
    );
    assert_eq!(failure(&mut world, Side::Caller), None);
    // Not for ever, though, once the way to it is given up.
    let (mut lost, _, _) = connected();
    let now = lost.now;
    lost.callee.session.hold(Hold::SendOnly, now);
    lost.negotiate();
    lost.callee.muzzled = true;
    lost.run(80 * SECOND);
    assert_eq!(failure(&mut lost, Side::Caller), None);
    lost.run(30 * SECOND);
    let error = failure(&mut lost, Side::Caller).unwrap();
    assert!(matches!(error, MediaError::MediaTimeout { .. }), "{error}");
    // It comes back and says nothing: now it is missed.
    let now = world.now;
    world.callee.session.hold(Hold::Off, now);
    world.negotiate();
    world.run(10 * SECOND);
    assert_eq!(
        world.count(Side::Caller, |event| matches!(
            event,
            MediaEvent::NoMedia { .. }
        )),
        1
    );
}
