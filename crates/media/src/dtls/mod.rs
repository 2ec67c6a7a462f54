//! DTLS-SRTP (RFC 5764): certificates, fingerprints, roles and the handshake that yields the media keys.

pub mod certificate;
pub mod endpoint;
pub mod fingerprint;
mod flight;
pub mod key_size;
mod record;
mod rested;
pub mod rtc;
pub mod setup;

#[cfg(test)]
mod tests;
