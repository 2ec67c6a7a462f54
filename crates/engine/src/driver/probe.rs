//! Opens an account's WebSocket once, without logging in: how far one comes, and how long each stage takes.

use std::net::SocketAddr;
use std::time::SystemTime;

use offhook_signaling::transport::connect::{ConnectTimings, connect};
use offhook_signaling::transport::error::ConnectError;
use offhook_signaling::verto::address::with_region;

use crate::config::AccountConfig;

/// A WebSocket that could be opened. It is closed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// How long each stage took.
    pub timings: ConnectTimings,
    /// The server's address, or the proxy's.
    pub server: SocketAddr,
    /// The server's clock, where its answer shows one.
    pub server_date: Option<SystemTime>,
}

/// Walks all stages up to the open WebSocket, and closes it. No server takes that for a login.
///
/// # Errors
/// Names the stage that failed, what happened there, and what to do about it.
pub async fn open(account: &AccountConfig) -> Result<Opened, ConnectError> {
    let url = match &account.region {
        Some(region) => with_region(&account.server, region),
        None => account.server.clone(),
    };
    let (connection, timings) = connect(&url, &account.connect).await?;
    Ok(Opened {
        timings,
        server: connection.address(),
        server_date: connection.server_date(),
    })
}
