//! Runs the scripts of the numbers: the sandbox itself as the far end of a call.

use std::time::Instant;

use offhook_media::sdp::codec::ALL;

use crate::numbers::Step;
use crate::switch::exchange::{Exchange, OwnCall};
use crate::switch::leg::{Leg, LegEvent, LegId, Party, State, Then, Unanswered};
use crate::switch::media::{MediaCommand, Sound};
use crate::switch::timers::Timer;

impl Exchange {
    /// Starts a script.
    pub(super) fn run(&mut self, id: LegId, steps: Vec<Step>, now: Instant) {
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.script = steps.into();
        }
        self.advance(id, now);
    }

    /// Does the next steps of a leg's script, up to one that has to wait.
    pub(super) fn advance(&mut self, id: LegId, now: Instant) {
        // Without a client there is nobody to do it for; it goes on when that one is back.
        if self
            .legs
            .get(&id)
            .is_some_and(|leg| leg.unanswered == Unanswered::Still && leg.is_away())
        {
            return;
        }
        while let Some(step) = self
            .legs
            .get_mut(&id)
            .and_then(|leg| leg.script.pop_front())
        {
            let answered = |leg: &Leg| leg.state == State::Active;
            let answered = self.legs.get(&id).is_some_and(answered);
            match step {
                // A call that was transferred here is up already.
                Step::Ring if answered => {}
                Step::Early(sound) | Step::Answer(sound) if answered => self.let_hear(id, sound),
                Step::Ring => self.tell(id, LegEvent::Ringing),
                Step::Early(sound) => return self.describe(id, sound, Then::EarlyMedia),
                Step::Answer(sound) => {
                    if !self.answer_after_early_media(id, sound) {
                        return self.describe(id, sound, Then::Answer);
                    }
                }
                Step::Wait(time) => return self.timers.set(id, Timer::Step, Some(now + time)),
                Step::CallBack(after) => {
                    if let Some(leg) = self.legs.get(&id) {
                        let user = leg.user.clone();
                        let call = OwnCall {
                            caller: Party {
                                name: "Call back".to_owned(),
                                number: leg.callee.number.clone(),
                            },
                            sound: Sound::Echo {
                                delay: std::time::Duration::ZERO,
                            },
                            codecs: ALL.to_vec(),
                            late: false,
                        };
                        self.call_back(&user, call, now + after);
                    }
                }
                Step::HangUp(cause) => return self.end_by_exchange(id, cause),
            }
        }
    }

    /// Makes the answer to the client's offer; the script goes on when it is there.
    pub(super) fn describe(&mut self, id: LegId, sound: Sound, then: Then) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        let offer = match &mut leg.state {
            State::Proceeding { offer } | State::Forking { offer } => std::mem::take(offer),
            State::Describing { .. }
            | State::Early
            | State::Offering
            | State::Ringing
            | State::Accepting
            | State::Active
            | State::Detached
            | State::Reoffering
            | State::Reoffered
            | State::Reaccepting => return,
        };
        leg.state = State::Describing { then };
        leg.sound = sound;
        if let Some(media) = self.open_media(id, sound) {
            self.ask_media(match offer {
                Some(offer) => MediaCommand::AcceptOffer(media, offer),
                None => MediaCommand::CreateOffer(media),
            });
        }
    }

    fn let_hear(&mut self, id: LegId, sound: Sound) {
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.sound = sound;
        }
        self.play(id);
    }

    /// Answers a call whose SDP the client already has; says whether it was one.
    pub(super) fn answer_after_early_media(&mut self, id: LegId, sound: Sound) -> bool {
        let Some(leg) = self.legs.get_mut(&id) else {
            return true;
        };
        if leg.state != State::Early {
            return false;
        }
        leg.state = State::Active;
        leg.sound = sound;
        self.play(id);
        self.tell(id, LegEvent::Answered { sdp: None });
        true
    }
}
