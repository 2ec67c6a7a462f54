//! TLS of the token endpoint, with certificates of callers if wanted.

use std::path::Path;
use std::sync::Arc;

use offhook_credentials::{owner_file, pem};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::failure::Failure;
use crate::serve::failure::ServeFault;

/// Largest key file.
const LIMIT: u64 = 64 * 1024;

/// From PEM files.
pub(super) fn acceptor(
    certificate: &Path,
    key: &Path,
    client_ca: Option<&Path>,
) -> Result<TlsAcceptor, Failure> {
    let fault = |path: &Path, why: String| ServeFault::Tls {
        path: path.to_owned(),
        why,
    };
    let chain = certificates(certificate)?;
    let text = owner_file::read_text(key, LIMIT)?;
    let private = PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|error| fault(key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(certificate, error.to_string()))?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(path)? {
                roots
                    .add(root)
                    .map_err(|error| fault(path, error.to_string()))?;
            }
            // Callers without a certificate may still have a secret.
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| fault(path, error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain, private)
        .map_err(|error| fault(certificate, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ServeFault> {
    pem::certificates(path).map_err(|why| ServeFault::Tls {
        path: path.to_owned(),
        why,
    })
}
