//! Accepts clients, so many at a time, and ends with all of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use offhook_control::error::{Code, RpcError};
use offhook_control::hello::{Hello, PROTOCOL, VERSION};
use offhook_control::request::METHODS;
use offhook_control::rpc::{RequestId, write_error, write_hello};
use offhook_engine::Engine;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::control::session::Session;
use crate::control::socket::Claimed;
use crate::log::LogLevel;

/// Most clients at a time.
const CLIENTS: u32 = 64;
/// Pause after a failed accept: the limit of open files is reached, and a busy loop would not lift it.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long clients may take to read the last notices.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// What every client's session shares.
#[derive(Clone)]
pub(crate) struct Daemon {
    pub(crate) engine: Engine,
    pub(crate) level: LogLevel,
    /// A random name of this run.
    pub(crate) instance: Arc<str>,
    pub(crate) started: Instant,
}

impl Daemon {
    pub(crate) fn new(engine: Engine, level: LogLevel) -> std::io::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(std::io::Error::other)?;
        let instance = format!("{:016x}", u64::from_ne_bytes(random)).into();
        Ok(Self {
            engine,
            level,
            instance,
            started: Instant::now(),
        })
    }

    /// The first line of every session.
    pub(crate) fn hello(&self) -> String {
        write_hello(&Hello {
            protocol: PROTOCOL.to_owned(),
            version: VERSION,
            capabilities: METHODS.map(str::to_owned).to_vec(),
            instance: self.instance.to_string(),
        })
    }
}

/// The listening side.
pub(crate) struct Server {
    listener: UnixListener,
    claimed: Claimed,
    daemon: Daemon,
}

/// A server that runs in a task of its own.
pub(crate) struct Serving {
    end: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Serving {
    /// Stops accepting, removes the socket, gives clients a moment to read what was told last.
    pub(crate) async fn end(self) {
        self.end.send_replace(true);
        // Only a panic of the task could make this an error, and that has been told already.
        let _ = self.task.await;
    }
}

impl Server {
    pub(crate) fn new(mut claimed: Claimed, daemon: Daemon) -> std::io::Result<Self> {
        let listener = claimed
            .take_listener()
            .ok_or(std::io::ErrorKind::NotConnected)?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener: UnixListener::from_std(listener)?,
            claimed,
            daemon,
        })
    }

    /// Serves from now on.
    pub(crate) fn spawn(self) -> Serving {
        let (end, ended) = watch::channel(false);
        Serving {
            end,
            task: tokio::spawn(self.run(ended)),
        }
    }

    async fn run(self, mut ended: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(CLIENTS as usize));
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = ended.wait_for(|end| *end) => break,
            };
            match accepted {
                Ok((stream, _)) => self.serve(stream, &places, &ended),
                Err(error) => {
                    tracing::warn!(%error, "a control client could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.claimed);
        // Sessions end by themselves, at the latest after the same time.
        let _ = timeout(2 * LAST_WORDS, places.acquire_many(CLIENTS)).await;
    }

    fn serve(
        &self,
        mut stream: UnixStream,
        places: &Arc<Semaphore>,
        ended: &watch::Receiver<bool>,
    ) {
        let hello = self.daemon.hello();
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            let full = RpcError::new(
                Code::Busy,
                format!("{CLIENTS} control clients are connected, the limit"),
            )
            .with_remedy("close one of them");
            let lines = hello + &write_error(&RequestId::Null, &full);
            tokio::spawn(async move {
                // Whoever does not read it sees the connection close.
                let _ = timeout(LAST_WORDS, stream.write_all(lines.as_bytes())).await;
            });
            return;
        };
        let session = Session::new(stream, self.daemon.clone());
        let mut ended = ended.clone();
        tokio::spawn(async move {
            let last_words = async {
                // An error means that the server is gone, which ends the session just as well.
                let _ = ended.wait_for(|end| *end).await;
                sleep(LAST_WORDS).await;
            };
            tokio::select! {
                served = session.run(&hello) => {
                    if let Err(error) = served {
                        tracing::debug!(%error, "a control client is gone");
                    }
                }
                () = last_words => {}
            }
            drop(place);
        });
    }
}
