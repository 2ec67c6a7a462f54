//! What a failed connection is called.

use offhook_engine::vocabulary::{ConnectError, ConnectFault, Stage};

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
    Finding::new(code(error), place, &what, &error.remedy())
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
