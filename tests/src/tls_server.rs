//! A TLS server with a certificate made for the test: right, for another name, expired, or not yet valid.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, Stream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::authority::Issued;

/// A server that shows its certificate and says nothing more; lives as long as the process.
#[derive(Debug)]
pub struct TlsServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// The PEM file of the authority that signed its certificate.
    pub ca: PathBuf,
    _issued: Issued,
}

impl TlsServer {
    /// Starts one whose certificate is for `name` and valid from the beginning of the first year to that of the second.
    ///
    /// # Panics
    /// When there is no free port of loopback, or the disk refuses.
    pub fn start(name: &str, years: (i32, i32)) -> Self {
        let issued = Issued::new(name, years);
        let config = server_config(&issued);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let config = Arc::clone(&config);
                std::thread::spawn(move || {
                    let mut connection = ServerConnection::new(config).expect("a TLS server");
                    let mut tls = Stream::new(&mut connection, &mut stream);
                    while matches!(tls.read(&mut [0; 1024]), Ok(1..)) {}
                });
            }
        });
        Self {
            address,
            ca: issued.ca.clone(),
            _issued: issued,
        }
    }
}

/// A TLS server in front of another one, which lets in only clients that show a certificate of one CA; ends when it is dropped.
#[derive(Debug)]
pub struct Gatekeeper {
    /// Where it listens.
    pub address: SocketAddr,
    /// The PEM file of the authority that signed its certificate.
    pub ca: PathBuf,
    _issued: Issued,
    runtime: Option<Runtime>,
}

impl Gatekeeper {
    /// Stands before `server` (a `ws://` URL) under the name `localhost`, and knows clients by the PEM file of their CA.
    ///
    /// # Panics
    /// When there is no free port of loopback, or a file cannot be read.
    pub fn before(server: &str, clients: &Path) -> Self {
        let issued = Issued::new("localhost", (2020, 2120));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(clients).expect("the clients' CA");
        roots.add(ca).expect("a CA");
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .expect("a CA is there");
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3")
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                vec![issued.certificate.der().clone()],
                PrivateKeyDer::Pkcs8(issued.key.serialize_der().into()),
            )
            .expect("the key is the certificate's");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .expect("a free port");
        let address = listener.local_addr().expect("its address");
        let server = server
            .trim_start_matches("ws://")
            .trim_end_matches('/')
            .to_owned();
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, server) = (acceptor.clone(), server.clone());
                tokio::spawn(async move {
                    let mut client = acceptor.accept(client).await.ok()?;
                    let mut server = tokio::net::TcpStream::connect(server).await.ok()?;
                    tokio::io::copy_bidirectional(&mut client, &mut server)
                        .await
                        .ok()
                });
            }
        });
        Self {
            address,
            ca: issued.ca.clone(),
            _issued: issued,
            runtime: Some(runtime),
        }
    }
}

impl Drop for Gatekeeper {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn server_config(issued: &Issued) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(
            vec![issued.certificate.der().clone()],
            PrivateKeyDer::Pkcs8(issued.key.serialize_der().into()),
        )
        .expect("the key is the certificate's");
    Arc::new(config)
}
