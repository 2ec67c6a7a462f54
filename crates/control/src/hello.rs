//! The first line that the server sends on every connection.

use serde::{Deserialize, Serialize};

/// The value of [`Hello::protocol`].
pub const PROTOCOL: &str = "offhook-control";

/// The value of [`Hello::version`]. It grows when a client that knew the last one could be misled.
pub const VERSION: u32 = 1;

/// Who answers, and what it can do: parameters of the notification `hello`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Always [`PROTOCOL`].
    pub protocol: String,
    /// Version of the protocol, [`VERSION`].
    pub version: u32,
    /// Names of the methods that this daemon knows; a client asks here instead of comparing versions.
    pub capabilities: Vec<String>,
    /// A random name of this run of the daemon: another one after a restart.
    pub instance: String,
}
