//! When no daemon runs: an engine within this process, served as the daemon serves its own.

use std::io;

use offhook_engine::Engine;
use offhook_engine::config::{AccountConfig, MediaConfig};
use offhook_engine::error::BuildError;
use tokio::net::UnixStream;
use tracing::level_filters::LevelFilter;

use crate::control::server::Daemon;
use crate::control::session::Session;
use crate::doctor::live::client::{Client, ClientError};
use crate::log;

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] BuildError),
    /// The system.
    #[error(transparent)]
    System(#[from] io::Error),
    /// Its control session.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// An engine that logs these accounts in with no sound, no state file and no log, and a client of it.
pub(crate) async fn start(
    accounts: Vec<AccountConfig>,
    media: MediaConfig,
) -> Result<(Engine, Client), Failure> {
    let engine = Engine::builder()
        .accounts(accounts)
        .media(MediaConfig {
            real_time: None,
            ..media
        })
        .build()?;
    let daemon = Daemon::new(engine.clone(), log::start(LevelFilter::OFF))?;
    let (ours, theirs) = UnixStream::pair()?;
    let hello = daemon.hello();
    tokio::spawn(async move {
        // It ends with the client, or with the engine.
        let _ = Session::new(theirs, daemon).run(&hello).await;
    });
    Ok((engine, Client::over(ours).await?))
}
