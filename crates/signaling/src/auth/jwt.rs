//! Reads the life time of a JSON Web Token (RFC 7519) without checking its signature.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

/// Tokens of telephony are a few hundred bytes; a longer text is not worth decoding.
const LONGEST: usize = 64 * 1024;

/// base64url of RFC 7515, with padding where an issuer adds it against the rule.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Why a text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Not three parts separated by dots.
    #[error("a token has three parts separated by dots, this has {0}")]
    Parts(usize),
    /// Something stands in it that would not survive the way to the server.
    #[error("a token has no spaces, line breaks or other such characters, this has")]
    Characters,
    /// Longer than any real token.
    #[error("a token of more than 64 KiB")]
    TooLong,
    /// The middle part is not base64url.
    #[error("its middle part is not base64url")]
    Base64,
    /// The middle part is not a JSON object.
    #[error("its middle part is not a JSON object")]
    Json,
}

/// What a token says about its life, in seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetime {
    /// `exp`: no longer good from this second on.
    pub expires: Option<u64>,
    /// `nbf`: not good before this second.
    pub not_before: Option<u64>,
    /// `iat`: made in this second.
    pub issued_at: Option<u64>,
}

impl Lifetime {
    /// Reads it from the token's middle part.
    ///
    /// # Errors
    /// The text is not shaped like a token.
    pub fn read(token: &str) -> Result<Self, Malformed> {
        let claims = claims(token)?;
        let second = |name| claims.get(name).and_then(whole_seconds);
        Ok(Self {
            expires: second("exp"),
            not_before: second("nbf"),
            issued_at: second("iat"),
        })
    }

    /// From its making, or from when it is good, to its end; `None` when it does not say.
    pub fn span(&self) -> Option<Duration> {
        let begin = self.issued_at.or(self.not_before)?;
        Some(Duration::from_secs(self.expires?.checked_sub(begin)?))
    }

    /// For how long it has been expired at `now`; `None` while it is good or has no end.
    pub fn expired_since(&self, now: SystemTime) -> Option<Duration> {
        since_1970(now).checked_sub(Duration::from_secs(self.expires?))
    }

    /// How long ago it was made; `None` when nobody says. One from the future was made just now.
    pub fn issued(&self, now: Option<SystemTime>) -> Option<Duration> {
        let made = Duration::from_secs(self.issued_at?);
        Some(since_1970(now?).saturating_sub(made))
    }

    /// How long it is until the token becomes good; `None` when it already is.
    pub fn good_in(&self, now: SystemTime) -> Option<Duration> {
        let wait = Duration::from_secs(self.not_before?).checked_sub(since_1970(now))?;
        (!wait.is_zero()).then_some(wait)
    }
}

/// Whom a token is for, by its claim `sub`; `None` when it does not say, or is none.
pub fn subject(token: &str) -> Option<String> {
    let claims = claims(token).ok()?;
    claims.get("sub")?.as_str().map(str::to_owned)
}

/// Whether the text can stand behind `Bearer` at all (RFC 6750, 2.1), whatever kind of token it is.
///
/// # Errors
/// It is too long, or would not stay one word.
#[cfg(feature = "sip")]
pub(crate) fn sayable(token: &str) -> Result<(), Malformed> {
    if token.len() > LONGEST {
        return Err(Malformed::TooLong);
    }
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.bytes().all(good) {
        Ok(())
    } else {
        Err(Malformed::Characters)
    }
}

/// The token's middle part.
fn claims(token: &str) -> Result<Value, Malformed> {
    if token.len() > LONGEST {
        return Err(Malformed::TooLong);
    }
    let parts: Vec<&str> = token.trim().split('.').collect();
    let [_, claims, _] = parts.as_slice() else {
        return Err(Malformed::Parts(parts.len()));
    };
    // Some issuers use the plain alphabet of base64; both say the same once the two odd letters are mapped.
    let claims = claims.replace('+', "-").replace('/', "_");
    let claims = BASE64.decode(claims).map_err(|_| Malformed::Base64)?;
    let claims: Value = serde_json::from_slice(&claims).map_err(|_| Malformed::Json)?;
    if claims.is_object() {
        Ok(claims)
    } else {
        Err(Malformed::Json)
    }
}

fn since_1970(now: SystemTime) -> Duration {
    now.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// RFC 7519 allows fractions ("NumericDate").
fn whole_seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let seconds = value.as_f64()?;
        (0.0..1e15).contains(&seconds).then_some(seconds as u64)
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::{Lifetime, Malformed, subject};

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn reads_base64url_that_plain_base64_would_refuse() {
        let claims =
            URL_SAFE_NO_PAD.encode("{\"exp\":1000,\"nbf\":900,\"sub\":\"\u{fbff}\u{ff}~~~???\"}");
        assert!(claims.contains(['-', '_']));
        let life = Lifetime::read(&format!("h.{claims}.s")).unwrap();
        assert_eq!(
            life,
            Lifetime {
                expires: Some(1000),
                not_before: Some(900),
                issued_at: None,
            }
        );
        assert_eq!(life.expired_since(at(1005)), Some(Duration::from_secs(5)));
        assert_eq!(life.expired_since(at(999)), None);
        assert_eq!(life.good_in(at(890)), Some(Duration::from_secs(10)));
        assert_eq!(life.good_in(at(900)), None);
    }

    #[test]
    fn a_token_says_whom_it_is_for_or_does_not() {
        let of = |claims: &str| subject(&format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims)));
        assert_eq!(of("{\"sub\":\"gencredX\"}").as_deref(), Some("gencredX"));
        for claims in ["{}", "{\"sub\":7}", "[]", "sub"] {
            assert_eq!(of(claims), None, "{claims}");
        }
        assert_eq!(subject("no token"), None);
    }

    #[test]
    fn lives_with_padding_fractions_and_no_end() {
        let padded = STANDARD.encode("{\"exp\":10.75,\"a\":\">>>???\"}");
        assert_eq!(
            Lifetime::read(&format!("h.{padded}.s")).unwrap().expires,
            Some(10)
        );
        let endless = URL_SAFE_NO_PAD.encode("{}");
        assert_eq!(
            Lifetime::read(&format!(" h.{endless}.s\n")).unwrap(),
            Lifetime::default()
        );
    }

    #[test]
    fn rubbish_is_named() {
        assert_eq!(Lifetime::read("KEY0123"), Err(Malformed::Parts(1)));
        assert_eq!(Lifetime::read("a.b.c.d"), Err(Malformed::Parts(4)));
        assert_eq!(Lifetime::read("a.!!.c"), Err(Malformed::Base64));
        assert_eq!(Lifetime::read("a.Zm9v.c"), Err(Malformed::Json));
        assert_eq!(Lifetime::read(&"x".repeat(70_000)), Err(Malformed::TooLong));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a-zA-Z0-9_.=-]{0,80}", claims in any::<Vec<u8>>()) {
            let _ = Lifetime::read(&text);
            let _ = Lifetime::read(&format!("a.{}.b", URL_SAFE_NO_PAD.encode(claims)));
        }
    }
}
