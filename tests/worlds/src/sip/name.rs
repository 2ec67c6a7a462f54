//! The names of dialogs, as both ends of a wire know them.

use crate::sip::message::Message;

/// Names a dialog as the user agent sees it; before there is one, its far tag is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) call_id: String,
    pub(super) near: String,
    pub(super) far: String,
}

impl Name {
    /// Of a request that the user agent sent, or of an answer to one.
    pub(super) fn of_sent(message: &Message<'_>) -> Self {
        Self {
            call_id: message.call_id().to_owned(),
            near: message.tag_of_from().to_owned(),
            far: message.to_tag().to_owned(),
        }
    }

    /// Of a request that it hears.
    pub(super) fn of_heard(message: &Message<'_>) -> Self {
        Self {
            call_id: message.call_id().to_owned(),
            near: message.to_tag().to_owned(),
            far: message.tag_of_from().to_owned(),
        }
    }
}
