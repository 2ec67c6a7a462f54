//! What the operator orders while the sandbox runs.

use crate::fault::gateway::{Mishap, State, Wish};
use crate::fault::plan::Fault;
use crate::fault::rest::RestFault;

/// One order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// This happens now to every socket of a user, or of everybody.
    Now {
        mishap: Mishap,
        user: Option<String>,
    },
    /// The gateway tells its state unasked.
    Tell { state: State, user: Option<String> },
    /// The server announces something to its clients (FreeSWITCH).
    Announce { text: String, user: Option<String> },
    /// One more wish for the gateway.
    Wish(Wish),
    /// One more wish for the REST API.
    Rest(RestFault),
    /// From now on all goes well: for one user, or altogether.
    Clear { user: Option<String> },
}

impl Order {
    /// Reads a fault as it stands in an order: a word for now, `NAME=VALUE` for later, `none` for the end of the plan.
    pub(crate) fn read(fault: &str, user: Option<String>) -> Result<Self, String> {
        if fault == "none" {
            return Ok(Self::Clear { user });
        }
        if !fault.contains('=') {
            let mishap = fault.parse().map_err(|error| {
                format!(
                    "{error}; write drop, silent, deaf, punt, cut-frame, attach, lose-row, forget-flow, none, or NAME=VALUE as for --fault"
                )
            })?;
            return Ok(Self::Now { mishap, user });
        }
        Ok(match fault.parse()? {
            Fault::Rest(fault) => Self::Rest(fault),
            Fault::Gateway(wish) => Self::Wish(Wish {
                user: user.or(wish.user),
                ..wish
            }),
        })
    }
}
