//! How a call ended: who, why, what to do, and how it had been.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use offhook_media::session::error::MediaError;
use offhook_signaling::cause::Cause;
use offhook_signaling::event::{EndedBy as SignalingEndedBy, SipEnd};

use crate::quality::Quality;
use crate::request::Header;

/// The last that is told of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// Who ended it.
    pub by: EndedBy,
    /// Why, as a Q.850 cause.
    pub cause: Cause,
    /// Why, in full.
    pub reason: EndReason,
    /// Whether it had been answered.
    pub answered: bool,
    /// Whether another device took the call: then it was not missed.
    pub answered_elsewhere: bool,
    /// Header fields that came with the end.
    pub headers: Vec<Header>,
    /// State of whoever steered the call at the server, in base64.
    pub client_state: Option<String>,
    /// How the SIP leg behind the server ended, as far as the server says.
    pub sip: SipEnd,
    /// From the answer to the end; zero if never answered.
    pub talk: Duration,
    /// The last figures, if there was media.
    pub quality: Option<Quality>,
    /// The recording, if there was one; its last hundredths of a second are being written as this is told.
    pub recording: Option<PathBuf>,
}

/// Who ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// This side: a request, or the engine's own end.
    Local,
    /// The far end or the server.
    Remote,
    /// Nobody: the network, the media or a time limit.
    Network,
}

/// Why a call ended.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EndReason {
    /// A request hung it up, or refused it.
    #[error("hung up here")]
    HungUp,
    /// The engine was shut down.
    #[error("this side was shut down")]
    ShutDown,
    /// The far end hung up or refused.
    #[error("{}{}", .cause.text(), words(.detail))]
    Far {
        /// As told.
        cause: Cause,
        /// In the server's words.
        detail: Option<String>,
    },
    /// The server refused or ended it.
    #[error("the server ended the call: {}{}", .cause.text(), words(.detail))]
    Server {
        /// As told.
        cause: Cause,
        /// In the server's words.
        detail: Option<String>,
    },
    /// The connection to the server was lost, and the call with it.
    #[error("the connection to the server was lost{}", words(.detail))]
    ConnectionLost {
        /// What happened.
        detail: Option<String>,
    },
    /// A time limit of signalling.
    #[error("{}", .detail.as_deref().unwrap_or("a time limit of the call was reached"))]
    TimeLimit {
        /// As told.
        cause: Cause,
        /// Which limit.
        detail: Option<String>,
    },
    /// Media failed.
    #[error(transparent)]
    Media(MediaError),
    /// No path was found, and the server names only addresses of a private network.
    #[error("{error}; the server says that its media is at {}, an address of a private network", list(.addresses))]
    PrivateMedia {
        /// How it failed.
        error: MediaError,
        /// Where the server says that its media is.
        addresses: Vec<IpAddr>,
    },
    /// Both sides have nothing in common, or the far end's description makes no sense.
    #[error("the far end's media cannot be used: {0}")]
    MediaRefused(String),
    /// No socket for the call's media.
    #[error("{0}")]
    NoSocket(String),
    /// The media worker did not do its part.
    #[error("the media worker gave the call up")]
    MediaLost,
    /// An invitation without an offer.
    #[error("the server called without an SDP offer, which cannot be answered")]
    NoOffer,
    /// An answer without a description, and no early media before it.
    #[error("the server answered without an SDP answer")]
    NoAnswerDescription,
}

impl EndReason {
    /// What signalling told, as a reason.
    pub(crate) fn from_signaling(
        by: SignalingEndedBy,
        cause: &Cause,
        detail: Option<String>,
    ) -> Self {
        let cause = cause.clone();
        match by {
            SignalingEndedBy::Local => Self::HungUp,
            SignalingEndedBy::Remote => Self::Far { cause, detail },
            SignalingEndedBy::Network => Self::ConnectionLost { detail },
            SignalingEndedBy::Timeout => Self::TimeLimit { cause, detail },
            // The server, or whoever a later protocol names.
            SignalingEndedBy::Server | _ => Self::Server { cause, detail },
        }
    }

    /// Who ended it.
    #[must_use]
    pub const fn by(&self) -> EndedBy {
        match self {
            Self::HungUp | Self::ShutDown => EndedBy::Local,
            Self::Far { .. } | Self::Server { .. } | Self::NoOffer | Self::NoAnswerDescription => {
                EndedBy::Remote
            }
            Self::ConnectionLost { .. }
            | Self::TimeLimit { .. }
            | Self::Media(_)
            | Self::PrivateMedia { .. }
            | Self::MediaRefused(_)
            | Self::NoSocket(_)
            | Self::MediaLost => EndedBy::Network,
        }
    }

    /// What to do about it, where something can be done that the sentence does not say itself.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::HungUp | Self::ShutDown | Self::Media(_) | Self::NoSocket(_) => None,
            Self::Far { cause, .. }
            | Self::Server { cause, .. }
            | Self::TimeLimit { cause, .. } => {
                Some(cause.remedy()).filter(|_| *cause != Cause::NORMAL_CLEARING)
            }
            Self::PrivateMedia { .. } => Some(PUBLIC_ADDRESS),
            Self::MediaRefused(_) => Some(Cause::INCOMPATIBLE_DESTINATION.remedy()),
            Self::ConnectionLost { .. } => Some("call again when the account is ready"),
            Self::MediaLost => {
                Some("end other calls if the machine is overloaded, then call again")
            }
            Self::NoOffer | Self::NoAnswerDescription => Some("ask the operator of the server"),
        }
    }
}

/// The remedy that only the operator of a server behind a NAT has.
const PUBLIC_ADDRESS: &str = "unless this machine is in that network, let the server's operator name its public address: for FreeSWITCH \
                              `ext-rtp-ip` in the profile of mod_verto (`verto.conf.xml`)";

fn list(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

fn words(detail: &Option<String>) -> String {
    detail
        .as_ref()
        .map(|detail| format!(" ({detail})"))
        .unwrap_or_default()
}
