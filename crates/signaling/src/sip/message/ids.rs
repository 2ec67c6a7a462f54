//! What tells a message's transaction and dialog: read once, with every message.

use sipx_sip as sipx;

use crate::sip::message::Method;
use crate::sip::message::address::NameAddr;
use crate::sip::message::via::Via;

/// The headers that every request and response must have (RFC 3261, 8.1.1), parsed.
#[derive(Clone, Debug)]
pub struct Ids {
    /// The topmost Via.
    pub via: Via,
    /// From, with its tag.
    pub from: NameAddr,
    /// To; its tag is absent before there is a dialog.
    pub to: NameAddr,
    /// Call-ID.
    pub call_id: String,
    /// Number of the request within its side of the dialog.
    pub cseq: u32,
    /// Method of the request, also in a response.
    pub method: Method,
}

/// Why a message cannot be taken, and with what a request of that kind is answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unusable {
    /// In a sentence.
    pub reason: String,
    /// 400, 505 and the like.
    pub status: u16,
}

impl Ids {
    pub(super) fn of(headers: &sipx::Headers) -> Result<Self, Unusable> {
        let cseq = required::<sipx::CSeq>(headers, "CSeq")?;
        Ok(Self {
            via: Via::from_parser(required::<sipx::Via>(headers, "Via")?),
            from: NameAddr::from_parser(required::<sipx::headers::From>(headers, "From")?.0),
            to: NameAddr::from_parser(required::<sipx::headers::To>(headers, "To")?.0),
            call_id: String::from_utf8_lossy(&required::<sipx::CallId>(headers, "Call-ID")?.0)
                .into_owned(),
            cseq: cseq.sequence,
            method: cseq.method,
        })
    }

    /// What must hold beside: the parser's own check of a message would parse all of this once more (RFC 4475, 3.3.8 and 3.1.2.16).
    pub(super) fn check(version: &sipx::Version, headers: &sipx::Headers) -> Result<(), Unusable> {
        if !version.is_supported() {
            return Err(Unusable {
                reason: "its version is not 2.0".to_owned(),
                status: 505,
            });
        }
        let singles = [
            (sipx::HeaderName::To, "To"),
            (sipx::HeaderName::From, "From"),
            (sipx::HeaderName::CallId, "Call-ID"),
            (sipx::HeaderName::CSeq, "CSeq"),
            (sipx::HeaderName::MaxForwards, "Max-Forwards"),
        ];
        match singles.iter().find(|(name, _)| headers.count(name) > 1) {
            Some((_, label)) => Err(Unusable {
                reason: format!("it has several {label}"),
                status: 400,
            }),
            None => Ok(()),
        }
    }

    /// The tag of From; empty with peers older than RFC 3261.
    pub fn from_tag(&self) -> &str {
        self.from.tag().unwrap_or_default()
    }

    /// The tag of To; empty before there is a dialog.
    pub fn to_tag(&self) -> &str {
        self.to.tag().unwrap_or_default()
    }
}

fn required<H: sipx::TypedHeader>(
    headers: &sipx::Headers,
    label: &'static str,
) -> Result<H, Unusable> {
    let bad = |reason| Unusable {
        reason,
        status: 400,
    };
    match headers.typed::<H>() {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(bad(format!("its {label} cannot be read: {error}"))),
        None => Err(bad(format!("it has no {label}"))),
    }
}
