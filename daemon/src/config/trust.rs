//! How an account knows its server: by a CA, or by the fingerprint of the certificate itself; and what goes out unencrypted.

use std::net::IpAddr;

use offhook_engine::protocol::Protocol;
use offhook_engine::vocabulary::{CertificateFingerprint, Login, LoginKind, Trust};

use crate::config::account::{Blame, Surroundings, readable};
use crate::config::checked::value;
use crate::config::raw::{RawAccount, RawPins, Text};

const PINS: &str = "certificate_sha256";
const EXPECTED: &str = "what `openssl x509 -noout -fingerprint -sha256 -in wss.pem` prints on the server, such as \"AB:CD:...\", or a list";

/// Reads `ca_file` and `certificate_sha256`.
pub(crate) fn read(raw: &RawAccount, surroundings: &Surroundings<'_>) -> Result<Trust, Blame> {
    let ca_file = raw.ca_file.as_ref();
    let ca_file = ca_file
        .map(|file| readable("ca_file", file, surroundings))
        .transpose()?;
    Ok(Trust::new(ca_file, pins(raw)?))
}

fn pins(raw: &RawAccount) -> Result<Vec<CertificateFingerprint>, Blame> {
    let Some(written) = &raw.certificate_sha256 else {
        return Ok(Vec::new());
    };
    let start = Some(written.span().start);
    let refused = |shown: &str, why: String| (start, value(PINS, shown, why, EXPECTED));
    let list = match written.get_ref() {
        RawPins::One(pin) => std::slice::from_ref(pin),
        RawPins::Several(pins) => pins,
    };
    if list.is_empty() {
        return Err(refused("[]", "it names no certificate".to_owned()));
    }
    if raw.server.as_ref().is_some_and(is_plain) {
        let why = "a ws:// server shows no certificate".to_owned();
        let fault = value(
            PINS,
            &list.join(", "),
            why,
            "it for a wss:// server, or take it away",
        );
        return Err((start, fault));
    }
    list.iter()
        .map(|pin| {
            pin.parse()
                .map_err(|fault| refused(pin, format!("{fault}")))
        })
        .collect()
}

/// A sentence for an account whose secret, or whose calls, anybody on the way can read.
pub(crate) fn in_clear(
    account: &str,
    protocol: Protocol,
    server: &str,
    login: &Login,
) -> Option<String> {
    if login.kind() == LoginKind::Anonymous || !leaves_in_clear(server) {
        return None;
    }
    if protocol.is_sip() && login.kind() == LoginKind::Password {
        // Digest access does not show the password; all the rest is there for everybody.
        return Some(format!(
            "account `{account}` speaks SIP over ws:// to another machine: anybody on the way reads who calls whom, can guess at the \
             password, and can put another certificate's fingerprint in place of the one that protects the sound: use wss://"
        ));
    }
    Some(format!(
        "account `{account}` sends its password or token unencrypted over ws:// to another machine, where anybody on the way reads \
         it: use wss:// (port 8082 of a stock FreeSWITCH)"
    ))
}

/// Whether what is sent to this URL leaves this machine unencrypted.
pub(crate) fn leaves_in_clear(server: &str) -> bool {
    server.starts_with("ws://") && !is_loopback(server)
}

fn is_plain(server: &Text) -> bool {
    server.get_ref().starts_with("ws://")
}

fn is_loopback(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    // RFC 6761, section 6.3.
    name == "localhost"
        || name.ends_with(".localhost")
        || name
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_told_from_other_machines() {
        for here in [
            "ws://localhost:8081",
            "ws://LocalHost./x",
            "ws://a.localhost",
            "ws://127.0.0.2/",
            "ws://[::1]:8081/?a",
        ] {
            assert!(is_loopback(here), "{here}");
        }
        for elsewhere in [
            "ws://pbx.example:8081",
            "ws://localhost.example",
            "ws://10.0.0.1",
            "ws://[fe80::1]:8081",
            "ws://127.0.0.1.example/",
        ] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }
}
