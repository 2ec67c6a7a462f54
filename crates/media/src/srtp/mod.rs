//! SRTP and SRTCP (RFC 3711, RFC 7714): keys, protection, replay protection.

pub mod profile;
