//! DTLS-SRTP (RFC 5764): certificates, fingerprints, roles and the handshake that yields the media keys.

pub mod certificate;
pub mod fingerprint;
pub mod setup;
