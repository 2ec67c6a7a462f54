//! A subscriber on the daemon's control socket: notices arrive on a channel.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use offhook_control::line::LineDecoder;
use offhook_control::notice::Notice;
use offhook_control::reply::{Status, Subscribed};
use offhook_control::request::Request;
use offhook_control::rpc::{FromServer, RequestId, read_from_server, read_result, write_request};

use crate::error::Error;
use crate::processes::Daemon;
use crate::timeline::Interrupt;

/// Notices from the moment of the snapshot on.
pub(crate) struct Subscription {
    pub(crate) snapshot: Status,
    pub(crate) notices: Receiver<Notice>,
}

/// Connects as soon as the daemon's socket is there, and subscribes.
pub(crate) fn subscribe(
    socket: &Path,
    daemon: &mut Daemon,
    interrupt: &Interrupt,
) -> Result<Subscription, Error> {
    let asked = Instant::now();
    let mut stream = loop {
        match UnixStream::connect(socket) {
            Ok(stream) => break stream,
            Err(error) if asked.elapsed() > Duration::from_secs(10) => {
                return Err(Error::Control(error.to_string()));
            }
            Err(_) => {
                interrupt.check()?;
                daemon.check()?;
                // A socket that does not exist yet cannot be waited for otherwise.
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    };
    let broken = |error: std::io::Error| Error::Control(error.to_string());
    stream
        .write_all(write_request(&RequestId::Number(1), &Request::Subscribe).as_bytes())
        .map_err(broken)?;
    let mut lines = Lines {
        stream,
        decoder: LineDecoder::of_daemon(),
    };
    let subscribed: Subscribed = loop {
        match lines
            .next()
            .ok_or_else(|| Error::Control("the daemon closed it".to_owned()))?
        {
            FromServer::Reply(_, Ok(result)) => {
                break read_result(result).map_err(|error| Error::Control(error.to_string()))?;
            }
            FromServer::Reply(_, Err(error)) => return Err(Error::Control(error.to_string())),
            FromServer::Hello(_) | FromServer::Notice(_) | FromServer::Unknown(_) => {}
        }
    };
    let (sender, notices) = channel();
    std::thread::spawn(move || {
        while let Some(line) = lines.next() {
            if let FromServer::Notice(notice) = line
                && sender.send(*notice).is_err()
            {
                return;
            }
        }
    });
    Ok(Subscription {
        snapshot: subscribed.snapshot,
        notices,
    })
}

struct Lines {
    stream: UnixStream,
    decoder: LineDecoder,
}

impl Lines {
    fn next(&mut self) -> Option<FromServer> {
        loop {
            while let Some(line) = self.decoder.next_line() {
                if let Some(message) = line.ok().and_then(|line| read_from_server(&line).ok()) {
                    return Some(message);
                }
            }
            let mut bytes = [0; 4096];
            let length = self
                .stream
                .read(&mut bytes)
                .ok()
                .filter(|&length| length > 0)?;
            self.decoder.push(bytes.get(..length)?);
        }
    }
}
