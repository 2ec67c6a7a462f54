//! A TLS server with a certificate made for the test: right, for another name, expired, or not yet valid.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, Stream};
use tempfile::TempDir;

/// A server that shows its certificate and says nothing more; lives as long as the process.
#[derive(Debug)]
pub struct TlsServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// The PEM file of the authority that signed its certificate.
    pub ca: PathBuf,
    _folder: TempDir,
}

impl TlsServer {
    /// Starts one whose certificate is for `name` and valid from the beginning of the first year to that of the second.
    ///
    /// # Panics
    /// When there is no free port of loopback, or the disk refuses.
    pub fn start(name: &str, years: (i32, i32)) -> Self {
        let (ca, config, folder) = certificate(name, years);
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
            ca,
            _folder: folder,
        }
    }
}

fn certificate(name: &str, years: (i32, i32)) -> (PathBuf, Arc<ServerConfig>, TempDir) {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).expect("no name is no bad name");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let common_name = rcgen::DnType::CommonName;
    let named = &mut authority.distinguished_name;
    named.push(common_name, "CA of one test");
    let authority_key = rcgen::KeyPair::generate().expect("a key");
    let own = authority.self_signed(&authority_key).expect("a CA");
    let folder = tempfile::Builder::new()
        .prefix("offhook-ca")
        .tempdir()
        .expect("a folder for the test");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, own.pem()).expect("the CA's file");

    let issuer = rcgen::Issuer::new(authority, authority_key);
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("a server's name");
    params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    let key = rcgen::KeyPair::generate().expect("a key");
    let signed = params.signed_by(&key, &issuer).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(
            vec![signed.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .expect("the key is the certificate's");
    (ca, Arc::new(config), folder)
}
