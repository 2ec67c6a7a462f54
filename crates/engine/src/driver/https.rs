//! A blocking HTTPS client for the few requests that an account makes beside its signalling.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use crate::error::SecretFileError;

/// A client that trusts the system's authorities and those of this file; it follows no redirect.
pub(super) fn agent(ca_file: Option<&Path>, limit: Duration) -> Result<Agent, SecretFileError> {
    let system = rustls_native_certs::load_native_certs().certs;
    let own = match ca_file {
        Some(path) => read_ca(path)?,
        None => Vec::new(),
    };
    let roots: Vec<Certificate<'static>> = system
        .iter()
        .chain(&own)
        .map(|der| Certificate::from_der(der).to_owned())
        .collect();
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .root_certs(RootCerts::from(roots))
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(limit))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .proxy(None)
        .user_agent(concat!("offhook/", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(Agent::new_with_config(config))
}

fn read_ca(path: &Path) -> Result<Vec<CertificateDer<'static>>, SecretFileError> {
    let unreadable = |error: std::io::Error| SecretFileError::Unreadable {
        path: path.to_owned(),
        error,
    };
    let pem = std::fs::read(path).map_err(unreadable)?;
    CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(std::io::Error::other(error.to_string())))
}
