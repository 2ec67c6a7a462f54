//! A certificate authority of one test, and the one certificate that it signs.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use tempfile::TempDir;

/// A signed certificate with its key. The files live as long as it does.
#[derive(Debug)]
pub struct Issued {
    /// The PEM file of the authority.
    pub ca: PathBuf,
    /// The PEM file of the certificate.
    pub certificate_file: PathBuf,
    /// The PEM file of its key.
    pub key_file: PathBuf,
    /// The certificate.
    pub certificate: Certificate,
    /// Its key.
    pub key: KeyPair,
    _folder: TempDir,
}

impl Issued {
    /// A certificate for `name`, a host name or an address, valid from the beginning of the first year to that of the second.
    ///
    /// # Panics
    /// When the disk refuses.
    pub fn new(name: &str, years: (i32, i32)) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).expect("no name is no bad name");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let named = &mut authority.distinguished_name;
        named.push(DnType::CommonName, "CA of one test");
        let authority_key = KeyPair::generate().expect("a key");
        let own = authority.self_signed(&authority_key).expect("a CA");
        let issuer = Issuer::new(authority, authority_key);
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a server's name");
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        let folder = tempfile::Builder::new()
            .prefix("offhook-ca")
            .tempdir()
            .expect("a folder for the test");
        let file = |name: &str, content: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).expect("a file for the test");
            path
        };
        Self {
            ca: file("ca.pem", own.pem()),
            certificate_file: file("certificate.pem", certificate.pem()),
            key_file: file("key.pem", key.serialize_pem()),
            certificate,
            key,
            _folder: folder,
        }
    }
}
