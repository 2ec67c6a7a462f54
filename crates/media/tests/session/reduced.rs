//! An answer to the least of an offer is one to the media that made all of it.

use std::time::Duration;

use offhook_media::program::AudioCodec;
use offhook_media::sdp::reduced::reduced;
use offhook_media::session::event::MediaEvent;
use offhook_media::session::media_session::Renewal;

use crate::programs::Talker;
use crate::world::{Side, World};

#[test]
fn media_connects_over_the_least_of_its_offer_also_within_a_call() {
    let (caller, heard) = Talker::new();
    let (callee, _) = Talker::new();
    let mut world = World::new(caller, callee);
    for renewal in [false, true] {
        let now = world.now;
        let offer = world.caller.session.create_offer(now);
        let least = reduced(&offer).expect("the offer has more than G.711");
        assert!(
            least.len() < offer.len() && !least.contains("opus"),
            "{least}"
        );
        let answer = world
            .callee
            .session
            .accept_offer(&least, Renewal::Change, now)
            .unwrap();
        world.caller.session.accept_answer(&answer, now).unwrap();
        world.settle();
        world.run(Duration::from_secs(2));
        for side in [Side::Caller, Side::Callee] {
            let codec = world.end(side).events.iter().rev().find_map(|(_, event)| {
                if let MediaEvent::Negotiated(format) = event {
                    Some((format.codec, format.telephone_event))
                } else {
                    None
                }
            });
            let g711 = (AudioCodec::Pcmu, Some(8000));
            assert_eq!(codec, Some(g711), "{side:?}, renewal: {renewal}");
        }
        let first = |event: &MediaEvent| matches!(event, MediaEvent::FirstRtpReceived);
        assert!(world.told(Side::Caller, first).is_some());
    }
    let before = heard.lock().unwrap().audio.len();
    world.run(Duration::from_secs(10));
    let flowed = heard.lock().unwrap().audio.len() - before;
    assert!(flowed > 490, "{flowed} packets in 10 s");
}
