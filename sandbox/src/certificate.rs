//! Makes the DTLS certificate of the FreeSWITCH face: RSA-4096, self-signed, serial number 0.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SerialNumber};
use rsa::PrivateKey;
use rsa::pkcs8::EncodePrivateKey;
use rustls::pki_types::PrivatePkcs8KeyDer;

/// Key length of the certificate that FreeSWITCH makes for itself.
const BITS: usize = 4096;

/// A certificate with its key, both in DER.
pub(crate) struct DerCertificate {
    /// X.509.
    pub(crate) certificate: Vec<u8>,
    /// PKCS #8.
    pub(crate) key: Vec<u8>,
}

/// Why the certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("no RSA key of {BITS} bit could be made: {0}")]
    Key(#[from] rsa::Error),
    #[error("the RSA key could not be written as PKCS #8: {0}")]
    Encoding(#[from] rsa::pkcs8::Error),
    #[error("the certificate could not be signed: {0}")]
    Signing(#[from] rcgen::Error),
}

/// Draws a key from `seed` and signs its certificate. Takes seconds of CPU: run it on a thread of its own.
///
/// FreeSWITCH leaves the serial number unset, which X.509 encodes as 0; strict libraries refuse that
/// (RFC 5280 section 4.1.2.2 wants it positive), so a client must be seen to accept it.
pub(crate) fn rsa_with_serial_zero(seed: [u8; 32]) -> Result<DerCertificate, CertificateError> {
    let key = PrivateKey::new(&mut StdRng::from_seed(seed), BITS)?.to_pkcs8_der()?;
    let pkcs8 = PrivatePkcs8KeyDer::from(key.as_bytes());
    let signer = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &rcgen::PKCS_RSA_SHA256)?;

    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(&[0]));
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "FreeSWITCH-face");
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2120, 1, 1);
    let certificate = params.self_signed(&signer)?;
    Ok(DerCertificate {
        certificate: certificate.der().to_vec(),
        key: key.as_bytes().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_has_serial_zero_and_a_4096_bit_key() {
        let made = rsa_with_serial_zero([7; 32]).unwrap();
        // TBSCertificate: [0] version 2, then INTEGER 0.
        let version_and_serial = [0xa0, 0x03, 0x02, 0x01, 0x02, 0x02, 0x01, 0x00];
        assert!(
            made.certificate
                .windows(version_and_serial.len())
                .take(24)
                .any(|window| window == version_and_serial)
        );
        assert!(
            made.certificate.len() > 512 + 512,
            "modulus and signature of 512 bytes each"
        );
    }
}
