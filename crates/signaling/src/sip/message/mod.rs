//! SIP messages as types: reading, writing and the headers that the user agent acts on.
//!
//! The only folder that knows the parser underneath (`sipx-sip`); everything above it speaks these types.

pub mod address;
pub mod bare;
pub mod headers;
pub mod ids;
pub(in crate::sip) mod multipart;
pub mod outgoing;
pub mod params;
pub mod quoted;
pub mod read;
pub mod request;
pub mod response;
pub mod salvage;
pub mod status;
pub mod uri;
pub mod via;

pub use sipx_sip::{HeaderName, Method};
