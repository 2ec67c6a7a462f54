//! Why a description is not accepted: one clear sentence each, for the person who has to change something.

use crate::sdp::description::FingerprintHash;

/// Why no call can be made out of the far end's description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Longer than we read.
    #[error("the SDP is {bytes} bytes long; at most {limit} are read")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// What is read.
        limit: usize,
    },
    /// More of something than we read.
    #[error("the SDP has more than {limit} {what}")]
    TooMany {
        /// Lines, media sections, ...
        what: &'static str,
        /// What is read.
        limit: usize,
    },
    /// Not SDP.
    #[error("the SDP is malformed at line {line}: {fault}")]
    Malformed {
        /// From 1.
        line: usize,
        /// What is wrong there.
        fault: &'static str,
    },
    /// No `m=audio`.
    #[error("the far end describes no audio: {found}")]
    NoAudio {
        /// The sections there are.
        found: String,
    },
    /// `m=audio 0` in an answer.
    #[error(
        "the far end refused our audio (m=audio 0): it may not know any of the codecs we offered ({ours})"
    )]
    AudioRefused {
        /// What we offered.
        ours: String,
    },
    /// No codec that both know.
    #[error(
        "no codec in common: the far end has {theirs}, we have {ours}; enable one of the former at either side"
    )]
    NothingInCommon {
        /// Their list.
        theirs: String,
        /// Our list.
        ours: String,
    },
    /// `RTP/AVP` or something else without DTLS.
    #[error(
        "the far end describes unencrypted media ({protocol}); only DTLS-SRTP is accepted: enable WebRTC media for this endpoint there"
    )]
    NotEncrypted {
        /// Transport protocol of the section.
        protocol: String,
    },
    /// `a=crypto` without a fingerprint.
    #[error(
        "the far end wants to exchange keys in the SDP (SDES, a=crypto); only DTLS-SRTP is accepted: enable DTLS for this endpoint there"
    )]
    SdesOnly,
    /// No `a=fingerprint`.
    #[error(
        "the far end gave no certificate fingerprint (a=fingerprint), so its media cannot be verified: enable DTLS for this endpoint there"
    )]
    NoFingerprint,
    /// Only hashes that are too weak or unknown.
    #[error("the far end's certificate fingerprint uses {found}; sha-256 or stronger is needed")]
    WeakFingerprint {
        /// The hashes there are.
        found: String,
    },
    /// No `a=ice-ufrag`, `a=ice-pwd`.
    #[error(
        "the far end does not speak ICE (no a=ice-ufrag and a=ice-pwd): enable ICE or WebRTC media for this endpoint there"
    )]
    NoIce,
    /// Nobody would open the DTLS association, or both.
    #[error("the far end's DTLS role a=setup:{theirs} does not fit {ours}")]
    SetupConflict {
        /// Theirs.
        theirs: &'static str,
        /// What we said or could say.
        ours: &'static str,
    },
}

/// The list of hashes for a sentence.
pub(crate) fn hash_names(hashes: impl Iterator<Item = Option<FingerprintHash>>) -> String {
    let names: Vec<_> = hashes
        .map(|hash| hash.map_or("an unknown hash", FingerprintHash::as_str))
        .collect();
    names.join(" and ")
}
