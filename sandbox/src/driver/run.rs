//! Starts everything, then feeds the gateway until a signal ends it.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant, SystemTime};

use offhook_media::audio::recording::RecordingError;
use offhook_media::dtls::certificate::{Certificate, CertificateError as BadCertificate};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use crate::args::{DialectChoice, Settings};
use crate::certificate::{CertificateError, rsa_with_serial_zero};
use crate::driver::connection::{FromClient, Protocol, ToClient};
use crate::driver::listener::{Door, accept};
use crate::driver::media::{MediaDesk, MediaDeskError};
use crate::driver::operator::{self, Told};
use crate::driver::rest;
use crate::program::clip::Clips;
use crate::ready::{Listens, Ready};
use crate::sip::settings::SipSettings;
use crate::switch::media::{MediaId, MediaNotice};
use crate::tls::{Tls, TlsError};
use crate::verto::gateway::{Gateway, GatewayConfig, Input, Output};
use crate::verto::socket::SocketId;

/// Inputs of clients that may wait for the gateway.
const CLIENT_QUEUE: usize = 1024;
/// Notices of the media worker that may wait for the gateway.
const MEDIA_QUEUE: usize = 64 * 1024;
/// Requests of the REST API that may wait for the gateway.
const REST_QUEUE: usize = 256;
/// At the end, clients have this long to take their last message.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);

/// Why the sandbox cannot run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(
        "cannot listen on {address}: {source}; choose another address, or port 0 for a free one"
    )]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Clip(#[from] RecordingError),
    #[error(transparent)]
    Media(#[from] MediaDeskError),
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    #[error("the system refuses what a server needs: {0}")]
    System(#[from] io::Error),
}

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(settings: &Settings) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(settings))
}

type RsaResult = Result<Certificate, NoRsa>;

#[derive(Debug, thiserror::Error)]
enum NoRsa {
    #[error(transparent)]
    Making(#[from] CertificateError),
    #[error(transparent)]
    Taking(#[from] BadCertificate),
}

async fn serve(settings: &Settings) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Only FreeSWITCH has that certificate, and it takes a while.
    let (mut rsa, mut rsa_awaited) = match settings.dialect {
        DialectChoice::Telnyx => (oneshot::channel().1, false),
        DialectChoice::Auto | DialectChoice::Freeswitch => (make_certificate()?, true),
    };

    let plain = listen(settings.listen).await?;
    let tls = match settings.listen_tls {
        Some(address) => {
            let tls = match &settings.tls_files {
                Some((certificate, key)) => Tls::load(certificate, key)?,
                None => Tls::generate(address.ip())?,
            };
            Some((listen(address).await?, tls))
        }
        None => None,
    };
    let local = match settings.listen.ip() {
        ip if ip.is_loopback() => ip,
        _ => Ipv4Addr::LOCALHOST.into(),
    };
    let api = listen(SocketAddr::new(local, settings.rest_port)).await?;
    let sip = listen(SocketAddr::new(settings.listen.ip(), settings.sip_port)).await?;
    let sip_tls = match settings.listen_tls {
        Some(address) => Some(listen(SocketAddr::new(address.ip(), settings.sip_tls_port)).await?),
        None => None,
    };
    let api_tls = match settings.listen_tls {
        Some(address) => Some(listen(SocketAddr::new(address.ip(), 0)).await?),
        None => None,
    };
    let (notices, mut media_notices) = mpsc::channel(MEDIA_QUEUE);
    let media = MediaDesk::start(
        Clips::encode()?,
        settings.listen.ip(),
        settings.mute_return,
        &settings.limits,
        notices,
    )?;
    let mut operator = read_operator()?;
    let (clients, mut from_clients) = mpsc::channel(CLIENT_QUEUE);
    let (alive, mut all_gone) = mpsc::channel(1);
    let door = Door {
        gateway: clients,
        room: Arc::new(Semaphore::new(settings.limits.sockets)),
        message_bytes: settings.limits.message_bytes,
        numbers: Arc::new(AtomicU64::new(1)),
        alive,
    };
    let sip_address = sip.local_addr()?;
    let also = Also {
        api: &api,
        api_tls: api_tls.as_ref(),
        sip: &sip,
        sip_tls: sip_tls.as_ref(),
    };
    print_ready(&plain, tls.as_ref(), &also)?;

    let (requests, mut from_rest) = mpsc::channel(REST_QUEUE);
    let mut accepting = vec![
        tokio::spawn(accept(plain, None, Protocol::Verto, door.clone())),
        tokio::spawn(accept(sip, None, Protocol::Sip, door.clone())),
        tokio::spawn(rest::accept(api, None, requests.clone())),
    ];
    // Kept to the end: the CA's file goes with it.
    let mut _tls = None;
    if let Some((listener, made)) = tls {
        let acceptor = TlsAcceptor::from(Arc::clone(&made.server));
        if let Some(api) = api_tls {
            let tls = Some(acceptor.clone());
            accepting.push(tokio::spawn(rest::accept(api, tls, requests.clone())));
        }
        if let Some(sip) = sip_tls {
            let tls = Some(acceptor.clone());
            accepting.push(tokio::spawn(accept(
                sip,
                tls,
                Protocol::SipTls,
                door.clone(),
            )));
        }
        let tls = Some(acceptor);
        accepting.push(tokio::spawn(accept(
            listener,
            tls,
            Protocol::Verto,
            door.clone(),
        )));
        _tls = Some(made);
    }
    drop(door);

    let mut desk = Desk::new(settings, sip_address, media)?;
    loop {
        let wait = desk.settle();
        tokio::select! {
            Some((socket, message)) = from_clients.recv() => desk.client(socket, message),
            Some((media, notice)) = media_notices.recv() => desk.notice(media, notice),
            Some((request, reply)) = from_rest.recv() => {
                // Who does not wait any more wants no answer.
                let _ = reply.send(desk.gateway.rest(&request, Instant::now()));
            }
            Some(told) = operator.recv() => match told {
                Told::Call { user, call } => desk.input(Input::CallUser(&user, &call)),
                Told::Order(order) => desk.input(Input::Order(order)),
            },
            made = &mut rsa, if rsa_awaited => {
                rsa_awaited = false;
                desk.rsa(made);
            }
            () = sleep_until(wait.into()) => desk.input(Input::Timeout),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }

    for task in accepting {
        task.abort();
    }
    desk.input(Input::Shutdown);
    desk.settle();
    desk.clients.clear();
    from_clients.close();
    let _ = timeout(GOODBYE_WITHIN, all_gone.recv()).await;
    Ok(())
}

/// The gateway with what carries out its wishes.
struct Desk {
    gateway: Gateway,
    clients: HashMap<SocketId, mpsc::Sender<ToClient>>,
    media: MediaDesk,
}

impl Desk {
    fn new(
        settings: &Settings,
        sip_address: SocketAddr,
        media: MediaDesk,
    ) -> Result<Self, RunError> {
        let config = GatewayConfig {
            dialect: settings.dialect,
            limits: settings.limits.clone(),
            rest: settings.rest.clone(),
            password: settings.password.clone(),
            faults: settings.faults.clone(),
            second_login: settings.second_login,
            denied: settings.denied.clone(),
            assistant: settings.assistant.clone(),
            sip: SipSettings {
                address: sip_address,
                ..settings.sip.clone()
            },
            wall: SystemTime::now(),
        };
        Ok(Self {
            gateway: Gateway::new(config, seed()?, Instant::now()),
            clients: HashMap::new(),
            media,
        })
    }

    fn input(&mut self, input: Input<'_>) {
        self.gateway.handle(input, Instant::now());
    }

    fn client(&mut self, socket: SocketId, message: FromClient) {
        match message {
            FromClient::Opened(protocol, outbox) => {
                self.clients.insert(socket, outbox);
                self.input(match protocol {
                    Protocol::Verto => Input::Opened(socket),
                    Protocol::Sip => Input::SipOpened(socket, "WS"),
                    Protocol::SipTls => Input::SipOpened(socket, "WSS"),
                });
            }
            FromClient::Binary(bytes) => self.input(Input::Binary(socket, &bytes)),
            FromClient::Text(text) => self.input(Input::Text(socket, &text)),
            FromClient::Ping(payload) => self.input(Input::Ping(socket, &payload)),
            FromClient::Report(report, answer) => {
                // Who does not wait any more wants no answer.
                let _ = answer.send(self.gateway.call_report(&report));
            }
            FromClient::Closed => {
                self.clients.remove(&socket);
                self.input(Input::Closed(socket));
            }
        }
    }

    fn notice(&mut self, media: MediaId, notice: MediaNotice) {
        self.input(Input::Media(media, notice));
    }

    fn rsa(&mut self, made: Result<RsaResult, oneshot::error::RecvError>) {
        match made {
            Ok(Ok(certificate)) => {
                tracing::debug!("the FreeSWITCH face has its certificate");
                for lost in self.media.certificate_made(certificate) {
                    self.lose(lost);
                }
            }
            Ok(Err(error)) => tracing::error!(%error, "no calls with the FreeSWITCH face"),
            Err(_) => tracing::error!("no calls with the FreeSWITCH face: its thread is gone"),
        }
    }

    /// Does all that the gateway wants; says until when it waits.
    fn settle(&mut self) -> Instant {
        loop {
            match self.gateway.poll() {
                Output::Send { socket, text } => self.write(socket, ToClient::Text(text)),
                Output::SendBytes { socket, bytes } => self.write(socket, ToClient::Bytes(bytes)),
                Output::Pong { socket, payload } => self.write(socket, ToClient::Pong(payload)),
                Output::Close { socket, code } => {
                    self.write(socket, ToClient::Close(code));
                    self.clients.remove(&socket);
                }
                Output::Cut { socket } => {
                    self.write(socket, ToClient::Cut);
                    self.clients.remove(&socket);
                }
                Output::CutFrame { socket, payload } => {
                    self.write(socket, ToClient::Half(payload));
                    self.clients.remove(&socket);
                }
                Output::Deafen { socket } => self.write(socket, ToClient::Deafen),
                Output::Media(command) => {
                    if let Err(lost) = self.media.carry_out(command) {
                        self.lose(lost);
                    }
                }
                Output::Wait(Some(until)) => return until,
                // Nothing to wait for: any far instant will do.
                Output::Wait(None) => return Instant::now() + Duration::from_secs(3600),
            }
        }
    }

    fn lose(&mut self, media: MediaId) {
        let notice = MediaNotice::Failed("the media worker is overloaded".to_owned());
        self.notice(media, notice);
    }

    /// A client that does not take its messages loses its connection.
    fn write(&mut self, socket: SocketId, message: ToClient) {
        let full = self
            .clients
            .get(&socket)
            .is_some_and(|outbox| outbox.try_send(message).is_err());
        if full {
            tracing::warn!(socket = socket.0, "closed: the client takes no messages");
            self.clients.remove(&socket);
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, RunError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| RunError::Listen { address, source })
}

/// The listeners beside those of Verto.
struct Also<'a> {
    api: &'a TcpListener,
    api_tls: Option<&'a TcpListener>,
    sip: &'a TcpListener,
    sip_tls: Option<&'a TcpListener>,
}

fn print_ready(
    plain: &TcpListener,
    tls: Option<&(TcpListener, Tls)>,
    also: &Also<'_>,
) -> Result<(), RunError> {
    let listens = |plain: &TcpListener, tls: Option<&TcpListener>| {
        io::Result::Ok(Listens {
            plain: plain.local_addr()?,
            tls: tls.map(TcpListener::local_addr).transpose()?,
        })
    };
    let api = listens(also.api, also.api_tls)?;
    let sip = listens(also.sip, also.sip_tls)?;
    let tls = match tls {
        Some((listener, tls)) => Some((listener.local_addr()?, tls.ca())),
        None => None,
    };
    Ready::new(plain.local_addr()?, tls, sip, api).print(io::stdout().lock())?;
    Ok(())
}

/// Makes the slow certificate on a thread of its own.
fn make_certificate() -> Result<oneshot::Receiver<RsaResult>, RunError> {
    let (sender, receiver) = oneshot::channel();
    let seed = seed()?;
    std::thread::Builder::new()
        .name("certificate".to_owned())
        .spawn(move || {
            let made = rsa_with_serial_zero(seed)
                .map_err(NoRsa::from)
                .and_then(|made| Ok(Certificate::from_der(made.certificate, &made.key)?));
            // Nobody waits any more when the sandbox ends first.
            let _ = sender.send(made);
        })?;
    Ok(receiver)
}

/// Reads standard input on a thread of its own, which ends with the process.
fn read_operator() -> Result<mpsc::Receiver<Told>, RunError> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || operator::read(io::stdin().lock(), &sender))?;
    Ok(receiver)
}

fn seed() -> Result<[u8; 32], getrandom::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(seed)
}
