//! What a seed decides before anything happens: where the ends are, what the weather is, and what goes wrong when.

use std::time::Duration;

use offhook_link::conditions::{Conditions, Loss, Rate};
use offhook_link::nat::NatKind;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::media::places::{Access, millis};

/// What the lines are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    Fair,
    /// Some jitter, a little loss.
    Ordinary,
    /// Loss up to 15 %, reordering, copies.
    Rough,
    /// A tenth lost, in bursts.
    Bursts,
    /// Three in ten lost.
    Storm,
    /// Little more than a call fits through.
    Slow,
}

impl Weather {
    fn draw(rng: &mut StdRng) -> Self {
        match rng.random_range(0..100) {
            0..30 => Self::Fair,
            30..55 => Self::Ordinary,
            55..72 => Self::Rough,
            72..84 => Self::Bursts,
            84..92 => Self::Storm,
            _ => Self::Slow,
        }
    }

    /// Conditions of one way of one line; a datagram takes two lines.
    fn conditions(self, rng: &mut StdRng) -> Conditions {
        let plain = Conditions {
            delay: millis(rng, 1, 70),
            mtu: if rng.random_range(0..8) == 0 {
                1_280
            } else {
                1_500
            },
            ..Conditions::default()
        };
        let half = |share: f64| Loss::Random(share / 2.0);
        match self {
            Self::Fair => plain,
            Self::Ordinary => Conditions {
                jitter: millis(rng, 0, 30),
                loss: half(rng.random_range(0.0..0.03)),
                ..plain
            },
            Self::Rough => Conditions {
                jitter: millis(rng, 0, 80),
                loss: half(rng.random_range(0.03..0.15)),
                reordering: rng.random_range(0.0..0.1),
                detour: millis(rng, 5, 120),
                duplication: rng.random_range(0.0..0.1),
                ..plain
            },
            Self::Bursts => Conditions {
                loss: Loss::in_bursts(0.05, rng.random_range(2.0..8.0)),
                ..plain
            },
            Self::Storm => Conditions {
                jitter: millis(rng, 0, 40),
                loss: half(0.3),
                ..plain
            },
            Self::Slow => Conditions {
                rate: Some(Rate {
                    bytes_per_second: rng.random_range(15_000..30_000),
                    queue: rng.random_range(2_500..8_000),
                }),
                ..plain
            },
        }
    }
}

/// What somebody, or something, does in the middle of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// An end's line is cut, one way or both, and mended after a while.
    Cut {
        end: usize,
        up: bool,
        down: bool,
        span: Duration,
    },
    /// The end of a cut.
    Mend { end: usize },
    /// A NAT forgets everything.
    Rebind(usize),
    /// An end gets another address, and restarts ICE as its driver does.
    Move(usize),
    /// An end restarts ICE.
    Restart(usize),
    /// An end puts the other on hold, or takes it back.
    Hold(usize),
    /// Somebody sends an end what it was sent before, what is no longer true, and what never was.
    Forge(usize),
    /// An end loses its transport and begins afresh.
    Afresh(usize),
}

/// All that a seed decides beforehand.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) weather: Weather,
    pub(crate) access: [Access; 2],
    /// Of signalling, one way.
    pub(crate) signalling: Duration,
    /// Candidates of servers follow by themselves.
    pub(crate) trickle: bool,
    /// This end is told a fingerprint that is not the other's.
    pub(crate) deceived: Option<usize>,
    pub(crate) acts: Vec<(Duration, Act)>,
    /// When all weather is fair again.
    pub(crate) calm: Duration,
    /// Who restarts ICE then.
    pub(crate) restarter: usize,
    /// Who says goodbye at the end.
    pub(crate) closer: usize,
}

impl Scene {
    pub(crate) fn draw(rng: &mut StdRng) -> Self {
        let weather = Weather::draw(rng);
        let access = [(); 2].map(|()| Access {
            nat: NatKind::ALL.get(rng.random_range(0..7)).copied(),
            nat_timeout: millis(rng, 20_000, 120_000),
            relay: rng.random_range(0..3) == 0,
            up: weather.conditions(rng),
            down: weather.conditions(rng),
        });
        let calm = match rng.random_range(0..4) {
            0 => millis(rng, 50_000, 110_000),
            _ => millis(rng, 8_000, 40_000),
        };
        let count = rng.random_range(0..5);
        let acts = (0..count)
            .map(|_| (calm.mul_f64(rng.random()), act(rng)))
            .collect();
        Self {
            weather,
            access,
            signalling: millis(rng, 5, 400),
            trickle: rng.random(),
            deceived: (rng.random_range(0..16) == 0).then(|| rng.random_range(0..2)),
            acts,
            calm,
            restarter: rng.random_range(0..2),
            closer: rng.random_range(0..2),
        }
    }
}

fn act(rng: &mut StdRng) -> Act {
    let end = rng.random_range(0..2);
    match rng.random_range(0..16) {
        0..5 => {
            let (up, down) = match rng.random_range(0..4) {
                0 => (true, false),
                1 => (false, true),
                _ => (true, true),
            };
            let span = match rng.random_range(0..3) {
                0 => millis(rng, 100, 5_000),
                1 => millis(rng, 5_000, 28_000),
                _ => millis(rng, 28_000, 70_000),
            };
            Act::Cut {
                end,
                up,
                down,
                span,
            }
        }
        5..7 => Act::Rebind(end),
        7..9 => Act::Move(end),
        9..11 => Act::Restart(end),
        11 => Act::Hold(end),
        12..15 => Act::Forge(end),
        _ => Act::Afresh(end),
    }
}
