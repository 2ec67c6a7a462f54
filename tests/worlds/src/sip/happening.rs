//! What happens in a world at its instant: messages arrive, sockets open and break, users and far ends do something.

use std::time::Duration;

use offhook_signaling::command::Command;
use offhook_signaling::sip::flow_id::FlowId;
use offhook_signaling::sip::session::Input;
use rand::RngExt;

use crate::sip::network::{Happening, Way};
use crate::sip::watch::{Verdict, check};
use crate::sip::world::{World, closed, is_request, refused};

impl World {
    pub(super) fn happen(&mut self, happening: Happening) -> Verdict {
        match happening {
            Happening::Opened(way) => {
                let link = &mut self.parties[way.side].links[usize::from(way.flow)];
                if link.way != way {
                    return Ok(());
                }
                link.open();
                self.input(way.side, Input::Opened(FlowId(way.flow)))
            }
            Happening::Refused(way) => {
                if self.parties[way.side].links[usize::from(way.flow)].way != way {
                    return Ok(());
                }
                self.input(way.side, Input::Failed(FlowId(way.flow), refused()))
            }
            Happening::ToClient(way, text) => self.deliver(way, &text),
            Happening::ToServer(way, text) => {
                if let Some((way, text)) = self.server.receive(way, text, self.now) {
                    self.arrive(way, &text);
                }
                Ok(())
            }
            Happening::Pong(way) => {
                let link = &self.parties[way.side].links[usize::from(way.flow)];
                if !link.is_open(way) || link.silent {
                    return Ok(());
                }
                self.input(way.side, Input::Pong(FlowId(way.flow)))
            }
            Happening::ClientSeesEnd(way) => self.client_sees_end(way),
            Happening::ServerSeesEnd(way) => {
                self.server.client_gone(way);
                Ok(())
            }
            Happening::PassOn(side, text) => {
                match self.server.pick(side, self.now) {
                    Some(way) => self.carry(way, text),
                    None => self.nobody_there(side, &text),
                }
                Ok(())
            }
            Happening::PassBack(way, text) => {
                self.carry(way, text);
                Ok(())
            }
            Happening::Far(leg, act) => {
                self.far.act(leg, act, self.now);
                Ok(())
            }
            Happening::Asked(at, step) => {
                self.far.go_on(at, step, self.now);
                Ok(())
            }
            Happening::Notify(at, word) => {
                self.notifier.go_on(at, &word, self.now);
                Ok(())
            }
            Happening::Unnotified(branch) => {
                self.notifier.silence(&branch, self.now);
                Ok(())
            }
            Happening::SomebodyCalls(side) => {
                if self.is_lively() {
                    self.far.calls(side);
                    let next = self.span(5_000, 60_000);
                    self.agenda
                        .plan(self.now + next, Happening::SomebodyCalls(side));
                }
                Ok(())
            }
            Happening::User(side) => self.user(side),
            Happening::UserDecides(side, call) => self.user_decides(side, call),
            Happening::UserTakesOffer(side, call) => self.user_takes_offer(side, call),
            Happening::UserRefers(side, call) => self.user_refers(side, call),
            Happening::UserHangsUp(side, call) => self.hang_up(side, call),
            Happening::Unheard(way) => {
                let link = &self.parties[way.side].links[usize::from(way.flow)];
                check(!link.is_open(way) || !link.silent, || {
                    "a silent connection is still believed in".to_owned()
                })
            }
            Happening::Fault => self.fault(),
        }
    }

    fn carry(&mut self, way: Way, text: String) {
        let delay = self.span(5, 120);
        let link = &mut self.parties[way.side].links[usize::from(way.flow)];
        if let Some(at) = link.reach_client(way, delay, self.now) {
            self.agenda.plan(at, Happening::ToClient(way, text));
        }
    }

    /// A request for a user agent that no connection leads to: the proxy answers.
    fn nobody_there(&mut self, side: usize, text: &str) {
        if !is_request(text) {
            return;
        }
        let Some(answer) = self.server.unreachable(text) else {
            return;
        };
        let way = Way {
            side,
            flow: 0,
            socket: 0,
        };
        if let Some((way, text)) = self.server.on_own_answer(way, &answer, self.now) {
            self.arrive(way, &text);
        }
    }

    /// Something comes out behind the server.
    fn arrive(&mut self, way: Way, text: &str) {
        if !self.notifier.receive(way, text, self.now) {
            self.far.receive(way, text, self.now);
        }
    }

    fn client_sees_end(&mut self, way: Way) -> Verdict {
        let now = self.now;
        let party = &mut self.parties[way.side];
        let link = &mut party.links[usize::from(way.flow)];
        if !link.is_open(way) {
            return Ok(());
        }
        link.close();
        party.watch.lost(way.flow, now);
        party.model.shaken(now);
        self.input(way.side, Input::Closed(FlowId(way.flow), closed()))
    }

    fn fault(&mut self) -> Verdict {
        if !self.is_lively() {
            return Ok(());
        }
        let side = self.rng.random_range(0..self.parties.len());
        let flow = self.rng.random_range(0..self.parties[side].links.len());
        let kind = self.rng.random_range(0..10);
        self.trace.note("fault", &format!("{kind} {side} {flow}"));
        match kind {
            0..=2 => self.cut(side, flow),
            3 | 4 => self.hush(side, flow),
            5 => {
                for flow in 0..self.parties[side].links.len() {
                    self.cut(side, flow);
                }
            }
            6 => {
                let span = if self.odds(70) {
                    self.span(2_000, 40_000)
                } else {
                    self.span(50_000, 75_000)
                };
                let hangs = self.odds(50);
                self.outage = Some((self.now + span, hangs));
                for flow in 0..self.parties[side].links.len() {
                    self.cut(side, flow);
                }
            }
            7 => {
                self.server.registrar.refusals += self.rng.random_range(1..=3);
                self.cut(side, flow);
            }
            8 => return self.command(side, Command::Reconnect),
            _ => {
                // The server begins anew, and knows nobody.
                for side in 0..self.parties.len() {
                    for flow in 0..self.parties[side].links.len() {
                        self.cut(side, flow);
                    }
                }
            }
        }
        Ok(())
    }

    fn cut(&mut self, side: usize, flow: usize) {
        let way = self.parties[side].links[flow].way;
        let (here, there) = (self.span(0, 300), self.span(0, 300));
        if !self.parties[side].links[flow].is_open(way) {
            // Nobody has it yet: there is nothing to cut.
            return;
        }
        self.agenda
            .plan(self.now + here, Happening::ClientSeesEnd(way));
        self.agenda
            .plan(self.now + there, Happening::ServerSeesEnd(way));
    }

    /// Nothing passes any more in one direction or in both, and nobody is told for a while.
    fn hush(&mut self, side: usize, flow: usize) {
        let both = self.odds(60);
        let party = &mut self.parties[side];
        let link = &mut party.links[flow];
        if both {
            link.silent = true;
        } else {
            link.deaf = true;
        }
        let way = link.way;
        party.model.shaken(self.now);
        let noticed = self.span(30_000, 150_000);
        self.agenda
            .plan(self.now + noticed, Happening::ServerSeesEnd(way));
        // Whoever hears nothing finds out within 35 s and a moment.
        let late = self.now + Duration::from_secs(37);
        if both {
            self.agenda.plan(late, Happening::Unheard(way));
        }
    }
}
