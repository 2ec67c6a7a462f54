//! The dialects of Verto, each a value that says where a server differs.

pub mod differences;
#[cfg(feature = "freeswitch")]
pub mod freeswitch;
pub mod refusals;
#[cfg(feature = "telnyx")]
pub mod telnyx;
