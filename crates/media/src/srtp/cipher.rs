//! The two transforms: AES in GCM (RFC 7714), and AES-128 in counter mode with HMAC-SHA1 (RFC 3711).
//!
//! Key schedules and HMAC states are made once. Nothing here allocates.

use std::hint::black_box;

use aes::Aes128;
use aes::cipher::KeyInit;
use ring::{aead, hmac};
use zeroize::{Zeroize, Zeroizing};

use crate::srtp::kdf::{Label, apply_counter_mode, derive};
use crate::srtp::keys::MasterKey;
use crate::srtp::profile::SrtpProfile;

/// A tag did not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadTag;

/// The keys for the packets of one kind (RTP or RTCP) and direction.
pub(crate) enum Cipher {
    Gcm(Box<Gcm>),
    CounterMode(Box<CounterMode>),
}

impl Cipher {
    pub(crate) fn for_rtp(master: &MasterKey) -> Self {
        Self::new(
            master,
            [
                Label::RtpEncryption,
                Label::RtpAuthentication,
                Label::RtpSalt,
            ],
        )
    }

    pub(crate) fn for_rtcp(master: &MasterKey) -> Self {
        Self::new(
            master,
            [
                Label::RtcpEncryption,
                Label::RtcpAuthentication,
                Label::RtcpSalt,
            ],
        )
    }

    fn new(master: &MasterKey, [encryption, authentication, salting]: [Label; 3]) -> Self {
        let (key, salt) = (master.key(), master.salt());
        match master.profile() {
            SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm => {
                let mut room = Zeroizing::new([0; SrtpProfile::MAX_KEY]);
                let session_key = &mut room[..key.len()];
                derive(key, salt, encryption, session_key);
                let mut session_salt = [0; 12];
                derive(key, salt, salting, &mut session_salt);
                Self::Gcm(Box::new(Gcm::new(session_key, &session_salt)))
            }
            profile @ (SrtpProfile::Aes128CmHmacSha1_80 | SrtpProfile::Aes128CmHmacSha1_32) => {
                let mut session_key = Zeroizing::new([0; 16]);
                derive(key, salt, encryption, &mut *session_key);
                let mut session_salt = [0; 14];
                derive(key, salt, salting, &mut session_salt);
                let mut auth_key = Zeroizing::new([0; 20]);
                derive(key, salt, authentication, &mut *auth_key);
                // RFC 5764 section 4.1.2: reports keep tags of 80 bits whatever those of media are.
                let tag = if matches!(authentication, Label::RtpAuthentication) {
                    profile.tag_len()
                } else {
                    CounterMode::TAG
                };
                Self::CounterMode(Box::new(CounterMode {
                    aes: Aes128::new((&*session_key).into()),
                    salt: session_salt,
                    auth: hmac_key(&auth_key),
                    tag,
                }))
            }
        }
    }
}

fn gcm_key(key: &[u8]) -> aead::LessSafeKey {
    let algorithm = if key.len() == aead::AES_256_GCM.key_len() {
        &aead::AES_256_GCM
    } else {
        &aead::AES_128_GCM
    };
    match aead::UnboundKey::new(algorithm, key) {
        Ok(key) => aead::LessSafeKey::new(key),
        Err(ring::error::Unspecified) => {
            unreachable!("a session key has the length of its profile")
        }
    }
}

fn hmac_key(key: &[u8; 20]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key)
}

/// AEAD_AES_128_GCM and AEAD_AES_256_GCM: 12-byte salt, 16-byte tag.
pub(crate) struct Gcm {
    key: aead::LessSafeKey,
    salt: [u8; 12],
}

impl Gcm {
    pub(crate) const TAG: usize = 16;

    /// From session keys; the key has 16 or 32 bytes.
    pub(crate) fn new(key: &[u8], salt: &[u8; 12]) -> Self {
        Self {
            key: gcm_key(key),
            salt: *salt,
        }
    }

    /// RFC 7714, section 8.1 (RTP: SSRC, then rollover counter and sequence number); section 9.1 fits the same form
    /// when the SRTCP index stands in the place of the packet index.
    fn nonce(&self, ssrc: u32, index: u64) -> aead::Nonce {
        let mut iv = self.salt;
        xor(&mut iv[2..6], &ssrc.to_be_bytes());
        xor(&mut iv[6..12], &index.to_be_bytes()[2..]);
        aead::Nonce::assume_unique_for_key(iv)
    }

    /// Encrypts `text` in place; the tag is returned.
    pub(crate) fn seal(
        &self,
        ssrc: u32,
        index: u64,
        aad: &[u8],
        text: &mut [u8],
    ) -> Option<[u8; Self::TAG]> {
        let nonce = self.nonce(ssrc, index);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, aead::Aad::from(aad), text)
            .ok()?;
        tag.as_ref().try_into().ok()
    }

    /// Verifies and decrypts `text` followed by its tag, in place.
    pub(crate) fn open(
        &self,
        ssrc: u32,
        index: u64,
        aad: &[u8],
        text_and_tag: &mut [u8],
    ) -> Result<(), BadTag> {
        let nonce = self.nonce(ssrc, index);
        match self
            .key
            .open_in_place(nonce, aead::Aad::from(aad), text_and_tag)
        {
            Ok(_) => Ok(()),
            Err(ring::error::Unspecified) => Err(BadTag),
        }
    }
}

impl Drop for Gcm {
    /// The AEAD key has no wiping of its own: it is overwritten by another, in its place.
    fn drop(&mut self) {
        let zeros = [0; SrtpProfile::MAX_KEY];
        let len = self.key.algorithm().key_len();
        self.key = gcm_key(zeros.get(..len).unwrap_or(&zeros));
        black_box(&self.key);
        self.salt.zeroize();
    }
}

/// AES_CM_128_HMAC_SHA1_80 and _32: 14-byte salt, a tag of 10 or 4 bytes. The AES key schedule wipes itself.
pub(crate) struct CounterMode {
    aes: Aes128,
    salt: [u8; 14],
    auth: hmac::Key,
    tag: usize,
}

impl CounterMode {
    /// The longest tag.
    pub(crate) const TAG: usize = 10;

    /// Bytes of the tags.
    pub(crate) const fn tag_len(&self) -> usize {
        self.tag
    }

    #[cfg(test)]
    pub(crate) fn from_session_keys(key: &[u8; 16], salt: &[u8; 14], auth: &[u8; 20]) -> Self {
        Self {
            aes: Aes128::new(key.into()),
            salt: *salt,
            auth: hmac_key(auth),
            tag: Self::TAG,
        }
    }

    /// En- or decrypts `text` in place (RFC 3711, section 4.1.1).
    pub(crate) fn apply(&self, ssrc: u32, index: u64, text: &mut [u8]) {
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&self.salt);
        xor(&mut iv[4..8], &ssrc.to_be_bytes());
        xor(&mut iv[8..14], &index.to_be_bytes()[2..]);
        apply_counter_mode(&self.aes, &iv, text);
    }

    /// The tag over `packet` and then `trailer`: the rollover counter for RTP, nothing more for RTCP, whose packet
    /// already ends with its index word (RFC 3711, section 4.2).
    pub(crate) fn tag(&self, packet: &[u8], trailer: &[u8]) -> Tag {
        let mut context = hmac::Context::with_key(&self.auth);
        context.update(packet);
        context.update(trailer);
        let mut bytes = [0; Self::TAG];
        for (byte, full) in bytes.iter_mut().zip(context.sign().as_ref()) {
            *byte = *full;
        }
        Tag {
            bytes,
            len: self.tag,
        }
    }

    pub(crate) fn verify(&self, packet: &[u8], trailer: &[u8], tag: &[u8]) -> Result<(), BadTag> {
        if same(self.tag(packet, trailer).as_bytes(), tag) {
            Ok(())
        } else {
            Err(BadTag)
        }
    }
}

/// A tag of counter mode, cut to the profile's length.
pub(crate) struct Tag {
    bytes: [u8; CounterMode::TAG],
    len: usize,
}

impl Tag {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }
}

impl Drop for CounterMode {
    /// The HMAC key has no wiping of its own: it is overwritten by another, in its place.
    fn drop(&mut self) {
        self.auth = hmac_key(&[0; 20]);
        black_box(&self.auth);
        self.salt.zeroize();
    }
}

fn xor(bytes: &mut [u8], with: &[u8]) {
    for (byte, other) in bytes.iter_mut().zip(with) {
        *byte ^= other;
    }
}

/// Compares without an early end, so that time tells nothing of where a forged tag goes wrong.
fn same(one: &[u8], other: &[u8]) -> bool {
    let difference = one
        .iter()
        .zip(other)
        .fold(0, |difference, (a, b)| difference | (a ^ b));
    one.len() == other.len() && black_box(difference) == 0
}
