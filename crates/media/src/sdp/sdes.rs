//! Keys inside of a description (SDES, RFC 4568): `a=crypto` read and written, for those who allow it.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use rand::Rng;
use zeroize::Zeroizing;

use crate::srtp::keys::{KeyPair, MasterKey};
use crate::srtp::profile::SrtpProfile;

/// Most `a=crypto` lines of one section that are kept; the rest is left aside.
pub(crate) const MAX_LINES: usize = 16;
/// The suite of our offers: the one that everybody has to know (RFC 4568 section 6.2).
pub(crate) const OFFERED: SrtpProfile = SrtpProfile::Aes128CmHmacSha1_80;
/// Its tag.
pub(crate) const OFFERED_TAG: u32 = 1;
/// Longest master key with its salt, over all suites.
const MATERIAL: usize = SrtpProfile::MAX_KEY + 14;

/// Name of a suite (RFC 4568 section 6.2, RFC 7714 section 14.2).
const fn suite(profile: SrtpProfile) -> &'static str {
    match profile {
        SrtpProfile::AeadAes128Gcm => "AEAD_AES_128_GCM",
        SrtpProfile::AeadAes256Gcm => "AEAD_AES_256_GCM",
        SrtpProfile::Aes128CmHmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
        SrtpProfile::Aes128CmHmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
    }
}

/// One `a=crypto` line that can be used. The key never shows in `Debug`.
#[derive(Clone)]
pub struct CryptoLine {
    /// Names the line in the answer.
    pub tag: u32,
    /// Its suite.
    pub profile: SrtpProfile,
    material: Zeroizing<Vec<u8>>,
}

impl CryptoLine {
    /// Reads the value of `a=crypto`: `TAG SUITE inline:KEY[|LIFETIME] [PARAMETERS]`. `None`: malformed, of an unknown suite, with a key
    /// identifier in each packet, or with parameters that change what is protected.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next()?.parse().ok()?;
        let name = words.next()?;
        let profile = SrtpProfile::ALL
            .into_iter()
            .find(|profile| suite(*profile).eq_ignore_ascii_case(name))?;
        // Several keys would need an identifier in each packet (RFC 4568 section 6.1).
        let key = words.next()?.strip_prefix("inline:")?;
        let mut parts = key.split('|');
        let text = parts.next()?.trim_end_matches('=');
        if key.contains(';') || parts.any(|part| part.contains(':')) {
            return None;
        }
        // A window size is a hint, and what begins with a hyphen may be left aside (RFC 4568 sections 6.3.6 and 6.3.7).
        if !words.all(|word| word.starts_with("WSH=") || word.starts_with('-') || word == "KDR=0") {
            return None;
        }
        let material = Zeroizing::new(STANDARD_NO_PAD.decode(text).ok()?);
        let fits = material.len() == profile.key_len() + profile.salt_len();
        fits.then_some(Self {
            tag,
            profile,
            material,
        })
    }

    fn master(&self) -> Option<MasterKey> {
        let (key, salt) = self.material.split_at_checked(self.profile.key_len())?;
        MasterKey::new(self.profile, key, salt)
    }
}

impl fmt::Debug for CryptoLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CryptoLine")
            .field("tag", &self.tag)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// What our own key is cut from; it never shows in `Debug`. Another one for each key of the far end's: no key may be begun twice.
#[derive(Clone)]
pub struct OwnMaterial(Zeroizing<[u8; MATERIAL]>);

impl OwnMaterial {
    /// From a cryptographically secure generator.
    pub fn generate(rng: &mut impl Rng) -> Self {
        let mut bytes = Zeroizing::new([0; MATERIAL]);
        rng.fill_bytes(&mut *bytes);
        Self(bytes)
    }

    fn of(&self, profile: SrtpProfile) -> &[u8] {
        self.0
            .get(..profile.key_len() + profile.salt_len())
            .unwrap_or_default()
    }

    /// Value of our line.
    pub(crate) fn line(&self, tag: u32, profile: SrtpProfile) -> Zeroizing<String> {
        let key = Zeroizing::new(STANDARD.encode(self.of(profile)));
        Zeroizing::new(format!("{tag} {} inline:{}", suite(profile), &*key))
    }

    /// Our key and the far end's, for a suite that both have.
    pub(crate) fn paired_with(&self, theirs: &CryptoLine) -> Option<SdesKeys> {
        let profile = theirs.profile;
        let (key, salt) = self.of(profile).split_at_checked(profile.key_len())?;
        let mut hasher = DefaultHasher::new();
        (theirs.tag, suite(profile), &*theirs.material).hash(&mut hasher);
        Some(SdesKeys {
            profile,
            remote: hasher.finish(),
            pair: Arc::new(KeyPair {
                local: MasterKey::new(profile, key, salt)?,
                remote: theirs.master()?,
            }),
        })
    }
}

impl fmt::Debug for OwnMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnMaterial").finish_non_exhaustive()
    }
}

/// Keys that both descriptions agreed on.
#[derive(Debug, Clone)]
pub struct SdesKeys {
    /// Their suite.
    pub profile: SrtpProfile,
    /// Tells whether the far end's key is still the same; says nothing of it.
    pub(crate) remote: u64,
    pub(crate) pair: Arc<KeyPair>,
}

impl SdesKeys {
    /// Whether the far end's key is the same.
    #[must_use]
    pub const fn same_remote(&self, other: &Self) -> bool {
        self.remote == other.remote
    }

    /// Whether our own key is the same, for the same suite.
    pub(crate) fn same_local(&self, other: &Self) -> bool {
        let (one, other) = (&self.pair.local, &other.pair.local);
        one.profile() == other.profile() && one.key() == other.key() && one.salt() == other.salt()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    /// RFC 4568 section 5.1.1.
    const EXAMPLE: &str =
        "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20";

    #[test]
    fn the_example_of_rfc_4568_is_read_and_shows_no_key() {
        let line = CryptoLine::parse(EXAMPLE).unwrap();
        assert_eq!((line.tag, line.profile), (1, OFFERED));
        assert_eq!(&line.material[..], b"YS___semctl () {\t220;}\n}\nunles");
        let shown = format!("{line:?}");
        assert!(!shown.contains("89") && !shown.contains("WVNf"), "{shown}");
    }

    #[test]
    fn lines_that_would_need_more_are_left_aside() {
        for (from, to) in [
            ("|2^20", "|2^20|1:4"),
            ("|2^20", "|1:4"),
            ("|2^20", " UNENCRYPTED_SRTP"),
            ("|2^20", " FEC_ORDER=FEC_SRTP"),
            ("|2^20", " KDR=1"),
            ("AES_CM_128_HMAC_SHA1_80", "F8_128_HMAC_SHA1_80"),
            ("AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM"),
            ("inline:", "outline:"),
            ("VubGVz", "VubG"),
        ] {
            let value = EXAMPLE.replace(from, to);
            assert!(CryptoLine::parse(&value).is_none(), "{value}");
        }
        let hints = EXAMPLE.replace("|2^20", " WSH=128 -later=1 KDR=0");
        assert!(CryptoLine::parse(&hints).is_some());
    }

    #[test]
    fn what_one_end_writes_the_other_reads() {
        let mut rng = StdRng::from_seed([5; 32]);
        for profile in SrtpProfile::ALL {
            let [one, other] = [0; 2].map(|_| OwnMaterial::generate(&mut rng));
            let ours = CryptoLine::parse(&one.line(7, profile)).unwrap();
            let theirs = CryptoLine::parse(&other.line(7, profile)).unwrap();
            let (here, there) = (
                one.paired_with(&theirs).unwrap(),
                other.paired_with(&ours).unwrap(),
            );
            assert_eq!(here.pair.local.key(), there.pair.remote.key());
            assert_eq!(here.pair.remote.salt(), there.pair.local.salt());
            assert!(!here.same_remote(&there));
        }
    }

    proptest! {
        #[test]
        fn any_value_is_read_without_panic(value in "([0-9]{1,3} AES_CM_128_HMAC_SHA1_80 inline:)?\\PC{0,60}") {
            let _ = CryptoLine::parse(&value);
        }
    }
}
