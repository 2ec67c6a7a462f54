//! Reads when a token was issued and when it ends, without checking its signature: only its issuer could.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

/// base64url of RFC 7515, with padding where an issuer adds it against the rule.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(Deserialize)]
struct Claims {
    exp: Option<f64>,
    iat: Option<f64>,
}

/// When the token ends (`exp`); `None` when it is no token or does not say.
pub fn expires_at(token: &str) -> Option<SystemTime> {
    let seconds = Duration::try_from_secs_f64(claims(token)?.exp?).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(seconds)
}

/// How long it was made to live (`exp` less `iat`), whatever the time is; `None` when it does not say.
pub fn length(token: &str) -> Option<Duration> {
    let claims = claims(token)?;
    Duration::try_from_secs_f64(claims.exp? - claims.iat?).ok()
}

fn claims(token: &str) -> Option<Claims> {
    let mut parts = token.trim().split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    serde_json::from_slice(&BASE64.decode(claims).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_end_is_read_and_rubbish_has_none() {
        let token = |claims: &str| format!("e30.{}.c2ln", BASE64.encode(claims));
        let end = expires_at(&token(r#"{"exp":1795600800}"#)).unwrap();
        assert_eq!(
            end,
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_600_800)
        );
        assert_eq!(
            length(&token(r#"{"exp":1795600800,"iat":1795600700}"#)),
            Some(Duration::from_secs(100))
        );
        assert_eq!(length(&token(r#"{"exp":5,"iat":6}"#)), None);
        for rubbish in [
            "",
            "a.b",
            "a.b.c.d",
            "e30.!!.x",
            &token("{}"),
            &token(r#"{"exp":-1}"#),
            &token(r#"{"exp":1e300}"#),
        ] {
            assert_eq!(expires_at(rubbish), None, "{rubbish}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}") {
            let _ = (expires_at(&text), length(&text));
        }
    }
}
