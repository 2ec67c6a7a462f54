//! Being reachable: one registration on each flow (RFC 3261, 10; RFC 5626; RFC 5627; RFC 3608).

pub mod granted;
pub mod machine;
pub mod schedule;

pub use machine::Registration;
