//! The ICE agent of one transport.
