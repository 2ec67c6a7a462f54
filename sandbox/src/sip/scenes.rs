//! Numbers whose behaviour is SIP's alone.

use std::time::Duration;

use offhook_media::session::config::Hold;
use offhook_signaling::cause::Cause;

use crate::numbers::Step;
use crate::switch::media::Sound;

/// What the far end of a number does, beside what its script says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scene {
    /// One script for each early dialog.
    pub(super) forks: Vec<Vec<Step>>,
    /// No answer of any kind.
    pub(super) mute: bool,
    /// The INVITE is answered with this.
    pub(super) refusal: Option<Refusal>,
    /// Provisional answers are reliable; a client that does not know them gets 421.
    pub(super) reliable: bool,
    /// What it does once the call is up.
    pub(super) acts: Vec<(Duration, Act)>,
    /// Offers of the client that meet a 491.
    pub(super) glares: u32,
    /// The session's interval, and whether we refresh it.
    pub(super) session: Option<(u32, bool)>,
    /// Shorter sessions get 422.
    pub(super) min_se: u32,
    /// Offers of more than G.711 get 488.
    pub(super) plain: bool,
}

/// Whether a description has more than what every peer has.
pub(super) fn is_wide(sdp: &str) -> bool {
    sdp.lines()
        .filter_map(|line| line.strip_prefix("a=rtpmap:")?.split(' ').nth(1))
        .any(|name| {
            let name = name.to_ascii_lowercase();
            !["pcmu/8000", "pcma/8000", "telephone-event/8000"]
                .iter()
                .any(|known| name.starts_with(known))
        })
}

/// A refusal with what goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) retry_after: Option<u32>,
    /// Number to go to.
    pub(super) contact: Option<&'static str>,
    pub(super) unsupported: Option<&'static str>,
}

/// One thing that a far end does in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Offers media anew by re-INVITE.
    Reinvite(Hold),
    /// The same by UPDATE.
    Update,
    /// Offers anew only when the client does: both meet a 491.
    Collide,
    /// Sends the client elsewhere.
    Refer(&'static str),
    /// Presses a key, by INFO.
    Digit(char),
}

const ECHO: Sound = Sound::Echo {
    delay: Duration::ZERO,
};

impl Scene {
    fn answered() -> Self {
        Self::script(vec![Step::Ring, Step::Answer(ECHO)])
    }

    fn script(steps: Vec<Step>) -> Self {
        Self {
            forks: vec![steps],
            min_se: 90,
            ..Self::default()
        }
    }

    fn refusal(status: u16) -> Self {
        Self {
            refusal: Some(Refusal {
                status,
                retry_after: (status == 503).then_some(3),
                contact: (300..400).contains(&status).then_some("9196"),
                unsupported: (status == 420).then_some("sandbox-extension"),
            }),
            ..Self::script(Vec::new())
        }
    }

    fn acts(acts: &[(f32, Act)]) -> Self {
        let acts = acts
            .iter()
            .map(|(after, act)| (Duration::from_secs_f32(*after), *act));
        Self {
            acts: acts.collect(),
            ..Self::answered()
        }
    }
}

/// What happens at a number; `None`: nothing that only SIP has.
pub(super) fn scene(dialled: &str) -> Option<Scene> {
    let wait = |ms| Step::Wait(Duration::from_millis(ms));
    Some(match dialled {
        "9000" => Scene {
            mute: true,
            ..Scene::script(vec![])
        },
        "9001" => Scene::script(vec![Step::Ring]),
        "9182" => Scene {
            forks: vec![
                vec![
                    Step::Early(Sound::Tone),
                    wait(1500),
                    Step::HangUp(Cause::NORMAL_CLEARING),
                ],
                vec![
                    wait(300),
                    Step::Early(Sound::Speech),
                    wait(700),
                    Step::Answer(ECHO),
                ],
            ],
            ..Scene::answered()
        },
        "9282" => Scene {
            forks: vec![
                vec![Step::Ring, wait(500), Step::Answer(ECHO)],
                vec![Step::Ring, wait(500), Step::Answer(Sound::Tone)],
            ],
            ..Scene::answered()
        },
        "9183" => Scene {
            reliable: true,
            ..Scene::script(vec![Step::Early(ECHO), wait(1000), Step::Answer(ECHO)])
        },
        "9184" => Scene::acts(&[
            (1.0, Act::Reinvite(Hold::SendOnly)),
            (1.0, Act::Reinvite(Hold::Off)),
        ]),
        "9284" => Scene::acts(&[(1.0, Act::Reinvite(Hold::Off))]),
        "9283" => Scene::acts(&[(1.0, Act::Update)]),
        "9285" => Scene {
            session: Some((90, true)),
            ..Scene::answered()
        },
        "9286" => Scene {
            session: Some((90, false)),
            ..Scene::answered()
        },
        "9287" => Scene::acts(&[(1.0, Act::Refer("9196"))]),
        "9188" => Scene {
            glares: 1,
            ..Scene::answered()
        },
        "9288" => Scene {
            glares: 1,
            ..Scene::acts(&[(0.0, Act::Collide)])
        },
        "9278" => Scene::acts(&[(1.0, Act::Digit('5'))]),
        "9289" => Scene {
            plain: true,
            ..Scene::answered()
        },
        "9422" => Scene {
            min_se: 1800,
            ..Scene::answered()
        },
        other => return Scene::by_status(other),
    })
}

impl Scene {
    /// `9` and a status from 300 to 699.
    fn by_status(dialled: &str) -> Option<Self> {
        let digits = dialled.strip_prefix('9').filter(|it| it.len() == 3)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let status = digits.parse().ok()?;
        // A challenge without end is no refusal.
        let refuses = (300..700).contains(&status) && !matches!(status, 401 | 407);
        refuses.then(|| Self::refusal(status))
    }
}
