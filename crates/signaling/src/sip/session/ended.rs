//! Names of dialogs that ended a moment ago, for whoever comes too late to take their place (RFC 3891, 3).

use std::collections::VecDeque;
use std::time::Instant;

use crate::sip::deadline::TRANSACTION;
use crate::sip::dialog::Dialog;
use crate::sip::referral::wanted::DialogName;

/// Most that are remembered.
const MOST: usize = 32;

/// The dialogs that ended within the last 32 s.
#[derive(Debug, Default)]
pub(in crate::sip) struct Ended {
    names: VecDeque<Name>,
}

#[derive(Debug)]
struct Name {
    call_id: String,
    local_tag: String,
    remote_tag: String,
    until: Instant,
}

impl Ended {
    pub(in crate::sip) fn note(&mut self, dialog: &Dialog, now: Instant) {
        self.names.retain(|name| name.until > now);
        if self.names.len() >= MOST {
            self.names.pop_front();
        }
        self.names.push_back(Name {
            call_id: dialog.call_id.clone(),
            local_tag: dialog.local_tag().to_owned(),
            remote_tag: dialog.remote_tag().to_owned(),
            until: now + TRANSACTION,
        });
    }

    /// Whether that is the name of one.
    pub(in crate::sip) fn has(&self, name: &DialogName, now: Instant) -> bool {
        self.names.iter().any(|known| {
            known.until > now
                && known.call_id == name.call_id
                && known.local_tag == name.to_tag
                && known.remote_tag == name.from_tag
        })
    }
}
