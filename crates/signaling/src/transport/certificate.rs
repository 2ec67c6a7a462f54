//! Reads of a certificate what it takes to check a signature, also where the TLS library refuses the certificate as a whole.
//!
//! A FreeSWITCH that was never given a certificate makes its own: X.509 version 1, self-signed, without names.

use rustls_pki_types::SubjectPublicKeyInfoDer;

/// Tags of DER (X.690, section 8).
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const VERSION: u8 = 0xa0;

/// `rsaEncryption` (RFC 8017, appendix A.1) with its NULL.
const RSA: &[u8] = &[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

/// The public key of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PublicKey<'a> {
    /// The whole `SubjectPublicKeyInfo`.
    whole: &'a [u8],
    /// Content of its `AlgorithmIdentifier`.
    pub(super) algorithm: &'a [u8],
    /// The key itself.
    pub(super) key: &'a [u8],
}

impl<'a> PublicKey<'a> {
    /// As the library takes it.
    pub(super) fn info(&self) -> SubjectPublicKeyInfoDer<'a> {
        SubjectPublicKeyInfoDer::from(self.whole)
    }

    /// Length of the modulus of an RSA key, in bits; `None` for another key.
    pub(super) fn rsa_bits(&self) -> Option<usize> {
        if self.algorithm != RSA {
            return None;
        }
        let mut key = Reader(Reader(self.key).take(SEQUENCE)?);
        let modulus = key.take(INTEGER)?;
        let leading = modulus.iter().take_while(|byte| **byte == 0).count();
        let digits = modulus.get(leading..)?;
        let first = digits.first()?;
        Some(digits.len() * 8 - usize::try_from(first.leading_zeros()).ok()?)
    }
}

/// What is needed of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Certificate<'a> {
    /// Version 1 knows no extensions: neither names nor purposes.
    pub(super) is_version_1: bool,
    pub(super) key: PublicKey<'a>,
}

impl<'a> Certificate<'a> {
    /// Reads the DER of a certificate (RFC 5280, section 4.1).
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let mut tbs = Reader(Reader(Reader(der).take(SEQUENCE)?).take(SEQUENCE)?);
        let version = tbs.take(VERSION);
        let is_version_1 = version.is_none_or(|version| version == [INTEGER, 1, 0]);
        tbs.take(INTEGER)?;
        // Signature algorithm, issuer, validity, subject.
        for _ in 0..4 {
            tbs.take(SEQUENCE)?;
        }
        let whole = tbs.whole(SEQUENCE)?;
        let mut info = Reader(Reader(whole).take(SEQUENCE)?);
        let algorithm = info.take(SEQUENCE)?;
        let (unused_bits, key) = info.take(BIT_STRING)?.split_first()?;
        (*unused_bits == 0).then_some(Self {
            is_version_1,
            key: PublicKey {
                whole,
                algorithm,
                key,
            },
        })
    }
}

/// Reads one element behind the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Content of the next element, if it has this tag; otherwise nothing is read.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (header, length) = self.header(tag)?;
        let content = self.0.get(header..header.checked_add(length)?)?;
        self.0 = self.0.get(header + length..)?;
        Some(content)
    }

    /// The next element with its header.
    fn whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        let before = self.0;
        let content = self.take(tag)?;
        before
            .get(..before.len() - self.0.len())
            .filter(|whole| whole.ends_with(content))
    }

    /// Lengths of header and content.
    fn header(&self, tag: u8) -> Option<(usize, usize)> {
        let (found, rest) = self.0.split_first()?;
        if *found != tag {
            return None;
        }
        let first = usize::from(*rest.first()?);
        if first < 0x80 {
            return Some((2, first));
        }
        let count = first & 0x7f;
        // A certificate that needs more than three bytes for a length does not fit into a handshake.
        if !(1..=3).contains(&count) {
            return None;
        }
        let digits = rest.get(1..=count)?;
        let length = digits
            .iter()
            .fold(0, |length, digit| length << 8 | usize::from(*digit));
        Some((2 + count, length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair};

    #[test]
    fn the_key_of_an_ordinary_certificate_is_found() {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let read = Certificate::read(certificate.der()).unwrap();
        assert!(!read.is_version_1);
        assert_eq!(
            read.key.info().as_ref(),
            rcgen::PublicKeyData::subject_public_key_info(&key)
        );
        assert_eq!(read.key.rsa_bits(), None);
    }

    proptest! {
        #[test]
        fn nothing_panics_whatever_a_server_shows(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(certificate) = Certificate::read(&bytes) {
                let _ = certificate.key.rsa_bits();
            }
            let nested: Vec<u8> = [&[SEQUENCE, 0x82, 0xff, 0xff][..], &bytes].concat();
            let _ = Certificate::read(&nested);
        }
    }
}
