//! Carries requests with `ureq` on rustls: system roots and a CA file, HTTPS unless the server is on this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls_pki_types::CertificateDer;
use ureq::http::Request;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Timeout};

use crate::api::wire::{Arrived, HttpReply, HttpRequest, Wire, WireFault};
use crate::pem;

/// Largest answer that is read: 250 connections are well below a megabyte.
const MAX_BODY: u64 = 8 * 1024 * 1024;

/// How to reach the server.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Further certificate authorities, in PEM.
    pub ca_file: Option<PathBuf>,
    /// From the first byte sent to the last byte read.
    pub limit: Duration,
    /// From looking the name up to the connection with its TLS.
    pub connect_limit: Duration,
    /// Go through the proxy that the environment names.
    pub proxy: bool,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            ca_file: None,
            limit: Duration::from_secs(60),
            connect_limit: Duration::from_secs(15),
            proxy: true,
        }
    }
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpFault {
    /// The CA file is no good.
    #[error("the CA file {path} cannot be used: {why}")]
    CaFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Nothing to check a server's certificate against.
    #[error(
        "no certificate authority is known on this machine ({0}); install ca-certificates or name a --ca-file"
    )]
    NoRoots(String),
}

/// The real wire.
#[derive(Debug)]
pub struct Http {
    agent: Agent,
    started: Instant,
}

impl Http {
    /// Reads the certificate authorities; connects to nothing yet.
    ///
    /// # Errors
    /// No certificate authorities.
    pub fn new(config: &HttpConfig) -> Result<Self, HttpFault> {
        let mut roots: Vec<Certificate<'static>> = Vec::new();
        let system = rustls_native_certs::load_native_certs();
        for known in &system.certs {
            roots.push(Certificate::from_der(known).to_owned());
        }
        if let Some(path) = &config.ca_file {
            for known in read_ca_file(path)? {
                roots.push(Certificate::from_der(&known).to_owned());
            }
        }
        if roots.is_empty() {
            let why: Vec<String> = system.errors.iter().map(ToString::to_string).collect();
            return Err(HttpFault::NoRoots(why.join("; ")));
        }
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::from(roots))
            .build();
        let mut agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("offhook-credentials/", env!("CARGO_PKG_VERSION")))
            .max_idle_connections_per_host(16)
            .max_idle_connections(16)
            .timeout_connect(Some(config.connect_limit))
            .timeout_resolve(Some(config.connect_limit))
            .timeout_global(Some(config.limit));
        if !config.proxy {
            agent = agent.proxy(None);
        }
        Ok(Self {
            agent: agent.build().new_agent(),
            started: Instant::now(),
        })
    }
}

fn read_ca_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, HttpFault> {
    pem::certificates(path).map_err(|why| HttpFault::CaFile {
        path: path.to_owned(),
        why,
    })
}

impl Wire for Http {
    fn send(&self, request: &HttpRequest) -> Result<HttpReply, WireFault> {
        let build = Request::builder()
            .method(request.method)
            .uri(&request.url)
            .header("accept", request.accept)
            .header("authorization", format!("Bearer {}", request.key.expose()));
        let sent = match &request.body {
            Some(body) => {
                let build = build.header("content-type", "application/json");
                let built = build.body(body.as_slice()).map_err(ureq::Error::from);
                built.and_then(|built| self.agent.run(built))
            }
            None => {
                let built = build.body(()).map_err(ureq::Error::from);
                built.and_then(|built| self.agent.run(built))
            }
        };
        let mut reply = sent.map_err(|error| fault(&error))?;
        let headers = reply
            .headers()
            .iter()
            .filter_map(|(name, value)| {
                Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
            })
            .collect();
        let body = reply.body_mut().with_config().limit(MAX_BODY).read_to_vec();
        let body = body.map_err(|error| WireFault {
            arrived: Arrived::Perhaps,
            ..fault(&error)
        })?;
        Ok(HttpReply {
            status: reply.status().as_u16(),
            headers,
            body,
        })
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn chance(&self) -> f64 {
        let mut bytes = [0; 4];
        // Without chance all would come at once, and still be served in the end.
        let _ = getrandom::fill(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is not known to have failed before sending may have arrived"
)]
fn fault(error: &ureq::Error) -> WireFault {
    use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};

    let (arrived, may_pass) = match error {
        ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::ConnectProxyFailed(_)
        | ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => (Arrived::No, true),
        ureq::Error::Io(error)
            if matches!(
                error.kind(),
                ConnectionRefused | HostUnreachable | NetworkUnreachable
            ) =>
        {
            (Arrived::No, true)
        }
        ureq::Error::Http(_)
        | ureq::Error::BadUri(_)
        | ureq::Error::InvalidProxyUrl
        | ureq::Error::Tls(_)
        | ureq::Error::Rustls(_)
        | ureq::Error::TlsRequired => (Arrived::No, false),
        // rustls reports a refused certificate as an I/O error of kind InvalidData.
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            (Arrived::No, false)
        }
        ureq::Error::BodyExceedsLimit(_) | ureq::Error::LargeResponseHeader(..) => {
            (Arrived::Perhaps, false)
        }
        _ => (Arrived::Perhaps, true),
    };
    WireFault {
        arrived,
        may_pass,
        text: error.to_string(),
    }
}
