//! The core as stories in virtual time.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and passes over what it did not ask for"
)]

mod accounts;
mod assistants;
mod calls;
mod features;
mod fields;
mod lost_media;
mod offers;
mod texts;
mod unanswered;
mod world;
