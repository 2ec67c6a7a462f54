//! Requests of the far side to call somebody else (RFC 3515), and how far they are carried out.

pub mod wanted;

pub(in crate::sip) mod referred;
pub(in crate::sip) mod told;
