//! A client of the control socket that a test can ask and wait with.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use offhook_control::error::RpcError;
use offhook_control::hello::Hello;
use offhook_control::line::LineDecoder;
use offhook_control::notice::{Ended, Event, Notice};
use offhook_control::reply::{CallPlaced, Status, Subscribed};
use offhook_control::request::{Answer, Call, Hangup, Request};
use offhook_control::rpc::{FromServer, RequestId, read_from_server, read_result, write_request};
use serde::de::DeserializeOwned;

/// A connection.
#[derive(Debug)]
pub struct Control {
    stream: UnixStream,
    decoder: LineDecoder,
    next_id: i64,
    /// The server's first line.
    pub hello: Hello,
    /// Notices that came while something else was waited for, oldest first.
    pub notices: Vec<Notice>,
    /// How many of them were looked at by [`Control::wait`].
    seen: usize,
}

impl Control {
    /// Connects, as soon as the socket answers.
    ///
    /// # Panics
    /// When it does not in time, or does not say hello.
    pub fn connect(socket: &Path, limit: Duration) -> Self {
        let asked = Instant::now();
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(error) => {
                    assert!(
                        asked.elapsed() < limit,
                        "no control socket at {}: {error}",
                        socket.display()
                    );
                    std::thread::park_timeout(Duration::from_millis(5));
                }
            }
        };
        let hello = Hello {
            protocol: String::new(),
            version: 0,
            capabilities: Vec::new(),
            instance: String::new(),
        };
        let mut control = Self {
            stream,
            decoder: LineDecoder::of_daemon(),
            next_id: 1,
            hello,
            notices: Vec::new(),
            seen: 0,
        };
        match control.receive(Instant::now() + limit) {
            Some(FromServer::Hello(hello)) => control.hello = hello,
            other => panic!("the first line is no hello: {other:?}"),
        }
        control
    }

    /// Sends raw bytes.
    ///
    /// # Panics
    /// When the daemon has closed the connection.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.stream
            .write_all(bytes)
            .expect("the daemon reads its control socket");
    }

    /// The next message, if one comes before the deadline.
    pub fn receive(&mut self, deadline: Instant) -> Option<FromServer> {
        loop {
            if let Some(line) = self.decoder.next_line() {
                let line = line.expect("a line of the daemon");
                return Some(
                    read_from_server(&line).unwrap_or_else(|error| panic!("{line:?}: {error}")),
                );
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.stream
                .set_read_timeout(Some(left))
                .expect("a time limit");
            let mut bytes = [0; 16384];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(length) => self.decoder.push(&bytes[..length]),
                Err(_) => return None,
            }
        }
    }

    /// The next reply, whatever its id; notices that come before it are kept.
    ///
    /// # Panics
    /// When none comes within 10 s.
    pub fn reply(&mut self) -> (RequestId, Result<serde_json::Value, RpcError>) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match self.receive(deadline) {
                Some(FromServer::Reply(id, outcome)) => return (id, outcome),
                Some(FromServer::Notice(notice)) => self.notices.push(*notice),
                Some(FromServer::Hello(_) | FromServer::Unknown(_)) => {}
                None => panic!("no reply within 10 s"),
            }
        }
    }

    /// Asks, and waits for the answer.
    pub fn try_ask<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, RpcError> {
        let id = RequestId::Number(self.next_id);
        self.next_id += 1;
        self.send_raw(write_request(&id, request).as_bytes());
        let (seen, outcome) = self.reply();
        assert_eq!(seen, id, "a reply under another id");
        outcome.map(|result| read_result(result).expect("the result that the request promises"))
    }

    /// Asks for what must not fail.
    ///
    /// # Panics
    /// When it does.
    pub fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> T {
        self.try_ask(request)
            .unwrap_or_else(|error| panic!("{request:?}: {error:?}"))
    }

    /// Subscribes.
    pub fn subscribe(&mut self) -> Status {
        self.ask::<Subscribed>(&Request::Subscribe).snapshot
    }

    /// The daemon's status.
    pub fn status(&mut self) -> Status {
        self.ask(&Request::Status)
    }

    /// Places a call; returns its id.
    pub fn call(&mut self, number: &str) -> String {
        self.ask::<CallPlaced>(&Request::Call(Call {
            number: number.to_owned(),
            ..Call::default()
        }))
        .call
    }

    /// Places a call with one of several accounts; returns its id.
    pub fn call_with(&mut self, account: &str, number: &str) -> String {
        self.ask::<CallPlaced>(&Request::Call(Call {
            account: Some(account.to_owned()),
            number: number.to_owned(),
            ..Call::default()
        }))
        .call
    }

    /// Answers the call that rings.
    pub fn answer(&mut self) {
        self.ask::<serde_json::Value>(&Request::Answer(Answer::default()));
    }

    /// Ends a call.
    pub fn hangup(&mut self, call: &str) {
        let hangup = Hangup {
            call: Some(call.to_owned()),
            ..Hangup::default()
        };
        self.ask::<serde_json::Value>(&Request::Hangup(hangup));
    }

    /// Waits for the first notice, of those not yet looked at, that the test wants.
    ///
    /// # Panics
    /// When none comes in time; the message lists what did.
    pub fn wait<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut wanted: impl FnMut(&Notice) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + limit;
        loop {
            while let Some(notice) = self.notices.get(self.seen) {
                self.seen += 1;
                if let Some(found) = wanted(notice) {
                    return found;
                }
            }
            match self.receive(deadline) {
                Some(FromServer::Notice(notice)) => self.notices.push(*notice),
                Some(FromServer::Reply(..) | FromServer::Hello(_) | FromServer::Unknown(_)) => {}
                None => panic!(
                    "no {what} within {limit:?}; there were {:#?}",
                    self.events()
                ),
            }
        }
    }

    /// Waits until a call has ended.
    pub fn wait_ended(&mut self, call: &str, limit: Duration) -> Ended {
        self.wait("end of the call", limit, |notice| match &notice.event {
            Event::Ended(ended) if notice.call.as_deref() == Some(call) => Some(ended.clone()),
            _ => None,
        })
    }

    /// Everything told so far, without the figures of each second.
    pub fn events(&self) -> Vec<&Event> {
        let told = self.notices.iter().map(|notice| &notice.event);
        told.filter(|event| !matches!(event, Event::Quality(_)))
            .collect()
    }
}
