//! Checks what a server shows of itself: its chain and name, or the certificate itself where its fingerprint is known.

use crate::transport::{certificate::Certificate, fingerprint::CertificateFingerprint};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
        verify_tls13_signature_with_raw_key,
    },
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::{fmt, sync::Arc};

/// Lengths of RSA keys whose signatures the cryptographic library checks.
pub(super) const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Why a certificate was refused, with its fingerprint.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) certificate: CertificateFingerprint,
    pub(super) why: Why,
}

#[derive(Debug, Clone)]
pub(super) enum Why {
    /// The library's own reason.
    Library(CertificateError),
    /// The library does not read certificates of this version.
    Version1,
    /// It has none of these fingerprints.
    Pins(Vec<CertificateFingerprint>),
    /// An RSA key of so many bits.
    Key(usize),
    /// The signature of the handshake is not of the certificate's key.
    Signature,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Library(error) => write!(f, "{error}"),
            Why::Version1 => f.write_str("the certificate is of version 1"),
            Why::Pins(_) => f.write_str("the certificate is not the one that is known"),
            Why::Key(bits) => write!(f, "the certificate's RSA key has {bits} bits"),
            Why::Signature => f.write_str("the certificate is of another key"),
        }
    }
}

impl std::error::Error for Refused {}

/// The way to judge a certificate.
#[derive(Debug)]
pub(super) enum Check {
    /// By its chain, its names and the clock.
    Chain(Arc<WebPkiServerVerifier>),
    /// By what it is: nothing else is looked at, because whoever wrote the fingerprint down has looked.
    Pins(Vec<CertificateFingerprint>),
}

/// A check that says of each refused certificate which it was.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) check: Check,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn refuse(der: &CertificateDer<'_>, why: Why) -> Error {
        let refused = Refused {
            certificate: CertificateFingerprint::of(der),
            why,
        };
        CertificateError::Other(OtherError(Arc::new(refused))).into()
    }

    /// A signature by the key of a pinned certificate, which the library may not be able to read.
    fn pinned_tls12(
        &self,
        message: &[u8],
        der: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Option<HandshakeSignatureValid> {
        let key = Certificate::read(der)?.key;
        let (_, algorithms) = self
            .algorithms
            .mapping
            .iter()
            .find(|(scheme, _)| *scheme == signed.scheme)?;
        algorithms
            .iter()
            .filter(|algorithm| algorithm.public_key_alg_id().as_ref() == key.algorithm)
            .any(|algorithm| {
                algorithm
                    .verify_signature(key.key, message, signed.signature())
                    .is_ok()
            })
            .then(HandshakeSignatureValid::assertion)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let read = Certificate::read(end_entity);
        let verified = match &self.check {
            Check::Chain(chain) => chain
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                .map_err(|error| {
                    let Error::InvalidCertificate(why) = error else {
                        return error;
                    };
                    let old = read.is_some_and(|read| read.is_version_1);
                    let why = if old {
                        Why::Version1
                    } else {
                        Why::Library(why)
                    };
                    Self::refuse(end_entity, why)
                })?,
            Check::Pins(pins) => {
                if !pins.contains(&CertificateFingerprint::of(end_entity)) {
                    return Err(Self::refuse(end_entity, Why::Pins(pins.clone())));
                }
                ServerCertVerified::assertion()
            }
        };
        // Otherwise the handshake's signature would be to blame, which is right.
        match read.and_then(|read| read.key.rsa_bits()) {
            Some(bits) if !RSA_BITS.contains(&bits) => {
                Err(Self::refuse(end_entity, Why::Key(bits)))
            }
            Some(_) | None => Ok(verified),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match &self.check {
            Check::Chain(_) => verify_tls12_signature(message, cert, dss, &self.algorithms).ok(),
            Check::Pins(_) => self.pinned_tls12(message, cert, dss),
        }
        .ok_or_else(|| Self::refuse(cert, Why::Signature))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match &self.check {
            Check::Chain(_) => verify_tls13_signature(message, cert, dss, &self.algorithms).ok(),
            Check::Pins(_) => Certificate::read(cert).and_then(|read| {
                let key = read.key.info();
                verify_tls13_signature_with_raw_key(message, &key, dss, &self.algorithms).ok()
            }),
        }
        .ok_or_else(|| Self::refuse(cert, Why::Signature))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
