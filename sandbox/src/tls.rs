//! Makes the certificate authority and the server certificate for `--tls`, and keeps the CA in a private folder.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::ServerConfig;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tempfile::TempDir;

/// Name of the CA's file in its folder.
const CA_FILE: &str = "ca.pem";

/// TLS of one run: nothing of it outlives the process.
pub(crate) struct Tls {
    /// For the listener.
    pub(crate) server: Arc<ServerConfig>,
    ca: PathBuf,
    /// Removed with all it holds when dropped.
    _folder: Option<TempDir>,
}

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("the test CA could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error(
        "the CA could not be written to {path}: {source}; make the folder writable or set TMPDIR"
    )]
    Write { path: PathBuf, source: io::Error },
    #[error(
        "{path} cannot be used: {source}; it is to be PEM, and the key RSA of 2048 bits or more, or ECDSA"
    )]
    Read { path: PathBuf, source: pem::Error },
    #[error("TLS refused its own certificate: {0}")]
    Rustls(#[from] rustls::Error),
}

impl Tls {
    /// Makes a CA and a certificate for `localhost`, the loopback addresses and `listen`.
    pub(crate) fn generate(listen: IpAddr) -> Result<Self, TlsError> {
        let authority = authority()?;
        let key = KeyPair::generate()?;
        let certificate = server_params(listen)?.signed_by(&key, &authority)?;

        let folder =
            TempDir::with_prefix("offhook-sandbox-").map_err(|source| TlsError::Write {
                path: std::env::temp_dir(),
                source,
            })?;
        let ca = folder.path().join(CA_FILE);
        fs::write(&ca, authority.pem()).map_err(|source| TlsError::Write {
            path: ca.clone(),
            source,
        })?;

        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        Ok(Self {
            server: Arc::new(server),
            ca,
            _folder: Some(folder),
        })
    }

    /// Shows a certificate that was made elsewhere, whatever is wrong with it.
    pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let read = |path: &Path, source| TlsError::Read {
            path: path.to_owned(),
            source,
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect)
            .map_err(|source| read(certificate, source));
        let key = PrivateKeyDer::from_pem_file(key).map_err(|source| read(key, source))?;
        let shown = CertifiedKey::new(chain?, any_supported_type(&key)?);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // Not through `with_single_cert`, which refuses what a FreeSWITCH shows.
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Shown(Arc::new(shown))));
        Ok(Self {
            server: Arc::new(server),
            ca: certificate.to_owned(),
            _folder: None,
        })
    }

    /// Path of the CA's certificate in PEM.
    pub(crate) fn ca(&self) -> &Path {
        &self.ca
    }
}

/// One certificate for everybody.
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name = named("offhook sandbox CA");
    keep_valid(&mut params);
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn server_params(listen: IpAddr) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    let mut addresses = vec![
        IpAddr::from([127, 0, 0, 1]),
        IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
    ];
    if !listen.is_unspecified() && !addresses.contains(&listen) {
        addresses.push(listen);
    }
    params
        .subject_alt_names
        .extend(addresses.into_iter().map(SanType::IpAddress));
    params.distinguished_name = named("offhook sandbox");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    keep_valid(&mut params);
    Ok(params)
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// Wide on purpose: the CA dies with the process, and the machine's clock may be wrong.
fn keep_valid(params: &mut CertificateParams) {
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2100, 1, 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_the_ca_goes_with_its_owner() {
        let tls = Tls::generate(IpAddr::from([127, 0, 0, 1])).unwrap();
        let ca = tls.ca().to_owned();
        assert!(
            fs::read_to_string(&ca)
                .unwrap()
                .starts_with("-----BEGIN CERTIFICATE-----")
        );
        drop(tls);
        assert!(!ca.exists());
        assert!(!ca.parent().unwrap().exists());
    }
}
