//! A bare SIP session on a real WebSocket: signalling without an engine, for what servers say to it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use offhook_signaling::session::{CloseReason, ConnectFailure};
use offhook_signaling::sip::config::Config;
use offhook_signaling::sip::flow_id::FlowId;
use offhook_signaling::sip::session::Session;
use offhook_signaling::sip::session::contract::{Input, Output};
use offhook_signaling::transport::connect::connect;
use offhook_signaling::transport::options::ConnectOptions;
use offhook_signaling::transport::websocket::{Connection, Incoming};
use tokio::sync::mpsc;

/// A session that runs on a thread of its own until it is dropped.
#[derive(Debug)]
pub struct SipClient {
    commands: mpsc::UnboundedSender<Command>,
    events: Receiver<Event>,
    seen: Vec<Event>,
}

impl SipClient {
    /// Starts one with one flow.
    ///
    /// # Panics
    /// When the system gives no thread or no random numbers.
    pub fn start(config: Config, options: ConnectOptions) -> Self {
        let (commands, commanded) = mpsc::unbounded_channel();
        let (told, events) = channel();
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).expect("random numbers");
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(run(config, options, seed, commanded, told));
        });
        Self {
            commands,
            events,
            seen: Vec::new(),
        }
    }

    /// Asks for something.
    pub fn command(&self, command: Command) {
        // A session that has ended says so by its events.
        let _ = self.commands.send(command);
    }

    /// The first event that is told from now on and that `wanted` takes.
    ///
    /// # Panics
    /// When none comes in time; the others are in the message.
    pub fn wait(&mut self, within: Duration, wanted: impl Fn(&Event) -> bool) -> Event {
        let end = Instant::now() + within;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(event) if wanted(&event) => return event,
                Ok(event) => self.seen.push(event),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("it did not come; told were {:#?}", self.seen)
                }
            }
        }
    }
}

async fn run(
    config: Config,
    mut options: ConnectOptions,
    seed: [u8; 32],
    mut commands: mpsc::UnboundedReceiver<Command>,
    told: Sender<Event>,
) {
    options.sub_protocol = Some("sip".to_owned());
    let flow = FlowId(0);
    let mut session = Session::new(config, seed, Instant::now());
    let mut connection: Option<Connection> = None;
    loop {
        let wait = loop {
            match session.poll() {
                Output::Connect { url, .. } => {
                    connection = None;
                    match connect(&url, &options).await {
                        Ok((opened, _)) => {
                            connection = Some(opened);
                            session.handle(Input::Opened(flow), Instant::now());
                        }
                        Err(error) => {
                            let failure = ConnectFailure {
                                stage: error.stage.name().to_owned(),
                                text: error.to_string(),
                                remedy: None,
                                retry_after: None,
                            };
                            session.handle(Input::Failed(flow, failure), Instant::now());
                        }
                    }
                }
                Output::Send { text, .. } => {
                    if let Some(connection) = &connection {
                        // A full queue shows as silence.
                        let _ = connection.send(text);
                    }
                }
                Output::SendBytes { bytes, .. } => {
                    if let Some(connection) = &connection {
                        let _ = connection.send_bytes(bytes);
                    }
                }
                Output::Ping(_) => {
                    if let Some(connection) = &connection {
                        connection.ping();
                    }
                    // This harness does not see pongs: life is what comes next.
                    session.handle(Input::Pong(flow), Instant::now());
                }
                Output::Disconnect(_) => connection = None,
                Output::Event(Event::Stopped) => {
                    let _ = told.send(Event::Stopped);
                    return;
                }
                Output::Event(event) => {
                    if told.send(event).is_err() {
                        return;
                    }
                }
                Output::Wait(wait) => break wait.map(|(at, _)| at),
                _ => return,
            }
        };
        let timer = async {
            match wait {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let incoming = async {
            match &mut connection {
                Some(connection) => connection.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = timer => session.handle(Input::Timeout, Instant::now()),
            command = commands.recv() => match command {
                Some(command) => session.handle(Input::Command(command), Instant::now()),
                None => session.handle(Input::Command(Command::Shutdown), Instant::now()),
            },
            incoming = incoming => match incoming {
                Some(Incoming::Text(text)) => {
                    session.handle(Input::Message(flow, text.as_bytes()), Instant::now());
                }
                Some(Incoming::Bytes(bytes)) => {
                    session.handle(Input::Message(flow, &bytes), Instant::now());
                }
                Some(Incoming::Pong) => session.handle(Input::Pong(flow), Instant::now()),
                Some(Incoming::Closed(closed)) => {
                    connection = None;
                    let reason = CloseReason { code: None, text: closed.to_string() };
                    session.handle(Input::Closed(flow, reason), Instant::now());
                }
                None => connection = None,
            },
        }
    }
}
