//! One call: an enum of phases, each consumed by the step to the next.

use crate::call_id::CallId;
use crate::cause::Cause;
use crate::deadlines::Deadline;
use crate::event::{Event, PlatformIds};
use crate::verto::dialog::digits::Digits;
use crate::verto::message::server::ServerCall;
use crate::verto::wording::{ByeExtras, Extras, Sides, Wish};

/// What a step wants done, in this order.
#[derive(Debug)]
pub(crate) enum Effect {
    Send(Wish),
    Tell(Event),
    Start(Deadline),
    Stop(Deadline),
}

/// Where steps put what they want done.
pub(crate) type Effects = Vec<Effect>;

/// A call of one session.
#[derive(Debug)]
pub(crate) struct Dialog {
    pub(super) call: CallId,
    pub(crate) sides: Sides,
    pub(super) phase: Phase,
    /// The socket was lost, and the server has not shown since that it still knows the call.
    pub(super) adrift: bool,
    /// Adrift, and yet the server has met us on the present socket: when that is lost, it keeps the call for as long again.
    pub(super) met: bool,
    /// The server holds it, as far as it has told us.
    pub(super) held: bool,
    pub(super) digits: Digits,
    pub(super) ids: Box<PlatformIds>,
}

/// `Over` is the only phase without a way out: the session forgets the dialog.
#[derive(Debug)]
pub(super) enum Phase {
    Calling(Calling),
    /// Incoming, for our user to decide. `anew`: the server offered it again by an attach, and expects one as the answer.
    Offered {
        anew: bool,
    },
    /// Our answer is on its way.
    Answering(Answering),
    Up,
    /// The server offered new media; our user has to answer.
    AttachOffered,
    /// That answer is on its way.
    Attaching,
    /// The user has been told that the call ended, by that cause; the server has not yet agreed.
    Leaving(Cause),
    Over,
}

/// Our call, not yet answered.
#[derive(Debug, Default)]
pub(super) struct Calling {
    pub(super) has_media: bool,
    pub(super) rang: bool,
    pub(super) renewal: Renewal,
}

/// New media that the server offers for a call of ours which nobody has answered yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Renewal {
    /// None, or it is agreed.
    #[default]
    Settled,
    /// Our user has to answer.
    Offered,
    /// That answer is on its way.
    Attaching,
}

/// Our answer to a call that rang here.
#[derive(Debug, Default)]
pub(super) struct Answering {
    /// Sent as an attach; a server that still wants an answer refuses it, and then gets this.
    pub(super) otherwise: Option<(String, Extras)>,
    /// Which has happened.
    pub(super) refused: bool,
}

impl Dialog {
    /// We call.
    pub(crate) fn outgoing(call: CallId, sides: Sides, sdp: String, fx: &mut Effects) -> Self {
        let extras = sides.extras.clone();
        fx.push(Effect::Send(Wish::Invite { sdp, extras }));
        fx.push(Effect::Start(Deadline::Unanswered));
        Self {
            call,
            sides,
            phase: Phase::Calling(Calling::default()),
            adrift: false,
            met: false,
            held: false,
            digits: Digits::default(),
            ids: Box::default(),
        }
    }

    /// Somebody calls us.
    pub(crate) fn incoming(call: CallId, invite: ServerCall, fx: &mut Effects) -> Self {
        let caller = invite.remote();
        let sides = Sides {
            remote: caller.clone(),
            ..Sides::default()
        };
        fx.push(Effect::Start(Deadline::Untaken));
        fx.push(Effect::Tell(Event::Incoming {
            call: call.clone(),
            caller,
            sdp: invite.sdp.clone(),
            said: invite.said(),
            ids: invite.ids(),
            replaces: None,
        }));
        let mut dialog = Self {
            call,
            sides,
            phase: Phase::Offered { anew: false },
            adrift: false,
            met: false,
            held: false,
            digits: Digits::default(),
            ids: Box::default(),
        };
        dialog.on_ids(&invite, fx);
        dialog
    }

    /// The server offers a call of an earlier process.
    pub(crate) fn found(call: CallId, attach: ServerCall, sdp: String, fx: &mut Effects) -> Self {
        let remote = attach.remote();
        let sides = Sides {
            remote: remote.clone(),
            ..Sides::default()
        };
        fx.push(Effect::Start(Deadline::AttachUntaken));
        fx.push(Effect::Tell(Event::Attach {
            call: call.clone(),
            sdp,
            known: false,
            outbound: attach.is_outbound(),
            remote,
            said: attach.said(),
            ids: attach.ids(),
        }));
        let mut dialog = Self {
            call,
            sides,
            phase: Phase::AttachOffered,
            adrift: false,
            met: false,
            held: false,
            digits: Digits::default(),
            ids: Box::default(),
        };
        dialog.on_ids(&attach, fx);
        dialog
    }

    /// The server offers a call whose end our user has already seen: it is hung up, now or after `clientReady`.
    pub(crate) fn unwanted(call: CallId, online: bool, fx: &mut Effects) -> Self {
        let cause = Cause::NORMAL_CLEARING;
        if online {
            fx.push(Effect::Send(Wish::Bye {
                cause: cause.clone(),
                extras: ByeExtras::default(),
            }));
        }
        let sides = Sides::default();
        Self {
            call,
            sides,
            phase: Phase::Leaving(cause),
            adrift: false,
            met: false,
            held: false,
            digits: Digits::default(),
            ids: Box::default(),
        }
    }

    /// Takes the platform's names over, and tells them when they are news.
    pub(crate) fn on_ids(&mut self, message: &ServerCall, fx: &mut Effects) {
        let known =
            |new: &Option<String>, old: &Option<String>| new.clone().or_else(|| old.clone());
        let ids = Box::new(PlatformIds {
            session: known(&message.telnyx_session_id, &self.ids.session),
            leg: known(&message.telnyx_leg_id, &self.ids.leg),
            call_control: known(&message.telnyx_call_control_id, &self.ids.call_control),
        });
        if ids == self.ids || !self.is_live() {
            return;
        }
        fx.push(Effect::Tell(Event::CallIds {
            call: self.call.clone(),
            ids: ids.clone(),
        }));
        self.ids = ids;
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up) && !self.adrift
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Whether the user still believes in the call.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.phase, Phase::Over | Phase::Leaving(_))
    }

    /// In words, for messages to a person.
    pub(crate) fn state(&self) -> &'static str {
        match &self.phase {
            _ if self.adrift => "without a connection",
            Phase::Calling(_) => "not yet answered",
            Phase::Offered { .. } => "ringing here",
            Phase::Answering(_) => "being answered",
            Phase::Up => "up",
            Phase::AttachOffered => "offered again",
            Phase::Attaching => "being attached again",
            Phase::Leaving(_) | Phase::Over => "ending",
        }
    }
}
