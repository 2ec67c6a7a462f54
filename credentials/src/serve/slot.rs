//! One caller's tokens: kept until half of their life, renewed while the old one still serves.

use std::time::{Duration, SystemTime};

use offhook_credentials::secret::Secret;
use offhook_credentials::token_life;

/// Life of a token that does not say its end.
const UNKNOWN_LIFE: Duration = Duration::from_secs(60);
/// A token is not handed out when it has less than this left.
const REMAINDER: Duration = Duration::from_secs(30);

/// A token with its times.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) token: Secret,
    pub(super) expires: SystemTime,
    /// The gateway knows it from here on.
    usable: SystemTime,
    /// From here on a new one is wanted.
    half: SystemTime,
    /// From here on it is not handed out.
    last: SystemTime,
}

/// What to do for a request.
#[derive(Debug)]
pub(super) enum Next {
    /// Hand this out.
    Give(Held),
    /// Get a new one; hand the old one out meanwhile, if there is one.
    Fetch(Option<Held>),
    /// The new one can be used after this time.
    Wait(Duration),
}

/// One caller's tokens.
#[derive(Debug, Default)]
pub(super) struct Slot {
    current: Option<Held>,
    coming: Option<Held>,
}

impl Slot {
    pub(super) fn next(&mut self, now: SystemTime) -> Next {
        if self.coming.as_ref().is_some_and(|held| held.usable <= now) {
            self.current = self.coming.take();
        }
        self.current.take_if(|held| held.last <= now);
        match (&self.current, &self.coming) {
            (Some(held), coming) if now < held.half || coming.is_some() => Next::Give(held.clone()),
            (Some(held), _) => Next::Fetch(Some(held.clone())),
            (None, Some(coming)) => {
                Next::Wait(coming.usable.duration_since(now).unwrap_or_default())
            }
            (None, None) => Next::Fetch(None),
        }
    }

    /// A new token has come.
    pub(super) fn fetched(&mut self, token: Secret, now: SystemTime, freshness: Duration) {
        let expires = match token_life::expires_at(token.expose()) {
            Some(end) if end > now => end,
            // Over as soon as it came: this clock is ahead, or the credential's last moment was caught.
            Some(_) => now + token_life::length(token.expose()).unwrap_or_default(),
            None => now + UNKNOWN_LIFE,
        };
        let life = expires.duration_since(now).unwrap_or_default();
        self.coming = Some(Held {
            token,
            expires,
            // A token that lives as long as it takes to be known could never be used.
            usable: now + freshness.min(life / 4),
            half: now + life / 2,
            last: expires - REMAINDER.min(life / 10),
        });
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::*;

    fn token(end: SystemTime) -> Secret {
        let end = end
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let claims = BASE64_URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{end}}}"));
        Secret::new(format!("e30.{claims}.c2ln"))
    }

    fn given(next: Next) -> Secret {
        match next {
            Next::Give(held) => held.token,
            other @ (Next::Fetch(_) | Next::Wait(_)) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_token_that_is_over_when_it_comes_is_kept_for_its_length_alone() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        let mut slot = Slot::default();
        let made = |iat: u64, exp: u64| {
            let claims = BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"iat":{iat},"exp":{exp}}}"#));
            Secret::new(format!("e30.{claims}.c2ln"))
        };
        slot.fetched(made(1_999_999_999, 2_000_000_000), now, Duration::ZERO);
        let at = |ms| now + Duration::from_millis(ms);
        assert!(matches!(slot.next(at(100)), Next::Give(_)));
        assert!(matches!(slot.next(at(1000)), Next::Fetch(None)));
        // Our clock is an hour ahead of the issuer's.
        slot.fetched(made(1_999_996_400, 1_999_999_400), now, Duration::ZERO);
        assert!(matches!(slot.next(at(1_000_000)), Next::Give(_)));
        slot = Slot::default();
        slot.fetched(made(2_000_000_000, 2_000_000_000), now, Duration::ZERO);
        assert!(matches!(slot.next(now), Next::Fetch(None)));
    }

    #[test]
    fn a_token_serves_until_half_its_life_and_then_until_the_next_is_known() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        let at = |seconds| start + Duration::from_secs(seconds);
        let fresh = Duration::from_secs(5);
        let mut slot = Slot::default();
        assert!(matches!(slot.next(at(0)), Next::Fetch(None)));
        let first = token(at(1000));
        slot.fetched(first.clone(), at(0), fresh);
        assert!(matches!(slot.next(at(0)), Next::Wait(wait) if wait == fresh));
        assert_eq!(given(slot.next(at(5))), first);
        assert_eq!(given(slot.next(at(499))), first);
        assert!(matches!(slot.next(at(500)), Next::Fetch(Some(held)) if held.token == first));
        let second = token(at(1500));
        slot.fetched(second.clone(), at(500), fresh);
        assert_eq!(given(slot.next(at(504))), first, "the new one is too fresh");
        assert_eq!(given(slot.next(at(505))), second);
        assert!(
            matches!(slot.next(at(1471)), Next::Fetch(None)),
            "too little is left"
        );
    }
}
