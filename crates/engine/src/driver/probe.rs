//! Opens an account's WebSocket once, without logging in: how far one comes, and how long each stage takes.

use std::net::SocketAddr;
use std::time::SystemTime;

use offhook_signaling::transport::connect::{ConnectTimings, connect};
use offhook_signaling::transport::error::ConnectError;
use offhook_signaling::verto::address::with_region;

use crate::config::AccountConfig;

/// A WebSocket that could be opened. It is closed again.
#[derive(Debug)]
pub struct Opened {
    /// Why the account's region was passed over; `None`: it was not, or there is none.
    pub passed_over: Option<ConnectError>,
    /// How long each stage took.
    pub timings: ConnectTimings,
    /// The server's address, or the proxy's.
    pub server: SocketAddr,
    /// The server's clock, where its answer shows one.
    pub server_date: Option<SystemTime>,
}

/// Walks all stages up to the open WebSocket, and closes it. No server takes that for a login. A region that cannot be reached is
/// passed over, as by a session.
///
/// # Errors
/// Names the stage that failed, what happened there, and what to do about it.
pub async fn open(account: &AccountConfig) -> Result<Opened, ConnectError> {
    let options = account.connect_options();
    let mut passed_over = None;
    let region = account.region.as_deref();
    // A host without regions stays as it is.
    let regional = region
        .map(|region| with_region(&account.server, region))
        .filter(|url| *url != account.server);
    let mut connected = None;
    if let Some(url) = regional {
        match connect(&url, &options).await {
            Ok(well) => connected = Some(well),
            Err(error) => passed_over = Some(error),
        }
    }
    let (connection, timings) = match connected {
        Some(well) => well,
        None => connect(&account.server, &options).await?,
    };
    Ok(Opened {
        passed_over,
        timings,
        server: connection.address(),
        server_date: connection.server_date(),
    })
}
