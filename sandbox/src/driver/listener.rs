//! Accepts connections, with TLS or without, as many as the limit allows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::driver::connection::{ToGateway, serve};
use crate::verto::socket::SocketId;

/// From the accepted connection to the end of the TLS handshake.
const TLS_WITHIN: Duration = Duration::from_secs(10);
/// Pause after a failed accept: the usual reason, too many open files, does not go away at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What all listeners share.
#[derive(Clone)]
pub(super) struct Door {
    /// Where connections report.
    pub(super) gateway: ToGateway,
    /// One permit a socket.
    pub(super) room: Arc<Semaphore>,
    /// Largest message of a client, in bytes.
    pub(super) message_bytes: usize,
    /// Numbers the sockets.
    pub(super) numbers: Arc<AtomicU64>,
    /// Dropped when the last connection has ended.
    pub(super) alive: mpsc::Sender<()>,
}

/// Accepts for ever.
pub(super) async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, door: Door) {
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&door.room).try_acquire_owned() else {
            tracing::warn!(%remote, "refused: too many sockets");
            continue;
        };
        // Small messages, each of which somebody waits for.
        let _ = stream.set_nodelay(true);
        let id = SocketId(door.numbers.fetch_add(1, Ordering::Relaxed));
        let tls = tls.clone();
        let door = door.clone();
        tokio::spawn(async move {
            tracing::debug!(socket = id.0, %remote, "connection");
            match tls {
                None => serve(stream, id, door.gateway, door.message_bytes).await,
                Some(tls) => match timeout(TLS_WITHIN, tls.accept(stream)).await {
                    Ok(Ok(stream)) => serve(stream, id, door.gateway, door.message_bytes).await,
                    Ok(Err(error)) => tracing::info!(socket = id.0, %error, "TLS failed"),
                    Err(_) => tracing::info!(socket = id.0, "TLS failed: no handshake in time"),
                },
            }
            drop(permit);
            drop(door.alive);
        });
    }
}
