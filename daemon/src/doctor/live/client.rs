//! A client of the control socket: the running daemon's, or that of an engine within this process.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use offhook_control::error::RpcError;
use offhook_control::hello::{PROTOCOL, VERSION};
use offhook_control::line::LineDecoder;
use offhook_control::notice::Notice;
use offhook_control::reply::Subscribed;
use offhook_control::request::Request;
use offhook_control::rpc::{FromServer, RequestId, read_from_server, read_result, write_request};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout, timeout_at};

/// The daemon answers every request at once; longer means that it hangs.
const REPLY: Duration = Duration::from_secs(10);

/// Why the daemon could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// It refused.
    #[error("{0}")]
    Refused(RpcError),
    /// The connection is gone, or silent.
    #[error("the daemon does not answer on its control socket ({0})")]
    Broken(#[from] io::Error),
}

/// A connection that has subscribed.
pub(crate) struct Client {
    stream: UnixStream,
    lines: LineDecoder,
    last_id: i64,
    /// Notices that came while a reply was awaited: as many as the daemon sends in that time.
    early: VecDeque<Notice>,
}

impl Client {
    /// The daemon at this path; `None` when nobody listens there.
    ///
    /// Every other fault may hide a daemon that runs, beside which nobody must log in.
    pub(crate) async fn of_daemon(path: &Path) -> Result<Option<Self>, ClientError> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the two kinds that mean that nobody is there, and the rest"
        )]
        match UnixStream::connect(path).await {
            Ok(stream) => Self::over(stream).await.map(Some),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
                _ => Err(error.into()),
            },
        }
    }

    /// Over a stream on which the daemon speaks first.
    pub(crate) async fn over(stream: UnixStream) -> Result<Self, ClientError> {
        let mut client = Self {
            stream,
            lines: LineDecoder::of_daemon(),
            last_id: 0,
            early: VecDeque::new(),
        };
        match timeout(REPLY, client.read()).await.map_err(silent)?? {
            FromServer::Hello(hello) if hello.protocol == PROTOCOL && hello.version <= VERSION => {
                Ok(client)
            }
            FromServer::Hello(_)
            | FromServer::Reply(..)
            | FromServer::Notice(_)
            | FromServer::Unknown(_) => Err(io::Error::from(io::ErrorKind::InvalidData).into()),
        }
    }

    /// How many files the daemon's process may open.
    pub(crate) fn descriptor_limit(&self) -> Option<u64> {
        let peer = getsockopt(&self.stream, PeerCredentials).ok()?;
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", peer.pid())).ok()?;
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Notices from now on, and how things stand.
    pub(crate) async fn subscribe(&mut self) -> Result<Subscribed, ClientError> {
        self.request(&Request::Subscribe).await
    }

    /// Asks and waits for the answer.
    pub(crate) async fn request<T: DeserializeOwned>(
        &mut self,
        request: &Request,
    ) -> Result<T, ClientError> {
        self.last_id += 1;
        let wanted = RequestId::Number(self.last_id);
        let line = write_request(&wanted, request);
        self.stream.write_all(line.as_bytes()).await?;
        let deadline = Instant::now() + REPLY;
        loop {
            match timeout_at(deadline, self.read()).await.map_err(silent)?? {
                FromServer::Reply(id, outcome) if id == wanted => {
                    let value = outcome.map_err(ClientError::Refused)?;
                    return read_result(value).map_err(|error| io::Error::other(error).into());
                }
                FromServer::Notice(notice) => self.early.push_back(*notice),
                FromServer::Reply(..) | FromServer::Hello(_) | FromServer::Unknown(_) => {}
            }
        }
    }

    /// The next notice; `None` when none comes before the deadline.
    pub(crate) async fn notice(
        &mut self,
        deadline: Instant,
    ) -> Result<Option<Notice>, ClientError> {
        if let Some(notice) = self.early.pop_front() {
            return Ok(Some(notice));
        }
        loop {
            let Ok(read) = timeout_at(deadline, self.read()).await else {
                return Ok(None);
            };
            match read? {
                FromServer::Notice(notice) => return Ok(Some(*notice)),
                FromServer::Reply(..) | FromServer::Hello(_) | FromServer::Unknown(_) => {}
            }
        }
    }

    /// Nothing is lost when it is dropped while it waits: bytes are taken only together with their place in the decoder.
    async fn read(&mut self) -> Result<FromServer, ClientError> {
        loop {
            if let Some(line) = self.lines.next_line() {
                let line = line.map_err(io::Error::other)?;
                return read_from_server(&line).map_err(|error| io::Error::other(error).into());
            }
            let mut bytes = [0; 4096];
            let length = self.stream.read(&mut bytes).await?;
            if length == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            self.lines.push(bytes.get(..length).unwrap_or_default());
        }
    }
}

fn silent(_: tokio::time::error::Elapsed) -> ClientError {
    io::Error::from(io::ErrorKind::TimedOut).into()
}
