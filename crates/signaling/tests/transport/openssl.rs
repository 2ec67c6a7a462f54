//! Certificates as a FreeSWITCH makes them when it has none, made by `openssl`, and servers that show them.

use crate::server::{echo_on, listen};
use offhook_signaling::transport::fingerprint::CertificateFingerprint;
use rustls::{
    ServerConfig, SupportedProtocolVersion,
    crypto::ring::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
};
use tokio_rustls::TlsAcceptor;

/// A certificate with its key, in a folder of its own.
pub(crate) struct OpenSsl {
    pub(crate) certificate: PathBuf,
    key: PathBuf,
    _folder: tempfile::TempDir,
}

/// `openssl s_server`, ended when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    process: Child,
}

impl OpenSsl {
    /// X.509 version 1, self-signed, without subject alternative name; `key` as `rsa:BITS` or `ec:CURVE`.
    pub(crate) fn version_1(key: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (request, own, certificate) = (path("request.pem"), path("key.pem"), path("wss.pem"));
        let mut make = Command::new("openssl");
        make.args(["req", "-new", "-nodes", "-subj", "/C=US/CN=FreeSWITCH"]);
        match key.split_once(':').unwrap() {
            ("ec", curve) => {
                let curve = format!("ec_paramgen_curve:{curve}");
                make.args(["-newkey", "ec", "-pkeyopt", &curve]);
            }
            _ => {
                make.args(["-newkey", key]);
            }
        }
        run(make.arg("-keyout").arg(&own).arg("-out").arg(&request));
        run(Command::new("openssl")
            .args(["x509", "-req", "-days", "3650", "-in"])
            .arg(&request)
            .arg("-signkey")
            .arg(&own)
            .arg("-out")
            .arg(&certificate));
        let made = Self {
            certificate,
            key: own,
            _folder: folder,
        };
        let shown = made.x509(&["-text"]);
        assert!(shown.contains("Version: 1 (0x0)"), "{shown}");
        made
    }

    /// As the server's operator reads it.
    pub(crate) fn fingerprint(&self) -> CertificateFingerprint {
        self.x509(&["-fingerprint", "-sha256"]).parse().unwrap()
    }

    fn x509(&self, arguments: &[&str]) -> String {
        run(Command::new("openssl")
            .args(["x509", "-noout", "-in"])
            .arg(&self.certificate)
            .args(arguments))
    }

    /// A WebSocket echo server that shows this certificate and signs with the key of `signer`.
    pub(crate) async fn echo(
        &self,
        signer: &Self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> SocketAddr {
        let chain = CertificateDer::pem_file_iter(&self.certificate).unwrap();
        let chain = chain.map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(&signer.key).unwrap();
        // Not through `with_single_cert`, which reads the certificate, and cannot.
        let shown = CertifiedKey::new(chain, any_supported_type(&key).unwrap());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Shown(Arc::new(shown))));
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

    /// For keys that only OpenSSL signs with.
    pub(crate) fn serve(&self) -> Server {
        let mut process = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0"])
            .args(["-cipher", "DEFAULT@SECLEVEL=0", "-cert"])
            .arg(&self.certificate)
            .arg("-key")
            .arg(&self.key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let address = output.lines().map_while(Result::ok).find_map(|line| {
            let address = line.strip_prefix("ACCEPT ")?.trim();
            address.parse().ok()
        });
        Server {
            address: address.expect("s_server says where it listens"),
            process,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("openssl is installed");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
