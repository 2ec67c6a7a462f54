//! Sends a request and waits for its answer: over UDP with repetitions, over TCP, and over TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use offhook_engine::vocabulary::probe::{Answer, LONGEST, Request, length};
use offhook_engine::vocabulary::{IceServer, ServerProtocol};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

/// For name, connection and answer together.
const LIMIT: Duration = Duration::from_secs(5);
/// A datagram is sent again after 0.5 s, then after twice as long each time (RFC 8489, section 6.2.1).
const FIRST_REPETITION: Duration = Duration::from_millis(500);

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    #[error("the name {host} cannot be resolved ({error})")]
    Name { host: String, error: io::Error },
    #[error("no answer within {} s", LIMIT.as_secs())]
    Silent,
    #[error("no connection ({0})")]
    Connection(io::Error),
    #[error("TLS failed ({0})")]
    Tls(io::Error),
    #[error("what answers there speaks no STUN")]
    NotStun,
}

/// A way to a server.
pub(super) enum Way<'a> {
    /// From this socket.
    Udp(&'a UdpSocket, SocketAddr),
    /// A stream of either kind.
    Stream(Box<dyn Stream>),
}

/// What a stream must be able to do.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// The server's address, of the family that sockets here have if there is a choice.
pub(super) async fn resolve(url: &IceServer) -> Result<SocketAddr, ExchangeError> {
    let name = |error| ExchangeError::Name {
        host: url.host.clone(),
        error,
    };
    let looking = timeout(LIMIT, lookup_host((url.host.as_str(), url.port)));
    let found: Vec<SocketAddr> = looking
        .await
        .map_err(|_| ExchangeError::Silent)?
        .map_err(name)?
        .collect();
    let v4 = found.iter().find(|address| address.is_ipv4());
    v4.or_else(|| found.first())
        .copied()
        .ok_or_else(|| name(io::ErrorKind::NotFound.into()))
}

/// Opens the way that the server's URL names.
pub(super) async fn open<'a>(
    url: &IceServer,
    server: SocketAddr,
    socket: &'a UdpSocket,
) -> Result<Way<'a>, ExchangeError> {
    match url.protocol {
        ServerProtocol::Stun | ServerProtocol::TurnUdp => Ok(Way::Udp(socket, server)),
        ServerProtocol::TurnTcp => Ok(Way::Stream(Box::new(connect(server).await?))),
        ServerProtocol::TurnTls => {
            let stream = connect(server).await?;
            let name = ServerName::try_from(url.host.clone())
                .map_err(|error| ExchangeError::Tls(io::Error::other(error)))?;
            let connector = TlsConnector::from(tls().await?);
            let shaken = timeout(LIMIT, connector.connect(name, stream))
                .await
                .map_err(|_| ExchangeError::Silent)?;
            Ok(Way::Stream(Box::new(shaken.map_err(ExchangeError::Tls)?)))
        }
    }
}

async fn connect(server: SocketAddr) -> Result<TcpStream, ExchangeError> {
    let connected = timeout(LIMIT, TcpStream::connect(server)).await;
    connected
        .map_err(|_| ExchangeError::Silent)?
        .map_err(ExchangeError::Connection)
}

/// The system's authorities; a server for the public has a certificate of one of them.
async fn tls() -> Result<Arc<ClientConfig>, ExchangeError> {
    let loaded = spawn_blocking(rustls_native_certs::load_native_certs).await;
    let system = loaded.map_err(|error| ExchangeError::Tls(io::Error::other(error)))?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(system.certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ExchangeError::Tls(io::Error::other(error)))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Asks, and waits for the answer.
pub(super) async fn ask(way: &mut Way<'_>, request: &Request) -> Result<Answer, ExchangeError> {
    match way {
        Way::Udp(socket, server) => datagrams(socket, *server, request).await,
        Way::Stream(stream) => timeout(LIMIT, framed(stream, request))
            .await
            .map_err(|_| ExchangeError::Silent)?,
    }
}

async fn datagrams(
    socket: &UdpSocket,
    server: SocketAddr,
    request: &Request,
) -> Result<Answer, ExchangeError> {
    let end = Instant::now() + LIMIT;
    let mut pause = FIRST_REPETITION;
    let mut bytes = [0; LONGEST];
    while Instant::now() < end {
        // A refusal of an earlier datagram shows here; the server may come up in between.
        let _ = socket.send_to(request.bytes(), server).await;
        let again = end.min(Instant::now() + pause);
        pause *= 2;
        while let Ok(received) = timeout_at(again, socket.recv_from(&mut bytes)).await {
            let Ok((count, from)) = received else {
                continue;
            };
            let datagram = bytes.get(..count).unwrap_or_default();
            if from == server
                && let Some(answer) = request.answer(datagram)
            {
                return Ok(answer);
            }
        }
    }
    Err(ExchangeError::Silent)
}

async fn framed(stream: &mut Box<dyn Stream>, request: &Request) -> Result<Answer, ExchangeError> {
    let broken = ExchangeError::Connection;
    stream.write_all(request.bytes()).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let mut head = [0; 20];
    stream.read_exact(&mut head).await.map_err(broken)?;
    let whole = length(head).ok_or(ExchangeError::NotStun)?;
    let mut message = head.to_vec();
    message.resize(whole, 0);
    let body = message.get_mut(head.len()..).unwrap_or_default();
    stream.read_exact(body).await.map_err(broken)?;
    request.answer(&message).ok_or(ExchangeError::NotStun)
}
