//! Media agreed anew within a call that is up, by offers of either side (RFC 3264, section 8): SIP's way of hold, of a new path
//! and of a session refresh. One offer at a time; a wish of ours that has to wait is kept.

use std::mem;

use offhook_media::program::ProgramCommand;
use offhook_media::sdp::reduced::reduced;
use offhook_media::session::config::Hold;
use offhook_media::session::media_session::Renewal;
use offhook_signaling::command::Command;

use crate::call::dialog::Call;
use crate::call::state::{Effects, Heard, State};
use crate::event::EventKind;
use crate::output::MediaCommand;

/// SIP's answer to an offer that cannot be used (RFC 3261, section 13.3.1.3).
pub(super) const NOT_ACCEPTABLE_HERE: u16 = 488;

/// What is under way between the two ends of a call that is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Exchange {
    #[default]
    None,
    /// An offer of ours that says hold, or its end, is being made or waits for its answer.
    Hold(bool),
    /// One that changes nothing, to refresh the session.
    Refresh,
    /// The far end has none and wants one of ours; its answer follows.
    Asked,
}

impl Call {
    /// Puts the call on hold or takes it back: by a request to a Verto server, by an offer with SIP. What becomes of it is told
    /// by `Held`.
    pub(crate) fn hold(&mut self, on: bool, fx: &mut Effects<'_>) {
        if self.identity.protocol.is_sip() {
            self.sound.hold_wanted = Some(on);
            return self.next_hold(fx);
        }
        let call = self.identity.id.clone();
        self.signal(Command::Hold { call, on }, fx);
    }

    /// Makes the next offer that is wanted, when no other is in its way.
    pub(super) fn next_offer(&mut self, fx: &mut Effects<'_>) {
        if mem::take(&mut self.sound.restart_wanted) {
            self.renew_path(fx);
        }
        self.next_hold(fx);
        self.next_refresh(fx);
    }

    fn may_offer(&self) -> bool {
        let busy = self.sound.exchange != Exchange::None
            || self.sound.restarting
            || self.sound.renewing
            || self.recovering;
        !busy && matches!(self.state, State::Active { .. })
    }

    /// The session is to be refreshed by an offer (RFC 4028, section 7.4).
    pub(super) fn refresh(&mut self, fx: &mut Effects<'_>) {
        self.sound.refresh_wanted = true;
        self.next_refresh(fx);
    }

    fn next_refresh(&mut self, fx: &mut Effects<'_>) {
        if !self.sound.refresh_wanted || !self.may_offer() {
            return;
        }
        self.sound.refresh_wanted = false;
        self.sound.exchange = Exchange::Refresh;
        self.media(MediaCommand::CreateOffer, fx);
        self.await_description(fx);
    }

    fn next_hold(&mut self, fx: &mut Effects<'_>) {
        if !self.may_offer() {
            return;
        }
        let Some(on) = self.sound.hold_wanted.take() else {
            return;
        };
        if on == self.sound.held {
            return;
        }
        self.sound.exchange = Exchange::Hold(on);
        self.media(MediaCommand::Hold(self.direction(on)), fx);
        self.media(MediaCommand::CreateOffer, fx);
        self.await_description(fx);
    }

    /// Whom the far end holds is not heard by it, so a hold of ours stops both ways (RFC 3264, section 8.4).
    const fn direction(&self, held: bool) -> Hold {
        match (held, self.sound.held_by_peer) {
            (false, _) => Hold::Off,
            (true, false) => Hold::SendOnly,
            (true, true) => Hold::Inactive,
        }
    }

    /// Our offer within the call is there.
    pub(super) fn on_later_offer(&mut self, sdp: String, fx: &mut Effects<'_>) {
        let call = self.identity.id.clone();
        self.deadline = None;
        match self.sound.exchange {
            Exchange::Asked => self.signal(Command::Attach { call, sdp }, fx),
            Exchange::Hold(_) | Exchange::Refresh | Exchange::None => {
                let reserve = self.reserve(&sdp);
                self.signal(Command::UpdateMedia { call, sdp }, fx);
                if let Some(reserve) = reserve {
                    self.signal(reserve, fx);
                }
            }
        }
    }

    /// The least of an offer, for a far end that will not have all of it (SIP).
    pub(super) fn reserve(&self, offer: &str) -> Option<Command> {
        let sdp = reduced(offer).filter(|_| self.identity.protocol.is_sip())?;
        Some(Command::ReserveOffer {
            call: self.identity.id.clone(),
            sdp,
        })
    }

    /// The far end took our offer.
    pub(super) fn on_offer_taken(&mut self, fx: &mut Effects<'_>) {
        // Any offer refreshes the session.
        self.sound.refresh_wanted = false;
        if let Exchange::Hold(on) = mem::take(&mut self.sound.exchange) {
            self.enter_hold(on, fx);
        }
        self.next_offer(fx);
    }

    /// The far end did not: everything is as it was.
    pub(super) fn on_offer_not_taken(&mut self, fx: &mut Effects<'_>) {
        let exchange = mem::take(&mut self.sound.exchange);
        let said_otherwise = match exchange {
            Exchange::Hold(_) => true,
            Exchange::Asked => self.sound.held,
            Exchange::Refresh | Exchange::None => false,
        };
        if said_otherwise {
            let before = self.direction(self.sound.held);
            self.media(MediaCommand::Hold(before), fx);
        }
        self.next_offer(fx);
    }

    fn enter_hold(&mut self, on: bool, fx: &mut Effects<'_>) {
        self.sound.held = on;
        // Whoever waits on hold is not listened to.
        if !self.sound.muted {
            self.media(MediaCommand::Program(ProgramCommand::Mute(on)), fx);
        }
        self.tell(EventKind::Held { on }, fx);
    }

    /// The far end offers new media, or asks for an offer of ours.
    pub(super) fn on_far_offer(&mut self, sdp: Option<String>, fx: &mut Effects<'_>) {
        // Signalling has settled which of two crossing offers goes first: ours is void.
        let exchange = mem::take(&mut self.sound.exchange);
        if let Exchange::Hold(on) = exchange {
            self.sound.hold_wanted.get_or_insert(on);
        }
        self.sound.refresh_wanted |= exchange == Exchange::Refresh;
        if mem::take(&mut self.sound.restarting) {
            self.sound.restart_wanted = true;
        }
        self.await_description(fx);
        // A hold of ours stands whatever becomes of theirs, which their offer or answer says anew: both leave what remains. An offer
        // that they ask for is as in a new call, and says nothing of theirs (RFC 3261, section 14.2).
        let hold = match self.sound.held {
            true => Some(Hold::SendOnly),
            false => matches!(exchange, Exchange::Hold(_)).then_some(Hold::Off),
        };
        if let Some(hold) = hold {
            self.media(MediaCommand::Hold(hold), fx);
        }
        let Some(sdp) = sdp else {
            self.sound.exchange = Exchange::Asked;
            return self.media(MediaCommand::CreateOffer, fx);
        };
        self.sound.renewing = true;
        self.media(MediaCommand::AcceptOffer(sdp, Renewal::Change), fx);
    }

    /// The server is back, and the call is known to live: what is wrong with its media, or had to wait, comes now.
    pub(super) fn after_recovery(&mut self, fx: &mut Effects<'_>) {
        if self.identity.protocol.is_sip() {
            self.sound.restart_wanted |= self.sound.loss.is_some();
            self.next_offer(fx);
        }
    }

    /// We cannot take the far end's offer: the call stays as it is. `false`: there was none within the call.
    pub(super) fn refuse_far_offer(&mut self, reason: &str, fx: &mut Effects<'_>) -> bool {
        let within = self.identity.protocol.is_sip()
            && matches!(
                self.state,
                State::Active { .. } | State::Inviting(Heard::Early)
            )
            && self.sound.agreed
            && mem::take(&mut self.sound.renewing);
        if within {
            self.deadline = None;
            let refuse = Command::RefuseOffer {
                call: self.identity.id.clone(),
                status: NOT_ACCEPTABLE_HERE,
            };
            self.signal(refuse, fx);
            if self.sound.held {
                self.media(MediaCommand::Hold(self.direction(true)), fx);
            }
            let reason = format!("new media that the far end offered was refused: {reason}");
            let remedy = None;
            self.tell(EventKind::RequestFailed { reason, remedy }, fx);
            self.next_offer(fx);
        }
        within
    }

    /// Whether the far end listens, by the description that is in force now.
    pub(super) fn note_direction(&mut self, heard: bool, fx: &mut Effects<'_>) {
        let on = !heard;
        if !self.identity.protocol.is_sip() {
            return;
        }
        let changed = mem::replace(&mut self.sound.held_by_peer, on) != on;
        // Where the hold is just being ended, this tells of the answer before, and the media has the next direction already.
        let stays = !matches!(self.sound.exchange, Exchange::Hold(_));
        if self.sound.held && stays {
            // Our next offer says as much.
            self.media(MediaCommand::Hold(self.direction(true)), fx);
        }
        if changed {
            self.tell(EventKind::HeldByPeer { on }, fx);
        }
    }
}
