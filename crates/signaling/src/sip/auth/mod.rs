//! Proving who we are to servers and proxies: digest access (RFC 7616, 8760) and bearer tokens (RFC 8898).

pub mod algorithm;
pub mod authorization;
pub mod challenge;
pub mod digest;
pub(in crate::sip) mod proof;
