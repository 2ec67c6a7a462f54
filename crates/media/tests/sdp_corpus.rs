//! What we answer to the descriptions of the corpus, word by word, and what follows from them.

use offhook_media::dtls::fingerprint::{Fingerprint, FingerprintHash};
use offhook_media::dtls::setup::{DtlsRole, Setup};
use offhook_media::ice::credentials::IceCredentials;
use offhook_media::program::AudioCodec;
use offhook_media::sdp::bindings::Bindings;
use offhook_media::sdp::codec;
use offhook_media::sdp::concessions::Concessions;
use offhook_media::sdp::direction::Direction;
use offhook_media::sdp::extras::Extras;
use offhook_media::sdp::face::Face;
use offhook_media::sdp::negotiation::{Negotiated, TelephoneEvent, accept_answer, answer, offer};
use offhook_media::sdp::origin::Origin;
use offhook_media::sdp::refusal::{Refusal, SdesRefused};
use offhook_media::sdp::sections::Sections;
use offhook_media::sdp::write::{LocalDescription, Msid};
use offhook_media::srtp::profile::SrtpProfile;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

fn local(face: Face) -> LocalDescription {
    LocalDescription {
        direct_address: None,
        concessions: Concessions::default(),
        lacks: Concessions::default(),
        rtcp_candidates: Vec::new(),
        face,
        codecs: codec::ALL.to_vec(),
        telephone_event: true,
        extras: Extras::default(),
        direction: Direction::SendRecv,
        credentials: IceCredentials {
            ufrag: "oursfrag".into(),
            pwd: "ours-is-24-characters-lo".into(),
        },
        candidates: vec![
            "1 1 udp 2130706431 198.51.100.7 40000 typ host"
                .parse()
                .expect("a candidate line"),
        ],
        default_address: Some(SocketAddr::from(([198, 51, 100, 7], 40_000))),
        complete: true,
        fingerprint: Fingerprint::of(
            b"not a certificate, but has a digest",
            FingerprintHash::Sha256,
        ),
        sha1_fingerprints: false,
        sdes: Err(SdesRefused::NotAllowed),
        profiles: SrtpProfile::USUAL.to_vec(),
        tls_id: "ours-and-ours-alone-1".into(),
        ssrc: 0x0102_0304,
        cname: "nobody".into(),
        msid: Msid {
            stream: "stream".into(),
            track: "track".into(),
        },
        sections: Sections::default(),
        bindings: Bindings::default(),
    }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/sdp")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(corpus().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn answered(name: &str) -> Result<(String, Negotiated), Refusal> {
    answer(
        &read(name),
        &local(Face::BROWSER),
        &mut Origin::new(2_000, 2),
        None,
    )
    .map(|answer| (answer.sdp, answer.negotiated))
}

fn agreed(name: &str) -> Negotiated {
    answered(name)
        .unwrap_or_else(|refusal| panic!("{name}: {refusal}"))
        .1
}

/// Set `UPDATE_CORPUS=1` to write the answers anew; then read the difference.
#[test]
fn every_offer_is_answered_as_written_beside_it() {
    let mut names: Vec<_> = std::fs::read_dir(corpus())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("offer-") && name.ends_with(".sdp"))
        .collect();
    names.sort();
    assert!(names.len() >= 20, "the corpus is there");
    for name in names {
        let ours = match answered(&name) {
            Ok((sdp, _)) => sdp.replace("\r\n", "\n"),
            Err(refusal) => format!("refused: {refusal}\n"),
        };
        let beside = name.replace(".sdp", ".answer");
        if std::env::var_os("UPDATE_CORPUS").is_some() {
            std::fs::write(corpus().join(&beside), &ours).unwrap();
        }
        assert_eq!(ours, read(&beside), "{name}");
    }
}

#[test]
fn a_browser_gets_its_numbers_mid_and_group_back() {
    let (sdp, agreed) = answered("offer-chromium.sdp").unwrap();
    assert!(
        sdp.contains("a=group:BUNDLE 0\r\n")
            && sdp.contains("a=mid:0\r\n")
            && sdp.contains("a=rtcp-mux\r\n")
    );
    assert!(sdp.contains(" UDP/TLS/RTP/SAVPF 111 9 0 8 63 110\r\n"));
    assert!(sdp.contains("a=setup:active\r\n"));
    assert_eq!(
        (agreed.codec.codec, agreed.codec.send_payload_type),
        (AudioCodec::Opus, 111)
    );
    assert!(agreed.codec.opus.inband_fec);
    assert_eq!(agreed.role, DtlsRole::Client);
    assert_eq!(agreed.remote.setup, Setup::Passive);
    let event = TelephoneEvent {
        send_payload_type: 110,
        receive_payload_type: 110,
        clock_rate: 48_000,
    };
    assert_eq!(agreed.telephone_event, Some(event));
    assert_eq!(
        agreed.remote.candidates.len(),
        1,
        "names and TCP are left aside"
    );
    assert!(!agreed.end_of_candidates && agreed.rtcp_mux && agreed.rtcp_reduced_size);
    assert_eq!(
        agreed.default_address,
        Some("203.0.113.9:51472".parse().unwrap())
    );
}

#[test]
fn video_is_refused_in_its_place_and_leaves_the_group() {
    let (sdp, _) = answered("offer-chromium-with-video.sdp").unwrap();
    assert!(sdp.contains("a=group:BUNDLE 0\r\n"));
    let audio = sdp.find("m=audio 40000").unwrap();
    let video = sdp.find("m=video 0 UDP/TLS/RTP/SAVPF 96\r\n").unwrap();
    assert!(audio < video);
}

#[test]
fn the_first_section_of_a_bundle_speaks_for_the_transport_of_all() {
    let (sdp, agreed) = answered("offer-bundled-audio-second.sdp").unwrap();
    assert!(sdp.contains("a=group:BUNDLE a\r\n"));
    let theirs = agreed.remote.credentials.unwrap();
    assert_eq!(theirs.ufrag, "EsAw");
    assert_eq!(agreed.remote.candidates.len(), 1);
    assert_eq!(agreed.remote.fingerprints.len(), 1);
    let tls_id = agreed.remote.tls_id.as_deref();
    assert_eq!(tls_id, Some("theirs-and-theirs-alone-1"));
    assert!(agreed.rtcp_mux && agreed.end_of_candidates);
}

#[test]
fn a_media_server_without_mid_and_group_gets_none() {
    let (sdp, agreed) = answered("offer-freeswitch-invite.sdp").unwrap();
    assert!(!sdp.contains("a=mid") && !sdp.contains("a=group"));
    assert!(sdp.contains(" RTP/SAVPF 102 0 8\r\n"));
    assert_eq!(
        agreed.remote.candidates.len(),
        1,
        "component 2 is left aside"
    );
    assert_eq!(
        (agreed.codec.send_payload_type, agreed.telephone_event),
        (102, None)
    );
    assert_eq!(agreed.protocol, "RTP/SAVPF");
}

#[test]
fn holds_are_answered_by_the_direction_line() {
    assert_eq!(
        agreed("offer-freeswitch-hold-inactive.sdp").direction,
        Direction::Inactive
    );
    assert_eq!(agreed("offer-rtpengine.sdp").direction, Direction::RecvOnly);
    assert_eq!(
        agreed("offer-telnyx-attach.sdp").direction,
        Direction::SendRecv,
        "no line at all"
    );
}

#[test]
fn the_far_ends_wishes_are_passed_on() {
    let firefox = agreed("offer-firefox.sdp");
    assert!(firefox.codec.opus.stereo && firefox.end_of_candidates);
    assert_eq!(firefox.codec.opus.max_playback_rate, Some(48_000));
    assert_eq!(
        firefox.telephone_event.unwrap().clock_rate,
        8_000,
        "beside Opus, as there is no other"
    );
    let rtpengine = agreed("offer-rtpengine.sdp");
    assert_eq!(rtpengine.codec.codec, AudioCodec::Pcma, "the offer's order");
    assert_eq!(
        (rtpengine.packet_time_ms, rtpengine.role),
        (30, DtlsRole::Client)
    );
    assert!(rtpengine.remote.ice_lite);
    let minimal = agreed("offer-session-level-transport.sdp");
    assert_eq!(
        (minimal.role, minimal.codec.codec),
        (DtlsRole::Server, AudioCodec::Pcmu)
    );
    assert_eq!(minimal.remote.credentials.unwrap().ufrag, "sess");
    let (sdp, no_mux) = answered("offer-no-rtcp-mux.sdp").unwrap();
    assert!(!no_mux.rtcp_mux && !sdp.contains("rtcp-mux"));
}

#[test]
fn an_established_association_keeps_its_role() {
    let offered = read("offer-chromium.sdp");
    let again = answer(
        &offered,
        &local(Face::BROWSER),
        &mut Origin::new(0, 0),
        Some(DtlsRole::Server),
    )
    .unwrap();
    assert!(again.sdp.contains("a=setup:passive\r\n"));
    assert_eq!(again.negotiated.remote.setup, Setup::Active);
}

#[test]
fn refusals_name_what_is_wrong() {
    let refusal = |name: &str| answered(name).unwrap_err();
    assert_eq!(
        refusal("offer-nothing-in-common.sdp"),
        Refusal::NothingInCommon {
            theirs: "G723/8000, G729/8000, AMR-WB/16000".into(),
            ours: "opus/48000, G722/8000, PCMU/8000, PCMA/8000".into()
        }
    );
    assert_eq!(
        refusal("offer-plain-rtp.sdp"),
        Refusal::NotEncrypted {
            protocol: "RTP/AVP".into()
        }
    );
    assert_eq!(
        refusal("offer-sdes-only.sdp"),
        Refusal::SdesOnly(SdesRefused::NotAllowed)
    );
    assert_eq!(refusal("offer-no-fingerprint.sdp"), Refusal::NoFingerprint);
    assert_eq!(
        refusal("offer-sha-1-only.sdp"),
        Refusal::WeakFingerprint {
            found: "sha-1".into()
        }
    );
    assert_eq!(refusal("offer-no-ice.sdp"), Refusal::NoIce);
    assert_eq!(
        refusal("offer-long-ufrag.sdp"),
        Refusal::LongUfrag {
            length: 120,
            limit: 119
        }
    );
    assert_eq!(
        refusal("offer-holdconn.sdp"),
        Refusal::SetupConflict {
            theirs: "holdconn".into()
        }
    );
    assert_eq!(
        refusal("offer-video-only.sdp"),
        Refusal::NoAudio {
            found: "video, application".into()
        }
    );
    assert!(matches!(
        refusal("offer-malformed-port.sdp"),
        Refusal::Malformed { line: 10, .. }
    ));
}

#[test]
fn answers_to_our_offer_are_understood() {
    let accept = |name: &str| accept_answer(&read(name), &local(Face::BROWSER));
    let chromium = accept("answer-chromium.sdp").unwrap();
    assert_eq!(
        (chromium.role, chromium.codec.receive_payload_type),
        (DtlsRole::Server, 111)
    );
    assert_eq!(chromium.codecs.len(), 3);
    let freeswitch = accept("answer-freeswitch.sdp").unwrap();
    assert_eq!(
        (freeswitch.role, freeswitch.codecs.len()),
        (DtlsRole::Server, 1)
    );
    let event = TelephoneEvent {
        send_payload_type: 126,
        receive_payload_type: 126,
        clock_rate: 8_000,
    };
    assert_eq!(freeswitch.telephone_event, Some(event));
    let rtpengine = accept("answer-rtpengine-passive-pcma.sdp").unwrap();
    assert_eq!(
        (rtpengine.role, rtpengine.codec.codec),
        (DtlsRole::Client, AudioCodec::Pcma)
    );
    assert_eq!(
        (rtpengine.direction, rtpengine.packet_time_ms),
        (Direction::SendOnly, 30)
    );
    assert!(matches!(
        accept("answer-refused.sdp"),
        Err(Refusal::AudioRefused { .. })
    ));
}

/// Chromium takes the event of 8000 where an answer of its own names several, also beside Opus.
#[test]
fn digits_under_each_number_that_both_named_are_understood() {
    let ours = local(Face::BROWSER);
    let said = offer(&ours, &mut Origin::new(1, 1));
    // What a browser answers names all that it was offered.
    let theirs = said.replace("a=setup:actpass", "a=setup:active");
    let agreed = accept_answer(&theirs, &ours).unwrap();
    let of_clock = |number, clock_rate| TelephoneEvent {
        send_payload_type: number,
        receive_payload_type: number,
        clock_rate,
    };
    assert_eq!(agreed.telephone_event, Some(of_clock(110, 48_000)));
    assert_eq!(agreed.further_events, [of_clock(126, 8_000)]);
}

#[test]
fn every_face_understands_every_other() {
    for ours in [Face::BROWSER, Face::FREESWITCH, Face::TELNYX] {
        for theirs in [Face::BROWSER, Face::FREESWITCH, Face::TELNYX] {
            let offered = offer(&local(ours), &mut Origin::new(1, 1));
            let answer = answer(&offered, &local(theirs), &mut Origin::new(2, 2), None).unwrap();
            let agreed = accept_answer(&answer.sdp, &local(ours)).unwrap();
            assert_eq!(
                agreed.codec.send_payload_type,
                answer.negotiated.codec.receive_payload_type
            );
            assert_eq!(
                agreed.codec.receive_payload_type,
                answer.negotiated.codec.send_payload_type
            );
            assert_eq!(
                (agreed.role, answer.negotiated.role),
                (DtlsRole::Server, DtlsRole::Client)
            );
            assert_eq!(agreed.remote.fingerprints, [local(theirs).fingerprint]);
            assert_eq!(agreed.remote.credentials, Some(local(theirs).credentials));
            assert_eq!(agreed.remote.candidates, local(theirs).candidates);
            assert_eq!(answer.negotiated.remote.candidates, local(ours).candidates);
            assert!(agreed.rtcp_mux);
        }
    }
}

#[test]
fn our_offer_looks_like_a_browsers_or_like_a_media_servers() {
    let browser = offer(&local(Face::BROWSER), &mut Origin::new(1, 1));
    for line in [
        "a=group:BUNDLE 0",
        "m=audio 40000 UDP/TLS/RTP/SAVPF 111 9 0 8 110 126",
        "c=IN IP4 198.51.100.7",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtpmap:110 telephone-event/48000",
        "a=rtpmap:126 telephone-event/8000",
        "a=mid:0",
        "a=rtcp-mux",
        "a=ice-options:ice2",
        "a=setup:actpass",
        "a=ptime:20",
        "a=sendrecv",
        "a=msid:stream track",
        "a=ssrc:16909060 cname:nobody",
        "a=end-of-candidates",
    ] {
        assert!(
            browser.lines().any(|ours| ours == line),
            "{line} in\n{browser}"
        );
    }
    let server = offer(&local(Face::FREESWITCH), &mut Origin::new(1, 1));
    for absent in [
        "a=mid",
        "a=group",
        "a=msid:",
        "end-of-candidates",
        "telephone-event",
    ] {
        assert!(!server.contains(absent), "{absent} in\n{server}");
    }
    for line in [
        "m=audio 40000 RTP/SAVPF 102 9 0 8",
        "a=candidate:1 2 udp 2130706430 198.51.100.7 40000 typ host generation 0",
        "a=silenceSupp:off - - - -",
        "a=msid-semantic: WMS stream",
    ] {
        assert!(
            server.lines().any(|ours| ours == line),
            "{line} in\n{server}"
        );
    }
    assert!(server.contains("o=FreeSWITCH "));
}

#[test]
fn more_candidates_are_announced_beside_the_kind_of_ice() {
    let mut ours = local(Face::BROWSER);
    ours.complete = false;
    let offered = offer(&ours, &mut Origin::new(1, 1));
    assert!(
        offered.contains("a=ice-options:ice2 trickle\r\n"),
        "{offered}"
    );
}

/// RFC 8839, section 4.2.5: ICE goes on neither side then.
#[test]
fn a_far_end_that_met_another_address_than_we_named_does_without_ice() {
    let mut ours = local(Face::BROWSER);
    let met = read("answer-chromium.sdp").replace("a=rtcp-mux", "a=rtcp-mux\r\na=ice-mismatch");
    let refused = accept_answer(&met, &ours).unwrap_err();
    assert_eq!(refused, Refusal::IceMismatch);
    assert!(refused.to_string().contains("SIP ALG"), "{refused}");
    ours.concessions.no_ice = true;
    let agreed = accept_answer(&met, &ours).unwrap();
    assert!(agreed.concessions.no_ice);
    assert_eq!(
        (agreed.remote.credentials, agreed.remote.candidates),
        (None, Vec::new())
    );
    assert_eq!(agreed.remote.address, agreed.default_address);
    assert!(agreed.default_address.is_some());
}

#[test]
fn the_version_of_our_description_grows_only_when_it_changed() {
    let version = |sdp: &str| -> u64 {
        sdp.lines()
            .nth(1)
            .unwrap()
            .split(' ')
            .nth(2)
            .unwrap()
            .parse()
            .unwrap()
    };
    let mut origin = Origin::new(77, 5_000);
    let mut local = local(Face::BROWSER);
    let first = version(&offer(&local, &mut origin));
    assert_eq!(version(&offer(&local, &mut origin)), first);
    local.direction = Direction::SendOnly;
    assert_eq!(version(&offer(&local, &mut origin)), first + 1);
}

#[test]
fn words_of_the_far_end_reach_a_sentence_only_in_short_and_plain_form() {
    let escape = "\u{1b}[31mred".repeat(20);
    let offered = read("offer-plain-rtp.sdp").replace("RTP/AVP", &escape);
    let sentence = answer(
        &offered,
        &local(Face::BROWSER),
        &mut Origin::new(1, 1),
        None,
    )
    .unwrap_err()
    .to_string();
    assert!(
        !sentence.contains('\u{1b}') && sentence.len() < 250,
        "{sentence}"
    );
}
