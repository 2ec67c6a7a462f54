//! Sending the far side elsewhere, and what it says of its way (RFC 3515; RFC 5589; RFC 7647).

use std::time::{Duration, Instant};

use crate::cause::Cause;
use crate::error::Error;
use crate::event::{EndedBy, Event};
use crate::sip::call::calling::{routes, target};
use crate::sip::call::headers;
use crate::sip::call::identity;
use crate::sip::call::offers::{core_answer, ends_dialog};
use crate::sip::call::state::{Call, Phase, Referral};
use crate::sip::deadline::{Deadline, TRANSACTION};
use crate::sip::dialog::Dialog;
use crate::sip::dialog::edge::Way;
use crate::sip::message::address::NameAddr;
use crate::sip::message::outgoing::Content;
use crate::sip::message::params::Params;
use crate::sip::message::request::Request;
use crate::sip::message::response::Response;
use crate::sip::message::uri::Uri;
use crate::sip::message::{HeaderName, Method};
use crate::sip::random;
use crate::sip::referral::told;
use crate::sip::session::core::{Core, identity};
use crate::sip::session::owner::{InCall, Owner, Purpose};
use crate::sip::transaction::client::ClientTransaction;
use crate::sip::transaction::draft::Draft;
use crate::sip::transaction::server::ServerKey;

/// Longest time that a far side may take for a transfer.
const LONGEST: Duration = Duration::from_secs(3600);

impl Call {
    /// Sends the far side to that address (RFC 5589, 6); with `Replaces` in it to a call of ours that it takes over (7.3).
    pub(in crate::sip) fn refer(
        &mut self,
        to: Uri,
        core: &mut Core,
        now: Instant,
    ) -> Result<(), Error> {
        let Phase::Up(up) = &self.phase else {
            return Ok(());
        };
        if up.refer.is_some() {
            return Err(Error::WrongState {
                command: "transfer",
                state: "being transferred already",
            });
        }
        // RFC 7647, 4: outside of the dialog where the far side can be reached so, and finds the call by Target-Dialog.
        let outside = up.dialog.target.is_gruu() && up.dialog.peer.supports("tdialog");
        if outside {
            self.refer_outside(to, core, now);
        } else {
            self.refer_inside(to, core, now);
        }
        Ok(())
    }

    fn refer_content(&mut self, to: &Uri, core: &Core) -> Content {
        let flow = self.way(core);
        let mut content = Content::default();
        headers::push_request(&mut content, core, flow, self.guise);
        content.push(&HeaderName::ReferTo, format!("<{to}>"));
        // The far side reads it, and whoever it is sent to.
        let by = identity::uri(&core.config, self.guise.hides);
        content.push(&HeaderName::ReferredBy, format!("<{by}>"));
        content
    }

    fn refer_inside(&mut self, to: Uri, core: &mut Core, now: Instant) {
        let content = self.refer_content(&to, core);
        self.in_dialog(Method::Refer, content, InCall::Refer, core, now);
        if let Phase::Up(up) = &mut self.phase {
            up.refer = Some(Referral {
                to,
                cseq: up.dialog.local_cseq,
                own: None,
                told: false,
            });
        }
    }

    fn refer_outside(&mut self, to: Uri, core: &mut Core, now: Instant) {
        let flow = self.way(core);
        let mut content = self.refer_content(&to, core);
        let Phase::Up(up) = &mut self.phase else {
            return;
        };
        // Tags as the far side sees them (RFC 4538, 7).
        let name = format!(
            "{};local-tag={};remote-tag={}",
            up.dialog.call_id,
            up.dialog.remote_tag(),
            up.dialog.local_tag()
        );
        content.push_named("Target-Dialog", &name);
        content.push(&HeaderName::Require, "tdialog");
        let remote = NameAddr::new(up.dialog.remote.uri.clone());
        let own = Dialog {
            call_id: random::token(&mut core.rng),
            local: up
                .dialog
                .local
                .clone()
                .with_tag(&random::token(&mut core.rng)),
            remote,
            local_cseq: 1,
            remote_cseq: None,
            routes: Vec::new(),
            ..up.dialog.clone()
        };
        let draft = Draft {
            method: Method::Refer,
            uri: own.target.clone().without_headers(),
            routes: routes(core, flow),
            from: own.local.to_string(),
            to: own.remote.to_string(),
            call_id: own.call_id.clone(),
            content,
            way: Way {
                secure: own.secure,
                ..Way::default()
            },
        };
        up.refer = Some(Referral {
            to,
            cseq: 1,
            own: Some(Box::new(own)),
            told: false,
        });
        let purpose = Purpose::InCall(self.id.clone(), InCall::Refer);
        core.request(draft, 1, Some(&mut self.auth), flow, purpose, now);
    }

    /// The address of a blind transfer.
    pub(in crate::sip) fn refer_target(to: &str, core: &Core) -> Result<Uri, Error> {
        target(to, &core.config).ok_or(Error::Unsayable {
            command: "transfer",
            fault: "the number cannot be written as a SIP address",
        })
    }

    /// The address of an attended transfer: the far side of this call, replacing this one (RFC 3891).
    pub(in crate::sip) fn replaced_target(&self) -> Option<Uri> {
        let Phase::Up(up) = &self.phase else {
            return None;
        };
        let dialog = &up.dialog;
        // Tags as the target of the REFER's INVITE sees them.
        let replaces = format!(
            "{};to-tag={};from-tag={}",
            dialog.call_id,
            dialog.remote_tag(),
            dialog.local_tag()
        );
        // Nobody else finds a client behind its own connection: its user's address must do (RFC 7118, appendix B.1).
        let host = dialog.target.host().unwrap_or_default();
        let hidden = !dialog.target.is_gruu() && host.to_ascii_lowercase().ends_with(".invalid");
        let target = if hidden {
            dialog.remote.uri.clone()
        } else {
            dialog.target.clone()
        };
        Some(
            target
                .without_headers()
                .without_param("ob")
                .with_header("Replaces", &replaces),
        )
    }

    /// Our REFER has its answer: taken, which is no success yet, or refused.
    pub(in crate::sip) fn on_refer_answer(
        &mut self,
        transaction: &ClientTransaction<Purpose>,
        response: &Response,
        core: &mut Core,
        now: Instant,
    ) {
        let challenged = matches!(response.status, 401 | 407);
        let others = core.clients.count_of(&self.sip_call_id);
        let heals = challenged
            && self
                .auth
                .on_challenge_beside(response, &identity(&core.config), others)
                .is_ok();
        if !challenged {
            self.auth.on_accepted(response);
        }
        let flow = self.way(core);
        let owner = Owner::Call(self.id.clone());
        let Phase::Up(up) = &mut self.phase else {
            return;
        };
        let Some(referral) = &mut up.refer else {
            return;
        };
        if heals {
            match &mut referral.own {
                Some(own) => {
                    let cseq = own.next_cseq();
                    let purpose = Purpose::InCall(self.id.clone(), InCall::Refer);
                    let draft = transaction.draft.clone();
                    core.request(draft, cseq, Some(&mut self.auth), flow, purpose, now);
                }
                None => {
                    if self.send_again(InCall::Refer, transaction, core, now)
                        && let Phase::Up(up) = &mut self.phase
                        && let Some(referral) = &mut up.refer
                    {
                        referral.cseq = up.dialog.local_cseq;
                    }
                }
            }
            return;
        }
        if response.is_success() {
            if let Some(own) = &mut referral.own
                && own.remote.tag().is_none()
            {
                own.remote = response.ids.to.clone();
            }
            if !referral.told {
                core.deadlines
                    .set(Deadline::FirstNotice, owner, now + TRANSACTION);
            }
            return;
        }
        let outside = referral.own.is_some();
        let to = referral.to.clone();
        up.refer = None;
        match response.status {
            // It cannot be asked so: as old peers are asked (RFC 7647, 4).
            403..=405 | 416 | 420 | 421 | 480..=482 | 489 | 501 if outside => {
                self.refer_inside(to, core, now);
            }
            status if ends_dialog(status) && !outside => {
                let detail = format!("the far side does not know the call any more ({status})");
                let cause = Cause::NORMAL_TEMPORARY_FAILURE;
                self.close(EndedBy::Server, cause, Some(detail), &[], core, now);
            }
            status => self.transfer_failed(Some(status), &response.reason, core),
        }
    }

    /// Our REFER has no answer.
    pub(in crate::sip) fn on_no_refer_answer(&mut self, lost: bool, core: &mut Core, now: Instant) {
        let Phase::Up(up) = &mut self.phase else {
            return;
        };
        let Some(referral) = up.refer.take() else {
            return;
        };
        if referral.told {
            // Its answer was lost, its NOTIFY was not.
            up.refer = Some(referral);
        } else if lost {
            let error = Error::NotReady {
                server: core.server_name(self.flow),
                command: "transfer",
            };
            let call = self.id.clone();
            core.tell(Event::CommandFailed { call, error });
        } else if referral.own.is_some() {
            self.refer_inside(referral.to, core, now);
        } else {
            let detail = "the far side does not answer any more".to_owned();
            let cause = Cause::RECOVERY_ON_TIMER_EXPIRE;
            self.close(EndedBy::Timeout, cause, Some(detail), &[], core, now);
        }
    }

    fn transfer_failed(&mut self, status: Option<u16>, reason: &str, core: &mut Core) {
        let owner = Owner::Call(self.id.clone());
        core.deadlines.clear(Deadline::FirstNotice, &owner);
        core.deadlines.clear(Deadline::TransferExpiry, &owner);
        if let Phase::Up(up) = &mut self.phase {
            up.refer = None;
        }
        core.tell(Event::CommandFailed {
            call: self.id.clone(),
            error: Error::Refused {
                server: core.server_name(self.flow),
                setting: None,
                method: "REFER",
                code: status.map(i64::from),
                reason: reason.to_owned(),
            },
        });
    }

    /// The far side took our REFER and says no more about it.
    pub(in crate::sip) fn on_transfer_silence(&mut self, core: &mut Core) {
        let reason = "the far side does not tell how the transfer goes";
        self.transfer_failed(None, reason, core);
    }

    /// Whether a NOTIFY outside of the call's dialog is about its REFER. The first one makes the dialog (RFC 6665, 4.4.1).
    pub(in crate::sip) fn has_notice(&self, request: &Request) -> bool {
        let Phase::Up(up) = &self.phase else {
            return false;
        };
        let own = up.refer.as_ref().and_then(|refer| refer.own.as_ref());
        own.is_some_and(|own| {
            own.call_id == request.ids.call_id
                && own.local_tag() == request.ids.to_tag()
                && own
                    .remote
                    .tag()
                    .is_none_or(|tag| tag == request.ids.from_tag())
        })
    }

    /// How a transfer of ours goes (RFC 3515, 2.4.4): a status line in message/sipfrag.
    pub(in crate::sip) fn on_notify(
        &mut self,
        request: &Request,
        key: &ServerKey,
        core: &mut Core,
        now: Instant,
    ) {
        let Some((event, params)) = request.headers.parametrised(&HeaderName::Event) else {
            return core_answer(core, key, 400, now);
        };
        if !event.eq_ignore_ascii_case("refer") {
            return core_answer(core, key, 489, now);
        }
        let Phase::Up(up) = &mut self.phase else {
            return core_answer(core, key, 481, now);
        };
        let named = |cseq: u32| params.get("id").is_none_or(|id| id == cseq.to_string());
        let Some(referral) = up.refer.as_mut().filter(|refer| named(refer.cseq)) else {
            return core_answer(core, key, 481, now);
        };
        if let Some(own) = &mut referral.own
            && own.has_call_id(&request.ids.call_id)
        {
            if own.remote.tag().is_none() {
                own.remote = request.ids.from.clone();
            }
            if own.take_request(request).is_err() {
                return core_answer(core, key, 500, now);
            }
        }
        let first = !std::mem::replace(&mut referral.told, true);
        core_answer(core, key, 200, now);
        let state = request.headers.get(&HeaderName::SubscriptionState);
        let (state, params) = split_state(&state.unwrap_or_default());
        let owner = Owner::Call(self.id.clone());
        core.deadlines.clear(Deadline::FirstNotice, &owner);
        match told::read(&request.body) {
            Some(200..=299) => {
                up.refer = None;
                let call = self.id.clone();
                core.tell(Event::Transferred { call });
                let detail = Some("transferred".to_owned());
                let cause = Cause::NORMAL_CLEARING;
                self.close(EndedBy::Local, cause, detail, &[], core, now);
            }
            Some(status @ 300..=699) => {
                let body = String::from_utf8_lossy(&request.body);
                let line = body.trim_start().lines().next().unwrap_or_default();
                let line: String = line.chars().take(128).collect();
                self.transfer_failed(Some(status), &line, core);
            }
            None if state == "terminated" => {
                let reason =
                    "the far side ended its word about the transfer without saying how it went";
                self.transfer_failed(None, reason, core);
            }
            _ => {
                let expires = params.get("expires").and_then(|text| text.parse().ok());
                let span = expires.map_or(LONGEST, Duration::from_secs).min(LONGEST);
                // Some clients say so with every word of theirs, the first included (SIP.js 0.21), and go on all the same.
                let ended = state == "terminated";
                let span = if ended {
                    core.config.timers.unanswered
                } else {
                    span
                };
                if first || ended || expires.is_some() {
                    core.deadlines
                        .set(Deadline::TransferExpiry, owner, now + span);
                }
            }
        }
    }
}

/// Subscription-State in small letters, with its parameters.
fn split_state(line: &str) -> (String, Params) {
    let (state, tail) = line.split_once(';').unwrap_or((line, ""));
    (state.trim().to_ascii_lowercase(), Params::read(tail))
}
