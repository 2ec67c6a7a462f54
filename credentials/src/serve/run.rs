//! Listens, with TLS or on loopback only, until a signal ends it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use offhook_credentials::api::client::Client;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::arguments::Serve;
use crate::command::output;
use crate::failure::Failure;
use crate::serve::callers::Callers;
use crate::serve::desk::{Desk, Rules};
use crate::serve::failure::ServeFault;
use crate::serve::http::{Endpoint, Peer};
use crate::serve::tls;

/// Connections at the same time.
const CONNECTIONS: usize = 4096;
/// From the accepted connection to the end of the TLS handshake.
const TLS_WITHIN: Duration = Duration::from_secs(10);
/// From the first byte of a request to the end of its head.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// A connection lives no longer than this.
const CONNECTION_LIFE: Duration = Duration::from_secs(600);
/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Requests to the API block a thread each.
const THREADS: usize = 32;

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(settings: &Serve, client: Client) -> Result<(), Failure> {
    let acceptor = match (&settings.tls_certificate, &settings.tls_key) {
        (Some(certificate), Some(key)) => {
            let client_ca = settings.client_ca.as_deref();
            Some(tls::acceptor(certificate, key, client_ca)?)
        }
        _ => None,
    };
    if acceptor.is_none() && !settings.listen.ip().is_loopback() {
        return Err(ServeFault::Clear(settings.listen).into());
    }
    let callers = Callers::read(
        settings.callers.as_deref(),
        settings.users.as_deref(),
        settings.create_on.is_some(),
    )?;
    let rules = Rules {
        per_minute: settings.per_minute,
        freshness: settings.freshness,
        create_on: settings.create_on.clone(),
        create_for: settings.create_for,
    };
    let endpoint = Arc::new(Endpoint {
        desk: Desk::new(callers, client, rules),
        origins: settings.allow_origin.clone(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(THREADS)
        .build()?;
    let served = runtime.block_on(serve(settings.listen, acceptor, endpoint));
    // A request to the API may still wait for its answer; nobody waits for that any more.
    runtime.shutdown_background();
    served
}

async fn serve(
    address: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    endpoint: Arc<Endpoint>,
) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| ServeFault::Listen { address, error })?;
    let scheme = if acceptor.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}/token", listener.local_addr()?);
    output::line(&json!({ "token_url": url }).to_string())?;
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            tracing::warn!(%remote, "refused: too many connections");
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (acceptor, endpoint) = (acceptor.clone(), Arc::clone(&endpoint));
        tokio::spawn(async move {
            match acceptor {
                None => {
                    let certified = None;
                    exchange(stream, endpoint, Peer { remote, certified }).await;
                }
                Some(acceptor) => match timeout(TLS_WITHIN, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let shown = stream.get_ref().1.peer_certificates();
                        let certified = shown.and_then(|chain| {
                            endpoint.desk.callers.with_certificate(chain.first()?)
                        });
                        exchange(stream, endpoint, Peer { remote, certified }).await;
                    }
                    Ok(Err(error)) => tracing::info!(%remote, %error, "TLS failed"),
                    Err(_) => tracing::info!(%remote, "TLS failed: no handshake in time"),
                },
            }
            drop(permit);
        });
    }
}

async fn exchange<S>(stream: S, endpoint: Arc<Endpoint>, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| {
        let endpoint = Arc::clone(&endpoint);
        async move { Ok::<_, Infallible>(endpoint.answer(&request, peer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(CONNECTION_LIFE, connection).await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::debug!(remote = %peer.remote, %error, "connection ended"),
    }
}
