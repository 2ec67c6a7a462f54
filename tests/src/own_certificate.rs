//! The certificate that a FreeSWITCH makes when it was given none, made by `openssl`.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// X.509 version 1, self-signed, without names that could be checked; lives in a folder of its own.
#[derive(Debug)]
pub struct OwnCertificate {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    _folder: TempDir,
}

impl OwnCertificate {
    /// Makes one with an RSA key of 2048 bits.
    ///
    /// # Panics
    /// When `openssl` does not.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = |name: &str| folder.path().join(name);
        let (request, key, certificate) = (path("request.pem"), path("key.pem"), path("wss.pem"));
        let mut make = Command::new("openssl");
        make.args(["req", "-new", "-nodes", "-newkey", "rsa:2048"]);
        make.args(["-subj", "/C=US/CN=FreeSWITCH", "-keyout"]);
        run(make.arg(&key).arg("-out").arg(&request));
        let mut sign = Command::new("openssl");
        sign.args(["x509", "-req", "-days", "3650", "-in"]);
        run(sign
            .arg(&request)
            .arg("-signkey")
            .arg(&key)
            .arg("-out")
            .arg(&certificate));
        Self {
            certificate,
            key,
            _folder: folder,
        }
    }

    /// `AB:CD:...`, as `openssl` prints it for the operator of the server.
    ///
    /// # Panics
    /// When `openssl` does not.
    pub fn fingerprint(&self) -> String {
        let mut show = Command::new("openssl");
        show.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]);
        let printed = run(show.arg(&self.certificate));
        let (_, digits) = printed.trim().split_once('=').expect("NAME=DIGITS");
        digits.to_owned()
    }

    /// Arguments that make the sandbox show it.
    ///
    /// # Panics
    /// When the folder's name is no text.
    pub fn arguments(&self) -> [&str; 5] {
        [
            "--tls",
            "--tls-certificate",
            self.certificate.to_str().expect("a path that is text"),
            "--tls-key",
            self.key.to_str().expect("a path that is text"),
        ]
    }
}

impl Default for OwnCertificate {
    fn default() -> Self {
        Self::new()
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("openssl is installed");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}");
    String::from_utf8(output.stdout).expect("text")
}
