//! What a session leaves for the next process, so that it recovers the calls of this one.

use std::fmt;
use std::time::SystemTime;

/// Names at the server and their age. They open no account, but with the credentials they lead to its calls: keep
/// them in a file that only its owner may read.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Remembered {
    /// Name of the session.
    pub sessid: Option<String>,
    /// Instance of the gateway (Telnyx).
    pub voice_sdk_id: Option<String>,
    /// Name of this device at SIP servers (RFC 5626, 4.1).
    pub instance: Option<String>,
    /// Last sign of life of that session, by this machine's clock.
    pub at: Option<SystemTime>,
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembered")
            .field("sessid", &self.sessid.is_some())
            .field("voice_sdk_id", &self.voice_sdk_id.is_some())
            .field("instance", &self.instance.is_some())
            .finish_non_exhaustive()
    }
}
