//! The user of a SIP session: places and takes calls, holds, transfers, changes its mind.

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use rand::RngExt;

use crate::sip::network::Happening;
use crate::sip::notifier::CHANNELS;
use crate::sip::server::USERS;
use crate::sip::watch::{Verdict, check};
use crate::sip::world::World;

pub(super) const OURS: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=near\r\n";

impl World {
    pub(super) fn user(&mut self, side: usize) -> Verdict {
        if !self.is_lively() {
            return Ok(());
        }
        let next = self.span(500, 20_000);
        self.agenda.plan(self.now + next, Happening::User(side));
        let wish = self.rng.random_range(0..21);
        if wish >= 18 {
            return self.listen(side);
        }
        let live = self.parties[side].model.live();
        if wish < 7 && live.len() < 4 {
            return self.invite(side, None);
        }
        let Some(name) =
            (!live.is_empty()).then(|| live[self.rng.random_range(0..live.len())].clone())
        else {
            return Ok(());
        };
        let Some(call) = CallId::from_wire(&name) else {
            return Ok(());
        };
        let up = self.parties[side].model.is_up(&name);
        match wish {
            7 | 8 => self.hang_up(side, call),
            9..=12 if up => {
                self.parties[side].model.wished(&name, self.now);
                let sdp = OURS.to_owned();
                self.command(side, Command::UpdateMedia { call, sdp })
            }
            13 if up => self.command(
                side,
                Command::Dtmf {
                    call,
                    digits: "12#".to_owned(),
                },
            ),
            14 if up => {
                let to = "third".to_owned();
                self.command(side, Command::Transfer { call, to })
            }
            15 if up && live.len() > 1 => {
                let with = live.iter().find(|other| **other != name);
                let with = with.and_then(|with| CallId::from_wire(with));
                with.map_or(Ok(()), |with| {
                    self.command(side, Command::Replace { call, with })
                })
            }
            16 if up => self.command(
                side,
                Command::Message {
                    id: 7,
                    call: Some(call),
                    to: String::new(),
                    body: "hello".to_owned(),
                },
            ),
            17 if self.odds(10) => self.command(side, Command::Reconnect),
            _ => Ok(()),
        }
    }

    /// The user wants to hear of something, or no longer.
    fn listen(&mut self, side: usize) -> Verdict {
        let channel = CHANNELS[self.rng.random_range(0..CHANNELS.len())];
        let channels = vec![channel.to_owned()];
        let listens = &mut self.parties[side].watch.listens;
        if !listens.is_wanted(channel) {
            listens.wants(channel);
            return self.command(side, Command::Subscribe { channels });
        }
        if self.odds(60) {
            return Ok(());
        }
        let listens = &mut self.parties[side].watch.listens;
        listens.wants_no_more(channel, self.now);
        self.command(side, Command::Unsubscribe { channels })
    }

    pub(super) fn hang_up(&mut self, side: usize, call: CallId) -> Verdict {
        self.parties[side].model.hung_up(call.as_str());
        self.command(
            side,
            Command::Bye {
                call,
                cause: None,
                sip_code: None,
                headers: Vec::new(),
            },
        )
    }

    pub(super) fn invite(&mut self, side: usize, refer: Option<CallId>) -> Verdict {
        let call = CallId::random(&mut self.rng);
        self.calls += 1;
        self.parties[side].model.invited(call.as_str(), self.now);
        let others = self.parties.len() > 1 && self.odds(70);
        let to = if others { USERS[1 - side] } else { "far" };
        let offers = self.odds(88);
        let carried = self.parties[side].watch.is_registered() && refer.is_none();
        let avoided = self.parties[side].watch.is_avoided(self.now);
        self.parties[side].watch.take_invited();
        self.command(
            side,
            Command::Invite {
                call: call.clone(),
                to: to.to_owned(),
                sdp: if offers {
                    OURS.to_owned()
                } else {
                    String::new()
                },
                caller_name: None,
                caller_number: None,
                headers: vec![("X-World".to_owned(), call.to_string())],
                client_state: None,
                codecs: Vec::new(),
                user_variables: Vec::new(),
                refer,
                replaces: None,
                trickle: None,
            },
        )?;
        let invited = self.parties[side].watch.take_invited();
        check(!carried || invited || avoided, || {
            "no INVITE went out though there was a connection for it".to_owned()
        })?;
        // Some change their mind at once, or soon, and cross whatever is on its way.
        if self.odds(20) {
            let pause = if self.odds(30) {
                self.span(0, 1)
            } else {
                self.span(1, 12_000)
            };
            self.agenda
                .plan(self.now + pause, Happening::UserHangsUp(side, call));
        }
        Ok(())
    }

    /// About a call that rings.
    pub(super) fn user_decides(&mut self, side: usize, call: CallId) -> Verdict {
        if !self.parties[side].model.calls.contains_key(call.as_str()) {
            return Ok(());
        }
        if self.odds(15) {
            return self.hang_up(side, call);
        }
        self.parties[side].model.taken(call.as_str(), self.now);
        let twice = self.odds(5).then(|| call.clone());
        for call in std::iter::once(call).chain(twice) {
            self.command(
                side,
                Command::Answer {
                    call,
                    sdp: OURS.to_owned(),
                    headers: Vec::new(),
                    client_state: None,
                    trickle: None,
                },
            )?;
        }
        Ok(())
    }

    pub(super) fn user_takes_offer(&mut self, side: usize, call: CallId) -> Verdict {
        if self.odds(8) {
            return self.command(side, Command::RefuseOffer { call, status: 488 });
        }
        let sdp = OURS.to_owned();
        self.command(side, Command::Attach { call, sdp })
    }

    pub(super) fn user_refers(&mut self, side: usize, call: CallId) -> Verdict {
        if self.odds(30) {
            return self.command(side, Command::RefuseRefer { call, status: 603 });
        }
        self.invite(side, Some(call))
    }
}
