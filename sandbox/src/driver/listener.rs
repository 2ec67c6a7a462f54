//! Accepts connections, with TLS or without, as many as the limit allows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::driver::connection::{Protocol, ToGateway, serve, turn_away};
use crate::verto::socket::SocketId;

/// From the accepted connection to the end of the TLS handshake.
const TLS_WITHIN: Duration = Duration::from_secs(10);
/// Clients that are told at the same time that there is no room; beyond that they are only closed.
const TURNED_AWAY: usize = 64;
/// From the accepted connection to the end of such an answer.
const TURN_AWAY_WITHIN: Duration = Duration::from_secs(5);
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
pub(super) async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    protocol: Protocol,
    door: Door,
) {
    let porch = Arc::new(Semaphore::new(TURNED_AWAY));
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
            if let Ok(permit) = Arc::clone(&porch).try_acquire_owned() {
                tokio::spawn(refuse(stream, tls.clone(), permit));
            }
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
                None => serve(stream, id, protocol, door.gateway, door.message_bytes).await,
                Some(tls) => match timeout(TLS_WITHIN, tls.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        serve(stream, id, protocol, door.gateway, door.message_bytes).await;
                    }
                    Ok(Err(error)) => tracing::info!(socket = id.0, %error, "TLS failed"),
                    Err(_) => tracing::info!(socket = id.0, "TLS failed: no handshake in time"),
                },
            }
            drop(permit);
            drop(door.alive);
        });
    }
}

/// Says that there is no room, if the client lets us.
async fn refuse(stream: TcpStream, tls: Option<TlsAcceptor>, permit: OwnedSemaphorePermit) {
    let answer = async {
        match tls {
            None => turn_away(stream).await,
            Some(tls) => turn_away(tls.accept(stream).await?).await,
        }
    };
    // Nobody is told when the client does not want to hear it.
    let _ = timeout(TURN_AWAY_WITHIN, answer).await;
    drop(permit);
}
