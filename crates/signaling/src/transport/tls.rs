//! TLS to the server: which certificates are trusted, and what a refused one means in plain words.

use crate::calendar;
use crate::transport::{
    error::Fault,
    fingerprint::CertificateFingerprint,
    identity::ClientIdentity,
    target::{Authority, TargetHost},
    verify::{Check, Refused, Verifier, Why},
};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, RootCertStore, client::WebPkiServerVerifier,
    client::danger::ServerCertVerifier, crypto::CryptoProvider,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _};
use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::SystemTime,
};
use tokio::{net::TcpStream, sync::Mutex, task::spawn_blocking};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// The system's CA certificates and, if named, those of one PEM file more; or the server's own certificate, by its fingerprint.
/// Cheap to clone; clones share what was loaded.
///
/// Loading happens at the first connection, so that a file which appears late is no error at start. A changed CA file is read again.
#[derive(Clone, Default)]
pub struct Trust(Arc<Inner>);

#[derive(Default)]
struct Inner {
    ca_file: Option<PathBuf>,
    pins: Vec<CertificateFingerprint>,
    identity: Option<ClientIdentity>,
    loaded: Mutex<Option<Loaded>>,
    pinned: OnceLock<Arc<ClientConfig>>,
}

struct Loaded {
    config: Arc<ClientConfig>,
    /// The same with our own certificate.
    server: Arc<ClientConfig>,
    stamp: Option<Stamp>,
}

/// Tells one state of the CA file from another.
#[derive(PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
}

impl Trust {
    /// Trusts the system's CA certificates and those in `ca_file`.
    #[must_use]
    pub fn with_ca_file(ca_file: PathBuf) -> Self {
        Self::new(Some(ca_file), Vec::new())
    }

    /// Trusts a Verto server that shows a certificate with one of these fingerprints, and no other: neither its issuer nor its
    /// names nor its time are looked at then. With no fingerprint at all the chain is checked. `ca_file` goes on to count for
    /// whatever else is asked over TLS, such as TURN servers.
    #[must_use]
    pub fn new(ca_file: Option<PathBuf>, pins: Vec<CertificateFingerprint>) -> Self {
        Self(Arc::new(Inner {
            ca_file,
            pins,
            ..Inner::default()
        }))
    }

    /// The same for a server that is shown this certificate when it asks who connects. Nobody else is shown it.
    #[must_use]
    pub fn with_identity(self, identity: ClientIdentity) -> Self {
        Self(Arc::new(Inner {
            ca_file: self.0.ca_file.clone(),
            pins: self.0.pins.clone(),
            identity: Some(identity),
            ..Inner::default()
        }))
    }

    /// Whether there is a certificate of ours.
    #[must_use]
    pub fn has_identity(&self) -> bool {
        self.0.identity.is_some()
    }

    /// The fingerprints of the server's certificate.
    #[must_use]
    pub fn pins(&self) -> &[CertificateFingerprint] {
        &self.0.pins
    }

    /// The extra CA file.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        self.0.ca_file.as_deref()
    }

    /// What checks the Verto server.
    pub(super) async fn server_config(&self) -> Result<Arc<ClientConfig>, Fault> {
        if self.0.pins.is_empty() {
            return self.load_once(|loaded| &loaded.server).await;
        }
        if let Some(config) = self.0.pinned.get() {
            return Ok(Arc::clone(config));
        }
        let config = configured(|_| Ok(Check::Pins(self.0.pins.clone())))?;
        let config = self.identified(&Arc::new(config));
        // Another connection that began at once has made the same.
        Ok(Arc::clone(self.0.pinned.get_or_init(|| config)))
    }

    /// Loads what is to be loaded to check a chain. Many connections that begin at once wait for one of them to do it.
    ///
    /// # Errors
    /// The CA file cannot be read or used, or there is no CA certificate at all.
    pub async fn client_config(&self) -> Result<Arc<ClientConfig>, Fault> {
        self.load_once(|loaded| &loaded.config).await
    }

    /// The same, with our own certificate where there is one.
    fn identified(&self, config: &Arc<ClientConfig>) -> Arc<ClientConfig> {
        let Some(identity) = &self.0.identity else {
            return Arc::clone(config);
        };
        let mut config = ClientConfig::clone(config);
        config.client_auth_cert_resolver = identity.resolver();
        Arc::new(config)
    }

    async fn load_once(
        &self,
        wanted: impl Fn(&Loaded) -> &Arc<ClientConfig>,
    ) -> Result<Arc<ClientConfig>, Fault> {
        let mut loaded = self.0.loaded.lock().await;
        let stamp = self.ca_file().and_then(Stamp::of);
        if let Some(loaded) = loaded.as_ref()
            && loaded.stamp == stamp
        {
            return Ok(Arc::clone(wanted(loaded)));
        }
        let ca_file = self.0.ca_file.clone();
        let config = spawn_blocking(move || load(ca_file.as_deref()))
            .await
            .map_err(|error| Fault::Broken(io::Error::other(error)))??;
        let config = Arc::new(config);
        let loaded = loaded.insert(Loaded {
            server: self.identified(&config),
            config,
            stamp,
        });
        Ok(Arc::clone(wanted(loaded)))
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("ca_file", &self.0.ca_file)
            .field("pins", &self.0.pins)
            .field("identity", &self.0.identity)
            .finish_non_exhaustive()
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        Some(Self {
            modified: metadata.modified().ok(),
            length: metadata.len(),
        })
    }
}

/// Blocks: reads the system's store and the CA file.
fn load(ca_file: Option<&Path>) -> Result<ClientConfig, Fault> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "a CA certificate of the system cannot be used");
    }
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = ca_file {
        let pem = std::fs::read(path).map_err(|source| Fault::CaFileUnreadable {
            path: path.to_owned(),
            source,
        })?;
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&pem).flatten().collect();
        let (added, _) = roots.add_parsable_certificates(certificates);
        if added == 0 {
            return Err(Fault::CaFileEmpty {
                path: path.to_owned(),
            });
        }
    }
    if roots.is_empty() {
        return Err(Fault::NoCaCertificates);
    }
    configured(|provider| {
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map(Check::Chain)
            // The only reason left is a store without roots, and this one has some.
            .map_err(|_| Fault::NoCaCertificates)
    })
}

/// A configuration whose servers are checked in this way.
fn configured(
    check: impl FnOnce(&Arc<CryptoProvider>) -> Result<Check, Fault>,
) -> Result<ClientConfig, Fault> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = Arc::new(Verifier {
        check: check(&provider)?,
        algorithms: provider.signature_verification_algorithms,
    });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Fault::Handshake)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // A WebSocket starts as HTTP/1.1; a server that also speaks HTTP/2 must not choose that.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// A handshake that failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) fault: Fault,
    /// The certificate that was refused.
    pub(super) certificate: Option<CertificateFingerprint>,
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            certificate: None,
        }
    }
}

/// Shakes hands with `server` over an open connection.
pub(super) async fn handshake(
    tcp: TcpStream,
    server: &Authority,
    config: Arc<ClientConfig>,
    trust: &Trust,
) -> Result<TlsStream<TcpStream>, Failed> {
    let name = match &server.host {
        TargetHost::Address(address) => ServerName::from(*address),
        TargetHost::Name(_) => {
            ServerName::try_from(server.host.without_root()).map_err(|_| Fault::NoAddress {
                host: server.host.without_root(),
            })?
        }
    };
    TlsConnector::from(config)
        .connect(name, tcp)
        .await
        .map_err(|error| explain(error, server, trust))
}

/// Turns the error of a handshake into the fault it stands for.
fn explain(error: io::Error, server: &Authority, trust: &Trust) -> Failed {
    if let Some(fault) = own_certificate(&error, trust) {
        return Failed::from(fault);
    }
    let Some(tls) = tls_error(&error) else {
        let early = error.kind() == io::ErrorKind::UnexpectedEof;
        return Failed::from(if early {
            Fault::ClosedEarly
        } else {
            Fault::Broken(error)
        });
    };
    if let rustls::Error::InvalidCertificate(CertificateError::Other(other)) = tls
        && let Some(Refused { certificate, why }) = other.0.downcast_ref::<Refused>().cloned()
    {
        return Failed {
            fault: refusal(why, certificate, server, trust.ca_file()),
            certificate: Some(certificate),
        };
    }
    Failed::from(if let rustls::Error::InvalidMessage(_) = tls {
        Fault::NotTls
    } else {
        Fault::Handshake(tls.clone())
    })
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// What an alert says about our own certificate, if that is what it is about. With TLS 1.3 it comes when the handshake is over
/// for us: in place of the first answer.
pub(super) fn own_certificate(error: &io::Error, trust: &Trust) -> Option<Fault> {
    let Some(rustls::Error::AlertReceived(alert)) = tls_error(error) else {
        return None;
    };
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign enum that grows; all others are not about certificates"
    )]
    let why = match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => "it wants one",
        AlertDescription::UnknownCA => "it does not know the CA",
        AlertDescription::CertificateExpired => "it is not valid now",
        AlertDescription::CertificateRevoked => "it was revoked",
        AlertDescription::UnsupportedCertificate => "it does not take certificates of this kind",
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::DecryptError => "it finds it wrong",
        AlertDescription::AccessDenied => "it lets nobody in with it",
        _ => return None,
    };
    Some(match trust.has_identity() {
        true => Fault::IdentityRefused { why },
        false => Fault::IdentityWanted,
    })
}

/// What a refused certificate means.
fn refusal(
    why: Why,
    presented: CertificateFingerprint,
    server: &Authority,
    ca_file: Option<&Path>,
) -> Fault {
    let why = match why {
        Why::Library(why) => why,
        Why::Version1 => return Fault::OldCertificate,
        Why::Pins(expected) => {
            return Fault::OtherCertificate {
                expected,
                presented,
            };
        }
        Why::Key(bits) => return Fault::KeyLength { bits },
        Why::Signature => return Fault::ForeignKey,
    };
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign enum that grows; what has no sentence of its own keeps the library's"
    )]
    match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Fault::UnknownCa {
            ca_file: ca_file.map(Path::to_owned),
        },
        CertificateError::NotValidForNameContext { presented, .. } => Fault::WrongName {
            expected: server.host.without_root(),
            presented: presented.iter().map(|name| plain_name(name)).collect(),
        },
        CertificateError::NotValidForName => Fault::WrongName {
            expected: server.host.without_root(),
            presented: Vec::new(),
        },
        CertificateError::ExpiredContext { time, not_after } => Fault::Expired {
            not_after: Some(utc(not_after)),
            clock: Some(utc(time)),
        },
        CertificateError::Expired => Fault::Expired {
            not_after: None,
            clock: None,
        },
        CertificateError::NotValidYetContext { time, not_before } => Fault::NotYetValid {
            not_before: Some(utc(not_before)),
            clock: Some(utc(time)),
        },
        CertificateError::NotValidYet => Fault::NotYetValid {
            not_before: None,
            clock: None,
        },
        // The verifier's own error type is not reachable from here; its text is its variant's name.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            Fault::CaAsServer
        }
        refusal => Fault::Certificate(rustls::Error::InvalidCertificate(refusal)),
    }
}

/// The library writes names as `DnsName("a.example")`; people want `a.example`.
fn plain_name(name: &str) -> String {
    let inner = name
        .split_once('"')
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(inner, _)| inner);
    crate::transport::http::clean(inner.unwrap_or(name))
}

/// `2026-08-01 10:00:00 UTC`; no leap seconds.
fn utc(time: UnixTime) -> String {
    let seconds = time.as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = calendar::date(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_written_as_people_read_them() {
        let at = |seconds| utc(UnixTime::since_unix_epoch(Duration::from_secs(seconds)));
        assert_eq!(at(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(at(951_782_399), "2000-02-28 23:59:59 UTC");
        assert_eq!(at(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(at(1_785_578_645), "2026-08-01 10:04:05 UTC");
        assert_eq!(at(4_107_542_400), "2100-03-01 00:00:00 UTC");
    }

    #[tokio::test]
    async fn a_ca_file_that_is_missing_or_empty_is_named() {
        let missing = Trust::with_ca_file("/nonexistent/ca.pem".into())
            .client_config()
            .await
            .unwrap_err();
        assert!(
            missing
                .to_string()
                .starts_with("the CA file /nonexistent/ca.pem cannot be read"),
            "{missing}"
        );
        let empty = Trust::with_ca_file("/dev/null".into())
            .client_config()
            .await
            .unwrap_err();
        assert_eq!(
            empty.to_string(),
            "the CA file /dev/null holds no PEM certificate that can be used"
        );
    }
}
