//! Access tokens: HS512 (RFC 7518 section 3.2) with the claims of the documented sample.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::{BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::rest::account::Credential;

/// `iss` and `aud`.
const ISSUER: &str = "telnyx_telephony";
/// Name of the key, for token material only: tokens carry no `kid`.
const KEY_ID: &str = "offhook-sandbox-1";

/// The claims of a token.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    aud: String,
    exp: u64,
    iat: u64,
    iss: String,
    pub(super) jti: String,
    nbf: u64,
    /// Id of the credential.
    pub(super) sub: String,
    tel_token: String,
    typ: String,
}

impl Claims {
    pub(super) fn new(of: &Credential, jti: &str, at: SystemTime, expires: SystemTime) -> Self {
        let iat = seconds(at);
        Self {
            aud: ISSUER.to_owned(),
            exp: seconds(expires),
            iat,
            iss: ISSUER.to_owned(),
            jti: jti.to_owned(),
            nbf: iat.saturating_sub(1),
            sub: of.id.clone(),
            tel_token: of.tel_token.clone(),
            typ: "access".to_owned(),
        }
    }
}

/// What a text presented as a token turns out to be.
#[derive(Debug)]
pub(super) enum Read {
    /// Made here.
    Ours(Claims),
    /// Looks like one of ours, but the signature is wrong.
    Forged,
    /// Somebody else's.
    Foreign,
}

/// The secret, drawn at the start, and what is done with it.
pub(super) struct Signer {
    key: hmac::Key,
    secret: [u8; 32],
}

impl Signer {
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA512, secret),
            secret: *secret,
        }
    }

    pub(super) fn sign(&self, claims: &Claims) -> String {
        let header = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"HS512","typ":"JWT"}"#);
        let claims = serde_json::to_vec(claims).unwrap_or_default();
        let signed = format!("{header}.{}", BASE64_URL_SAFE_NO_PAD.encode(claims));
        let signature = hmac::sign(&self.key, signed.as_bytes());
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    pub(super) fn read(&self, token: &str) -> Read {
        #[derive(Deserialize)]
        struct Header {
            alg: String,
        }
        fn part<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
            serde_json::from_slice(&bytes.ok()?).ok()
        }
        let token = token.trim();
        let Some((signed, signature)) = token.rsplit_once('.') else {
            return Read::Foreign;
        };
        let Some((header, claims)) = signed.split_once('.') else {
            return Read::Foreign;
        };
        let alg = part::<Header>(header).map(|header| header.alg);
        let issuer = part::<Value>(claims).and_then(|claims| {
            let issuer = claims.get("iss")?.as_str()?.to_owned();
            Some(issuer)
        });
        if alg.as_deref() != Some("HS512") || issuer.as_deref() != Some(ISSUER) {
            return Read::Foreign;
        }
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature.trim_end_matches('='));
        let good = signature
            .is_ok_and(|signature| hmac::verify(&self.key, signed.as_bytes(), &signature).is_ok());
        match part::<Claims>(claims).filter(|_| good) {
            Some(claims) => Read::Ours(claims),
            None => Read::Forged,
        }
    }

    /// Token material in the sandbox's own format: the secret as padded base64url.
    pub(super) fn material(&self, tel_token: &str) -> impl Iterator<Item = (String, Value)> {
        let secret = BASE64_URL_SAFE.encode(self.secret);
        [
            ("kid", json!(KEY_ID)),
            ("tel_token", json!(tel_token)),
            ("signing_secret", json!(secret)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
    }
}

/// Tokens that are so new that the gateway may not know them yet.
#[derive(Debug, Default)]
pub(super) struct Issued {
    at: BTreeMap<String, SystemTime>,
    order: VecDeque<String>,
}

impl Issued {
    pub(super) fn note(&mut self, jti: String, at: SystemTime, delay: Duration) {
        if delay.is_zero() {
            return;
        }
        while let Some(oldest) = self.order.front() {
            let past = self.at.get(oldest).is_none_or(|then| *then + delay <= at);
            if !past {
                break;
            }
            self.at.remove(oldest);
            self.order.pop_front();
        }
        self.order.push_back(jti.clone());
        self.at.insert(jti, at);
    }

    pub(super) fn is_fresh(&self, jti: &str, wall: SystemTime, delay: Duration) -> bool {
        self.at.get(jti).is_some_and(|at| *at + delay > wall)
    }
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
