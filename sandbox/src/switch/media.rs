//! What the switch asks of the media side, and what it hears back.

use std::time::Duration;

use offhook_media::program::AudioCodec;
use offhook_media::session::config::Hold;

use crate::face::MediaFace;

/// Names one media session; never used twice, also when a call's media is rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MediaId(pub(crate) u64);

/// What a far end hears from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sound {
    /// No packet at all.
    Nothing,
    /// What it says, this much later.
    Echo {
        /// How much later.
        delay: Duration,
    },
    /// Packets in which nothing is to be heard.
    Silence,
    /// A line at 1004 Hz.
    Tone,
    /// A spoken announcement, again and again.
    Speech,
    /// The far end of another session, which is to hear this one too.
    Bridge(MediaId),
}

/// One thing for the media side to do. For one session they are carried out in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MediaCommand {
    /// Open sockets for a session that may agree on these codecs, best first.
    Open {
        media: MediaId,
        face: MediaFace,
        codecs: Vec<AudioCodec>,
        /// Offers have telephone events also where this server's usually have none.
        digits: bool,
        sound: Sound,
    },
    /// Make an offer.
    CreateOffer(MediaId),
    /// Take the far end's offer and make the answer.
    AcceptOffer(MediaId, String),
    /// Take the far end's answer.
    AcceptAnswer(MediaId, String),
    /// Set our side of the direction of the next offer or answer.
    Hold(MediaId, Hold),
    /// Let the far end hear something else.
    Play(MediaId, Sound),
    /// Let the far end that this one is bridged to hear digits.
    Digits(MediaId, String),
    /// End the session.
    Close(MediaId),
}

/// What happened to one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MediaNotice {
    /// The offer that was asked for.
    Offer(String),
    /// The answer to the far end's offer.
    Answer(String),
    /// The far end's answer was taken.
    AnswerAccepted,
    /// Both ends use this codec.
    Agreed(AudioCodec),
    /// The far end's offer or answer cannot be used, or there is no socket to be had.
    Refused(String),
    /// Encrypted media can flow.
    Connected,
    /// The media is over.
    Failed(String),
    /// The far end pressed a key (RFC 4733).
    Dtmf(char),
}

impl MediaCommand {
    /// The session that it is about.
    pub(crate) fn media(&self) -> MediaId {
        match self {
            Self::Open { media, .. }
            | Self::CreateOffer(media)
            | Self::AcceptOffer(media, _)
            | Self::AcceptAnswer(media, _)
            | Self::Hold(media, _)
            | Self::Play(media, _)
            | Self::Digits(media, _)
            | Self::Close(media) => *media,
        }
    }
}
