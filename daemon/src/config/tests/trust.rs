//! How an account knows its server, and what goes out unencrypted.

use super::{ACCOUNT, Folder, assert_has};

/// As `openssl x509 -fingerprint -sha256` prints it.
const PIN: &str = "AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89";

#[test]
fn a_server_is_known_by_one_fingerprint_or_by_several() {
    let folder = Folder::new();
    for (written, count) in [
        (format!("{PIN:?}"), 1),
        (format!("[{PIN:?}, \"{}\"]", "0".repeat(64)), 2),
        (format!("\"sha256 Fingerprint={PIN}\""), 1),
    ] {
        let config = folder
            .load(&format!("{ACCOUNT}certificate_sha256 = {written}\n"))
            .unwrap();
        let pins = config.accounts[0].connect.trust.pins();
        assert_eq!(pins.len(), count);
        assert_eq!(pins[0].to_string(), PIN);
    }
}

#[test]
fn a_wrong_fingerprint_says_what_is_wrong_with_it() {
    let folder = Folder::new();
    let short = &PIN[..59];
    for (written, words) in [
        (format!("{short:?}"), "40 hexadecimal digits"),
        ("\"hello\"".to_owned(), "no hexadecimal digit"),
        ("[]".to_owned(), "names no certificate"),
        ("3".to_owned(), "AB:CD:..."),
    ] {
        let told = folder.refusal(&format!("{ACCOUNT}certificate_sha256 = {written}\n"));
        assert_has(&told, &["line 7", words]);
    }
    let plain = ACCOUNT.replace("wss://", "ws://");
    let told = folder.refusal(&format!("{plain}certificate_sha256 = {PIN:?}\n"));
    assert_has(&told, &["line 7", "ws://", "no certificate"]);
}

#[test]
fn a_password_that_leaves_the_machine_unencrypted_is_told_at_the_start() {
    let folder = Folder::new();
    let warnings = |server: &str| {
        let text = ACCOUNT.replace("wss://pbx.example:8082", server);
        folder.load(&text).unwrap().warnings
    };
    let told = warnings("ws://pbx.example:8081");
    assert_eq!(told.len(), 1);
    assert_has(&told[0], &["`desk`", "unencrypted", "use wss://"]);
    assert!(warnings("wss://pbx.example:8082").is_empty());
    assert!(warnings("ws://127.0.0.1:8081").is_empty());
}
