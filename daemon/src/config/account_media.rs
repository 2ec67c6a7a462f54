//! Reads what the media of an account's calls may do beyond what is usual.

use offhook_engine::vocabulary::{Certificates, MediaPolicy, Readiness};
use toml::Spanned;

use crate::config::account::Blame;
use crate::config::checked::{choice, value};
use crate::config::raw::{RawAccountMedia, Text};

/// RSA keys that far ends may be asked for: shorter ones are broken, longer ones nobody has.
const RSA_BITS: std::ops::RangeInclusive<i64> = 1024..=4096;

pub(crate) fn read(raw: &Spanned<RawAccountMedia>) -> Result<MediaPolicy, Blame> {
    let raw = raw.get_ref();
    let mut policy = MediaPolicy::default();
    let extras = &mut policy.extras;
    for (key, text, place) in [
        ("voip_metrics", &raw.voip_metrics, &mut extras.voip_metrics),
        ("reduced_size", &raw.reduced_size, &mut extras.reduced_size),
        ("redundancy", &raw.redundancy, &mut extras.redundancy),
        (
            "comfort_noise",
            &raw.comfort_noise,
            &mut extras.comfort_noise,
        ),
        ("audio_level", &raw.audio_level, &mut extras.audio_level),
    ] {
        if let Some(text) = text {
            *place = readiness(key, text)?;
        }
    }
    policy.short_tags = raw.short_tags.unwrap_or_default();
    policy.sha1_fingerprints = raw.sha1_fingerprints.unwrap_or_default();
    if let Some(bits) = &raw.minimum_rsa_bits {
        policy.minimum_rsa_bits = rsa_bits(bits)?;
    }
    if let Some(text) = &raw.certificate {
        policy.certificates = match text.get_ref().as_str() {
            "shared" => Certificates::Shared,
            "per-call" => Certificates::PerCall,
            _ => {
                return Err(choice(
                    "certificate",
                    text,
                    &["shared", "per-call"],
                    "\"shared\" or \"per-call\"",
                ));
            }
        };
    }
    if raw.sdes.unwrap_or_default() {
        policy.sdes = Ok(());
    }
    policy.concessions.no_ice = raw.without_ice.unwrap_or_default();
    policy.concessions.no_encryption = raw.unencrypted.unwrap_or_default();
    if let Some(latching) = &raw.latching {
        if *latching.get_ref() && !policy.concessions.no_ice {
            let why = "a far end with ICE proves where it is".to_owned();
            let expected = "`without_ice = true` beside it";
            let problem = value("latching", "true", why, expected);
            return Err((Some(latching.span().start), problem));
        }
        policy.latching = *latching.get_ref();
    }
    policy.mdns = raw.mdns.unwrap_or_default();
    Ok(policy)
}

fn readiness(key: &'static str, text: &Text) -> Result<Readiness, Blame> {
    match text.get_ref().as_str() {
        "never" => Ok(Readiness::Never),
        "when-offered" => Ok(Readiness::WhenOffered),
        "offered" => Ok(Readiness::Offered),
        _ => Err(choice(
            key,
            text,
            &["never", "when-offered", "offered"],
            "\"never\", \"when-offered\" or \"offered\"",
        )),
    }
}

fn rsa_bits(bits: &Spanned<i64>) -> Result<u16, Blame> {
    let number = bits.get_ref();
    u16::try_from(*number)
        .ok()
        .filter(|_| RSA_BITS.contains(number))
        .ok_or_else(|| {
            let why = "no certificate in use has such a key".to_owned();
            let expected = "1024 to 4096";
            (
                Some(bits.span().start),
                value("minimum_rsa_bits", &number.to_string(), why, expected),
            )
        })
}
