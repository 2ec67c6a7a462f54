//! Requests of ours within a call, and the ACKs that are none.

use std::time::Instant;

use crate::sip::call::state::Call;
use crate::sip::dialog::Dialog;
use crate::sip::flow_id::FlowId;
use crate::sip::message::outgoing::{Content, OutgoingRequest};
use crate::sip::message::{HeaderName, Method};
use crate::sip::random;
use crate::sip::session::core::Core;
use crate::sip::session::flow::Flow;
use crate::sip::session::owner::{InCall, Purpose};
use crate::sip::transaction::client::ClientTransaction;

impl Call {
    /// Sends a request within one of the call's dialogs.
    pub(in crate::sip) fn send_in(
        &mut self,
        dialog: &mut Dialog,
        method: Method,
        mut content: Content,
        what: InCall,
        core: &mut Core,
        now: Instant,
    ) -> String {
        let flow = self.way(core);
        if content.get(&HeaderName::Supported).is_none() {
            // RFC 4028, 7.1: `timer` in every request but ACK; RFC 5626 and RFC 5627 want theirs likewise.
            content.push(
                &HeaderName::Supported,
                super::headers::supported(&core.config),
            );
        }
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

    /// Whether there is a connection that its requests can take.
    pub(in crate::sip) fn has_way(&mut self, core: &Core) -> bool {
        let way = self.way(core);
        core.flow(way)
            .is_some_and(|flow| flow.is_ready(&core.config))
    }

    /// That connection, told from those that the same flow had before; `None`: it is not open.
    pub(in crate::sip) fn connection(&mut self, core: &Core) -> Option<(FlowId, u32)> {
        let way = self.way(core);
        let flow = core.flow(way).filter(|flow| flow.is_open())?;
        Some((way, flow.connection))
    }

    /// The connection that the call's requests take: its own as long as that is ready, else any that is. Where none is: its own
    /// if that is open at least, else any that is. Of a secure call only those with TLS count.
    pub(in crate::sip) fn way(&mut self, core: &Core) -> FlowId {
        let secure = self.guise.secure;
        let own = core.flow(self.flow).filter(|flow| flow.carries(secure));
        if own.is_some_and(|flow| flow.is_ready(&core.config)) {
            return self.flow;
        }
        let open = || {
            core.open_flow_for(secure)
                .filter(|_| !own.is_some_and(Flow::is_open))
        };
        if let Some(other) = core.ready_flow_for(secure).or_else(open) {
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
    draft.request(core.hop(flow, false), &branch, cseq)
}

/// A goodbye did not arrive.
pub(in crate::sip) fn note_missed(transaction: &ClientTransaction<Purpose>, core: &mut Core) {
    if let Some(tag) = transaction.draft.to_tag() {
        let call_id = &transaction.draft.call_id;
        core.clients.note_missed(call_id, &tag, transaction.cseq);
    }
}
