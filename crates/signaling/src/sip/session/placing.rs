//! Calls that the user places: of its own, for a REFER of the far side, or in another's place.

use std::time::Instant;

use crate::cause::Cause;
use crate::command::Command;
use crate::error::Error;
use crate::event::{EndedBy, Event};
use crate::sip::call::calling::Placing;
use crate::sip::call::state::Call;
use crate::sip::flow_id::FlowId;
use crate::sip::session::machine::Session;

impl Session {
    pub(super) fn on_invite_command(&mut self, command: Command, now: Instant) {
        let Command::Invite {
            call,
            to,
            sdp,
            caller_name,
            caller_number,
            headers,
            refer,
            replaces,
            ..
        } = command
        else {
            return;
        };
        if self.calls.contains_key(&call) {
            let error = Error::CallExists {
                call: call.to_string(),
            };
            return self.refuse_command(call, error);
        }
        let referral = refer.as_ref().and_then(|name| self.referral(name));
        let asked = referral.is_some();
        let placed = if refer.is_some() && referral.is_none() {
            Err(Error::Unsayable {
                command: "call",
                fault: "the far side did not ask for it, or does not any more",
            })
        } else if let Some(flow) = self.core.ready_flow().filter(|_| !self.stopping) {
            let wish = Placing {
                id: call.clone(),
                to,
                sdp,
                caller_name,
                caller_number,
                headers,
                referral,
                replaces,
            };
            Call::place(wish, flow, &mut self.core, now)
        } else {
            Err(Error::NotReady {
                server: self.core.server_name(FlowId(0)),
                command: "call",
            })
        };
        match placed {
            Ok(mut placed) => {
                placed.refer.clone_from(&refer);
                self.calls.insert(call.clone(), placed);
                if let Some(refer) = refer {
                    self.carry_refer(&refer, call, now);
                }
            }
            Err(error) => {
                if let Some(refer) = refer.filter(|_| asked) {
                    // What cannot be sent now cannot be sent later; the far side is not to wait for it.
                    self.note_refer(&refer, 500, "", now);
                }
                self.core.tell(Event::Ended {
                    call,
                    by: EndedBy::Local,
                    cause: Cause::NORMAL_TEMPORARY_FAILURE,
                    detail: Some(error.to_string()),
                    elsewhere: false,
                    headers: Vec::new(),
                    client_state: None,
                    sip: Box::default(),
                });
            }
        }
    }
}
