//! INFO within a call: digits of both old kinds, and packages (RFC 6086).

use std::time::{Duration, Instant};

use serde_json::json;

use crate::command::InfoItem;
use crate::error::Error;
use crate::event::Event;
use crate::sip::call::headers::{recv_info, recv_info_name};
use crate::sip::call::offers::{core_answer, core_answer_with};
use crate::sip::call::state::{Call, Phase};
use crate::sip::call::trickle::TRICKLE;
use crate::sip::config::DtmfInfo;
use crate::sip::deadline::Deadline;
use crate::sip::message::outgoing::Content;
use crate::sip::message::quoted::is_token;
use crate::sip::message::request::Request;
use crate::sip::message::response::Response;
use crate::sip::message::{HeaderName, Method};
use crate::sip::session::core::Core;
use crate::sip::session::owner::{InCall, Owner};
use crate::sip::transaction::server::ServerKey;

/// Duration of a digit in an INFO, in milliseconds.
const DIGIT: u32 = 160;
/// Most digits that wait.
const MOST_DIGITS: usize = 512;
/// Longest body of an INFO, either way.
pub(in crate::sip) const LONGEST: usize = 16 * 1024;
const RELAY: &str = "application/dtmf-relay";
const PLAIN: &str = "application/dtmf";

impl Call {
    /// Digits by INFO, one after the other, and pauses between them.
    pub(in crate::sip) fn send_digits(
        &mut self,
        digits: &str,
        core: &mut Core,
        now: Instant,
    ) -> Result<(), Error> {
        if let Phase::Up(up) = &mut self.phase {
            if up.digits.len() + digits.len() > MOST_DIGITS {
                return Err(Error::Unsayable {
                    command: "DTMF",
                    fault: "too many digits wait already",
                });
            }
            let played = digits.chars().map(|digit| match digit {
                'w' => 'w',
                other => other.to_ascii_uppercase(),
            });
            up.digits.extend(played);
        }
        self.next_digit(core, now);
        Ok(())
    }

    pub(in crate::sip) fn next_digit(&mut self, core: &mut Core, now: Instant) {
        let usual = core.config.dtmf_info;
        let has_way = self.has_way(core);
        let Phase::Up(up) = &mut self.phase else {
            return;
        };
        let owner = Owner::Call(self.id.clone());
        let pauses = core.deadlines.is_set(Deadline::DigitPause, &owner);
        if !has_way || pauses || up.digit_out.is_some() {
            return;
        }
        let Some(digit) = up.digits.pop_front() else {
            return;
        };
        if let Some(pause) = pause_of(digit) {
            core.deadlines.set(Deadline::DigitPause, owner, now + pause);
            return;
        }
        let kind = *up.digit_kind.get_or_insert(usual);
        up.digit_out = Some(digit);
        let mut content = Content::default();
        content.push(&HeaderName::UserAgent, core.config.user_agent.as_str());
        match kind {
            DtmfInfo::Relay => {
                let body = format!("Signal={digit}\r\nDuration={DIGIT}\r\n");
                content.set_body(RELAY, body);
            }
            DtmfInfo::Plain => content.set_body(PLAIN, digit.to_string()),
        }
        self.in_dialog(Method::Info, content, InCall::Digit, core, now);
    }

    /// A digit was refused for its form: `true` when it goes again in the other one, which the far side names.
    pub(in crate::sip) fn change_digit_kind(
        &mut self,
        response: &Response,
        core: &mut Core,
        now: Instant,
    ) -> bool {
        let Phase::Up(up) = &mut self.phase else {
            return false;
        };
        let (Some(digit), 415) = (up.digit_out, response.status) else {
            return false;
        };
        let (other, name) = match up.digit_kind {
            Some(DtmfInfo::Relay) => (DtmfInfo::Plain, PLAIN),
            Some(DtmfInfo::Plain) => (DtmfInfo::Relay, RELAY),
            None => return false,
        };
        if up.digit_changed || !response.headers.lists(&HeaderName::Accept, name) {
            return false;
        }
        up.digit_changed = true;
        up.digit_kind = Some(other);
        up.digit_out = None;
        up.digits.push_front(digit);
        self.next_digit(core, now);
        true
    }

    /// An INFO of a package, if the far side takes it (RFC 6086, 4.2.1).
    pub(in crate::sip) fn send_info(
        &mut self,
        item: InfoItem,
        core: &mut Core,
        now: Instant,
    ) -> Result<(), Error> {
        let InfoItem::Package {
            package,
            content_type,
            body,
        } = item
        else {
            return Err(Error::NotInDialect {
                dialect: "SIP",
                command: "info without a package",
            });
        };
        let Phase::Up(up) = &self.phase else {
            return Ok(());
        };
        let unsayable = |fault| {
            Err(Error::Unsayable {
                command: "info",
                fault,
            })
        };
        let known = up.dialog.peer.info_packages.as_ref();
        if !known.is_some_and(|known| known.iter().any(|one| one.eq_ignore_ascii_case(&package))) {
            return unsayable("the far side does not take this package");
        }
        if body.len() > LONGEST {
            return unsayable("the body is too long");
        }
        let kind = content_type.split_once('/');
        let is_type = kind.is_some_and(|(main, sub)| {
            let sub = sub.split(';').next().unwrap_or_default().trim_end();
            let token = |text: &str| !text.is_empty() && text.bytes().all(is_token);
            token(main) && token(sub)
        });
        if !is_type || content_type.chars().any(char::is_control) {
            return unsayable("the content type is none");
        }
        let mut content = Content::default();
        content.push(&HeaderName::UserAgent, core.config.user_agent.as_str());
        content.push_named("Info-Package", &package);
        if !body.is_empty() {
            content.push(&HeaderName::ContentDisposition, "Info-Package");
            content.set_body(&content_type, body);
        }
        self.in_dialog(Method::Info, content, InCall::Info, core, now);
        Ok(())
    }

    /// INFO of the far side: digits of either kind (RFC 6086 leaves them aside), or a package that we named.
    pub(in crate::sip) fn on_info(
        &mut self,
        request: &Request,
        key: &ServerKey,
        core: &mut Core,
        now: Instant,
    ) {
        if request.body.len() > LONGEST {
            return core_answer(core, key, 513, now);
        }
        let kind = request.content_type();
        let body = String::from_utf8_lossy(&request.body).into_owned();
        if let Some(package) = request.headers.other("Info-Package") {
            if core.config.trickle && package.trim().eq_ignore_ascii_case(TRICKLE) {
                return self.on_candidates(request, key, core, now);
            }
            return self.on_package(&package, kind, body, key, core, now);
        }
        let digit = match kind.as_deref() {
            Some(RELAY) => body
                .lines()
                .filter_map(|line| line.split_once('='))
                .find(|(name, _)| name.trim().eq_ignore_ascii_case("signal"))
                .and_then(|(_, digit)| as_digit(digit)),
            Some(PLAIN) => as_digit(&body),
            None => return core_answer(core, key, 200, now),
            Some(_) => {
                let accept = "application/dtmf-relay, application/dtmf";
                return core_answer_with(core, key, 415, &[(HeaderName::Accept, accept)], now);
            }
        };
        let Some(digit) = digit else {
            return core_answer(core, key, 400, now);
        };
        core_answer(core, key, 200, now);
        core.tell(Event::Digit {
            call: self.id.clone(),
            digit,
        });
    }

    fn on_package(
        &self,
        package: &str,
        kind: Option<String>,
        body: String,
        key: &ServerKey,
        core: &mut Core,
        now: Instant,
    ) {
        // Parameters are the package's own.
        let name = package.split(';').next().unwrap_or_default().trim();
        let mut known = core.config.info_packages.iter();
        if !known.any(|one| one.eq_ignore_ascii_case(name)) {
            // 4.2.2: the dialog lives on.
            let ours = recv_info(&core.config);
            let line = (recv_info_name(), ours.as_str());
            return core_answer_with(core, key, 469, &[line], now);
        }
        core_answer(core, key, 200, now);
        core.tell(Event::Info {
            call: Some(self.id.clone()),
            data: json!({"package": package.trim(), "content_type": kind, "body": body}),
        });
    }
}

/// How long a letter among digits waits; `None`: it is a digit.
fn pause_of(digit: char) -> Option<Duration> {
    match digit {
        'w' => Some(Duration::from_millis(500)),
        'W' => Some(Duration::from_secs(1)),
        _ => None,
    }
}

fn as_digit(text: &str) -> Option<char> {
    let digit = text.trim().chars().next()?.to_ascii_uppercase();
    match text.trim() {
        // Events 10 and 11 of RFC 4733, as some write them.
        "10" => return Some('*'),
        "11" => return Some('#'),
        one if one.len() == 1 => {}
        _ => return None,
    }
    matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D').then_some(digit)
}
