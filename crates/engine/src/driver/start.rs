//! Brings an engine to life: seeds, sessions, workers, queues, the task.

use std::sync::Arc;
use std::time::Instant;

use offhook_media::device::disk::{Disk, DiskConfig};
use offhook_media::driver::bind::Bind;
use offhook_media::driver::event::CallEvent;
use offhook_media::driver::worker::{WorkerConfig, Workers};
use offhook_media::dtls::certificate::Certificate;
use offhook_media::program::CallKey;
use offhook_media::session::event::MediaEvent;
use offhook_signaling::auth::jwt::subject;
use offhook_signaling::auth::login::Login;
use offhook_signaling::deadlines::Timers;
use offhook_signaling::remembered::Remembered;
#[cfg(feature = "sip")]
use offhook_signaling::sip::session::Session as SipSession;
use offhook_signaling::verto::dialect::differences::{Dialect, SessidRule};
use offhook_signaling::verto::session::{Config as SessionConfig, Session as VertoSession};
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{broadcast, mpsc};

use crate::account::Profile;
use crate::builder::Builder;
use crate::config::AccountConfig;
use crate::core::machine::{Core, CoreConfig};
use crate::driver::clock;
use crate::driver::engine::Engine;
use crate::driver::ice_servers::{AccountIce, Names};
use crate::driver::line::Line;
use crate::driver::memory::Memory;
#[cfg(feature = "call-reports")]
use crate::driver::reporting::Reporting;
use crate::driver::secret_file;
use crate::driver::session::Session;
use crate::driver::shard::{Moving, Shard};
use crate::driver::surroundings::{SleepClock, Surroundings, slept};
use crate::driver::token::files::Files;
use crate::driver::token::password::PasswordFile;
use crate::driver::tools::Tools;
use crate::driver::turns::SourceTurns;
#[cfg(feature = "sip")]
use crate::driver::user_agent;
use crate::error::BuildError;
use crate::ice::is_loopback;
use crate::protocol::Protocol;
use crate::token_source::TokenSource;

/// Media events that may wait for the shard. Statistics give way at three quarters, so that what changes a call fits.
const MEDIA_EVENTS: usize = 8192;

pub(crate) fn start(builder: Builder) -> Result<Engine, BuildError> {
    start_asleep(builder, slept)
}

/// The same on a machine that sleeps as the clock says.
fn start_asleep(builder: Builder, sleep: SleepClock) -> Result<Engine, BuildError> {
    let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
    let now = clock::now();
    let mut memory = builder.state_file.clone().map(Memory::load);
    let core = Core::new(
        CoreConfig {
            accounts: builder
                .accounts
                .iter()
                .map(|account| profile(account, memory.as_ref()))
                .collect(),
            max_calls: builder.limits.calls,
            dtmf: builder.media.dtmf,
            ringback: builder.audio.ringback(),
            preferred_codecs: builder.media.preferred_codecs(),
        },
        seed()?,
        now,
    );
    let bind = bind(&builder);
    let mut token_files = Files::default();
    for (index, account) in builder.accounts.iter().enumerate() {
        if let Some(TokenSource::File(path)) = &account.token_source {
            token_files.watch(index, path);
        }
        if let Some(path) = &account.password_file {
            token_files.watch(index, path);
        }
    }
    let passwords = builder.accounts.iter().map(PasswordFile::of).collect();
    let token_sources = builder
        .accounts
        .iter()
        .map(|account| account.token_source.clone())
        .collect();
    #[cfg(feature = "call-reports")]
    let reporting = Reporting::of(&builder.accounts);
    let ice = builder.accounts.iter().map(AccountIce::of).collect();
    let tools = Tools::new(builder.accounts.iter().map(|account| &account.tools[..]));
    let lines = builder
        .accounts
        .into_iter()
        .map(|account| {
            let options = account.connect_options();
            Ok(Line::new(session(account, memory.as_mut(), now)?, options))
        })
        .collect::<Result<Vec<_>, BuildError>>()?;
    let (requests, waiting_requests) = mpsc::channel(builder.limits.requests.max(1));
    let (media_events, waiting_media_events) = mpsc::channel(MEDIA_EVENTS);
    let worker = WorkerConfig {
        max_calls: builder.limits.calls,
        ports: builder.media.ports.clone(),
        real_time: builder.media.real_time,
        ..WorkerConfig::default()
    };
    let workers = Workers::spawn(&worker, builder.media.workers, |_| {
        sink(media_events.clone())
    })
    .map_err(BuildError::Worker)?;
    let disk = Disk::start(DiskConfig::default()).map_err(BuildError::Disk)?;
    // One for all calls: making one takes longer than the rest of a call's beginning.
    let certificate = Arc::new(Certificate::generate().map_err(BuildError::Certificate)?);
    let shard = Shard {
        core,
        lines,
        requests: waiting_requests,
        media_events: waiting_media_events,
        workers,
        audio: builder.audio,
        programs: builder.programs,
        disk,
        certificate,
        media: builder.media,
        bind,
        ice,
        names: Names::default(),
        #[cfg(feature = "call-reports")]
        reporting,
        token_sources,
        token_files,
        passwords,
        questions: SourceTurns::default(),
        tools,
        memory,
        surroundings: Surroundings::new(sleep, now),
        notices: broadcast::Sender::new(builder.limits.events.max(1)),
        state: Moving::default(),
    };
    runtime.spawn(shard.run());
    Ok(Engine::new(requests))
}

fn profile(account: &AccountConfig, memory: Option<&Memory>) -> Profile {
    Profile {
        name: Arc::from(account.name.as_str()),
        protocol: account.protocol,
        server: Arc::from(account.server.as_str()),
        caller_name: account.caller_name.clone(),
        caller_number: account.caller_number.clone(),
        start_muted: account.start_muted,
        watch: account.watch.clone(),
        trickle: account.ice.trickle,
        login: account.login.kind(),
        subject: match &account.login {
            Login::Token { token } if !account.protocol.is_sip() => subject(token.expose()),
            Login::Token { .. } | Login::Password { .. } | Login::Anonymous { .. } | _ => None,
        },
        has_token_source: account.token_source.is_some(),
        has_password_file: PasswordFile::of(account).is_some(),
        transfers: account.transfers,
        server_commands: account.server_commands,
        tools: account.tools.iter().map(|tool| tool.name.clone()).collect(),
        adopts_calls: account.recover_calls && was_here(account, memory),
    }
}

/// Which addresses the media sockets of calls are bound to.
fn bind(builder: &Builder) -> Bind {
    if !builder.media.addresses.is_empty() {
        return Bind::Addresses(builder.media.addresses.clone());
    }
    let here = || {
        builder
            .accounts
            .iter()
            .any(|account| is_loopback(&account.server))
    };
    Bind::Interfaces {
        loopback: builder.media.loopback.unwrap_or_else(here),
        choice: builder.media.interfaces.clone(),
    }
}

/// Whether an earlier process left anything of the account's session.
fn was_here(account: &AccountConfig, memory: Option<&Memory>) -> bool {
    memory.is_some_and(|memory| memory.of(&account.name) != Remembered::default())
}

/// What an earlier process left of the account's session. A server to which the client names its session needs the name in any
/// case: under another one the registration of before would ring on beside ours. A server that names it is only asked for
/// the session of before where its calls are wanted.
fn remembered(account: &AccountConfig, dialect: &Dialect, memory: Option<&Memory>) -> Remembered {
    let wanted = account.recover_calls || dialect.sessid == SessidRule::Client;
    memory
        .filter(|_| wanted)
        .map(|memory| memory.of(&account.name))
        .unwrap_or_default()
}

/// The session of an account, which wants to be connected at once.
fn session(
    account: AccountConfig,
    memory: Option<&mut Memory>,
    now: Instant,
) -> Result<Session, BuildError> {
    match account.protocol {
        Protocol::Verto(dialect) => {
            let config = session_config(account, dialect, memory.as_deref());
            Ok(Session::Verto(Box::new(VertoSession::new(
                config,
                seed()?,
                now,
            ))))
        }
        #[cfg(feature = "sip")]
        Protocol::Sip => {
            let config = user_agent::config(account, memory)?;
            let session = SipSession::new(config, seed()?, now);
            Ok(Session::Sip(Box::new(session)))
        }
    }
}

fn session_config(
    account: AccountConfig,
    dialect: Dialect,
    memory: Option<&Memory>,
) -> SessionConfig {
    let mut timers = Timers::default();
    timers.refused = account.refused_retry;
    timers.refused_cap = account.refused_cap;
    SessionConfig {
        remembered: remembered(&account, &dialect, memory),
        login_age: secret_file::age(&account),
        token_refresh: account.token_source.map(|_| account.token_refresh),
        region: account.region,
        skip_instance: account.skip_instance,
        proxy_target: account.proxy_target,
        canary: account.canary,
        skip_trailing: account.skip_trailing,
        timers,
        trickle: account.ice.trickle,
        own_name: account.caller_name,
        own_number: account.caller_number,
        user_variables: account.user_variables,
        login_params: account.login_params,
        backoff: account.backoff,
        wall_clock: Some(clock::time_of_day()),
        ..SessionConfig::new(account.server, dialect, account.login)
    }
}

/// Takes events on a worker's thread, which must never wait.
fn sink(queue: mpsc::Sender<(CallKey, CallEvent)>) -> impl FnMut(CallKey, CallEvent) + Send {
    let mut lost: u64 = 0;
    move |call, event| {
        let spare = matches!(event, CallEvent::Media(MediaEvent::Statistics(_)));
        if spare && queue.capacity() < MEDIA_EVENTS / 4 {
            return;
        }
        if let Err(TrySendError::Full(_)) = queue.try_send((call, event)) {
            lost += 1;
            tracing::error!(lost, "the engine is overloaded: events of media were lost");
        }
    }
}

fn seed() -> Result<[u8; 32], BuildError> {
    clock::seed().map_err(BuildError::NoEntropy)
}

#[cfg(test)]
#[cfg(feature = "freeswitch")]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use futures_util::{SinkExt, StreamExt};
    use offhook_signaling::auth::login::Login;
    use offhook_signaling::secret::Secret;
    use offhook_signaling::verto::dialect::freeswitch::FREESWITCH;
    use serde_json::{Value, json};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::{WebSocketStream, accept_async};

    use super::{Builder, Engine, start_asleep};
    use crate::config::AccountConfig;
    use crate::status::AccountState;

    /// Much less than the 20 s after which a server would be probed, and the second that a lost connection pauses at first.
    const AT_ONCE: Duration = Duration::from_secs(10);

    /// A server that lets its one client log in.
    async fn serve(listener: &TcpListener) -> WebSocketStream<TcpStream> {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = accept_async(stream).await.unwrap();
        let Some(Ok(Message::Text(login))) = socket.next().await else {
            panic!("no login")
        };
        let login: Value = serde_json::from_str(&login).unwrap();
        let reply =
            json!({"jsonrpc": "2.0", "id": login["id"], "result": {"message": "logged in"}});
        let ready = json!({"jsonrpc": "2.0", "id": 1, "method": "verto.clientReady", "params": {}});
        for frame in [reply, ready] {
            let frame = Message::Text(frame.to_string().into());
            socket.send(frame).await.unwrap();
        }
        socket
    }

    async fn until_ready(engine: &Engine) {
        while engine.status().await.unwrap().accounts[0].state != AccountState::Ready {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn an_engine_that_slept_opens_a_new_connection_at_once() {
        static SLEPT: AtomicU64 = AtomicU64::new(7);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("ws://{}", listener.local_addr().unwrap());
        let login = Login::Password {
            user: "1000".into(),
            password: Secret::new("secret"),
        };
        let account = AccountConfig::new("desk", FREESWITCH, server, login);
        let clock = || Duration::from_secs(SLEPT.load(Ordering::Relaxed));
        let engine = start_asleep(Builder::default().account(account), clock).unwrap();
        let mut first = serve(&listener).await;
        until_ready(&engine).await;

        // A machine that only slept long before is awake: nothing happens.
        for _ in 0..10 {
            engine.status().await.unwrap();
        }
        let again = timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(again.is_err(), "a connection without a reason");

        SLEPT.store(7 + 3600, Ordering::Relaxed);
        // Whatever wakes it: the alarm of a machine that resumed, or here a question.
        engine.status().await.unwrap();
        let _second = timeout(AT_ONCE, serve(&listener)).await.expect("at once");
        until_ready(&engine).await;
        let ended = timeout(AT_ONCE, first.next()).await.expect("its end");
        assert!(
            !matches!(ended, Some(Ok(Message::Text(_)))),
            "the old connection is of no use: {ended:?}"
        );
        engine.shut_down().await;
    }
}
