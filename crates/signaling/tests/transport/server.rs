//! Servers on loopback for these tests: echo, scripted bytes, and certificates made on the spot.

use futures_util::{SinkExt, StreamExt};
use offhook_signaling::transport::{Connection, Incoming, websocket::Closed};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

/// Accepts one connection after the other and gives each to `serve`.
pub(crate) async fn listen<F, S>(serve: S) -> SocketAddr
where
    S: Fn(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// A WebSocket server that sends every message back.
pub(crate) async fn echo() -> SocketAddr {
    listen(|stream| async move { echo_on(tokio_tungstenite::accept_async(stream).await.unwrap()).await }).await
}

pub(crate) async fn echo_on<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<S>) {
    while let Some(Ok(message)) = socket.next().await {
        if matches!(message, Message::Text(_) | Message::Binary(_)) {
            let _ = socket.send(message).await;
        }
    }
}

/// A server that upgrades and then does what the test says.
pub(crate) async fn upgraded<F, S>(serve: S) -> SocketAddr
where
    S: Fn(WebSocketStream<TcpStream>) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let serve = Arc::new(serve);
    listen(move |stream| {
        let serve = Arc::clone(&serve);
        async move { serve(tokio_tungstenite::accept_async(stream).await.unwrap()).await }
    })
    .await
}

/// A server that reads one request head and answers with these bytes; then it waits for the client to go.
pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer = Arc::new(answer.into());
    listen(move |mut stream| {
        let answer = Arc::clone(&answer);
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(&answer).await;
            wait_for_end(&mut stream).await;
        }
    })
    .await
}

/// A server that accepts and never says anything.
pub(crate) async fn silent() -> SocketAddr {
    listen(|mut stream| async move { wait_for_end(&mut stream).await }).await
}

/// Reads up to the blank line.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// Reads and forgets until the other side closes.
pub(crate) async fn wait_for_end(stream: &mut (impl AsyncRead + Unpin)) {
    let mut sink = [0; 1024];
    while matches!(stream.read(&mut sink).await, Ok(1..)) {}
}

/// The next text of a connection.
pub(crate) async fn text(connection: &mut Connection) -> String {
    loop {
        match connection.next().await {
            Some(Incoming::Text(text)) => return text,
            Some(Incoming::Pong) => {}
            other => panic!("wanted a text, got {other:?}"),
        }
    }
}

/// How a connection ended; texts before that are let by. Afterwards the stream must be over.
pub(crate) async fn end(connection: &mut Connection) -> Closed {
    loop {
        match connection.next().await {
            Some(Incoming::Text(_) | Incoming::Bytes(_) | Incoming::Pong) => {}
            Some(Incoming::Closed(closed)) => {
                assert!(
                    connection.next().await.is_none(),
                    "the stream goes on after its end"
                );
                return closed;
            }
            None => panic!("the stream ended without saying how"),
        }
    }
}

/// A CA made for one test, with its PEM file.
pub(crate) struct Ca {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    /// The CA's own certificate and key, to misuse as a server's.
    pub(crate) own: (rcgen::Certificate, rcgen::KeyPair),
    pub(crate) file: PathBuf,
    _folder: tempfile::TempDir,
}

/// Validity of a certificate, in years.
#[derive(Clone, Copy)]
pub(crate) struct Years(pub(crate) i32, pub(crate) i32);

impl Ca {
    pub(crate) fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "CA of one test");
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        fs::write(&file, certificate.pem()).unwrap();
        let own_key = rcgen::KeyPair::from_pem(&key.serialize_pem()).unwrap();
        Self {
            issuer: rcgen::Issuer::new(params, key),
            own: (certificate, own_key),
            file,
            _folder: folder,
        }
    }

    pub(crate) fn sign(&self, name: &str, years: Years) -> (rcgen::Certificate, rcgen::KeyPair) {
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate, key)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.file.parent().unwrap()
    }
}

/// A TLS WebSocket echo server with this certificate. A client that refuses it ends only its own connection.
pub(crate) async fn tls_echo(
    (certificate, key): (rcgen::Certificate, rcgen::KeyPair),
) -> SocketAddr {
    let acceptor = acceptor(&certificate, &key);
    listen(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                echo_on(tokio_tungstenite::accept_async(stream).await.unwrap()).await;
            }
        }
    })
    .await
}

/// The same, and only for clients that show a certificate of this CA.
pub(crate) async fn tls_echo_for(
    (certificate, key): (rcgen::Certificate, rcgen::KeyPair),
    clients: &Ca,
    versions: &'static [&'static rustls::SupportedProtocolVersion],
) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(clients.own.0.der().clone()).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        Arc::clone(&provider),
    )
    .build()
    .unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    listen(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                echo_on(tokio_tungstenite::accept_async(stream).await.unwrap()).await;
            }
        }
    })
    .await
}

fn acceptor(certificate: &rcgen::Certificate, key: &rcgen::KeyPair) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
