//! Our own certificate, as a configuration names it.

use rcgen::{CertificateParams, KeyPair};

use super::{ACCOUNT, Folder, assert_has};

const KEYS: &str = "client_certificate_file = \"own.pem\"\nclient_key_file = \"own.key\"\n";

/// A folder with a certificate and its key.
fn folder() -> Folder {
    let folder = Folder::new();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["desk".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    folder.file("own.pem", &certificate.pem(), 0o644);
    folder.file("own.key", &key.serialize_pem(), 0o600);
    folder
}

#[test]
fn a_certificate_with_its_key_is_shown_by_every_dialect() {
    let folder = folder();
    for dialect in ["freeswitch", "telnyx", "sip"] {
        let account = ACCOUNT.replace("freeswitch", dialect);
        let config = folder.load(&format!("{account}{KEYS}")).unwrap();
        assert!(config.accounts[0].connect.trust.has_identity(), "{dialect}");
        let config = folder.load(&account).unwrap();
        assert!(
            !config.accounts[0].connect.trust.has_identity(),
            "{dialect}"
        );
    }
}

#[test]
fn each_mistake_is_told_by_name() {
    let folder = folder();
    let other = KeyPair::generate().unwrap().serialize_pem();
    folder.file("other.key", &other, 0o600);
    folder.file("open.key", &other, 0o644);
    folder.file("empty.pem", "no certificate", 0o644);
    let refused = |certificate: &str, key: &str| {
        let keys =
            format!("client_certificate_file = {certificate:?}\nclient_key_file = {key:?}\n");
        folder.refusal(&format!("{ACCOUNT}{keys}"))
    };
    let alone = folder.refusal(&format!("{ACCOUNT}client_certificate_file = \"own.pem\"\n"));
    assert_has(&alone, &["line 7", "`desk`", "needs `client_key_file`"]);
    let alone = folder.refusal(&format!("{ACCOUNT}client_key_file = \"own.key\"\n"));
    assert_has(
        &alone,
        &["line 7", "`desk`", "needs `client_certificate_file`"],
    );
    let told = refused("own.pem", "other.key");
    assert_has(
        &told,
        &[
            "line 8",
            "`client_key_file`",
            "other.key",
            "not the key of the certificate",
        ],
    );
    let told = refused("own.pem", "open.key");
    assert_has(
        &told,
        &["line 8", "`client_key_file`", "open.key", "everybody"],
    );
    let told = refused("own.pem", "nowhere.key");
    assert_has(&told, &["line 8", "`client_key_file`", "nowhere.key"]);
    let told = refused("nowhere.pem", "own.key");
    assert_has(
        &told,
        &["line 7", "`client_certificate_file`", "nowhere.pem"],
    );
    let told = refused("empty.pem", "own.key");
    assert_has(
        &told,
        &["line 7", "`client_certificate_file`", "no PEM certificate"],
    );
    let told = refused("own.pem", "empty.pem");
    assert_has(&told, &["line 8", "`client_key_file`"]);
    let plain = ACCOUNT.replace("wss://", "ws://");
    let told = folder.refusal(&format!("{plain}{KEYS}"));
    assert_has(&told, &["line 7", "ws://", "client_certificate_file"]);
}
