//! Keys: in the descriptions where that is allowed, fingerprints of old, certificates of their own.

use std::time::Duration;

use offhook_media::sdp::refusal::{Refusal as SdpRefusal, SdesRefused};
use offhook_media::session::config::SessionConfig;
use offhook_media::session::error::Refusal;
use offhook_media::session::event::MediaEvent;
use offhook_media::session::media_session::Renewal;
use offhook_media::session::policy::MediaPolicy;
use offhook_media::srtp::profile::SrtpProfile;

use crate::programs::Talker;
use crate::world::{Side, World, config};

const SECOND: Duration = Duration::from_secs(1);

fn with(side: Side, policy: &MediaPolicy) -> SessionConfig {
    let mut config = config(side);
    policy.apply(&mut config);
    config
}

fn world(policy: &MediaPolicy) -> (World, crate::programs::Shared, crate::programs::Shared) {
    let ((caller, one), (callee, other)) = (Talker::new(), Talker::new());
    let world = World::with_configs(
        with(Side::Caller, policy),
        caller,
        with(Side::Callee, policy),
        callee,
    );
    (world, one, other)
}

/// As a far end without DTLS writes it.
fn without_dtls(sdp: &str) -> String {
    let kept = sdp
        .lines()
        .filter(|line| !line.starts_with("a=fingerprint") && !line.starts_with("a=setup"));
    kept.map(|line| format!("{line}\r\n")).collect()
}

const ALLOWED: Result<(), SdesRefused> = Ok(());

#[test]
fn keys_in_the_descriptions_protect_a_call_where_both_accounts_allow_it() {
    let policy = MediaPolicy {
        sdes: ALLOWED,
        ..MediaPolicy::default()
    };
    let (mut world, caller_seen, callee_seen) = world(&policy);
    for renewal in [false, true] {
        let now = world.now;
        let offer = without_dtls(&world.caller.session.create_offer(now));
        let answer = world
            .callee
            .session
            .accept_offer(&offer, Renewal::Change, now)
            .unwrap();
        let crypto = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:";
        assert!(answer.contains(crypto) && answer.contains(" RTP/SAVPF "));
        assert!(!answer.contains("a=fingerprint") && !answer.contains("a=setup"));
        world.caller.session.accept_answer(&answer, now).unwrap();
        world.settle();
        world.run(3 * SECOND);
        for seen in [&caller_seen, &callee_seen] {
            let heard = seen.lock().unwrap().audio.len();
            assert!(heard > if renewal { 280 } else { 130 }, "{heard}");
        }
    }
    let profile = SrtpProfile::Aes128CmHmacSha1_80;
    for side in [Side::Caller, Side::Callee] {
        let ready = world.count(side, |event| {
            *event == MediaEvent::DtlsConnected { profile }
        });
        assert_eq!(ready, 1, "a repeated offer changes no key");
        let now = world.now;
        let figures = world.end(side).session.statistics(now);
        assert_eq!(figures.transport.packets_refused, 0);
    }
}

#[test]
fn dtls_is_taken_where_a_far_end_has_both() {
    let policy = MediaPolicy {
        sdes: ALLOWED,
        ..MediaPolicy::default()
    };
    let (mut world, ..) = world(&policy);
    let now = world.now;
    let offer = world.caller.session.create_offer(now);
    assert!(offer.contains("a=crypto:") && offer.contains("a=fingerprint:"));
    let answer = world
        .callee
        .session
        .accept_offer(&offer, Renewal::Change, now)
        .unwrap();
    assert!(!answer.contains("a=crypto:") && answer.contains("a=fingerprint:"));
    world.caller.session.accept_answer(&answer, now).unwrap();
    world.settle();
    world.run(SECOND);
    let profile = SrtpProfile::AeadAes128Gcm;
    let connected = MediaEvent::DtlsConnected { profile };
    assert!(
        world
            .told(Side::Callee, |event| *event == connected)
            .is_some()
    );
}

#[test]
fn what_is_not_allowed_is_refused_by_name() {
    let offered = {
        let allowed = MediaPolicy {
            sdes: ALLOWED,
            ..MediaPolicy::default()
        };
        let (mut world, ..) = world(&allowed);
        let now = world.now;
        without_dtls(&world.caller.session.create_offer(now))
    };
    for why in [SdesRefused::NotAllowed, SdesRefused::SignallingInClear] {
        let (mut world, ..) = world(&MediaPolicy {
            sdes: Err(why),
            ..MediaPolicy::default()
        });
        let now = world.now;
        let offer = world.caller.session.create_offer(now);
        assert!(!offer.contains("a=crypto"), "nor is it offered");
        let refused = world
            .callee
            .session
            .accept_offer(&offered, Renewal::Change, now)
            .unwrap_err();
        assert_eq!(refused, Refusal::Sdp(SdpRefusal::SdesOnly(why)));
        assert!(refused.to_string().contains(&why.to_string()), "{refused}");
    }
    let (mut world, ..) = world(&MediaPolicy {
        sdes: ALLOWED,
        ..MediaPolicy::default()
    });
    let now = world.now;
    let foreign = offered.replace("AES_CM_128_HMAC_SHA1_80", "F8_128_HMAC_SHA1_80");
    let refused = world
        .callee
        .session
        .accept_offer(&foreign, Renewal::Change, now)
        .unwrap_err();
    assert_eq!(refused, Refusal::Sdp(SdpRefusal::NoCommonSuite));
}

#[test]
fn short_tags_are_agreed_on_only_where_they_are_allowed() {
    for (short_tags, expected) in [
        (false, SrtpProfile::Aes128CmHmacSha1_80),
        (true, SrtpProfile::Aes128CmHmacSha1_32),
    ] {
        let policy = MediaPolicy {
            short_tags,
            ..MediaPolicy::default()
        };
        // A far end that has nothing better than either of the two.
        let mut caller = with(Side::Caller, &policy);
        let of_old = |profile: &SrtpProfile| {
            matches!(
                profile,
                SrtpProfile::Aes128CmHmacSha1_80 | SrtpProfile::Aes128CmHmacSha1_32
            )
        };
        caller.profiles.retain(of_old);
        caller.profiles.reverse();
        let mut callee = with(Side::Callee, &policy);
        callee.profiles.retain(of_old);
        callee.profiles.reverse();
        let mut world = World::with_configs(caller, Talker::new().0, callee, Talker::new().0);
        world.negotiate();
        world.run(SECOND);
        let connected = MediaEvent::DtlsConnected { profile: expected };
        assert!(
            world
                .told(Side::Callee, |event| *event == connected)
                .is_some()
        );
    }
}

#[test]
fn a_fingerprint_of_sha_1_is_checked_where_it_is_allowed() {
    use offhook_media::dtls::fingerprint::FingerprintHash;
    for allowed in [true, false] {
        let policy = MediaPolicy {
            sha1_fingerprints: allowed,
            ..MediaPolicy::default()
        };
        let (mut world, ..) = world(&policy);
        let now = world.now;
        let of_old = |sdp: &str, side| {
            let certificate = config(side).certificate;
            let strong = certificate.fingerprint(FingerprintHash::Sha256).to_string();
            let weak = certificate.fingerprint(FingerprintHash::Sha1).to_string();
            sdp.replace(&strong, &weak)
        };
        let offer = of_old(&world.caller.session.create_offer(now), Side::Caller);
        let answered = world
            .callee
            .session
            .accept_offer(&offer, Renewal::Change, now);
        let Ok(answer) = answered else {
            let refused = answered.unwrap_err().to_string();
            assert!(!allowed && refused.contains("sha-1"), "{refused}");
            continue;
        };
        let answer = of_old(&answer, Side::Callee);
        world.caller.session.accept_answer(&answer, now).unwrap();
        world.settle();
        world.run(SECOND);
        let first = |event: &MediaEvent| matches!(event, MediaEvent::FirstRtpReceived);
        assert!(allowed && world.told(Side::Callee, first).is_some());
    }
}
