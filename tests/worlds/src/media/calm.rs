//! The end of a call: fair weather, in which both voices must come back, and a goodbye that must be heard.

use std::time::Duration;

use offhook_link::conditions::Conditions;
use offhook_media::session::config::Hold;

use crate::media::life::World;
use crate::media::scene::{Act, Weather};

/// With all lines mended and a new path asked for, both must be heard again so soon after the answer.
const AUDIO_BACK: Duration = Duration::from_secs(4);

/// How long it is then listened whether audio keeps coming, and to how many packets of 50 a second.
const LISTENING: Duration = Duration::from_secs(1);
const PACKETS: u64 = 48;

/// Packets that may wait in a jitter buffer.
const JITTER_CAPACITY: usize = 100;

impl World {
    /// All lines are mended; a new path must bring both voices back. Then one end says goodbye.
    pub(super) fn calm_down(&mut self) -> Result<bool, String> {
        for end in [0, 1] {
            self.mend(end);
            self.ends[end].hold = false;
            let now = self.now;
            self.ends[end].session.hold(Hold::Off, now);
        }
        let fair = Conditions {
            delay: Duration::from_millis(20),
            ..Conditions::default()
        };
        self.places.set_conditions(&fair);
        // What is on its way in signalling comes to an end first.
        self.run(Duration::from_secs(4), |_| false)?;
        self.settled()?;
        if self.ends.iter().any(|end| end.watch.failed.is_some()) || self.scene.deceived.is_some() {
            return Ok(false);
        }
        let restarter = self.scene.restarter;
        self.restart(restarter);
        if !self.exchanging {
            return Err("the exchange before never came to an end".to_owned());
        }
        self.run(Duration::from_secs(2), |world| !world.exchanging)?;
        self.run(AUDIO_BACK, |_| false)?;
        // A silence of a minute may have come to its end meanwhile.
        let over = self.ends.iter().any(|end| end.watch.failed.is_some());
        if over || !self.places.meet() {
            return Ok(false);
        }
        let before = [0, 1].map(|end: usize| self.ends[end].watch.words);
        self.run(LISTENING, |_| false)?;
        for end in [0, 1] {
            let words = self.ends[end].watch.words - before[end];
            if words < PACKETS {
                return Err(format!(
                    "end {end} heard {words} packets in {LISTENING:?}, {AUDIO_BACK:?} after a new path was asked for"
                ));
            }
        }
        self.say_goodbye()?;
        Ok(true)
    }

    pub(super) fn say_goodbye(&mut self) -> Result<(), String> {
        let (closer, other) = (self.scene.closer, 1 - self.scene.closer);
        self.ends[closer].session.close(self.now);
        self.run(Duration::from_millis(500), |_| false)?;
        if !self.ends[other].watch.closed_by_peer {
            return Err("a goodbye was not told".to_owned());
        }
        let before = self.ends[other].watch.words;
        self.run(Duration::from_secs(1), |_| false)?;
        if self.ends[other].watch.words != before {
            return Err("heard something after the goodbye".to_owned());
        }
        for end in [0, 1] {
            let waiting = self.ends[end].listener.ear().waiting(self.now);
            if waiting > JITTER_CAPACITY {
                return Err(format!("{waiting} packets waited in a jitter buffer"));
            }
        }
        Ok(())
    }

    /// What became of the set-up, where nothing has happened that excuses it.
    pub(super) fn settled(&mut self) -> Result<(), String> {
        let harmless = |(_, act): &(Duration, Act)| matches!(act, Act::Hold(_) | Act::Forge(_));
        let calm = self.scene.acts.iter().all(harmless)
            && !matches!(self.scene.weather, Weather::Storm)
            && self.scene.calm > Duration::from_secs(8);
        for end in [0, 1] {
            let watch = &self.ends[end].watch;
            let fault = match (&watch.failed, self.scene.deceived) {
                (Some(error), None) if calm && self.places.meet() => {
                    Some(format!("failed for no reason: {error}"))
                }
                (None, None) if calm && self.places.meet() && !watch.secured => {
                    Some("never connected".to_owned())
                }
                (None, Some(deceived)) if calm && deceived == end && self.places.meet() => {
                    Some("was deceived and did not say so".to_owned())
                }
                _ => None,
            };
            if let Some(fault) = fault {
                return Err(format!("end {end}: {fault}"));
            }
        }
        Ok(())
    }
}
