//! A blocking connection to the daemon: one request at a time, and the notices in between.

use crate::error::Error;
use offhook_control::{
    hello::{PROTOCOL, VERSION},
    line::LineDecoder,
    notice::Notice,
    reply::Subscribed,
    request::Request,
    rpc::{FromServer, RequestId, read_from_server, read_result, write_request},
};
use serde_json::Value;
use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

/// A connection after its `hello`.
#[derive(Debug)]
pub(crate) struct Client {
    stream: UnixStream,
    decoder: LineDecoder,
    last_id: i64,
    /// How long the daemon may take for a reply. It answers every request at once; what takes time comes as notices.
    reply_limit: Duration,
    /// Notices that came while a reply was awaited. Bounded by what the daemon sends within the limit of a reply.
    early: VecDeque<Notified>,
}

/// A notice: typed if this program knows its kind, and as it came.
#[derive(Debug)]
pub(crate) struct Notified {
    pub(crate) typed: Option<Box<Notice>>,
    pub(crate) raw: Value,
}

impl Client {
    /// Connects and reads the daemon's `hello`.
    pub(crate) fn connect(path: &Path, reply_limit: Duration) -> Result<Self, Error> {
        let stream = UnixStream::connect(path).map_err(|source| cannot_connect(path, source))?;
        stream
            .set_write_timeout(Some(reply_limit))
            .map_err(Error::Broken)?;
        let mut client = Self {
            stream,
            decoder: LineDecoder::of_daemon(),
            last_id: 0,
            reply_limit,
            early: VecDeque::new(),
        };
        let line = client.read_line(client.deadline())?;
        match read_from_server(&line) {
            Ok(FromServer::Hello(hello)) if hello.protocol == PROTOCOL => match hello.version {
                daemon if daemon > VERSION => Err(Error::TooNew {
                    daemon,
                    ours: VERSION,
                }),
                _ => Ok(client),
            },
            Ok(_) | Err(_) => Err(Error::NotOurs {
                path: path.to_owned(),
            }),
        }
    }

    /// Asks and waits for the reply.
    pub(crate) fn request(&mut self, request: &Request) -> Result<Value, Error> {
        self.last_id += 1;
        let wanted = RequestId::Number(self.last_id);
        self.stream
            .write_all(write_request(&wanted, request).as_bytes())
            .map_err(|error| self.explain(error))?;
        let deadline = self.deadline();
        loop {
            let line = self.read_line(deadline)?;
            match read_from_server(&line).map_err(|error| Error::BadAnswer(error.to_string()))? {
                FromServer::Reply(id, outcome) if id == wanted => {
                    return outcome.map_err(Error::Refused);
                }
                // An error under no id is about a line that could not be read at all, and only ours is on its way.
                FromServer::Reply(RequestId::Null, Err(error)) => {
                    return Err(Error::Refused(error));
                }
                FromServer::Notice(notice) => {
                    self.early.push_back(Notified::new(&line, Some(notice)))
                }
                FromServer::Unknown(method) if method == "notice" => {
                    self.early.push_back(Notified::new(&line, None));
                }
                FromServer::Hello(_) | FromServer::Reply(..) | FromServer::Unknown(_) => {}
            }
        }
    }

    /// Asks for notices from now on.
    pub(crate) fn subscribe(&mut self) -> Result<(Subscribed, Value), Error> {
        let raw = self.request(&Request::Subscribe)?;
        let subscribed =
            read_result(raw.clone()).map_err(|error| Error::BadAnswer(error.to_string()))?;
        Ok((subscribed, raw))
    }

    /// Waits for the next notice, however long that takes.
    pub(crate) fn next_notice(&mut self) -> Result<Notified, Error> {
        if let Some(notified) = self.early.pop_front() {
            return Ok(notified);
        }
        loop {
            let line = self.read_line(None)?;
            match read_from_server(&line).map_err(|error| Error::BadAnswer(error.to_string()))? {
                FromServer::Notice(notice) => return Ok(Notified::new(&line, Some(notice))),
                FromServer::Unknown(method) if method == "notice" => {
                    return Ok(Notified::new(&line, None));
                }
                FromServer::Hello(_) | FromServer::Reply(..) | FromServer::Unknown(_) => {}
            }
        }
    }

    /// When a reply to what is asked now is overdue; a limit beyond all time is none.
    fn deadline(&self) -> Option<Instant> {
        Instant::now().checked_add(self.reply_limit)
    }

    /// What an error of the socket means; the usual one is that the daemon is gone.
    fn explain(&self, error: io::Error) -> Error {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the kinds that mean something here, and the rest"
        )]
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Silent {
                limit: self.reply_limit,
            },
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Error::Vanished,
            _ => Error::Broken(error),
        }
    }

    fn read_line(&mut self, deadline: Option<Instant>) -> Result<String, Error> {
        loop {
            if let Some(line) = self.decoder.next_line() {
                return line.map_err(|error| Error::BadAnswer(error.to_string()));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Error::Silent {
                    limit: self.reply_limit,
                });
            }
            self.stream.set_read_timeout(left).map_err(Error::Broken)?;
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(Error::Vanished),
                Ok(count) => self.decoder.push(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.explain(error)),
            }
        }
    }
}

impl Notified {
    fn new(line: &str, typed: Option<Box<Notice>>) -> Self {
        let mut raw: Value = serde_json::from_str(line).unwrap_or_default();
        Self {
            typed,
            raw: raw.get_mut("params").map(Value::take).unwrap_or_default(),
        }
    }
}

fn cannot_connect(path: &Path, source: io::Error) -> Error {
    let path = path.to_owned();
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the kinds that have a remedy of their own, and the rest"
    )]
    match source.kind() {
        io::ErrorKind::NotFound => Error::NoSocket { path },
        io::ErrorKind::ConnectionRefused => Error::NobodyAnswers { path },
        io::ErrorKind::PermissionDenied => Error::NotAllowed { path },
        _ => Error::CannotOpen { path, source },
    }
}
