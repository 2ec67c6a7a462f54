//! SDP as telephony writes it (RFC 8866, 3264, 8839, 8842, 9143): read, written, and negotiated by offer and answer.

pub mod bindings;
pub mod codec;
pub mod concessions;
pub mod direction;
pub mod extmap;
pub mod extras;
pub mod face;
pub mod negotiation;
pub mod origin;
pub mod parse;
pub mod reduced;
pub mod refusal;
pub mod sdes;
pub mod sections;
pub mod write;
