//! One Verto session with one server.

use std::collections::VecDeque;
use std::time::{Instant, SystemTime};

use rand::{SeedableRng, rngs::StdRng};

use crate::auth::login::Login;
use crate::backoff::Backoff;
use crate::deadlines::{Deadlines, Timers};
use crate::session::{Input, Output};
use crate::verto::dialect::differences::Dialect;

/// What a session needs to know for its whole life.
#[derive(Clone, Debug)]
pub struct Config {
    /// `ws://` or `wss://` URL; its path and query are kept.
    pub server: String,
    /// How the server speaks.
    pub dialect: Dialect,
    /// Who we are; replaced by [`crate::command::Command::Login`].
    pub login: Login,
    /// Session name of an earlier process, to recover its calls. `None`: a new one.
    pub sessid: Option<String>,
    /// Name and version told to the server, such as `offhook/0.1.0`.
    pub user_agent: String,
    /// Time limits.
    pub timers: Timers,
    /// Pauses between connection attempts.
    pub backoff: Backoff,
    /// Wall time at the moment of [`Session::new`]; only to say why a token was refused.
    pub wall_clock: Option<SystemTime>,
}

/// One signalling session with one server. Drive it: one [`Session::handle`], then [`Session::poll`] until
/// [`Output::Wait`].
#[derive(Debug)]
pub struct Session {
    config: Config,
    outbox: VecDeque<Output>,
    deadlines: Deadlines,
    rng: StdRng,
}

impl Session {
    /// A session that wants to be connected at once. `seed` feeds all its chance: call and request names, jitter.
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Self {
        let _ = now;
        Self {
            config,
            outbox: VecDeque::new(),
            deadlines: Deadlines::default(),
            rng: StdRng::from_seed(seed),
        }
    }

    /// Takes one input. Infallible: what the peer did wrong comes out as an event.
    pub fn handle(&mut self, input: Input<'_>, now: Instant) {
        let _ = (input, now, &self.config, &self.rng);
    }

    /// The next thing to do; [`Output::Wait`] when there is nothing more.
    pub fn poll(&mut self) -> Output {
        self.outbox
            .pop_front()
            .unwrap_or_else(|| Output::Wait(self.deadlines.next()))
    }
}
