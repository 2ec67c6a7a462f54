//! Dialogs that nobody wants: of a fork that was too slow, of a call that was given up too late (RFC 3261, 13.2.2.4).
//!
//! Each is a call in its last phase that no user ever heard of: its goodbye is challenged, lost with its connection and said
//! again like any other.

use std::time::{Duration, Instant};

use crate::call_id::CallId;
use crate::event::Party;
use crate::sip::auth::authorization::Authorization;
use crate::sip::call::ending::goodbye_time;
use crate::sip::call::headers::Guise;
use crate::sip::call::requests::answer_ack;
use crate::sip::call::session_timer::{self, SessionTimer};
use crate::sip::call::state::{Call, Leaving, Phase};
use crate::sip::call::trickle::Trickle;
use crate::sip::deadline::Deadline;
use crate::sip::dialog::Dialog;
use crate::sip::flow_id::FlowId;
use crate::sip::message::Method;
use crate::sip::message::address::NameAddr;
use crate::sip::message::response::Response;
use crate::sip::session::core::Core;
use crate::sip::session::owner::Owner;

impl Call {
    /// A 2xx to our INVITE that this call does not wait for, `first` or further: of the same fork its copy, of another fork
    /// a call that nobody wants, which comes back.
    pub(in crate::sip) fn on_unwanted_answer(
        &mut self,
        response: &Response,
        first: bool,
        came_on: FlowId,
        core: &mut Core,
        now: Instant,
    ) -> Option<Self> {
        if let Phase::Up(up) = &self.phase
            && up.dialog.has_answer(&response.ids)
        {
            // Its ACK waits for our user's answer.
            return None;
        }
        if first {
            self.auth.on_accepted(response);
        }
        let way = self.way(core);
        let open = core.flow(way).is_some_and(|flow| flow.is_open());
        let flow = if open { way } else { came_on };
        let parted = Self::part(response, Some(&mut self.auth), flow, core, now);
        if let Phase::Leaving(leaving) = &mut self.phase {
            leaving.invite = None;
            if leaving.bye.is_none() {
                self.phase = Phase::Over;
            }
        }
        parted
    }

    /// ACK and BYE for a 2xx whose call is gone. `auth`: of the call that it belongs to, whose challenges the first BYE
    /// answers unasked.
    pub(in crate::sip) fn part(
        response: &Response,
        auth: Option<&mut Authorization>,
        flow: FlowId,
        core: &mut Core,
        now: Instant,
    ) -> Option<Self> {
        let mut dialog = acknowledge(response, flow, core)?;
        // PRACKs may have used numbers above the INVITE's; a gap does no harm.
        dialog.local_cseq += 100;
        let time = time_of(response);
        Some(Self::parting(dialog, time, auth, flow, core, now))
    }

    /// A 2xx comes, anew or once more, from a far side that has not heard our goodbye with the number `missed`: another one.
    pub(in crate::sip) fn part_again(
        response: &Response,
        missed: u32,
        flow: FlowId,
        core: &mut Core,
        now: Instant,
    ) -> Option<Self> {
        let invite = core
            .clients
            .get(response.ids.via.branch(), &Method::Invite)?;
        let (draft, cseq) = (&invite.draft, invite.cseq);
        let legible = || Dialog::of_astray_answer(draft, cseq, response);
        let mut dialog = Dialog::of_answer(draft, cseq, response).or_else(legible)?;
        if invite.draft.to_tag().is_some() {
            // The route set of a dialog stays (12.2.1.2).
            let routes = invite.draft.routes.iter();
            dialog.routes = routes.filter_map(|it| NameAddr::parse(it).ok()).collect();
            dialog.edge = invite.draft.way.learnt;
        }
        dialog.local_cseq = missed;
        let time = time_of(response);
        Some(Self::parting(dialog, time, None, flow, core, now))
    }

    fn parting(
        dialog: Dialog,
        time: Duration,
        auth: Option<&mut Authorization>,
        flow: FlowId,
        core: &mut Core,
        now: Instant,
    ) -> Self {
        let mut stray = Self {
            id: CallId::random(&mut core.rng),
            flow,
            auth: Authorization::default(),
            sip_call_id: dialog.call_id.clone(),
            least_session: session_timer::LEAST,
            refer: None,
            depth: 0,
            verdict: None,
            guise: Guise {
                hides: false,
                secure: dialog.secure,
            },
            shown: Party::default(),
            trickle: Trickle::default(),
            their_media: 0,
            reserve: None,
            phase: Phase::Leaving(Leaving {
                bye: Some(Box::new(dialog)),
                owed_until: Some(now + time),
                ..Leaving::default()
            }),
        };
        let owner = Owner::Call(stray.id.clone());
        core.deadlines.set(Deadline::Detached, owner, now + time);
        let mut own = Authorization::default();
        let auth = auth.unwrap_or(&mut own);
        // Uses of a nonce are counted in one place; a challenge of this BYE is its own.
        std::mem::swap(&mut stray.auth, auth);
        stray.say_bye(core, now);
        std::mem::swap(&mut stray.auth, auth);
        stray
    }
}

/// How long whoever said that 2xx may have the call.
fn time_of(response: &Response) -> Duration {
    let session = SessionTimer::as_caller(&response.headers);
    goodbye_time(session.map(|session| session.interval))
}

/// ACK of a 2xx that no call wants. Gives back the dialog that it made.
pub(in crate::sip) fn acknowledge(
    response: &Response,
    flow: FlowId,
    core: &mut Core,
) -> Option<Dialog> {
    let branch = response.ids.via.branch().to_owned();
    let transaction = core.clients.get(&branch, &Method::Invite)?;
    let (invite, draft, cseq) = (
        transaction.request.clone(),
        transaction.draft.clone(),
        transaction.cseq,
    );
    if core.clients.is_flooded(&draft.call_id) {
        core.count_malformed("too many answers to one INVITE");
        return None;
    }
    if core.clients.is_answered_out(&branch) {
        core.count_malformed("too many answers to one INVITE");
        return None;
    }
    let legible = || Dialog::of_astray_answer(&draft, cseq, response);
    let Some(dialog) = Dialog::of_answer(&draft, cseq, response).or_else(legible) else {
        core.count_malformed("a 200 to INVITE that makes no dialog");
        return None;
    };
    let ack = answer_ack(&dialog, cseq, Some(&invite), None, flow, core);
    core.send_request(&ack, flow);
    core.clients
        .note_ack(&dialog.call_id, cseq, dialog.remote_tag(), &ack);
    Some(dialog)
}
