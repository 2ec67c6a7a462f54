//! Whole calls with headless Firefox and Chromium: either side offers, with candidates in the description or one by one, over a new path after an ICE
//! restart, and by relays only; each hears the other's tone.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use offhook_media::ice::candidate::CandidateType;
use offhook_media::ice::gathering::config::CandidatePolicy;
use offhook_media::ice::server::IceServer;
use offhook_media::program::AudioCodec;
use offhook_media::sdp::extras::Readiness;
use offhook_media::session::config::SessionConfig;
use offhook_tests::audio_server::AudioServer;
use offhook_tests::far_end::{FarEnd, Plan};
use offhook_tests::near_end::NearEnd;
use offhook_tests::skip;
use offhook_tests::turn_server::{PASSWORD, TurnServer, USER};

/// What we say, and what it says.
const OURS: f64 = 440.0;
const THEIRS: f64 = 660.0;
/// Nothing here takes longer, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const PLAN: Plan<'_> = Plan {
    hertz: THEIRS,
    trickle: false,
    relay: None,
    more_than_sound: false,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offerer {
    Near,
    Far,
}

/// Offer and answer; returns ours and theirs.
fn agree(near: &mut NearEnd, far: &mut FarEnd, offerer: Offerer) -> [String; 2] {
    match offerer {
        Offerer::Near => {
            let offer = near.offer();
            near_offers(near, far, offer)
        }
        Offerer::Far => {
            let offer = far.offer();
            far_offers(near, far, offer)
        }
    }
}

/// As [`agree`], with new ICE credentials.
fn agree_anew(near: &mut NearEnd, far: &mut FarEnd, offerer: Offerer) -> [String; 2] {
    match offerer {
        Offerer::Near => {
            let offer = near.restart_ice();
            near_offers(near, far, offer)
        }
        Offerer::Far => {
            let offer = far.restart_ice();
            far_offers(near, far, offer)
        }
    }
}

fn near_offers(near: &mut NearEnd, far: &mut FarEnd, offer: String) -> [String; 2] {
    let answer = far.answer(&offer);
    near.accept(answer.clone());
    [offer, answer]
}

fn far_offers(near: &mut NearEnd, far: &mut FarEnd, offer: String) -> [String; 2] {
    let answer = near.answer(offer.clone());
    far.accept(&answer);
    [answer, offer]
}

/// Passes candidates on until there is a path, the first or a later one.
fn trickle(near: &mut NearEnd, far: &mut FarEnd, paths_before: usize) {
    let asked = Instant::now();
    while near.paths() == paths_before {
        assert!(asked.elapsed() < PATIENCE, "no path");
        for candidate in near.candidates.drain(..) {
            far.add_candidate(&candidate);
        }
        far.catch_up();
        for candidate in far.candidates.drain(..) {
            near.add_candidate(candidate);
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn both_hear(near: &NearEnd, far: &mut FarEnd) {
    far.hears(OURS);
    near.hears(THEIRS);
}

/// Firefox; the fields are dropped in order, so that it ends before its sound system.
struct Firefox {
    far: FarEnd,
    _audio: AudioServer,
}

fn firefox() -> Option<Firefox> {
    skip::have(&["node", "firefox-esr", "pulseaudio", "pactl"]).then(|| {
        let audio = AudioServer::start();
        Firefox {
            far: FarEnd::firefox(&audio),
            _audio: audio,
        }
    })
}

fn chromium() -> Option<FarEnd> {
    skip::have(&["node", "chromium"]).then(FarEnd::chromium)
}

fn ufrag(sdp: &str) -> &str {
    let mut lines = sdp.lines();
    let found = lines.find_map(|line| line.strip_prefix("a=ice-ufrag:"));
    found.expect("a name for ICE")
}

fn either_side_offers_and_both_hear_with_opus_and_pcmu(far: &mut FarEnd) {
    for codec in [AudioCodec::Opus, AudioCodec::Pcmu] {
        for offerer in [Offerer::Near, Offerer::Far] {
            let mut near = NearEnd::open(OURS, |config| {
                config.codecs = vec![codec];
                // With it Chromium takes a tone for the noise of a pause.
                config.extras.comfort_noise = Readiness::Never;
            });
            far.open(&PLAN);
            agree(&mut near, far, offerer);
            both_hear(&near, far);
            near.gets_reports();
            near.close_with_nothing_forged();
        }
    }
}

fn candidates_come_one_by_one_and_either_side_restarts_ice(far: &mut FarEnd) {
    for offerer in [Offerer::Near, Offerer::Far] {
        let mut near = NearEnd::open(OURS, |config| config.gathering.trickle = true);
        far.open(&Plan {
            trickle: true,
            ..PLAN
        });
        let before = agree(&mut near, far, offerer);
        assert!(
            !before[1].contains("a=candidate"),
            "it waited: {}",
            before[1]
        );
        trickle(&mut near, far, 0);
        both_hear(&near, far);

        let paths = near.paths();
        let after = agree_anew(&mut near, far, offerer);
        for (before, after) in before.iter().zip(&after) {
            assert_ne!(ufrag(before), ufrag(after), "ICE was not restarted");
        }
        trickle(&mut near, far, paths);
        both_hear(&near, far);
    }
}

/// A browser takes no offer in which a section of before is missing or stands elsewhere (RFC 3264, section 8).
fn our_later_offer_has_the_sections_that_we_refused(far: &mut FarEnd) {
    let mut near = NearEnd::open(OURS, |_| {});
    far.open(&Plan {
        more_than_sound: true,
        ..PLAN
    });
    agree(&mut near, far, Offerer::Far);
    both_hear(&near, far);
    let [offer, answer] = agree_anew(&mut near, far, Offerer::Near);
    for sdp in [offer, answer] {
        let sections = sdp.lines().filter_map(|line| line.strip_prefix("m="));
        let kinds: Vec<_> = sections
            .map(|section| {
                (
                    section.split(' ').next(),
                    section.split(' ').nth(1) == Some("0"),
                )
            })
            .collect();
        let expected = [("video", true), ("audio", false), ("application", true)];
        assert_eq!(
            kinds,
            expected.map(|(kind, refused)| (Some(kind), refused)),
            "{sdp}"
        );
    }
    both_hear(&near, far);
    near.close_with_nothing_forged();
}

/// This server and no other way.
fn by_relay_only(config: &mut SessionConfig, url: &str) {
    let server: IceServer = url.parse().expect("a URL");
    let server = server.with_credentials(USER, PASSWORD);
    config.gathering.servers = vec![server.at(Ipv4Addr::LOCALHOST.into())];
    config.gathering.policy = CandidatePolicy::RelayOnly;
}

fn both_hear_by_relays_only(far: &mut FarEnd) {
    if !skip::have(&["turnserver"]) {
        return;
    }
    let turn = TurnServer::start();
    let url = format!("turn:127.0.0.1:{}?transport=udp", turn.port);
    for (offerer, one_by_one) in [(Offerer::Near, false), (Offerer::Far, true)] {
        let mut near = NearEnd::open(OURS, |config| {
            by_relay_only(config, &url);
            config.gathering.trickle = one_by_one;
        });
        far.open(&Plan {
            relay: Some([&url, USER, PASSWORD]),
            trickle: one_by_one,
            ..PLAN
        });
        agree(&mut near, far, offerer);
        trickle(&mut near, far, 0);
        let relayed = CandidateType::Relay;
        assert_eq!(near.path, Some((relayed, relayed)));
        both_hear(&near, far);
    }
}

#[test]
fn with_firefox_either_side_offers_and_both_hear_with_opus_and_pcmu() {
    if let Some(mut firefox) = firefox() {
        either_side_offers_and_both_hear_with_opus_and_pcmu(&mut firefox.far);
    }
}

#[test]
fn with_chromium_either_side_offers_and_both_hear_with_opus_and_pcmu() {
    if let Some(mut far) = chromium() {
        either_side_offers_and_both_hear_with_opus_and_pcmu(&mut far);
    }
}

#[test]
fn with_firefox_candidates_come_one_by_one_and_either_side_restarts_ice() {
    if let Some(mut firefox) = firefox() {
        candidates_come_one_by_one_and_either_side_restarts_ice(&mut firefox.far);
    }
}

#[test]
fn with_chromium_candidates_come_one_by_one_and_either_side_restarts_ice() {
    if let Some(mut far) = chromium() {
        candidates_come_one_by_one_and_either_side_restarts_ice(&mut far);
    }
}

#[test]
fn with_firefox_our_later_offer_has_the_sections_that_we_refused() {
    if let Some(mut firefox) = firefox() {
        our_later_offer_has_the_sections_that_we_refused(&mut firefox.far);
    }
}

#[test]
fn with_chromium_our_later_offer_has_the_sections_that_we_refused() {
    if let Some(mut far) = chromium() {
        our_later_offer_has_the_sections_that_we_refused(&mut far);
    }
}

#[test]
fn with_firefox_both_hear_by_relays_only() {
    if let Some(mut firefox) = firefox() {
        both_hear_by_relays_only(&mut firefox.far);
    }
}

#[test]
fn with_chromium_both_hear_by_relays_only() {
    if let Some(mut far) = chromium() {
        both_hear_by_relays_only(&mut far);
    }
}
