//! What clients say beside their calls, and the far end hears: header fields, and the SIP status of an end (Telnyx).

use offhook_signaling::verto::message::client::ClientBye;
use offhook_signaling::verto::message::dialog_params::{DialogParams, Header};

use crate::switch::leg::LegId;
use crate::verto::gateway::Gateway;
use crate::verto::session::{Call, SessionId};

/// What is known of one client's words about its call.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// With its invite or its answer.
    pub(super) headers: Vec<Header>,
    /// Comes back in every message about the call.
    pub(super) client_state: Option<String>,
    /// What the far end said with its bye.
    pub(super) farewell: Option<Farewell>,
}

/// What goes with an end.
#[derive(Debug, Default, Clone)]
pub(super) struct Farewell {
    pub(super) headers: Vec<Header>,
    pub(super) sip_code: Option<u16>,
}

impl Gateway {
    /// Keeps what a client says with its invite or its answer.
    pub(super) fn keep_said(&mut self, session: SessionId, name: &str, dialog: &DialogParams) {
        if !self.is_telnyx(session) {
            return;
        }
        if let Some(call) = self.call_mut(session, name) {
            call.said.headers = dialog.custom_headers.clone().unwrap_or_default();
            if let Some(state) = &dialog.client_state {
                call.said.client_state = Some(state.clone());
            }
        }
    }

    /// The calls at the other end hear with what words this one is ended.
    pub(super) fn keep_farewell(&mut self, session: SessionId, leg: LegId, bye: &ClientBye) {
        if !self.is_telnyx(session) {
            return;
        }
        let farewell = Farewell {
            headers: bye.dialog_params.custom_headers.clone().unwrap_or_default(),
            sip_code: bye.sip_code,
        };
        for leg in self.exchange.tied_to(leg) {
            if let Some(call) = self.call_of_leg(leg) {
                call.said.farewell = Some(farewell.clone());
            }
        }
    }

    /// What the far end of a leg said with its invite or its answer.
    pub(super) fn heard(&mut self, leg: LegId) -> Vec<Header> {
        let mut headers = Vec::new();
        for leg in self.exchange.tied_to(leg) {
            if let Some(call) = self.call_of_leg(leg) {
                headers.extend(call.said.headers.iter().cloned());
            }
        }
        headers
    }

    fn call_of_leg(&mut self, leg: LegId) -> Option<&mut Call> {
        let (session, name) = self.legs.get(&leg).cloned()?;
        self.call_mut(session, &name)
    }

    pub(super) fn is_telnyx(&self, session: SessionId) -> bool {
        let known = self.sessions.get(&session);
        known.is_some_and(|known| known.face.telnyx_ids)
    }
}
