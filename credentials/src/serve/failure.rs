//! Why the token endpoint cannot start.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the token endpoint cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeFault {
    #[error("cannot listen on {address}: {error}; choose another address")]
    Listen {
        address: SocketAddr,
        error: std::io::Error,
    },
    #[error(
        "{0} can be reached from other machines, and tokens would travel in clear; give --tls-certificate and --tls-key, or listen on loopback"
    )]
    Clear(SocketAddr),
    #[error("{path}: {why}")]
    Callers { path: PathBuf, why: String },
    #[error("the callers {first} and {second} have the same {what}; each needs its own")]
    Shared {
        first: String,
        second: String,
        what: &'static str,
    },
    #[error(
        "the caller {0} has no credential; name its credential_id, or allow making one with --create-on"
    )]
    NoCredential(String),
    #[error("{path} cannot be used for TLS: {why}")]
    Tls { path: PathBuf, why: String },
}
