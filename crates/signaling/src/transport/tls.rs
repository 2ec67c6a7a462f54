//! TLS to the server: which certificates are trusted, and what a refused one means in plain words.

use crate::transport::{
    error::Fault,
    fingerprint::CertificateFingerprint,
    target::{Authority, TargetHost},
    verify::{Check, Refused, Verifier, Why},
};
use rustls::{
    CertificateError, ClientConfig, RootCertStore, client::WebPkiServerVerifier,
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
    loaded: Mutex<Option<Loaded>>,
    pinned: OnceLock<Arc<ClientConfig>>,
}

struct Loaded {
    config: Arc<ClientConfig>,
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
            return self.client_config().await;
        }
        if let Some(config) = self.0.pinned.get() {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(configured(|_| Ok(Check::Pins(self.0.pins.clone())))?);
        // Another connection that began at once has made the same.
        Ok(Arc::clone(self.0.pinned.get_or_init(|| config)))
    }

    /// Loads what is to be loaded to check a chain. Many connections that begin at once wait for one of them to do it.
    ///
    /// # Errors
    /// The CA file cannot be read or used, or there is no CA certificate at all.
    pub async fn client_config(&self) -> Result<Arc<ClientConfig>, Fault> {
        let mut loaded = self.0.loaded.lock().await;
        let stamp = self.ca_file().and_then(Stamp::of);
        if let Some(loaded) = loaded.as_ref()
            && loaded.stamp == stamp
        {
            return Ok(Arc::clone(&loaded.config));
        }
        let ca_file = self.0.ca_file.clone();
        let config = spawn_blocking(move || load(ca_file.as_deref()))
            .await
            .map_err(|error| Fault::Broken(io::Error::other(error)))??;
        let config = Arc::new(config);
        *loaded = Some(Loaded {
            config: Arc::clone(&config),
            stamp,
        });
        Ok(config)
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("ca_file", &self.0.ca_file)
            .field("pins", &self.0.pins)
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
    ca_file: Option<&Path>,
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
        .map_err(|error| explain(error, server, ca_file))
}

/// Turns the error of a handshake into the fault it stands for.
fn explain(error: io::Error, server: &Authority, ca_file: Option<&Path>) -> Failed {
    let Some(tls) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    else {
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
            fault: refusal(why, certificate, server, ca_file),
            certificate: Some(certificate),
        };
    }
    Failed::from(if let rustls::Error::InvalidMessage(_) = tls {
        Fault::NotTls
    } else {
        Fault::Handshake(tls.clone())
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

/// `2026-08-01 10:00:00 UTC`; proleptic Gregorian calendar, no leap seconds.
fn utc(time: UnixTime) -> String {
    let seconds = time.as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Count from 1 March of year 0, so that the leap day is the last day of a year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
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
