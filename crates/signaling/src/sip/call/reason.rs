//! Why a call ended, in the words of SIP: status codes and Reason (RFC 3326).

use crate::cause::Cause;
use crate::error::Span;
use crate::event::EndedBy;
use crate::sip::message::HeaderName;
use crate::sip::message::headers::Headers;
use crate::sip::message::params::Params;
use crate::sip::message::quoted;
use crate::sip::message::response::Response;
use crate::sip::message::status::reason_phrase;

/// Most addresses of a refusal that are shown.
const MOST_OTHERS: usize = 5;

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
        480 | 486..=488 | 493 | 600..=699 => EndedBy::Remote,
        _ => EndedBy::Server,
    }
}

/// The cause of a refusal: that of its Reason before that of its status.
pub(in crate::sip) fn of_refusal(status: u16, headers: &Headers) -> (Cause, Option<String>) {
    let said = read(headers);
    // An unknown code means what x00 of its class means (RFC 3261, 8.1.3.2).
    let cause = said
        .cause
        .or_else(|| Cause::from_sip(status))
        .or_else(|| Cause::from_sip(status / 100 * 100))
        .unwrap_or(Cause::NORMAL_TEMPORARY_FAILURE);
    (cause, said.text)
}

/// The words behind a code: the server's own, else the usual ones.
pub(in crate::sip) fn words(response: &Response) -> String {
    match response.reason.as_str() {
        "" => reason_phrase(response.status).to_owned(),
        reason => reason.to_owned(),
    }
}

/// What else a refusal says that helps a person: Warning (RFC 3261, 20.43), when to try again (20.33), who else could be
/// meant (21.4.23 and 21.3.5).
pub(in crate::sip) fn advice(response: &Response) -> String {
    let mut advice = String::new();
    if let Some(warning) = response.headers.get(&HeaderName::Warning) {
        // warn-code SP warn-agent SP warn-text
        let text = warning.split('"').nth(1).unwrap_or_default();
        if !text.is_empty() {
            advice.push_str("; ");
            advice.extend(text.chars().filter(|letter| !letter.is_control()).take(200));
        }
    }
    if let Some(pause) = response.headers.retry_after() {
        advice.push_str(&format!("; try again in {}", Span(pause)));
    }
    if matches!(response.status, 300..=399 | 485) {
        let others = response.headers.addresses(&HeaderName::Contact);
        let others: Vec<_> = others
            .unwrap_or_default()
            .iter()
            .take(MOST_OTHERS)
            .map(|other| other.uri.to_string())
            .collect();
        if !others.is_empty() {
            advice.push_str("; it names ");
            advice.push_str(&others.join(", "));
        }
    }
    advice
}
