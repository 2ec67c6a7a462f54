//! Why a description is not accepted: one clear sentence each, for the person who has to change something.

/// Why no call can be made out of the far end's description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Longer than we read.
    #[error("the far end's SDP is {bytes} bytes long; at most {limit} are read")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// What is read.
        limit: usize,
    },
    /// More of something than we read.
    #[error("the far end's SDP has more than {limit} {what}")]
    TooMany {
        /// Lines, media sections, ...
        what: &'static str,
        /// What is read.
        limit: usize,
    },
    /// Not SDP.
    #[error("the far end's SDP is malformed at line {line}: {fault}")]
    Malformed {
        /// From 1.
        line: usize,
        /// What is wrong there.
        fault: &'static str,
    },
    /// No `m=audio`.
    #[error("the far end's SDP describes no audio, only {found}: this client makes voice calls")]
    NoAudio {
        /// The sections there are.
        found: String,
    },
    /// `m=audio 0`.
    #[error(
        "the far end refused our audio (m=audio 0): it may know none of the codecs we offered ({ours}); \
         enable one of them there"
    )]
    AudioRefused {
        /// What we offered.
        ours: String,
    },
    /// No codec that both know.
    #[error(
        "no codec in common: the far end has {theirs}, we have {ours}; enable one of the other side's at either side"
    )]
    NothingInCommon {
        /// Their list.
        theirs: String,
        /// Our list.
        ours: String,
    },
    /// `RTP/AVP` or something else without DTLS.
    #[error(
        "the far end describes unencrypted media ({protocol}), only DTLS-SRTP is accepted: \
         enable WebRTC media for this endpoint there"
    )]
    NotEncrypted {
        /// Transport protocol of the section.
        protocol: String,
    },
    /// `a=crypto` without a fingerprint.
    #[error(
        "the far end wants to exchange keys inside the SDP (SDES, a=crypto), only DTLS-SRTP is accepted, since {0}: \
         enable DTLS for this endpoint there"
    )]
    SdesOnly(SdesRefused),
    /// `a=crypto` lines of no use.
    #[error(
        "the far end wants to exchange keys inside the SDP (SDES, a=crypto), and has no suite in common with us, or wants more of one \
         than we have: let it offer AES_CM_128_HMAC_SHA1_80 without a key identifier"
    )]
    NoCommonSuite,
    /// No `a=fingerprint`.
    #[error(
        "the far end's SDP has no certificate fingerprint (a=fingerprint), so its media could come from anyone: \
         enable DTLS for this endpoint there"
    )]
    NoFingerprint,
    /// Only hashes that are too weak or unknown.
    #[error(
        "the far end's certificate fingerprint uses {found}, which is not accepted: \
         let it send sha-256 or stronger"
    )]
    WeakFingerprint {
        /// The hashes there are.
        found: String,
    },
    /// No `a=ice-ufrag`, `a=ice-pwd`.
    #[error(
        "the far end does not speak ICE (no a=ice-ufrag and a=ice-pwd): enable ICE or WebRTC media for this endpoint there"
    )]
    NoIce,
    /// Legal by RFC 8839, but longer than a connectivity check of ours can carry.
    #[error(
        "the far end's ICE user name (a=ice-ufrag) is {length} characters long, and at most {limit} are used here: \
         let it choose a shorter one, 4 to 16 are usual"
    )]
    LongUfrag {
        /// Its length.
        length: usize,
        /// What is used.
        limit: usize,
    },
    /// `a=ice-mismatch`.
    #[error(
        "the far end does not use ICE, since something on the way changed the address in our description (a=ice-mismatch): \
         look for a SIP ALG or a proxy that rewrites SDP, and switch that off"
    )]
    IceMismatch,
    /// Nobody would open the DTLS association, or both would.
    #[error(
        "the far end's DTLS role (a=setup:{theirs}) starts no DTLS association: it must be active, passive or, in an offer, actpass"
    )]
    SetupConflict {
        /// What it said.
        theirs: String,
    },
}

/// Why keys inside of a description are not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SdesRefused {
    /// The account does not allow them.
    #[error("the account does not allow it")]
    NotAllowed,
    /// The description came over a connection in the clear, and the keys with it.
    #[error(
        "the connection to the server is not encrypted, so anybody on the way could read the keys"
    )]
    SignallingInClear,
}

/// The far end's words for a sentence of ours: short, and without anything that a terminal or a log could take for more.
pub(crate) fn shown(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_graphic)
        .take(32)
        .collect()
}

/// A list of the far end's words, cut where it grows long.
pub(crate) fn shown_list<S: AsRef<str>>(words: impl Iterator<Item = S>) -> String {
    const MOST: usize = 12;
    let mut words: Vec<String> = words
        .take(MOST + 1)
        .map(|word| shown(word.as_ref()))
        .collect();
    if words.len() > MOST {
        words.truncate(MOST);
        words.push("more".to_owned());
    }
    if words.is_empty() {
        "nothing".to_owned()
    } else {
        words.join(", ")
    }
}
