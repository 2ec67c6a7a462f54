//! One client: reads its lines, answers each, and tells it notices once it has subscribed.

use offhook_control::error::{Code, RpcError};
use offhook_control::line::{LineDecoder, LineError};
use offhook_control::rpc::{RequestId, read_request, write_error, write_notice};
use offhook_engine::driver::events::{Events, Next};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::control::notices;
use crate::control::requests::{Answer, serve};
use crate::control::server::Daemon;

/// Read at once: the decoder never holds more than a line and this.
const READ: usize = 4096;

/// A client's connection. While a line is being written nothing is read, so a client that does not read its answers
/// holds up nobody but itself, and costs no memory: its notices are dropped by the engine's queue, and counted.
pub(crate) struct Session {
    stream: UnixStream,
    daemon: Daemon,
    lines: LineDecoder,
    subscription: Option<Subscription>,
}

struct Subscription {
    events: Events,
    /// Number of the last notice that was sent, or lost.
    seq: u64,
}

impl Session {
    pub(crate) fn new(stream: UnixStream, daemon: Daemon) -> Self {
        Self {
            stream,
            daemon,
            lines: LineDecoder::new(),
            subscription: None,
        }
    }

    /// Serves the client until it closes, or the engine ends.
    pub(crate) async fn run(mut self, hello: &str) -> std::io::Result<()> {
        self.stream.write_all(hello.as_bytes()).await?;
        let mut buffer = [0; READ];
        loop {
            tokio::select! {
                read = self.stream.read(&mut buffer) => {
                    let bytes = buffer.get(..read?).unwrap_or_default();
                    if bytes.is_empty() {
                        return Ok(());
                    }
                    self.lines.push(bytes);
                    self.answer_lines().await?;
                }
                next = next_event(&mut self.subscription) => match next {
                    Some(next) => self.tell(next).await?,
                    None => return Ok(()),
                }
            }
        }
    }

    async fn answer_lines(&mut self) -> std::io::Result<()> {
        while let Some(line) = self.lines.next_line() {
            let answer = match line {
                Ok(line) => self.answer(&line).await,
                Err(error) => write_error(&RequestId::Null, &refused_line(error)),
            };
            self.stream.write_all(answer.as_bytes()).await?;
        }
        Ok(())
    }

    async fn answer(&mut self, line: &str) -> String {
        let incoming = match read_request(line) {
            Ok(incoming) => incoming,
            Err((id, error)) => return write_error(&id, &error),
        };
        let answer = match serve(incoming.request, &self.daemon).await {
            Ok(answer) => answer,
            Err(error) => return write_error(&incoming.id, &error),
        };
        let line = answer.write(&incoming.id);
        if let Answer::Subscribed { reply, events } = answer {
            self.subscription = Some(Subscription {
                seq: reply.seq,
                events,
            });
        }
        line
    }

    async fn tell(&mut self, next: Next) -> std::io::Result<()> {
        let Some(subscription) = &mut self.subscription else {
            return Ok(());
        };
        let notice = match next {
            Next::Notice(notice) => {
                subscription.seq = notice.seq;
                notices::of(&notice)
            }
            Next::Lost(lost) => {
                subscription.seq += lost;
                notices::overflow(subscription.seq, lost)
            }
        };
        self.stream
            .write_all(write_notice(&notice).as_bytes())
            .await
    }
}

async fn next_event(subscription: &mut Option<Subscription>) -> Option<Next> {
    match subscription {
        Some(subscription) => subscription.events.next().await,
        None => std::future::pending().await,
    }
}

fn refused_line(error: LineError) -> RpcError {
    match error {
        LineError::TooLong { .. } => RpcError::new(Code::InvalidRequest, error.to_string())
            .with_remedy("send shorter requests"),
        LineError::NotUtf8 => {
            RpcError::new(Code::ParseError, error.to_string()).with_remedy("send JSON in UTF-8")
        }
    }
}
