//! A TLS server with a certificate made for the test: right, for another name, expired, or not yet valid.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, Stream};

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
