//! Why a connection did not come about: the stage, the peer, one sentence, and what a person can do.

use crate::transport::{fingerprint::CertificateFingerprint, verify::RSA_BITS};
use std::{error::Error, fmt, io, net::SocketAddr, path::PathBuf, time::Duration};

/// The steps of a connection attempt, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Reading the URL and the files that the options name, before any packet is sent.
    Setup,
    /// Looking up the addresses of the server, or of the proxy if there is one.
    Dns,
    /// Opening TCP to the server, or to the proxy if there is one.
    Tcp,
    /// Asking the proxy for a tunnel (`CONNECT`, RFC 9110, section 9.3.6).
    Proxy,
    /// The TLS handshake with the server.
    Tls,
    /// The WebSocket upgrade (RFC 6455, section 4).
    Upgrade,
}

impl Stage {
    /// The name in logs and sentences.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Dns => "DNS",
            Self::Tcp => "TCP",
            Self::Proxy => "proxy",
            Self::Tls => "TLS",
            Self::Upgrade => "WebSocket upgrade",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A connection attempt that failed. Its text is one sentence with the remedy at the end, ready for a log line or a person.
#[derive(Debug)]
pub struct ConnectError {
    /// The stage that failed.
    pub stage: Stage,
    /// `host:port` of the server; of a URL that cannot be read, a placeholder, because such a text may hold a password.
    pub server: String,
    /// `host:port` of the proxy that the attempt went through.
    pub proxy: Option<String>,
    /// The certificate that was refused, if one was: who has compared it with the server's own may pin it.
    pub certificate: Option<CertificateFingerprint>,
    /// What happened.
    pub fault: Fault,
}

impl ConnectError {
    /// What a person can do about it, as the end of a sentence.
    #[must_use]
    pub fn remedy(&self) -> String {
        self.fault.remedy(self.stage)
    }

    /// Whether no packet reached anybody: this machine had no route to any of the addresses, or could not learn them.
    #[must_use]
    pub fn is_unrouted(&self) -> bool {
        use io::ErrorKind::{AddrNotAvailable, HostUnreachable, NetworkDown, NetworkUnreachable};
        let of_route = |error: &io::Error| {
            matches!(
                error.kind(),
                AddrNotAvailable | HostUnreachable | NetworkDown | NetworkUnreachable
            )
        };
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "every other fault is somebody's answer, or its lack"
        )]
        match &self.fault {
            Fault::NameUnknown { .. } => true,
            Fault::Unreachable { attempts, .. } => attempts
                .iter()
                .all(|attempt| attempt.error.as_ref().is_some_and(of_route)),
            _ => false,
        }
    }

    /// How long the server asks to be left alone, where it does.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "no other fault has room for it"
        )]
        match &self.fault {
            Fault::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {}", self.server)?;
        if let Some(proxy) = &self.proxy {
            write!(f, " through the proxy {proxy}")?;
        }
        write!(
            f,
            ": {} (stage: {}); {}",
            self.fault,
            self.stage,
            self.remedy()
        )
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The fault's own text stands in ours already; the chain goes on with its cause.
        self.fault.source()
    }
}

/// What went wrong within a stage. "It" is the server, or the proxy where the stage or the text says so.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The URL cannot be used.
    #[error("the server URL {0}")]
    Url(UrlFault),
    /// A header of the options cannot be sent.
    #[error("the header {name:?} holds characters that HTTP does not allow")]
    Header {
        /// The name as given, never the value.
        name: String,
    },
    /// The CA file cannot be read.
    #[error("the CA file {} cannot be read: {source}", path.display())]
    CaFileUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The CA file holds no usable certificate.
    #[error("the CA file {} holds no PEM certificate that can be used", path.display())]
    CaFileEmpty {
        /// The file.
        path: PathBuf,
    },
    /// The machine has no CA certificates and no CA file was given.
    #[error("this machine has no CA certificates at all")]
    NoCaCertificates,
    /// The credentials file of the proxy cannot be used.
    #[error("the proxy credentials file {} {fault}", path.display())]
    ProxyCredentials {
        /// The file.
        path: PathBuf,
        /// Why.
        fault: CredentialsFault,
    },
    /// The stage took longer than it may.
    #[error("no answer within {}", Seconds(*limit))]
    Silent {
        /// The time limit of the stage.
        limit: Duration,
    },
    /// The connection broke during the stage.
    #[error("the connection broke: {0}")]
    Broken(#[source] io::Error),
    /// The peer closed the connection where an answer was due.
    #[error("the connection was closed where an answer was due")]
    ClosedEarly,
    /// The name is not known.
    #[error("the name {host} cannot be resolved: {source}")]
    NameUnknown {
        /// The name asked for.
        host: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// The name exists and has no address that fits.
    #[error("the name {host} has no address that can be used from here")]
    NoAddress {
        /// The name asked for.
        host: String,
    },
    /// No address accepted a TCP connection.
    #[error("{}", Attempts { attempts, limit: *limit })]
    Unreachable {
        /// Every address tried, with what came of it.
        attempts: Vec<FailedAttempt>,
        /// The time limit of the stage.
        limit: Duration,
    },
    /// The proxy wants credentials and has got none.
    #[error("the proxy wants a user name and a password (407)")]
    ProxyWantsCredentials,
    /// The proxy refuses the credentials it was given.
    #[error("the proxy refused the user name and password from {} (407)", path.display())]
    ProxyRefusedCredentials {
        /// The credentials file.
        path: PathBuf,
    },
    /// The proxy refuses the tunnel.
    #[error("the proxy refused the tunnel with {status}")]
    ProxyRefused {
        /// Code and reason.
        status: HttpStatus,
    },
    /// What listens there is no HTTP proxy.
    #[error("what answers at the proxy's address does not speak HTTP")]
    ProxyNotHttp,
    /// The certificate comes from a CA that is not trusted here.
    #[error("its certificate is signed by a CA that this machine does not trust")]
    UnknownCa {
        /// Whether an extra CA file was in use.
        ca_file: Option<PathBuf>,
    },
    /// The certificate is for other names.
    #[error(
        "its certificate is not for the name {expected} but for {}",
        Names(presented)
    )]
    WrongName {
        /// The name that was dialled.
        expected: String,
        /// The names in the certificate.
        presented: Vec<String>,
    },
    /// The certificate has expired.
    #[error("its certificate expired{}", Clock { limit: " on ", certificate: not_after, now: clock })]
    Expired {
        /// End of validity, UTC.
        not_after: Option<String>,
        /// What this machine's clock says, UTC.
        clock: Option<String>,
    },
    /// The certificate is not valid yet, most often because this machine's clock is wrong.
    #[error("its certificate is not yet valid{}", Clock { limit: " before ", certificate: not_before, now: clock })]
    NotYetValid {
        /// Start of validity, UTC.
        not_before: Option<String>,
        /// What this machine's clock says, UTC.
        clock: Option<String>,
    },
    /// The server shows a CA certificate as its own.
    #[error("it shows a CA certificate as its own, which no client may accept")]
    CaAsServer,
    /// The certificate is none of those that were pinned.
    #[error(
        "its certificate has the SHA-256 fingerprint {presented}, and `certificate_sha256` names {}",
        Fingerprints(expected)
    )]
    OtherCertificate {
        /// The fingerprints that were pinned.
        expected: Vec<CertificateFingerprint>,
        /// That of the certificate that the server shows.
        presented: CertificateFingerprint,
    },
    /// A certificate of X.509 version 1: no chain of it is checked anywhere here.
    #[error(
        "its certificate is of X.509 version 1, as FreeSWITCH makes it by itself, which the TLS library does not read"
    )]
    OldCertificate,
    /// The certificate's key is too short or too long.
    #[error(
        "the RSA key of its certificate has {bits} bits, and the TLS library takes only {} to {}",
        RSA_BITS.start(),
        RSA_BITS.end()
    )]
    KeyLength {
        /// Length of its modulus.
        bits: usize,
    },
    /// The handshake was not signed with the certificate's key.
    #[error("it shows a certificate whose private key it does not have")]
    ForeignKey,
    /// The certificate is refused for another reason.
    #[error("its certificate was refused: {0}")]
    Certificate(#[source] rustls::Error),
    /// The server wants to be shown a certificate of ours, and there is none.
    #[error("it wants to see a certificate of ours, and no client_certificate_file is set")]
    IdentityWanted,
    /// The server was shown our certificate and does not take it.
    #[error("it refused our certificate (client_certificate_file): {why}")]
    IdentityRefused {
        /// Why, by its alert.
        why: &'static str,
    },
    /// What listens there does not speak TLS.
    #[error("it does not speak TLS on this port")]
    NotTls,
    /// The handshake failed for a reason that is not the certificate.
    #[error("the TLS handshake failed: {0}")]
    Handshake(#[source] rustls::Error),
    /// What answers does not speak HTTP, so no WebSocket either.
    #[error("it answered with something that is not HTTP")]
    NotHttp,
    /// A web server without a WebSocket at this path.
    #[error("there is no WebSocket at {path}: it answered {status}")]
    NoWebSocket {
        /// The path asked for, without its query.
        path: String,
        /// Code and reason.
        status: HttpStatus,
    },
    /// The server sends us elsewhere, which we do not follow.
    #[error("it redirects to {location} ({status})")]
    Redirected {
        /// Where to, cleaned and without its query.
        location: String,
        /// Code and reason.
        status: HttpStatus,
    },
    /// The server refuses this client.
    #[error("it refused the WebSocket with {status}")]
    Refused {
        /// Code and reason.
        status: HttpStatus,
    },
    /// The server has no room now.
    #[error("it has no room for us now ({status})")]
    Busy {
        /// Code and reason.
        status: HttpStatus,
        /// What it asked for in `Retry-After`, in whole seconds.
        retry_after: Option<Duration>,
    },
    /// The upgrade was granted in a way that RFC 6455 forbids.
    #[error("it broke the WebSocket upgrade: {0}")]
    BadUpgrade(UpgradeFault),
}

/// What is wrong with a server or proxy URL.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    /// Not a URL.
    #[error("is not a URL ({0})")]
    Malformed(#[from] url::ParseError),
    /// A scheme that does not fit.
    #[error("starts with {found}:// where {wanted} is needed")]
    Scheme {
        /// The scheme found.
        found: String,
        /// The schemes that fit.
        wanted: &'static str,
    },
    /// No host in it.
    #[error("names no host")]
    NoHost,
    /// A user name or password in it.
    #[error("holds a user name or a password, which do not belong there")]
    HoldsCredentials,
    /// A path or query where none belongs (proxy URL).
    #[error("has a path or a query, which a proxy has not")]
    HoldsPath,
}

/// What is wrong with a credentials file.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum CredentialsFault {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// Everybody may read it.
    #[error("can be read by everybody (mode {mode:04o})")]
    OpenToAll {
        /// The permission bits.
        mode: u32,
    },
    /// Its first line is not `user:password`.
    #[error("does not hold one line of the form user:password")]
    Malformed,
}

/// What a server got wrong while granting the upgrade (RFC 6455, section 4.1).
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeFault {
    /// No `Upgrade: websocket`.
    #[error("no \"Upgrade: websocket\" in its answer")]
    NoUpgrade,
    /// No `Connection: upgrade`.
    #[error("no \"Connection: upgrade\" in its answer")]
    NoConnection,
    /// `Sec-WebSocket-Accept` does not fit our key.
    #[error("Sec-WebSocket-Accept does not fit our key")]
    WrongAccept,
    /// An extension that nobody asked for.
    #[error("it switched on an extension that was not offered")]
    Extension,
    /// Not the sub-protocol that was offered.
    #[error("it did not agree to the sub-protocol that was offered")]
    SubProtocol,
}

/// One address that did not accept.
#[derive(Debug)]
pub struct FailedAttempt {
    /// The address.
    pub address: SocketAddr,
    /// What came of it; `None`: no answer before the time limit of the stage.
    pub error: Option<io::Error>,
}

/// Status line of an HTTP answer, cleaned for logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpStatus {
    /// The code.
    pub code: u16,
    /// The words after it, shortened and free of control characters.
    pub reason: String,
}

impl fmt::Display for HttpStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if !self.reason.is_empty() {
            write!(f, " {}", self.reason)?;
        }
        Ok(())
    }
}

impl FailedAttempt {
    pub(super) fn is_refusal(&self) -> bool {
        self.error
            .as_ref()
            .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    }
}

/// A duration in seconds as people write it: `10 s`, `0.25 s`.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0.as_secs_f64())
    }
}

/// The attempts of a race as one clause; a long list is cut.
struct Attempts<'a> {
    attempts: &'a [FailedAttempt],
    limit: Duration,
}

impl fmt::Display for Attempts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 4;
        for (index, attempt) in self.attempts.iter().take(SHOWN).enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            match &attempt.error {
                Some(_) if attempt.is_refusal() => {
                    write!(
                        f,
                        "{separator}{} refuses connections on this port",
                        attempt.address
                    )?;
                }
                Some(error) => write!(
                    f,
                    "{separator}{} cannot be reached: {error}",
                    attempt.address
                )?,
                None => {
                    write!(
                        f,
                        "{separator}{} does not answer within {}",
                        attempt.address,
                        Seconds(self.limit)
                    )?;
                }
            }
        }
        if self.attempts.len() > SHOWN {
            write!(f, ", and {} more", self.attempts.len() - SHOWN)?;
        }
        Ok(())
    }
}

/// The names of a certificate as one clause; a long list is cut.
struct Names<'a>(&'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 4;
        if self.0.is_empty() {
            return f.write_str("no name at all (it has no subject alternative name)");
        }
        for (index, name) in self.0.iter().take(SHOWN).enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{name}")?;
        }
        if self.0.len() > SHOWN {
            write!(f, " and {} more", self.0.len() - SHOWN)?;
        }
        Ok(())
    }
}

/// Fingerprints as one clause.
struct Fingerprints<'a>(&'a [CertificateFingerprint]);

impl fmt::Display for Fingerprints<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fingerprint) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { " and " };
            write!(f, "{separator}{fingerprint}")?;
        }
        Ok(())
    }
}

/// The limit of a certificate against the clock, as far as both are known.
struct Clock<'a> {
    limit: &'static str,
    certificate: &'a Option<String>,
    now: &'a Option<String>,
}

impl fmt::Display for Clock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(certificate) = self.certificate {
            write!(f, "{}{certificate}", self.limit)?;
        }
        if let Some(now) = self.now {
            write!(f, ", and this machine's clock says {now}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_that_never_left_this_machine_is_told_from_one_that_nobody_answered() {
        let attempt = |error: Option<io::ErrorKind>| FailedAttempt {
            address: SocketAddr::from(([192, 0, 2, 1], 443)),
            error: error.map(io::Error::from),
        };
        let unrouted = |attempts: Vec<FailedAttempt>| {
            let limit = Duration::from_secs(5);
            let failed = ConnectError {
                stage: Stage::Tcp,
                server: "192.0.2.1:443".to_owned(),
                proxy: None,
                certificate: None,
                fault: Fault::Unreachable { attempts, limit },
            };
            failed.is_unrouted()
        };
        let no_route = || attempt(Some(io::ErrorKind::NetworkUnreachable));
        assert!(unrouted(vec![no_route(), no_route()]));
        assert!(!unrouted(vec![
            no_route(),
            attempt(Some(io::ErrorKind::ConnectionRefused))
        ]));
        assert!(!unrouted(vec![no_route(), attempt(None)]));
    }
}
