//! One client's connection: who it is, what waits to be written, when it must be looked at.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::face::Face;
use crate::fault::gateway::Mishap;
use crate::verto::line::Line;
use crate::verto::session::SessionId;

/// Names one connection; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SocketId(pub(crate) u64);

/// Most messages that may wait for a quiet moment of the client.
const MAX_QUEUE: usize = 1000;

/// What a socket waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nobody logged in.
    Login,
    /// Queued messages go out.
    Flush,
    /// It is to be pinged.
    Ping,
    /// It was silent for too long.
    Silence,
    /// Something waits on its line.
    Line,
    /// The operator wants this to happen.
    Mishap(Mishap),
}

#[derive(Debug)]
pub(super) struct Socket {
    /// Known from the first request on.
    pub(super) face: Option<&'static Face>,
    /// Known from the login on.
    pub(super) session: Option<SessionId>,
    pub(super) failed_logins: u32,
    pub(super) voice_sdk_id: String,
    /// No more is read, and nothing more put on the line.
    pub(super) closing: bool,
    pub(super) line: Line,
    /// What is to happen to it, and when.
    pub(super) mishaps: Vec<(Instant, Mishap)>,
    /// Channels that it listens to, and the number of the next event of each.
    pub(super) listens: BTreeMap<String, u64>,
    /// The next change of a conference is lost on its way.
    pub(super) loses_row: bool,
    queue: VecDeque<String>,
    /// When the queue goes out, if the client stays quiet until then.
    flush_at: Option<Instant>,
    login_by: Instant,
    heard_at: Instant,
    pinged_at: Instant,
    /// Its entry in the table of deadlines.
    pub(super) scheduled: Option<Instant>,
}

/// The queue is full: the client does not read, or never leaves the server a quiet moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueueFull;

impl Socket {
    pub(super) fn new(voice_sdk_id: String, login_within: Duration, now: Instant) -> Self {
        Self {
            face: None,
            session: None,
            failed_logins: 0,
            voice_sdk_id,
            closing: false,
            line: Line::default(),
            mishaps: Vec::new(),
            listens: BTreeMap::new(),
            loses_row: false,
            queue: VecDeque::new(),
            flush_at: None,
            login_by: now + login_within,
            heard_at: now,
            pinged_at: now,
            scheduled: None,
        }
    }

    /// The client said something.
    pub(super) fn hear(&mut self, now: Instant) {
        self.heard_at = now;
        if self.flush_at.is_some() {
            self.flush_at = self.quiet_poll(now);
        }
    }

    pub(super) fn pinged(&mut self, now: Instant) {
        self.pinged_at = now;
    }

    pub(super) fn queue(&mut self, text: String, now: Instant) -> Result<(), QueueFull> {
        if self.queue.len() >= MAX_QUEUE {
            return Err(QueueFull);
        }
        self.queue.push_back(text);
        self.flush_at = self.flush_at.or_else(|| self.quiet_poll(now));
        Ok(())
    }

    pub(super) fn take_queue(&mut self) -> VecDeque<String> {
        self.flush_at = None;
        std::mem::take(&mut self.queue)
    }

    /// What is to be done next, and when.
    pub(super) fn due(&self) -> Option<(Instant, Due)> {
        let line = self.line.due().map(|at| (at, Due::Line));
        if self.closing {
            return line;
        }
        let (Some(face), Some(_)) = (self.face, self.session) else {
            let login = Some((self.login_by, Due::Login));
            return [line, login]
                .into_iter()
                .flatten()
                .min_by_key(|(at, _)| *at);
        };
        let mishap = self.mishaps.iter().min_by_key(|(at, _)| *at);
        let mishap = mishap.map(|(at, mishap)| (*at, Due::Mishap(*mishap)));
        let flush = self.flush_at.map(|at| (at, Due::Flush));
        let last = if face.ping_only_in_silence {
            self.pinged_at.max(self.heard_at)
        } else {
            self.pinged_at
        };
        let ping = Some((last + face.ping_after, Due::Ping));
        let silence = face
            .silence_limit
            .map(|limit| (self.heard_at + limit, Due::Silence));
        [line, mishap, flush, ping, silence]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| *at)
    }

    /// The end of the poll that is running now, if nothing comes: polls of one length follow each other from the
    /// last frame on.
    fn quiet_poll(&self, now: Instant) -> Option<Instant> {
        let poll = self.face?.queue_poll?;
        let since = now.saturating_duration_since(self.heard_at);
        let polls = since.as_nanos() / poll.as_nanos().max(1) + 1;
        Some(self.heard_at + poll.saturating_mul(u32::try_from(polls).unwrap_or(u32::MAX)))
    }
}
