//! Our own DTLS certificate and its key: made fresh (ECDSA P-256) or loaded.

use std::fmt;
use std::sync::Arc;

use rtc_dtls::crypto_provider::providers::RingProvider;
use rtc_dtls::crypto_provider::{RTCCryptoProvider, SignatureScheme};
use rustls::pki_types::CertificateDer;

use crate::dtls::fingerprint::{Fingerprint, FingerprintHash};

/// A certificate with its private key, ready for handshakes. Make it once and share it by `Arc`, or one per call.
///
/// The key never shows in `Debug`.
pub struct Certificate {
    der: Vec<u8>,
    identity: rtc_dtls::crypto::Certificate,
    provider: Arc<dyn RTCCryptoProvider>,
}

impl Certificate {
    /// Makes a self-signed ECDSA P-256 certificate with the system's randomness.
    ///
    /// Peers check nothing but the fingerprint, so name, serial number and dates say nothing of this machine.
    ///
    /// # Errors
    /// [`CertificateError::Generate`] when the system gives no randomness.
    pub fn generate() -> Result<Self, CertificateError> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)
            .map_err(CertificateError::Generate)?;
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "WebRTC");
        let certificate = params
            .self_signed(&key)
            .map_err(CertificateError::Generate)?;
        let pkcs8 = zeroize::Zeroizing::new(key.serialize_der());
        Self::from_der(certificate.der().to_vec(), &pkcs8)
    }

    /// Takes a certificate and its private key, both DER, the key in PKCS#8: ECDSA P-256 or RSA (2048 to 4096 bit).
    ///
    /// # Errors
    /// [`CertificateError::UnsupportedKey`] for any other key.
    pub fn from_der(certificate: Vec<u8>, pkcs8: &[u8]) -> Result<Self, CertificateError> {
        let provider: Arc<dyn RTCCryptoProvider> = Arc::new(RingProvider::new());
        let key = [
            SignatureScheme::EcdsaP256Sha256,
            SignatureScheme::RsaPkcs1Sha256,
        ]
        .into_iter()
        .find_map(|scheme| provider.crypto().import_signing_key(scheme, pkcs8).ok())
        .ok_or(CertificateError::UnsupportedKey)?;
        Ok(Self {
            identity: rtc_dtls::crypto::Certificate::from_signing_key(
                vec![CertificateDer::from(certificate.clone())],
                key,
            ),
            der: certificate,
            provider,
        })
    }

    /// The certificate in DER form.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The fingerprint to put into `a=fingerprint`; SHA-256 unless the peer's offer used another hash.
    #[must_use]
    pub fn fingerprint(&self, hash: FingerprintHash) -> Fingerprint {
        Fingerprint::of(&self.der, hash)
    }

    pub(crate) fn identity(&self) -> &rtc_dtls::crypto::Certificate {
        &self.identity
    }

    pub(crate) fn provider(&self) -> &Arc<dyn RTCCryptoProvider> {
        &self.provider
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("sha-256", &self.fingerprint(FingerprintHash::Sha256))
            .finish_non_exhaustive()
    }
}

/// Why there is no usable certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Making a key or signing the certificate failed.
    #[error("cannot make a DTLS certificate: {0}")]
    Generate(#[source] rcgen::Error),
    /// The key is neither ECDSA P-256 nor RSA of 2048 to 4096 bit in PKCS#8.
    #[error("the DTLS key is neither ECDSA P-256 nor RSA (2048 to 4096 bit) in PKCS#8 form")]
    UnsupportedKey,
}

#[cfg(test)]
mod tests {
    use super::{Certificate, CertificateError};

    #[test]
    fn two_generated_certificates_differ() {
        let (one, two) = (
            Certificate::generate().unwrap(),
            Certificate::generate().unwrap(),
        );
        assert_ne!(one.der(), two.der());
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        let error = Certificate::from_der(vec![1, 2, 3], b"not a key").unwrap_err();
        assert!(matches!(error, CertificateError::UnsupportedKey));
    }
}
