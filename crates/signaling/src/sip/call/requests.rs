//! Requests of ours within a call, and the ACKs that are none.

use std::time::Instant;

use crate::sip::auth::authorization::Authorization;
use crate::sip::call::state::Call;
use crate::sip::dialog::Dialog;
use crate::sip::flow_id::FlowId;
use crate::sip::message::outgoing::{Content, OutgoingRequest};
use crate::sip::message::{HeaderName, Method};
use crate::sip::random;
use crate::sip::session::core::Core;
use crate::sip::session::owner::{InCall, Purpose};
use crate::sip::transaction::draft::Hop;

impl Call {
    /// Sends a request within one of the call's dialogs.
    pub(in crate::sip) fn send_in(
        &mut self,
        dialog: &mut Dialog,
        method: Method,
        content: Content,
        what: InCall,
        core: &mut Core,
        now: Instant,
    ) -> String {
        let flow = self.way(core);
        let cseq = dialog.next_cseq();
        let draft = dialog.draft(method, content);
        core.request(
            draft,
            cseq,
            Some(&mut self.auth),
            flow,
            Purpose::InCall(self.id.clone(), what),
            now,
        )
    }

    /// The connection that the call's requests take: its own as long as that is ready, else any that is.
    pub(in crate::sip) fn way(&mut self, core: &Core) -> FlowId {
        let own = core.flow(self.flow);
        if !own.is_some_and(|flow| flow.is_ready(&core.config))
            && let Some(other) = core.ready_flow()
        {
            self.flow = other;
        }
        self.flow
    }
}

/// The ACK of a 2xx: a request of its own with the INVITE's number and credentials (RFC 3261, 13.2.2.4 and 22.1).
pub(in crate::sip) fn answer_ack(
    dialog: &Dialog,
    cseq: u32,
    invite: Option<&OutgoingRequest>,
    sdp: Option<String>,
    flow: FlowId,
    core: &mut Core,
) -> OutgoingRequest {
    let mut content = Content::default();
    for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization] {
        for value in invite.iter().flat_map(|invite| invite.content.all(&name)) {
            content.push(&name, value);
        }
    }
    if let Some(sdp) = sdp {
        content.set_body("application/sdp", sdp);
    }
    let draft = dialog.draft(Method::Ack, content);
    let branch = random::branch(&mut core.rng);
    let hop = Hop {
        transport: core.flow(flow).map_or("WS", |flow| flow.via_transport()),
        sent_by: &core.agent.host,
        keep: false,
    };
    draft.request(hop, &branch, cseq)
}

/// Ends a dialog that nobody wants: a fork that answered too late, a call that was cancelled too late.
pub(in crate::sip) fn stray_bye(
    dialog: &mut Dialog,
    auth: Option<&mut Authorization>,
    flow: FlowId,
    core: &mut Core,
    now: Instant,
) {
    let cseq = dialog.next_cseq();
    let draft = dialog.draft(Method::Bye, Content::default());
    core.request(draft, cseq, auth, flow, Purpose::Nobody, now);
}
