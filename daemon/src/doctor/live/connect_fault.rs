//! What a failed connection is called.

use offhook_engine::vocabulary::{CertificateFingerprint, ConnectError, ConnectFault, Stage};

use crate::doctor::code::Code;
use crate::doctor::finding::{Finding, Place};

/// The finding of a failed connection, in the transport's own words.
pub(crate) fn finding(error: &ConnectError, place: Place) -> Finding {
    let what = format!(
        "cannot connect to {}: {} (stage: {})",
        error.server, error.fault, error.stage
    );
    let place = match &error.proxy {
        Some(proxy) if error.stage == Stage::Proxy => place.at_server(proxy),
        Some(_) | None => place,
    };
    let remedy = match error.certificate {
        Some(shown) => format!("{}. {}", error.remedy(), pin(&shown)),
        None => error.remedy(),
    };
    Finding::new(code(error), place, &what, &remedy)
}

/// The finding of a region that cannot be reached where the server itself can.
pub(crate) fn region(error: &ConnectError, place: Place) -> Finding {
    let what = format!(
        "the account's region is passed over, since {} cannot be reached: {} (stage: {})",
        error.server, error.fault, error.stage
    );
    let remedy = "correct `region`, or leave it out so that the server chooses";
    Finding::new(Code::RegionUnreachable, place, &what, remedy)
}

/// How a certificate is trusted that fails every check, and what that risks.
fn pin(shown: &CertificateFingerprint) -> String {
    format!(
        "The certificate that was shown has the SHA-256 fingerprint {shown}. Only when the server itself says the same (there: \
         `openssl x509 -noout -fingerprint -sha256 -in FILE`, for FreeSWITCH FILE is `wss.pem` in its folder for certificates), \
         `certificate_sha256 = \"{shown}\"` in the account trusts this certificate and no other. Written down unchecked it may be \
         that of somebody in between, who then reads the password and hears the calls"
    )
}

/// The name of the stage at which it failed.
pub(crate) const fn stage(error: &ConnectError) -> &'static str {
    match error.stage {
        Stage::Setup => "setup",
        Stage::Dns => "dns",
        Stage::Tcp => "tcp",
        Stage::Proxy => "proxy",
        Stage::Tls => "tls",
        Stage::Upgrade => "websocket",
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the faults that have a name of their own; the rest is named by its stage"
)]
const fn code(error: &ConnectError) -> Code {
    match error.fault {
        ConnectFault::UnknownCa { .. } => Code::CertificateUnknownCa,
        ConnectFault::WrongName { .. } => Code::CertificateWrongName,
        ConnectFault::Expired { .. } => Code::CertificateExpired,
        ConnectFault::NotYetValid { .. } => Code::CertificateNotYetValid,
        ConnectFault::OtherCertificate { .. } => Code::CertificateNotPinned,
        ConnectFault::OldCertificate => Code::CertificateOld,
        _ => match error.stage {
            Stage::Setup => Code::ConfigRefused,
            Stage::Dns => Code::DnsFailed,
            Stage::Tcp => Code::TcpFailed,
            Stage::Proxy => Code::ProxyFailed,
            Stage::Tls => Code::TlsFailed,
            Stage::Upgrade => Code::WebsocketRefused,
        },
    }
}
