//! Walks the stages from a URL to an open WebSocket, each with its own time limit.

use crate::transport::{
    error::{ConnectError, Fault, Stage},
    fingerprint::CertificateFingerprint,
    http::Head,
    login,
    options::ConnectOptions,
    proxy::{Proxy, tunnel},
    socket::Socket,
    target::Target,
    tcp::{dial, lookup},
    tls::{Failed, handshake, own_certificate},
    upgrade::{Denied, check_headers, upgrade},
    websocket::Connection,
};
use std::{pin::pin, time::Duration};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;

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

/// Opens a WebSocket to `url` (`ws://` or `wss://`). A server that asks who we are (401) is answered once, if the options hold a
/// login. Dropping the future gives the attempt up.
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
    let outcome = match walk(&target, proxy, options).await {
        Err(failure) => match with_login(&failure, &target, proxy.is_some(), options) {
            // It may close a connection that it refused something on.
            Some(options) => Box::pin(walk(&target, proxy, &options)).await,
            None => Err(failure),
        },
        opened => opened,
    };
    outcome.map_err(|failure| ConnectError {
        stage: failure.stage,
        server: target.authority.to_string(),
        proxy: proxy.map(|proxy| proxy.authority().to_string()),
        certificate: failure.certificate,
        fault: failure.fault,
    })
}

/// The same options, with an answer to the server that asks who we are. `None`: it does not ask, or cannot be answered.
fn with_login(
    failure: &Failure,
    target: &Target,
    through_proxy: bool,
    options: &ConnectOptions,
) -> Option<ConnectOptions> {
    let (head, who) = (failure.asks.as_ref()?, options.login.as_ref()?);
    let own = |name: &str| {
        let is = |(known, _): &(String, String)| known.eq_ignore_ascii_case(name);
        options.headers.iter().position(is)
    };
    // The caller's own word for it was refused.
    if own("Authorization").is_some() {
        return None;
    }
    let mut again = options.clone();
    for (name, value) in login::answer(head, target, through_proxy, who, &generate_key())? {
        match own(&name).and_then(|at| again.headers.get_mut(at)) {
            // A request has one line of cookies (RFC 6265, section 5.4).
            Some((_, cookies)) => {
                cookies.push_str("; ");
                cookies.push_str(&value);
            }
            None => again.headers.push((name, value)),
        }
    }
    Some(again)
}

/// A stage that failed.
struct Failure {
    stage: Stage,
    fault: Fault,
    certificate: Option<CertificateFingerprint>,
    /// The answer of a server that wants to know who asks.
    asks: Option<Box<Head>>,
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
            asks: None,
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
                        asks: None,
                    })?;
            (Socket::Tls(Box::new(stream)), Some(took))
        }
        None => (Socket::Plain(tcp_stream), None),
    };

    let (upgraded, upgrade) = timed(limits.upgrade, upgrade(&mut socket, target, options))
        .await
        .map_err(|Denied { fault, asks }| {
            if let Fault::Broken(error) = &fault
                && let Some(own) = own_certificate(error, &options.trust)
            {
                return at(Stage::Tls)(own);
            }
            Failure {
                asks: asks.map(Box::new),
                ..at(Stage::Upgrade)(fault)
            }
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
