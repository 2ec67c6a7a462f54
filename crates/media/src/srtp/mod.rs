//! SRTP and SRTCP (RFC 3711, RFC 7714): keys, protection, replay protection.

mod cipher;
mod header;
pub mod inbound;
mod kdf;
pub mod keys;
pub mod outbound;
pub mod profile;
mod replay;
mod sources;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wycheproof;
