//! Walks the stages from a URL to an open WebSocket, each with its own time limit.

use crate::transport::{
    error::{ConnectError, Fault, Stage},
    fingerprint::CertificateFingerprint,
    options::ConnectOptions,
    proxy::{Proxy, tunnel},
    socket::Socket,
    target::Target,
    tcp::{dial, lookup},
    tls::{Failed, handshake, own_certificate},
    upgrade::{check_headers, upgrade},
    websocket::Connection,
};
use std::{pin::pin, time::Duration};
use tokio::time::{Instant, timeout};

/// How long each stage of a successful attempt took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectTimings {
    /// Name lookup, of the proxy if there is one; next to nothing for an address.
    pub dns: Duration,
    /// TCP, to the proxy if there is one.
    pub tcp: Duration,
    /// The proxy's tunnel; `None` without a proxy.
    pub proxy: Option<Duration>,
    /// TLS handshake; `None` for `ws://`.
    pub tls: Option<Duration>,
    /// WebSocket upgrade.
    pub upgrade: Duration,
}

impl ConnectTimings {
    /// All stages together.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.dns
            + self.tcp
            + self.proxy.unwrap_or_default()
            + self.tls.unwrap_or_default()
            + self.upgrade
    }
}

/// Opens a WebSocket to `url` (`ws://` or `wss://`). Dropping the future gives the attempt up.
///
/// # Errors
/// Names the server, the stage, what happened there and what to do about it.
pub async fn connect(
    url: &str,
    options: &ConnectOptions,
) -> Result<(Connection, ConnectTimings), ConnectError> {
    let target = Target::parse(url).map_err(|fault| ConnectError {
        stage: Stage::Setup,
        server: "the server".to_owned(),
        proxy: None,
        certificate: None,
        fault: Fault::Url(fault),
    })?;
    let proxy = options
        .proxy
        .as_ref()
        .filter(|proxy| proxy.applies_to(&target.authority));
    walk(&target, proxy, options)
        .await
        .map_err(|failure| ConnectError {
            stage: failure.stage,
            server: target.authority.to_string(),
            proxy: proxy.map(|proxy| proxy.authority().to_string()),
            certificate: failure.certificate,
            fault: failure.fault,
        })
}

/// A stage that failed.
struct Failure {
    stage: Stage,
    fault: Fault,
    certificate: Option<CertificateFingerprint>,
}

async fn walk(
    target: &Target,
    proxy: Option<&Proxy>,
    options: &ConnectOptions,
) -> Result<(Connection, ConnectTimings), Failure> {
    let at = |stage: Stage| {
        move |fault: Fault| Failure {
            stage,
            fault,
            certificate: None,
        }
    };
    let limits = &options.limits;

    check_headers(options).map_err(at(Stage::Setup))?;
    let config = match target.secure {
        true => Some(
            options
                .trust
                .server_config()
                .await
                .map_err(at(Stage::Setup))?,
        ),
        false => None,
    };
    let credentials = proxy
        .map(Proxy::credentials)
        .transpose()
        .map_err(at(Stage::Setup))?
        .flatten();

    let dialled = proxy.map_or(&target.authority, Proxy::authority);
    let (addresses, dns) = timed(limits.dns, lookup(dialled, options.local_address))
        .await
        .map_err(at(Stage::Dns))?;

    // The race knows its limit itself, to say which addresses stayed silent.
    let begun = Instant::now();
    let mut tcp_stream = dial(
        addresses,
        options.attempt_delay,
        limits.tcp,
        options.local_address,
    )
    .await
    .map_err(at(Stage::Tcp))?;
    let tcp = begun.elapsed();

    let proxy = match proxy {
        Some(_) => {
            let asked = tunnel(&mut tcp_stream, &target.authority, credentials);
            Some(
                timed(limits.proxy, asked)
                    .await
                    .map_err(at(Stage::Proxy))?
                    .1,
            )
        }
        None => None,
    };

    let (mut socket, tls) = match config {
        Some(config) => {
            let shaken = handshake(tcp_stream, &target.authority, config, &options.trust);
            let (stream, took) =
                timed(limits.tls, shaken)
                    .await
                    .map_err(|Failed { fault, certificate }| Failure {
                        stage: Stage::Tls,
                        fault,
                        certificate,
                    })?;
            (Socket::Tls(Box::new(stream)), Some(took))
        }
        None => (Socket::Plain(tcp_stream), None),
    };

    let (upgraded, upgrade) = timed(limits.upgrade, upgrade(&mut socket, target, options))
        .await
        .map_err(|fault| {
            if let Fault::Broken(error) = &fault
                && let Some(own) = own_certificate(error, &options.trust)
            {
                return at(Stage::Tls)(own);
            }
            at(Stage::Upgrade)(fault)
        })?;
    let connection = Connection::new(socket, upgraded, &options.buffers)
        .await
        .map_err(Fault::Broken)
        .map_err(at(Stage::Upgrade))?;
    Ok((
        connection,
        ConnectTimings {
            dns,
            tcp,
            proxy,
            tls,
            upgrade,
        },
    ))
}

/// Runs one stage within its limit and says how long it took.
async fn timed<T, E: From<Fault>>(
    limit: Duration,
    stage: impl Future<Output = Result<T, E>>,
) -> Result<(T, Duration), E> {
    let begun = Instant::now();
    match timeout(limit, pin!(stage)).await {
        Ok(outcome) => outcome.map(|value| (value, begun.elapsed())),
        Err(_) => Err(Fault::Silent { limit }.into()),
    }
}
