//! Our own certificate, for servers that ask who connects (TLS client authentication).

use std::fmt;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use crate::secret::Secret;
use crate::transport::fingerprint::CertificateFingerprint;

/// A certificate with those that lead to its CA, and its key. Cheap to clone.
#[derive(Clone)]
pub struct ClientIdentity(Arc<CertifiedKey>);

/// Why a certificate with its key cannot be used.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFault {
    /// No certificate in the text.
    #[error("it holds no PEM certificate")]
    NoCertificate,
    /// No key in the text, or none that can be used.
    #[error(
        "it holds no PEM private key that can be used (RSA, ECDSA or Ed25519, without a passphrase)"
    )]
    NoKey,
    /// The key belongs to another certificate.
    #[error("it is not the key of the certificate")]
    OtherKey,
    /// The certificate cannot be read.
    #[error("its certificate cannot be used")]
    Certificate,
}

impl IdentityFault {
    /// Whether the key is to blame, and not the certificate.
    #[must_use]
    pub const fn is_of_key(self) -> bool {
        matches!(self, Self::NoKey | Self::OtherKey)
    }
}

impl ClientIdentity {
    /// Reads the PEM texts of the certificate, with its chain behind it, and of its key.
    ///
    /// # Errors
    /// When either is not there, or they do not belong together.
    pub fn from_pem(certificate: &[u8], key: &Secret) -> Result<Self, IdentityFault> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|_| IdentityFault::NoCertificate)?;
        if chain.is_empty() {
            return Err(IdentityFault::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
            .map_err(|_| IdentityFault::NoKey)?;
        let provider = rustls::crypto::ring::default_provider();
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|_| IdentityFault::NoKey)?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                Ok(Self(Arc::new(certified)))
            }
            Err(rustls::Error::InconsistentKeys(_)) => Err(IdentityFault::OtherKey),
            Err(_) => Err(IdentityFault::Certificate),
        }
    }

    /// What shows it.
    pub(super) fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.0)))
    }
}

/// The key is never shown.
impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = self.0.cert.first();
        let fingerprint = own.map(|own| CertificateFingerprint::of(own));
        f.debug_tuple("ClientIdentity").field(&fingerprint).finish()
    }
}
