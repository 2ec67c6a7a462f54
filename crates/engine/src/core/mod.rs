//! The heart without I/O: accounts and calls, between users, signalling sessions and media workers.

mod account_requests;
mod along;
mod call_requests;
mod check;
mod conflicts;
pub mod machine;
mod media_addresses;
mod referrals;
mod search;
mod tools;
