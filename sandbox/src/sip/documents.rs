//! What watchers are sent: PIDF (RFC 3863), dialog-info (RFC 4235), message summaries (RFC 3842).

use std::fmt::Write as _;

use crate::sip::call::Call;

const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// Whether somebody can be called.
pub(super) fn presence(entity: &str, open: bool) -> String {
    let basic = if open { "open" } else { "closed" };
    format!(
        "{XML}<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"{entity}\"><tuple id=\"sandbox\"><status>\
         <basic>{basic}</basic></status></tuple></presence>\n",
        entity = escaped(entity)
    )
}

/// Somebody's calls, all of them.
pub(super) fn dialogs<'a>(
    entity: &str,
    version: u32,
    calls: impl Iterator<Item = &'a Call>,
) -> String {
    let mut text = format!(
        "{XML}<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" state=\"full\" \
         entity=\"{}\">",
        escaped(entity)
    );
    for call in calls {
        let dialog = &call.dialog;
        let state = match (call.up, dialog.remote_tag.is_empty()) {
            (true, _) => "confirmed",
            (false, true) => "trying",
            (false, false) => "early",
        };
        let direction = if call.from_client {
            "initiator"
        } else {
            "recipient"
        };
        // Writing to a String cannot fail. Tags are those of the watched end.
        let _ = write!(
            text,
            "<dialog id=\"{}\" call-id=\"{}\" remote-tag=\"{}\" direction=\"{direction}\"",
            escaped(&dialog.local_tag),
            escaped(&dialog.call_id),
            escaped(&dialog.local_tag),
        );
        if !dialog.remote_tag.is_empty() {
            let _ = write!(text, " local-tag=\"{}\"", escaped(&dialog.remote_tag));
        }
        let _ = write!(
            text,
            "><state>{state}</state><remote><identity>sip:{}@sandbox</identity></remote></dialog>",
            escaped(&call.far)
        );
    }
    text.push_str("</dialog-info>\n");
    text
}

/// New and old messages.
pub(super) fn mailbox(entity: &str, (new, old): (u32, u32)) -> String {
    let waiting = if new > 0 { "yes" } else { "no" };
    format!(
        "Messages-Waiting: {waiting}\r\nMessage-Account: {entity}\r\nVoice-Message: {new}/{old} (0/0)\r\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
