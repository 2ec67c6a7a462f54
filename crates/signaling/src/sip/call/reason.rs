//! Why a call ended, in the words of SIP: status codes and Reason (RFC 3326).

use crate::cause::Cause;
use crate::event::{EndedBy, Said as EventSaid};
use crate::sip::message::HeaderName;
use crate::sip::message::headers::Headers;
use crate::sip::message::params::Params;
use crate::sip::message::quoted;

/// What a Reason says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::sip) struct Said {
    /// Its Q.850 cause, or the one that its SIP code stands for.
    pub(in crate::sip) cause: Option<Cause>,
    /// Its words.
    pub(in crate::sip) text: Option<String>,
    /// Another device took the call: it is not a missed one.
    pub(in crate::sip) elsewhere: bool,
}

/// Reads every Reason of a message.
pub(in crate::sip) fn read(headers: &Headers) -> Said {
    let mut said = Said::default();
    for line in headers.all(&HeaderName::Reason) {
        for value in quoted::split(&line, ',') {
            let (protocol, tail) = quoted::split_once(value, ';').unwrap_or((value, ""));
            let params = Params::read(tail);
            let code: Option<u16> = params.get("cause").and_then(|code| code.parse().ok());
            let cause = if protocol.trim().eq_ignore_ascii_case("Q.850") {
                code.and_then(Cause::from_code)
            } else if protocol.trim().eq_ignore_ascii_case("SIP") {
                said.elsewhere |= code.is_some_and(|code| code / 100 == 2);
                code.and_then(Cause::from_sip)
            } else {
                None
            };
            said.cause = said.cause.or(cause);
            let text = params.get("text").filter(|text| !text.is_empty());
            said.text = said.text.or_else(|| text.map(str::to_owned));
        }
    }
    said
}

/// The Reason of a BYE or CANCEL of ours, where the cause is one of Q.850.
pub(in crate::sip) fn write(cause: &Cause) -> Option<String> {
    (cause.code() > 0 && cause.code() < 128)
        .then(|| format!("Q.850;cause={};text=\"{}\"", cause.code(), cause.name()))
}

/// The status that refuses a call for that cause.
pub(in crate::sip) fn status(cause: &Cause) -> u16 {
    if *cause == Cause::CALL_REJECTED {
        return 603;
    }
    cause
        .sip()
        .filter(|status| (400..700).contains(status) && *status != 487)
        .unwrap_or(480)
}

/// Who it is that refuses with that status: the far side's user, or a server on the way.
pub(in crate::sip) fn refuser(status: u16) -> EndedBy {
    match status {
        480 | 486 | 487 | 488 | 600 | 603 | 604 | 606 | 607 => EndedBy::Remote,
        _ => EndedBy::Server,
    }
}

/// The cause of a refusal: that of its Reason before that of its status.
pub(in crate::sip) fn of_refusal(status: u16, headers: &Headers) -> (Cause, Option<String>) {
    let said = read(headers);
    let cause = said
        .cause
        .or_else(|| Cause::from_sip(status))
        .unwrap_or(Cause::NORMAL_TEMPORARY_FAILURE);
    (cause, said.text)
}

/// What a message says beside its purpose.
pub(in crate::sip) fn said(headers: &Headers) -> Box<EventSaid> {
    Box::new(EventSaid {
        headers: headers.others(),
        client_state: None,
        variables: Vec::new(),
    })
}
