//! Offers after the first: what was agreed on keeps its place, its number and its meaning (RFC 3264 section 8).

use offhook_media::program::AudioCodec;
use offhook_media::session::config::Hold;
use offhook_media::session::media_session::Renewal;

use crate::programs::Talker;
use crate::world::{Side, World, config};

const VIDEO: &str = "m=video 9 UDP/TLS/RTP/SAVPF 120 121\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:120 VP8/90000\r\na=rtpmap:121 rtx/90000\r\n\
                     a=mid:picture\r\na=sendrecv\r\na=rtcp-mux\r\n";
const DATA: &str = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:data\r\na=sctp-port:5000\r\n";
/// An audio section that we cannot take.
const PLAIN: &str = "m=audio 9 RTP/AVP 18\r\nc=IN IP4 0.0.0.0\r\n";

fn talking() -> World {
    World::new(Talker::new().0, Talker::new().0)
}

/// A browser's offer made of our own: these sections beside the audio, all in one bundle.
fn offer_with(world: &mut World, before: &[&str], after: &[&str]) -> String {
    let now = world.now;
    let offer = world.caller.session.create_offer(now);
    let (head, audio) = offer.split_at(offer.find("m=audio").unwrap());
    let head = head.replace("BUNDLE 0", "BUNDLE sound picture data");
    let audio = audio.replace("a=mid:0", "a=mid:sound");
    format!("{head}{}{audio}{}", before.concat(), after.concat())
}

/// The sections in short: kind, whether it is open, first format, mid.
fn sections(sdp: &str) -> Vec<(String, bool, String, Option<String>)> {
    let mut sections = Vec::new();
    for line in sdp.lines() {
        if let Some(section) = line.strip_prefix("m=") {
            let words: Vec<_> = section.split(' ').collect();
            sections.push((
                words[0].to_owned(),
                words[1] != "0",
                words[3].to_owned(),
                None,
            ));
        }
        if let (Some(mid), Some((_, _, _, of))) = (line.strip_prefix("a=mid:"), sections.last_mut())
        {
            *of = Some(mid.to_owned());
        }
    }
    sections
}

fn places(sdp: &str) -> Vec<(String, bool, Option<String>)> {
    let sections = sections(sdp).into_iter();
    sections
        .map(|(kind, open, _, mid)| (kind, open, mid))
        .collect()
}

#[test]
fn sections_that_were_refused_keep_their_places_in_each_later_offer() {
    let orders: [(&[&str], &[&str]); 5] = [
        (&[], &[VIDEO]),
        (&[VIDEO], &[]),
        (&[DATA], &[VIDEO]),
        (&[PLAIN, VIDEO], &[DATA, PLAIN]),
        (&[], &[]),
    ];
    for (before, after) in orders {
        let mut world = talking();
        let now = world.now;
        let offered = offer_with(&mut world, before, after);
        let callee = &mut world.callee.session;
        let answer = callee.accept_offer(&offered, Renewal::Change, now).unwrap();
        let expected = sections(&answer);
        assert_eq!(expected.len(), before.len() + 1 + after.len(), "{answer}");
        let open: Vec<_> = expected.iter().filter(|section| section.1).collect();
        assert!(
            matches!(open[..], [(kind, _, _, Some(mid))] if kind == "audio" && mid == "sound"),
            "{answer}"
        );

        // Hold, then a new path: both are offered to one that knows every section.
        for round in 0..2 {
            let callee = &mut world.callee.session;
            if round == 0 {
                callee.hold(Hold::SendOnly, now);
            } else {
                callee.restart_ice(now);
            }
            let later = callee.create_offer(now);
            assert_eq!(sections(&later), expected, "{later}");
            assert!(later.contains("a=group:BUNDLE sound\r\n"), "{later}");
            let caller = &mut world.caller.session;
            let theirs = caller.accept_offer(&later, Renewal::Change, now).unwrap();
            assert_eq!(places(&theirs), places(&later), "{theirs}");
            world.callee.session.accept_answer(&theirs, now).unwrap();
        }
        // The other side has learned them by our offer, and it is no different for us once they come from there.
        let later = world.caller.session.create_offer(now);
        assert_eq!(places(&later), places(&answer), "{later}");
        let callee = &mut world.callee.session;
        let again = callee.accept_offer(&later, Renewal::Change, now).unwrap();
        assert_eq!(places(&again), places(&answer), "{again}");
        let last = world.callee.session.create_offer(now);
        assert_eq!(places(&last), places(&answer), "{last}");
    }
}

#[test]
fn the_audio_section_in_use_stays_in_use_when_another_could_be_taken() {
    let mut world = talking();
    let now = world.now;
    let first = offer_with(&mut world, &[PLAIN], &[]);
    let callee = &mut world.callee.session;
    callee.accept_offer(&first, Renewal::Change, now).unwrap();
    // What was refused is offered anew, in a form that we could take.
    let other = first.split_at(first.find("a=mid:sound").unwrap()).0;
    let other = other.split_at(other.find("m=audio").unwrap()).1;
    let ours = first.split_at(first.rfind("m=audio").unwrap()).1;
    let ice: String = ours
        .split_inclusive('\n')
        .filter(|line| line.starts_with("a=ice-") || line.starts_with("a=fingerprint"))
        .collect();
    let head = first.split_at(first.find("m=audio").unwrap()).0;
    let other = other.replace(PLAIN, "");
    let again = format!("{head}{other}a=mid:other\r\na=setup:actpass\r\n{ice}{ours}");
    let answer = callee.accept_offer(&again, Renewal::Change, now).unwrap();
    let open: Vec<_> = places(&answer).into_iter().map(|place| place.1).collect();
    assert_eq!(open, [false, true], "{again}\n{answer}");
}

/// Numbers of the far end, none of which is ours: 111 and 126 mean something else with it.
const STRANGE: [(&str, &str); 5] = [
    (
        "UDP/TLS/RTP/SAVPF 111 9 0 8 110 126",
        "UDP/TLS/RTP/SAVPF 0 120 111 126 101",
    ),
    ("a=rtpmap:111 opus", "a=rtpmap:120 opus"),
    ("a=fmtp:111 ", "a=fmtp:120 "),
    (
        "a=rtpmap:110 telephone-event/48000",
        "a=rtpmap:111 telephone-event/48000",
    ),
    (
        "a=rtpmap:126 telephone-event/8000",
        "a=rtpmap:101 telephone-event/8000\r\na=rtpmap:126 iLBC/8000\r\na=extmap:4 urn:somebody:else",
    ),
];

#[test]
fn what_a_number_stands_for_stays_so_in_our_later_offers() {
    let mut world = talking();
    let now = world.now;
    let mut offered = world.caller.session.create_offer(now);
    for (ours, theirs) in STRANGE {
        assert!(offered.contains(ours), "{ours} in {offered}");
        offered = offered.replace(ours, theirs);
    }
    let offered = offered.replace("a=extmap:4 urn:ietf", "a=extmap:7 urn:ietf");
    let callee = &mut world.callee.session;
    callee.accept_offer(&offered, Renewal::Change, now).unwrap();
    let later = callee.create_offer(now);
    // The codec in use comes first, and stays in use.
    assert!(
        later.contains("UDP/TLS/RTP/SAVPF 0 120 9 8 111 101\r\n"),
        "{later}"
    );
    for line in [
        "a=rtpmap:120 opus/48000/2",
        "a=rtpmap:111 telephone-event/48000",
        "a=rtpmap:101 telephone-event/8000",
        "a=extmap:7 urn:ietf:params:rtp-hdrext:sdes:mid",
    ] {
        assert!(later.lines().any(|ours| ours == line), "{line} in {later}");
    }
    assert!(
        !later.contains(":126 ") && !later.contains("extmap:4 "),
        "{later}"
    );
}

#[test]
fn what_is_new_in_our_offer_takes_no_number_that_means_something_else() {
    let mut world = talking();
    let now = world.now;
    let mut narrow = config(Side::Caller);
    narrow.codecs = vec![AudioCodec::Pcmu];
    narrow.telephone_event = false;
    world = World::with_configs(
        narrow,
        Talker::new().0,
        config(Side::Callee),
        Talker::new().0,
    );
    let offered = world.caller.session.create_offer(now);
    let offered = offered.replace(
        "SAVPF 0\r\n",
        "SAVPF 0 111 96 110\r\na=rtpmap:111 speex/16000\r\na=rtpmap:96 iLBC/8000\r\na=rtpmap:110 speex/8000\r\n",
    );
    let callee = &mut world.callee.session;
    callee.accept_offer(&offered, Renewal::Change, now).unwrap();
    let later = callee.create_offer(now);
    assert!(later.contains("SAVPF 0 97 9 8 98 126\r\n"), "{later}");
    assert!(later.contains("a=rtpmap:97 opus/48000/2\r\n"), "{later}");
    assert_eq!(
        callee.create_offer(now),
        later,
        "the same again says the same"
    );
}
