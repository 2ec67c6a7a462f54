//! Media agreed anew within SIP calls: hold, offers of the far side, both at once, a lost connection.

use std::time::Duration;

use offhook_engine::event::EventKind;
use offhook_engine::output::MediaCommand;
use offhook_engine::request::{AnswerOptions, CallRequest, EndOptions};
use offhook_engine::status::CallState;
use offhook_media::driver::event::{CallEvent, OpenError};
use offhook_media::program::{AudioCodec, AudioFormat, OpusWishes, ProgramCommand};
use offhook_media::session::config::Hold;
use offhook_media::session::error::Refusal;
use offhook_media::session::event::MediaEvent;
use offhook_media::session::media_session::Renewal;
use offhook_signaling::call_id::CallId;
use offhook_signaling::cause::Cause;
use offhook_signaling::command::Command;
use offhook_signaling::error::Error;
use offhook_signaling::event::{DisconnectCause, Event as SignalingEvent};
use offhook_signaling::session::CloseReason;

use crate::world::World;

const OPUS: AudioFormat = AudioFormat {
    codec: AudioCodec::Opus,
    packet_time: Duration::from_millis(20),
    telephone_event: Some(48_000),
    opus: OpusWishes {
        inband_fec: true,
        dtx: false,
        stereo: false,
        max_average_bitrate: None,
        max_playback_rate: None,
    },
    send: true,
    receive: true,
};

fn negotiated(world: &mut World, format: AudioFormat) {
    world.media(CallEvent::Media(MediaEvent::Negotiated(format)));
}

fn updated(call: &CallId) -> SignalingEvent {
    SignalingEvent::MediaUpdated {
        call: call.clone(),
        sdp: "their answer".into(),
    }
}

fn refused() -> Error {
    Error::Refused {
        server: "sip.example.com".into(),
        setting: None,
        method: "INVITE",
        code: Some(488),
        reason: "Not Acceptable Here".into(),
    }
}

fn offered(call: &CallId, sdp: Option<&str>) -> SignalingEvent {
    SignalingEvent::Offer {
        call: call.clone(),
        sdp: sdp.map(str::to_owned),
    }
}

fn holds(world: &World) -> Vec<bool> {
    let kinds = world.events.iter().map(|event| &event.kind);
    kinds
        .filter_map(|kind| match kind {
            EventKind::Held { on } => Some(*on),
            _ => None,
        })
        .collect()
}

fn offer_made(world: &mut World) {
    world.media(CallEvent::LocalOffer {
        sdp: "our offer".into(),
    });
}

/// An offer with more than every peer has goes out with the least of it in reserve, at the beginning and later.
#[test]
fn the_least_of_an_offer_is_kept_in_reserve() {
    let wide = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\na=rtpmap:111 opus/48000/2\r\n";
    let least = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n";
    let offered = |world: &mut World, sdp: &str| {
        world.media(CallEvent::LocalOffer { sdp: sdp.into() });
        world.commands()
    };
    let mut world = World::at_sip_server();
    let call = world
        .core
        .call(&CallRequest::to("9196"), world.now)
        .unwrap();
    let reserve = Command::ReserveOffer {
        call,
        sdp: least.into(),
    };
    let said = offered(&mut world, wide);
    assert!(
        matches!(&said[..], [Command::Invite { .. }, kept] if *kept == reserve),
        "{said:?}"
    );
    let mut world = World::at_sip_server();
    let call = world.answered();
    negotiated(&mut world, OPUS);
    world.core.hold(None, true, world.now).unwrap();
    let update = Command::UpdateMedia {
        call: call.clone(),
        sdp: wide.into(),
    };
    let sdp = least.into();
    let reserve = Command::ReserveOffer { call, sdp };
    assert_eq!(offered(&mut world, wide), [update, reserve]);
    // There is no less than the least.
    let mut world = World::at_sip_server();
    world
        .core
        .call(&CallRequest::to("9196"), world.now)
        .unwrap();
    let said = offered(&mut world, least);
    assert!(matches!(said[..], [Command::Invite { .. }]), "{said:?}");
}

#[test]
fn hold_is_an_offer_and_told_once_the_far_side_took_it() {
    let mut world = World::at_sip_server();
    let call = world.answered();
    negotiated(&mut world, OPUS);
    world.core.hold(None, true, world.now).unwrap();
    assert_eq!(
        world.media_commands(),
        [
            MediaCommand::Hold(Hold::SendOnly),
            MediaCommand::CreateOffer
        ]
    );
    offer_made(&mut world);
    let update = Command::UpdateMedia {
        call: call.clone(),
        sdp: "our offer".into(),
    };
    assert_eq!(world.commands(), [update]);
    assert!(holds(&world).is_empty(), "nobody has agreed yet");
    world.signal(updated(&call));
    assert_eq!(holds(&world), [true]);
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Held);

    // Back, twice asked for: one offer.
    world.core.hold(None, false, world.now).unwrap();
    world.core.hold(Some(&call), false, world.now).unwrap();
    offer_made(&mut world);
    world.signal(updated(&call));
    assert_eq!(holds(&world), [true, false]);
    let offers = world.commands();
    assert_eq!(offers.len(), 1, "{offers:?}");
}

#[test]
fn a_refused_hold_leaves_the_call_as_it_was() {
    let mut world = World::at_sip_server();
    let call = world.answered();
    negotiated(&mut world, OPUS);
    world.core.hold(None, true, world.now).unwrap();
    offer_made(&mut world);
    world.media_commands();
    world.signal(SignalingEvent::MediaUpdateFailed {
        call,
        error: refused(),
    });
    assert_eq!(world.media_commands(), [MediaCommand::Hold(Hold::Off)]);
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Active);
    let told = world.events.last().map(|event| &event.kind);
    assert!(
        matches!(told, Some(EventKind::RequestFailed { .. })),
        "{told:?}"
    );
}

#[test]
fn an_offer_of_the_far_side_is_answered_and_ours_waits_for_it() {
    let mut world = World::at_sip_server();
    let call = world.answered();
    negotiated(&mut world, OPUS);
    world.media_commands();
    world.signal(offered(&call, Some("their offer")));
    let take = MediaCommand::AcceptOffer("their offer".into(), Renewal::Change);
    assert_eq!(world.media_commands(), [take]);
    world.core.hold(None, true, world.now).unwrap();
    assert_eq!(world.media_commands(), [], "one offer at a time");
    world.media(CallEvent::LocalAnswer {
        sdp: "our answer".into(),
    });
    let answer = Command::Attach {
        call,
        sdp: "our answer".into(),
    };
    assert_eq!(world.commands(), [answer]);
    assert_eq!(
        world.media_commands(),
        [
            MediaCommand::Hold(Hold::SendOnly),
            MediaCommand::CreateOffer
        ]
    );
}

#[test]
fn an_offer_that_cannot_be_used_is_refused_and_the_call_goes_on() {
    let mut world = World::at_sip_server();
    let call = world.answered();
    negotiated(&mut world, OPUS);
    world.signal(offered(&call, Some("nonsense")));
    world.media(CallEvent::Refused(Refusal::NoOffer));
    let refuse = Command::RefuseOffer { call, status: 488 };
    assert_eq!(world.commands(), [refuse]);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Active);
}

/// Before the answer as well, once the early media is agreed on.
#[test]
fn an_early_offer_is_answered_or_refused_and_the_call_rings_on() {
    let mut world = World::at_sip_server();
    let call = world.invited();
    world.signal(SignalingEvent::EarlyMedia {
        call: call.clone(),
        sdp: "their answer".to_owned(),
        fork: Some("one".to_owned()),
        said: Box::default(),
    });
    negotiated(&mut world, OPUS);
    world.commands();
    world.media_commands();
    world.signal(offered(&call, Some("their offer")));
    let accept = MediaCommand::AcceptOffer("their offer".into(), Renewal::Change);
    assert_eq!(world.media_commands(), [accept]);
    world.media(CallEvent::LocalAnswer {
        sdp: "our answer".into(),
    });
    let attach = Command::Attach {
        call: call.clone(),
        sdp: "our answer".into(),
    };
    assert_eq!(world.commands(), [attach]);
    world.signal(offered(&call, Some("nonsense")));
    world.media(CallEvent::Refused(Refusal::NoOffer));
    let refuse = Command::RefuseOffer {
        call: call.clone(),
        status: 488,
    };
    assert_eq!(world.commands(), [refuse]);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Early);
    world.signal(SignalingEvent::Answered {
        call,
        sdp: None,
        fork: Some("one".to_owned()),
        said: Box::default(),
    });
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Active);
}

#[test]
fn a_far_side_without_an_offer_gets_ours() {
    let mut world = World::at_sip_server();
    let call = world.answered();
    negotiated(&mut world, OPUS);
    world.media_commands();
    world.signal(offered(&call, None));
    assert_eq!(world.media_commands(), [MediaCommand::CreateOffer]);
    offer_made(&mut world);
    let ours = Command::Attach {
        call: call.clone(),
        sdp: "our offer".into(),
    };
    assert_eq!(world.commands(), [ours]);
    world.signal(updated(&call));
    assert_eq!(
        world.media_commands(),
        [MediaCommand::AcceptAnswer("their answer".into())]
    );
}

#[test]
fn a_caller_without_an_offer_is_answered_with_one() {
    let mut world = World::at_sip_server();
    let call = world.incoming(None);
    world
        .core
        .answer(None, AnswerOptions::default(), world.now)
        .unwrap();
    let asked = world.media_commands();
    assert_eq!(asked.last(), Some(&MediaCommand::CreateOffer), "{asked:?}");
    offer_made(&mut world);
    let answers = world.commands();
    let [Command::Answer { sdp, .. }] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!(sdp, "our offer");
    world.signal(updated(&call));
    world.signal(SignalingEvent::Confirmed { call });
    assert_eq!(
        world.media_commands(),
        [MediaCommand::AcceptAnswer("their answer".into())]
    );
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Active);
}

#[test]
fn who_does_not_listen_any_more_has_put_us_on_hold() {
    let mut world = World::at_sip_server();
    world.answered();
    negotiated(&mut world, OPUS);
    let held = AudioFormat {
        send: false,
        ..OPUS
    };
    negotiated(&mut world, held);
    negotiated(&mut world, held);
    // Held by both: nothing goes either way.
    world.core.hold(None, true, world.now).unwrap();
    let asked = world.media_commands();
    assert!(
        asked.contains(&MediaCommand::Hold(Hold::Inactive)),
        "{asked:?}"
    );
    negotiated(&mut world, OPUS);
    let kinds = world.events.iter().map(|event| &event.kind);
    let told: Vec<bool> = kinds
        .filter_map(|kind| match kind {
            EventKind::HeldByPeer { on } => Some(*on),
            _ => None,
        })
        .collect();
    assert_eq!(told, [true, false]);
}

#[test]
fn a_lost_connection_is_over_when_the_far_side_shows_the_call() {
    let mut world = World::at_sip_server();
    let call = world.answered();
    negotiated(&mut world, OPUS);
    world.signal(SignalingEvent::Disconnected {
        cause: DisconnectCause::Closed(CloseReason::default()),
        retry_in: Some(Duration::ZERO),
    });
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Recovering);
    // Media fails meanwhile, and hold is wanted: both have to wait.
    world.media(CallEvent::Media(MediaEvent::PathLost { given_up: false }));
    world.core.hold(None, true, world.now).unwrap();
    world.media_commands();
    world.make_ready();
    assert_eq!(world.media_commands(), []);
    world.signal(SignalingEvent::Confirmed { call: call.clone() });
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Active);
    assert_eq!(world.media_commands(), [MediaCommand::RestartIce]);
    offer_made(&mut world);
    world.signal(updated(&call));
    let rest = world.media_commands();
    assert!(
        rest.contains(&MediaCommand::Hold(Hold::SendOnly)),
        "{rest:?}"
    );
}

#[test]
fn digits_go_with_the_media_where_the_far_side_knows_them_so() {
    let mut world = World::at_sip_server();
    let call = world.answered();
    negotiated(&mut world, OPUS);
    world.core.dtmf(&call, "1", world.now).unwrap();
    assert_eq!(world.commands(), []);
    negotiated(
        &mut world,
        AudioFormat {
            telephone_event: None,
            ..OPUS
        },
    );
    world.core.dtmf(&call, "2", world.now).unwrap();
    let digits = Command::Dtmf {
        call: call.clone(),
        digits: "2".into(),
    };
    assert_eq!(world.commands(), [digits]);
    world.signal(SignalingEvent::Digit { call, digit: '7' });
    let told = world.events.last().map(|event| event.kind.clone());
    assert_eq!(told, Some(EventKind::Dtmf { digit: '7' }));
}

/// Both hold; the far side takes back its hold, and is answered by what ours leaves (RFC 3264, section 8.4).
#[test]
fn an_offer_of_the_far_side_is_answered_by_our_own_hold_alone() {
    let mut world = World::at_sip_server();
    let call = world.answered();
    negotiated(&mut world, OPUS);
    negotiated(
        &mut world,
        AudioFormat {
            send: false,
            ..OPUS
        },
    );
    world.core.hold(None, true, world.now).unwrap();
    offer_made(&mut world);
    world.signal(updated(&call));
    let neither = AudioFormat {
        send: false,
        receive: false,
        ..OPUS
    };
    negotiated(&mut world, neither);
    world.media_commands();
    let answer = |world: &mut World, offer: &str, format| {
        world.signal(offered(&call, Some(offer)));
        let asked = world.media_commands();
        assert_eq!(
            asked,
            [
                MediaCommand::Hold(Hold::SendOnly),
                MediaCommand::AcceptOffer(offer.into(), Renewal::Change)
            ]
        );
        negotiated(world, format);
        world.media(CallEvent::LocalAnswer {
            sdp: "our answer".into(),
        });
        world.media_commands()
    };
    // It still holds: so do we, both ways.
    assert_eq!(
        answer(&mut world, "they hold", neither),
        [MediaCommand::Hold(Hold::Inactive)]
    );
    let music = AudioFormat {
        receive: false,
        ..OPUS
    };
    assert_eq!(
        answer(&mut world, "they resume", music),
        [MediaCommand::Hold(Hold::SendOnly)]
    );
    let kinds = world.events.iter().map(|event| &event.kind);
    let told: Vec<bool> = kinds
        .filter_map(|kind| match kind {
            EventKind::HeldByPeer { on } => Some(*on),
            _ => None,
        })
        .collect();
    assert_eq!(told, [true, false]);
    assert_eq!(holds(&world), [true], "ours stands");
}

#[test]
fn what_the_hold_agreed_on_is_no_hold_once_the_user_takes_the_call_back() {
    let mut world = World::at_sip_server();
    let call = world.answered();
    negotiated(&mut world, OPUS);
    world.core.hold(None, true, world.now).unwrap();
    offer_made(&mut world);
    world.signal(updated(&call));
    world.media_commands();
    // The user is quicker than the media, which tells only now what the answer to the hold said.
    world.core.hold(None, false, world.now).unwrap();
    assert_eq!(
        world.media_commands(),
        [MediaCommand::Hold(Hold::Off), MediaCommand::CreateOffer]
    );
    let held = AudioFormat {
        receive: false,
        ..OPUS
    };
    negotiated(&mut world, held);
    assert_eq!(world.media_commands(), []);
    offer_made(&mut world);
    world.signal(updated(&call));
    negotiated(&mut world, OPUS);
    let holds = |command: &MediaCommand| matches!(command, MediaCommand::Hold(_));
    assert!(!world.media_commands().iter().any(holds));
}

#[test]
fn a_session_is_refreshed_by_an_offer_made_for_it_once_nothing_else_is_under_way() {
    let mut world = World::at_sip_server();
    let call = world.answered();
    negotiated(&mut world, OPUS);
    world.media_commands();
    let wanted = SignalingEvent::OfferWanted { call: call.clone() };
    let update = Command::UpdateMedia {
        call: call.clone(),
        sdp: "our offer".into(),
    };
    world.signal(wanted.clone());
    assert_eq!(world.media_commands(), [MediaCommand::CreateOffer]);
    offer_made(&mut world);
    assert_eq!(world.commands(), [update]);
    world.signal(updated(&call));
    world.pass(Duration::from_secs(60));
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Active);
    assert!(holds(&world).is_empty(), "nothing was held by that");
    world.media_commands();

    // While theirs is answered ours has to wait.
    world.signal(offered(&call, Some("their offer")));
    world.signal(wanted.clone());
    world.media(CallEvent::LocalAnswer {
        sdp: "our answer".into(),
    });
    let asked = world.media_commands();
    assert_eq!(asked.last(), Some(&MediaCommand::CreateOffer), "{asked:?}");
    offer_made(&mut world);
    world.signal(updated(&call));
    world.media_commands();

    // One that theirs has made void is made anew, whatever becomes of theirs.
    world.signal(wanted.clone());
    offer_made(&mut world);
    world.signal(offered(&call, Some("their offer")));
    world.media_commands();
    world.media(CallEvent::LocalAnswer {
        sdp: "our answer".into(),
    });
    let asked = world.media_commands();
    assert_eq!(asked.last(), Some(&MediaCommand::CreateOffer), "{asked:?}");
    offer_made(&mut world);
    world.signal(updated(&call));
    world.media_commands();

    // An offer that says more serves as well.
    world.core.hold(None, true, world.now).unwrap();
    world.signal(wanted);
    offer_made(&mut world);
    world.signal(updated(&call));
    let asked = world.media_commands();
    let offers = asked
        .iter()
        .filter(|command| **command == MediaCommand::CreateOffer);
    assert_eq!(offers.count(), 1, "{asked:?}");
}

/// Both hold, and the far side asks for an offer: it is as in a new call (RFC 3261, section 14.2), so that either hold can end by it.
#[test]
fn an_offer_that_the_far_side_asks_for_says_nothing_of_its_own_hold() {
    let mut world = World::at_sip_server();
    let call = world.answered();
    negotiated(&mut world, OPUS);
    world.core.hold(None, true, world.now).unwrap();
    offer_made(&mut world);
    world.signal(updated(&call));
    let neither = AudioFormat {
        send: false,
        receive: false,
        ..OPUS
    };
    negotiated(&mut world, neither);
    let before = world.media_commands();
    assert_eq!(before.last(), Some(&MediaCommand::Hold(Hold::Inactive)));
    let ask = |world: &mut World| {
        world.signal(offered(&call, None));
        assert_eq!(
            world.media_commands(),
            [
                MediaCommand::Hold(Hold::SendOnly),
                MediaCommand::CreateOffer
            ]
        );
        offer_made(world);
    };
    // Nobody answers: what was agreed on stands.
    ask(&mut world);
    world.signal(SignalingEvent::MediaUpdateFailed {
        call: call.clone(),
        error: refused(),
    });
    assert_eq!(world.media_commands(), [MediaCommand::Hold(Hold::Inactive)]);
    ask(&mut world);
    world.signal(updated(&call));
    let music = AudioFormat {
        receive: false,
        ..OPUS
    };
    negotiated(&mut world, music);
    let taken = MediaCommand::AcceptAnswer("their answer".into());
    assert_eq!(
        world.media_commands(),
        [taken, MediaCommand::Hold(Hold::SendOnly)]
    );
    assert_eq!(holds(&world), [true], "ours stands");
}

#[test]
fn a_refused_path_is_taken_back() {
    let mut world = World::at_sip_server();
    let call = world.answered();
    negotiated(&mut world, OPUS);
    world.media_commands();
    world.media(CallEvent::Media(MediaEvent::PathLost { given_up: false }));
    assert_eq!(world.media_commands(), [MediaCommand::RestartIce]);
    offer_made(&mut world);
    world.signal(SignalingEvent::MediaUpdateFailed {
        call,
        error: refused(),
    });
    assert_eq!(world.media_commands(), [MediaCommand::WithdrawRestart]);
}

/// A caller rings that wants our offer with the ringing, and has it.
fn rings_with_offer(world: &mut World) -> CallId {
    let call = world.incoming(None);
    world.signal(offered(&call, None));
    let opened = world.media_commands();
    assert!(
        matches!(
            &opened[..],
            [MediaCommand::OpenSilent(..), MediaCommand::CreateOffer]
        ),
        "{opened:?}"
    );
    offer_made(world);
    let attach = Command::Attach {
        call: call.clone(),
        sdp: "our offer".into(),
    };
    assert_eq!(world.commands(), [attach]);
    assert_eq!(
        world.media_commands(),
        [MediaCommand::Hold(Hold::Inactive)],
        "nothing is said or heard before our user answers"
    );
    call
}

fn is_answered_without_sdp(world: &mut World) {
    let said = world.commands();
    assert!(
        matches!(&said[..], [Command::Answer { sdp, .. }] if sdp.is_empty()),
        "{said:?}"
    );
}

fn answer(world: &mut World) {
    let options = AnswerOptions::default();
    world.core.answer(None, options, world.now).unwrap();
}

#[test]
fn a_caller_that_is_rung_with_our_offer_hears_our_user_from_the_answer_on() {
    for muted in [false, true] {
        let mut world = World::at_sip_server();
        let call = rings_with_offer(&mut world);
        world.signal(updated(&call));
        let accept = MediaCommand::AcceptAnswer("their answer".into());
        assert_eq!(world.media_commands(), [accept]);
        negotiated(&mut world, OPUS);
        world.pass(Duration::from_secs(60));
        assert_eq!(world.core.calls(world.now)[0].state, CallState::Ringing);
        assert!(world.media_commands().is_empty());
        if muted {
            world.core.mute(&call, true, world.now).unwrap();
            world.media_commands();
        }
        answer(&mut world);
        let mut begins = vec![MediaCommand::Sound(call.clone())];
        if muted {
            begins.push(MediaCommand::Program(ProgramCommand::Mute(true)));
        }
        begins.push(MediaCommand::Hold(Hold::Off));
        assert_eq!(world.media_commands(), begins);
        is_answered_without_sdp(&mut world);
        assert_eq!(world.core.calls(world.now)[0].state, CallState::Answering);
        world.signal(SignalingEvent::Confirmed { call });
        assert_eq!(world.core.calls(world.now)[0].state, CallState::Active);
    }
}

/// It rings in silence, and its answer has another try.
#[test]
fn a_caller_for_whom_no_offer_can_be_made_waits_for_the_answer() {
    let mut world = World::at_sip_server();
    let call = world.incoming(None);
    world.signal(offered(&call, None));
    world.media_commands();
    world.media(CallEvent::OpenFailed(OpenError::Full { limit: 1 }));
    let refuse = Command::RefuseOffer { call, status: 488 };
    assert_eq!(world.commands(), [refuse]);
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Ringing);
    answer(&mut world);
    let opened = world.media_commands();
    assert!(
        matches!(
            &opened[..],
            [MediaCommand::Open(..), MediaCommand::CreateOffer]
        ),
        "{opened:?}"
    );
}

/// The answer waits for the caller's, and that comes to a call that was taken.
#[test]
fn what_our_user_takes_before_the_caller_has_acknowledged_goes_on() {
    let mut world = World::at_sip_server();
    let call = rings_with_offer(&mut world);
    answer(&mut world);
    is_answered_without_sdp(&mut world);
    world.media_commands();
    world.signal(updated(&call));
    let accept = MediaCommand::AcceptAnswer("their answer".into());
    assert_eq!(world.media_commands(), [accept]);
    negotiated(&mut world, OPUS);
    world.signal(SignalingEvent::Confirmed { call });
    assert_eq!(world.core.calls(world.now)[0].state, CallState::Active);
}

#[test]
fn an_offer_that_is_made_when_our_user_answers_goes_with_the_answer() {
    let mut world = World::at_sip_server();
    let call = world.incoming(None);
    world.signal(offered(&call, None));
    world.media_commands();
    answer(&mut world);
    let begins = MediaCommand::Sound(call);
    assert_eq!(world.media_commands(), [begins]);
    assert!(world.commands().is_empty());
    offer_made(&mut world);
    let said = world.commands();
    assert!(
        matches!(&said[..], [Command::Answer { sdp, .. }] if sdp == "our offer"),
        "{said:?}"
    );
    assert!(world.media_commands().is_empty());
    // Where the answer was on its way, nothing more is asked for.
    let mut world = World::at_sip_server();
    let call = world.incoming(None);
    answer(&mut world);
    world.media_commands();
    world.signal(offered(&call, None));
    assert!(world.media_commands().is_empty());
}

#[test]
fn a_caller_that_is_rung_with_our_offer_and_goes_leaves_no_media_behind() {
    let mut world = World::at_sip_server();
    rings_with_offer(&mut world);
    world
        .core
        .hang_up(None, EndOptions::default(), world.now)
        .unwrap();
    assert_eq!(world.media_commands(), [MediaCommand::Close]);
    let said = world.commands();
    assert!(matches!(&said[..], [Command::Bye { .. }]), "{said:?}");

    // What the caller answers cannot be used.
    let mut world = World::at_sip_server();
    let call = rings_with_offer(&mut world);
    world.signal(updated(&call));
    world.media(CallEvent::Refused(Refusal::NoOffer));
    let said = world.commands();
    assert!(
        matches!(&said[..], [Command::Bye { cause: Some(cause), .. }] if *cause == Cause::INCOMPATIBLE_DESTINATION),
        "{said:?}"
    );

    // No offer can be made.
    let mut world = World::at_sip_server();
    let call = world.incoming(None);
    world.signal(offered(&call, None));
    world.pass(Duration::from_secs(16));
    let said = world.commands();
    assert!(matches!(&said[..], [Command::Bye { .. }]), "{said:?}");
}

/// The path that stood while it rang is gone by the answer: a new one is asked for.
#[test]
fn a_path_that_was_lost_while_it_rang_is_asked_for_anew() {
    let mut world = World::at_sip_server();
    let call = rings_with_offer(&mut world);
    world.signal(updated(&call));
    negotiated(&mut world, OPUS);
    world.media(CallEvent::Media(MediaEvent::PathLost { given_up: false }));
    world.media_commands();
    answer(&mut world);
    world.media_commands();
    world.signal(SignalingEvent::Confirmed { call });
    assert_eq!(world.media_commands(), [MediaCommand::RestartIce]);
}
