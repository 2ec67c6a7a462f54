//! Logins without credentials, end to end: calls to an assistant, texts, tools, and what such a login cannot do.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

mod conversation;
mod refusals;
mod tools;
mod world;
