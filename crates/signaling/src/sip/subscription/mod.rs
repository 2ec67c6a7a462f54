//! Hearing from others what changes with them (RFC 6665): presence, calls of theirs, mailboxes.
//!
//! A channel is `package:address`, see [`channel::Channel`]. What comes on it is
//! [`Event::ChannelEvent`](crate::event::Event::ChannelEvent), whose `data` has one of these forms; what is not known is left
//! out or `null`:
//!
//! - `presence:...` (PIDF, RFC 3863): `{"kind": "presence", "entity": "pres:bob@example.com", "open": true, "note": "at lunch",
//!   "activities": ["on-the-phone"], "tuples": [{"id": "t1", "open": true, "contact": "sip:bob@example.com", "note": null}]}`.
//!   `open`: at least one of the tuples is.
//! - `dialog:...` (RFC 4235): `{"kind": "dialog", "entity": "sip:bob@example.com", "version": 3, "dialogs": [{"id": "d1",
//!   "state": "early", "event": null, "code": null, "direction": "recipient", "duration": null, "call_id": "...",
//!   "local_tag": "...", "remote_tag": "...", "local": {"name": "Bob", "address": "sip:bob@example.com", "target": "sip:..."},
//!   "remote": {...}, "pick_up": {"to": "sip:alice@example.com", "call_id": "...", "to_tag": "...", "from_tag": "...",
//!   "early_only": true}}]}`. `dialogs` is the whole list, also where the server tells only what changed; a dialog that has
//!   ended is in it once more, with the state `terminated`. `state` is one of `trying`, `proceeding`, `early`, `confirmed`,
//!   `terminated`. `pick_up` is there for a dialog that can be taken over, in the words of
//!   [`ReplacesDialog`](crate::command::ReplacesDialog).
//! - `message-summary...` (RFC 3842): `{"kind": "message-summary", "waiting": true, "account": "sip:bob@example.com",
//!   "messages": {"voice": {"new": 2, "old": 8, "urgent_new": 0, "urgent_old": 1}}}`; the other classes are `fax`, `pager`,
//!   `multimedia`, `text`, `none`. A server that tells it without being asked is heard on the channel `message-summary`.
//! - Any other package: `{"kind": "other", "content_type": "...", "body": "..."}`.

pub mod channel;
pub mod dialog_info;
pub mod message_summary;
pub mod presence;
pub mod xml;

pub(in crate::sip) mod bucket;
pub(in crate::sip) mod state;
