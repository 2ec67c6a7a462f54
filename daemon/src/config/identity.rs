//! Our own certificate, for servers that ask at the TLS handshake who connects.

use offhook_engine::vocabulary::{ClientIdentity, IdentityFault};

use crate::config::account::{Blame, Surroundings, locate, readable, secret_at};
use crate::config::checked::value;
use crate::config::error::Fault;
use crate::config::raw::{RawAccount, Text};

const CERTIFICATE: &str = "client_certificate_file";
const KEY: &str = "client_key_file";

/// Reads `client_certificate_file` and `client_key_file`.
pub(crate) fn read(
    raw: &RawAccount,
    account: &str,
    surroundings: &Surroundings<'_>,
) -> Result<Option<ClientIdentity>, Blame> {
    let (certificate, key) = match (&raw.client_certificate_file, &raw.client_key_file) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(certificate), None) => {
            let meaning = "the PEM file of the certificate's private key";
            return Err(missing(KEY, certificate, account, meaning));
        }
        (None, Some(key)) => {
            let meaning = "the PEM file of the certificate that the key belongs to";
            return Err(missing(CERTIFICATE, key, account, meaning));
        }
    };
    let servers = raw
        .server
        .iter()
        .chain(raw.further_servers.iter().flatten());
    if servers.clone().count() > 0
        && servers
            .clone()
            .all(|url| url.get_ref().starts_with("ws://"))
    {
        let why = "a ws:// server cannot ask for it".to_owned();
        let expected = "it for a wss:// server, or take it away";
        let fault = value(CERTIFICATE, certificate.get_ref(), why, expected);
        return Err((Some(certificate.span().start), fault));
    }
    let chain_file = readable(CERTIFICATE, certificate, surroundings)?;
    let chain = std::fs::read(&chain_file).map_err(|error| {
        let path = chain_file.clone();
        let key = CERTIFICATE;
        let fault = Fault::NamedFile { key, path, error };
        (Some(certificate.span().start), fault)
    })?;
    let key_file = locate(KEY, key, account, surroundings)?;
    let secret = secret_at(KEY, key, account, &key_file)?;
    let identity = ClientIdentity::from_pem(&chain, &secret).map_err(|fault| {
        let (name, written, path) = match fault.is_of_key() {
            true => (KEY, key, key_file),
            false => (CERTIFICATE, certificate, chain_file),
        };
        let remedy = match fault {
            IdentityFault::OtherKey => "name the key that the certificate was made for",
            IdentityFault::NoKey => "write the key into it as `openssl pkey` does",
            IdentityFault::NoCertificate | IdentityFault::Certificate | _ => {
                "write the certificate into it as PEM, those of its CAs behind it"
            }
        };
        let account = account.to_owned();
        let fault = Fault::Identity {
            key: name,
            account,
            path,
            fault,
            remedy,
        };
        (Some(written.span().start), fault)
    })?;
    Ok(Some(identity))
}

fn missing(key: &'static str, there: &Text, account: &str, meaning: &'static str) -> Blame {
    let fault = Fault::Missing {
        key,
        table: format!("account `{account}`"),
        meaning,
    };
    (Some(there.span().start), fault)
}
