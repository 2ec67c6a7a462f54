//! What somebody, or something, does in the middle of a call.

use std::net::SocketAddr;
use std::time::Duration;

use offhook_link::network::Way;
use offhook_media::session::config::Hold;
use offhook_media::session::media_session::Renewal;
use rand::RngExt;

use crate::media::life::{Happening, World, session};
use crate::media::scene::Act;

impl World {
    pub(super) fn act(&mut self, act: Act) -> Result<(), String> {
        // One exchange at a time: that is signalling's business.
        let exchanges = matches!(
            act,
            Act::Move(_) | Act::Restart(_) | Act::Hold(_) | Act::Afresh(_)
        );
        let over = self.ends.iter().any(|end| end.watch.failed.is_some());
        if exchanges && over {
            return Ok(());
        }
        if exchanges && self.exchanging {
            self.plan(Duration::from_millis(300), Happening::Act(act));
            return Ok(());
        }
        self.note("act", &format!("{act:?}"));
        let now = self.now;
        match act {
            Act::Cut {
                end,
                up,
                down,
                span,
            } => {
                self.places.set_cut(end, Way::Up, up);
                self.places.set_cut(end, Way::Down, down);
                self.plan(span, Happening::Act(Act::Mend { end }));
            }
            Act::Mend { end } => self.mend(end),
            Act::Rebind(end) => {
                let _ = self.places.rebind(end);
            }
            Act::Move(end) => {
                self.places.relocate(end);
                self.restart(end);
            }
            Act::Restart(end) => self.restart(end),
            Act::Hold(end) => {
                self.ends[end].hold ^= true;
                let hold = if self.ends[end].hold {
                    Hold::SendOnly
                } else {
                    Hold::Off
                };
                self.ends[end].session.hold(hold, now);
                self.offer(end, Renewal::Change, false);
            }
            Act::Forge(end) => return self.forge(end),
            // A handshake of before that is still on its way spoils the one that begins, until its 15 s are over and it says so:
            // both are in the clear, and the DTLS crate does not begin anew with another hello.
            Act::Afresh(_) if !self.ends.iter().all(|end| end.watch.secured) => {}
            Act::Afresh(end) => {
                // A handshake of before, played to the one that begins, spoils it: it is in the clear, and none can tell.
                self.recorded.clear();
                self.ends[end].lives += 1;
                let lives = self.ends[end].lives;
                let (session, listener) = session(end, lives, self.secret, &mut self.rng, now);
                let end_of = &mut self.ends[end];
                end_of.session = session;
                end_of.listener = listener;
                end_of.watch.begins_afresh();
                self.gather(end, false);
                self.offer(end, Renewal::Afresh, true);
            }
        }
        Ok(())
    }

    pub(super) fn mend(&mut self, end: usize) {
        for way in [Way::Up, Way::Down] {
            self.places.set_cut(end, way, false);
        }
    }

    /// Somebody on the way, who has no key, tries what can be tried.
    pub(super) fn forge(&mut self, end: usize) -> Result<(), String> {
        let stranger = SocketAddr::from(([203, 0, 113, 66], self.rng.random_range(1_000..1_200)));
        for _ in 0..self.rng.random_range(1..80) {
            if self.recorded.is_empty() {
                return Ok(());
            }
            let index = self.rng.random_range(0..self.recorded.len());
            let Some((to, mut route, mut bytes)) = self.recorded.get(index).cloned() else {
                continue;
            };
            if to != end {
                continue;
            }
            let from_stranger = self.rng.random_range(0..3) == 0;
            let is_handshake = matches!(bytes.first(), Some(20..=63));
            if from_stranger {
                route.remote = stranger;
                // A recorded check vouches for where it is played from. Who could do that could as well write under the far end's
                // name, so what is damaged of a handshake comes from where no check came from.
                route
                    .remote
                    .set_port(stranger.port() + 1_000 * u16::from(is_handshake));
            }
            // A handshake in the clear is anyone's to spoil who can write under the far end's name.
            let spoils = !is_handshake || from_stranger;
            if spoils && self.rng.random() {
                let place = self.rng.random_range(0..bytes.len());
                bytes[place] ^= 1 << self.rng.random_range(0..8);
            }
            if self.rng.random_range(0..8) == 0 && spoils {
                bytes.truncate(self.rng.random_range(0..bytes.len()));
            }
            self.hand_over(end, route, &mut bytes)?;
        }
        Ok(())
    }
}
