//! Two sessions and the link between them, in virtual time that jumps to the next thing to happen.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use offhook_media::dtls::certificate::Certificate;
use offhook_media::ice::candidate::LocalCandidate;
use offhook_media::program::Program;
use offhook_media::session::config::SessionConfig;
use offhook_media::session::event::MediaEvent;
use offhook_media::session::media_session::{MediaSession, Output};

use crate::responder;

pub(crate) const LATENCY: Duration = Duration::from_millis(10);

static CERTIFICATES: LazyLock<[Arc<Certificate>; 2]> =
    LazyLock::new(|| [0, 1].map(|_| Arc::new(Certificate::generate().unwrap())));

/// Which of the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Caller,
    Callee,
}

impl Side {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

pub(crate) struct End {
    pub(crate) session: MediaSession,
    pub(crate) address: SocketAddr,
    /// Where it takes RTCP, should that go apart.
    pub(crate) rtcp_address: SocketAddr,
    /// Those that it sent from the address for RTCP.
    pub(crate) sent_apart: Vec<Vec<u8>>,
    /// What was told, and when, counted from the world's start.
    pub(crate) events: Vec<(Duration, MediaEvent)>,
    wake: Option<Instant>,
    /// Nothing that this end sends arrives.
    pub(crate) muzzled: bool,
}

struct Datagram {
    due: Instant,
    to: Side,
    from: SocketAddr,
    at: SocketAddr,
    bytes: Vec<u8>,
}

/// Credentials of a callee that is ICE-lite.
pub(crate) struct Lite {
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    start: Instant,
    pub(crate) caller: End,
    pub(crate) callee: End,
    wire: Vec<Datagram>,
    /// Every n-th datagram of media is lost; 0: none.
    pub(crate) lose_every: u64,
    carried: u64,
    /// The callee's session does without ICE: checks are answered before it.
    pub(crate) lite: Option<Lite>,
    /// Checks that nominated it.
    pub(crate) nominations: u32,
}

pub(crate) fn config(side: Side) -> SessionConfig {
    let index = usize::from(side == Side::Callee);
    SessionConfig::new(Arc::clone(&CERTIFICATES[index]))
}

#[expect(
    clippy::disallowed_methods,
    reason = "virtual time begins at some instant"
)]
pub(crate) fn beginning() -> Instant {
    Instant::now()
}

impl World {
    pub(crate) fn new(caller: Box<dyn Program>, callee: Box<dyn Program>) -> Self {
        Self::with_configs(config(Side::Caller), caller, config(Side::Callee), callee)
    }

    pub(crate) fn with_configs(
        caller_config: SessionConfig,
        caller: Box<dyn Program>,
        callee_config: SessionConfig,
        callee: Box<dyn Program>,
    ) -> Self {
        Self::beginning_at(
            beginning(),
            [1, 2],
            caller_config,
            caller,
            callee_config,
            callee,
        )
    }

    /// The same between IPv6 addresses.
    pub(crate) fn over_ipv6(caller: Box<dyn Program>, callee: Box<dyn Program>) -> Self {
        Self::between(
            ["[2001:db8::1]:4000", "[2001:db8::2]:5000"],
            beginning(),
            [1, 2],
            (config(Side::Caller), caller),
            (config(Side::Callee), callee),
        )
    }

    pub(crate) fn beginning_at(
        now: Instant,
        seeds: [u8; 2],
        caller_config: SessionConfig,
        caller: Box<dyn Program>,
        callee_config: SessionConfig,
        callee: Box<dyn Program>,
    ) -> Self {
        Self::between(
            ["192.0.2.1:4000", "192.0.2.2:5000"],
            now,
            seeds,
            (caller_config, caller),
            (callee_config, callee),
        )
    }

    fn between(
        addresses: [&str; 2],
        now: Instant,
        seeds: [u8; 2],
        caller: (SessionConfig, Box<dyn Program>),
        callee: (SessionConfig, Box<dyn Program>),
    ) -> Self {
        let end = |(config, program), seed, address: &str| {
            let address: SocketAddr = address.parse().unwrap();
            let mut session = MediaSession::new(config, program, [seed; 32], now);
            session.add_local_candidate(LocalCandidate::host(address), now);
            End {
                session,
                rtcp_address: SocketAddr::new(address.ip(), address.port() + 1),
                sent_apart: Vec::new(),
                address,
                events: Vec::new(),
                wake: None,
                muzzled: false,
            }
        };
        Self {
            now,
            start: now,
            caller: end(caller, seeds[0], addresses[0]),
            callee: end(callee, seeds[1], addresses[1]),
            wire: Vec::new(),
            lose_every: 0,
            carried: 0,
            lite: None,
            nominations: 0,
        }
    }

    pub(crate) fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Caller => &mut self.caller,
            Side::Callee => &mut self.callee,
        }
    }

    /// Offer and answer, without loss and in no time.
    pub(crate) fn negotiate(&mut self) {
        let now = self.now;
        let offer = self.caller.session.create_offer(now);
        let renewal = offhook_media::session::media_session::Renewal::Change;
        let answer = self
            .callee
            .session
            .accept_offer(&offer, renewal, now)
            .unwrap();
        self.caller.session.accept_answer(&answer, now).unwrap();
        self.settle();
    }

    /// Drains both sessions after something was done to them.
    pub(crate) fn settle(&mut self) {
        self.drain(Side::Caller);
        self.drain(Side::Callee);
    }

    fn drain(&mut self, side: Side) {
        let (now, start) = (self.now, self.start);
        loop {
            let (end, other) = match side {
                Side::Caller => (&mut self.caller, &self.callee),
                Side::Callee => (&mut self.callee, &self.caller),
            };
            match end.session.poll() {
                Output::Transmit {
                    local,
                    remote,
                    bytes,
                } => {
                    let apart = (local, remote) == (end.rtcp_address, other.rtcp_address);
                    assert!(apart || (local, remote) == (end.address, other.address));
                    if apart {
                        end.sent_apart.push(bytes.to_vec());
                    }
                    let media = bytes[0] & 0xC0 == 0x80;
                    self.carried += u64::from(media);
                    let lost = media
                        && self.lose_every != 0
                        && self.carried.is_multiple_of(self.lose_every);
                    if !end.muzzled && !lost {
                        self.wire.push(Datagram {
                            due: now + LATENCY,
                            to: side.other(),
                            from: local,
                            at: remote,
                            bytes: bytes.to_vec(),
                        });
                    }
                }
                Output::Forward { to, .. } => {
                    panic!("nobody bridges here, yet a packet goes to {to:?}")
                }
                Output::Event(event) => end.events.push((now - start, event)),
                Output::Wait(wait) => {
                    end.wake = wait.map(|(at, _)| at);
                    break;
                }
                _ => unreachable!("a new kind of output"),
            }
        }
    }

    /// Lets `span` pass.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let arrivals = self.wire.iter().map(|datagram| datagram.due);
            let wakes = [self.caller.wake, self.callee.wake].into_iter().flatten();
            let Some(next) = arrivals.chain(wakes).min().filter(|next| *next <= end) else {
                break;
            };
            self.now = next.max(self.now);
            while let Some(index) = self.wire.iter().position(|it| it.due <= self.now) {
                let mut datagram = self.wire.remove(index);
                let (at, from) = (datagram.at, datagram.from);
                if datagram.to == Side::Callee && self.lite.is_some() && datagram.bytes[0] < 4 {
                    self.answer_check(&datagram);
                    continue;
                }
                let end = match datagram.to {
                    Side::Caller => &mut self.caller,
                    Side::Callee => &mut self.callee,
                };
                let bytes = &mut datagram.bytes;
                end.session.handle_datagram(at, from, bytes, self.now);
                self.drain(datagram.to);
            }
            for side in [Side::Caller, Side::Callee] {
                let now = self.now;
                if self.end(side).wake.is_some_and(|at| at <= now) {
                    self.end(side).session.handle_timeout(now);
                    self.drain(side);
                }
            }
        }
        self.now = end;
    }

    fn answer_check(&mut self, check: &Datagram) {
        let Lite { ufrag, pwd } = self.lite.as_ref().expect("a lite callee");
        if let Some(answer) = responder::answer(&check.bytes, check.from, (ufrag, pwd)) {
            self.nominations += u32::from(answer.nominates);
            self.wire.push(Datagram {
                due: self.now + LATENCY,
                to: Side::Caller,
                from: check.at,
                at: check.from,
                bytes: answer.bytes,
            });
        }
    }

    /// Hands a datagram to one side, as if the other had sent it.
    pub(crate) fn deliver(&mut self, side: Side, bytes: &mut [u8]) {
        let (now, from) = (self.now, self.end(side.other()).address);
        let end = self.end(side);
        let to = end.address;
        end.session.handle_datagram(to, from, bytes, now);
        self.drain(side);
    }

    /// When `side` first told something like this.
    pub(crate) fn told(
        &mut self,
        side: Side,
        like: impl Fn(&MediaEvent) -> bool,
    ) -> Option<Duration> {
        self.end(side)
            .events
            .iter()
            .find(|(_, event)| like(event))
            .map(|(at, _)| *at)
    }

    pub(crate) fn count(&mut self, side: Side, like: impl Fn(&MediaEvent) -> bool) -> usize {
        self.end(side)
            .events
            .iter()
            .filter(|(_, event)| like(event))
            .count()
    }
}
