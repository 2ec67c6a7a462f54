//! DTLS-SRTP (RFC 5764): certificates, fingerprints, roles and the handshake that yields the media keys.
//!
//! Of what RFC 6347, section 4.2.3 allows, two things are not taken: a record that holds a fragment of a message and then another
//! message (its datagram is refused), and fragments of one message that overlap in another way than a repeat does (the implementation
//! keeps the first at an offset). A far end that sends nothing else runs into the time limit of the handshake.

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
