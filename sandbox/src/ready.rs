//! The one line on standard output that says where the sandbox can be reached.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

/// Printed once, as JSON, when every listener is open.
#[derive(Debug, Serialize)]
pub(crate) struct Ready<'a> {
    /// URL for Verto without TLS.
    verto: String,
    /// URL for Verto with TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    verto_tls: Option<String>,
    /// Path of the CA that signed the TLS certificate, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    ca: Option<&'a Path>,
    /// URL for SIP without TLS.
    sip: String,
    /// URL for SIP with TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    sip_tls: Option<String>,
    /// Base URL of the REST API.
    api: String,
    /// The same with TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_tls: Option<String>,
}

/// Where something really listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listens {
    /// Without TLS.
    pub(crate) plain: SocketAddr,
    /// With TLS.
    pub(crate) tls: Option<SocketAddr>,
}

impl<'a> Ready<'a> {
    /// From the addresses that the listeners really have.
    pub(crate) fn new(
        plain: SocketAddr,
        tls: Option<(SocketAddr, &'a Path)>,
        sip: Listens,
        api: Listens,
    ) -> Self {
        Self {
            verto: format!("ws://{plain}"),
            verto_tls: tls.map(|(address, _)| format!("wss://{address}")),
            ca: tls.map(|(_, ca)| ca),
            sip: format!("ws://{}", sip.plain),
            sip_tls: sip.tls.map(|address| format!("wss://{address}")),
            api: format!("http://{}/v2", api.plain),
            api_tls: api.tls.map(|address| format!("https://{address}/v2")),
        }
    }

    /// Writes the line and flushes it: whoever started us waits for it.
    pub(crate) fn print(&self, mut output: impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut output, self)?;
        output.write_all(b"\n")?;
        output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_holds_full_urls_and_only_what_exists() {
        let mut plain = Vec::new();
        let sip = Listens {
            plain: "127.0.0.1:8085".parse().unwrap(),
            tls: None,
        };
        let api = Listens {
            plain: "127.0.0.1:8083".parse().unwrap(),
            tls: None,
        };
        Ready::new("127.0.0.1:8081".parse().unwrap(), None, sip, api)
            .print(&mut plain)
            .unwrap();
        assert_eq!(
            plain,
            b"{\"verto\":\"ws://127.0.0.1:8081\",\"sip\":\"ws://127.0.0.1:8085\",\"api\":\"http://127.0.0.1:8083/v2\"}\n"
        );

        let mut both = Vec::new();
        let tls = ("[::1]:8082".parse().unwrap(), Path::new("/x/ca.pem"));
        let sip = Listens {
            tls: Some("[::1]:8086".parse().unwrap()),
            ..sip
        };
        let api = Listens {
            tls: Some("[::1]:8084".parse().unwrap()),
            ..api
        };
        Ready::new("[::1]:8081".parse().unwrap(), Some(tls), sip, api)
            .print(&mut both)
            .unwrap();
        let line = String::from_utf8(both).unwrap();
        assert!(
            line.contains(r#""verto_tls":"wss://[::1]:8082","ca":"/x/ca.pem""#),
            "{line}"
        );
        assert!(line.contains(r#""sip_tls":"wss://[::1]:8086""#), "{line}");
        assert!(
            line.contains(r#""api_tls":"https://[::1]:8084/v2""#),
            "{line}"
        );
    }
}
