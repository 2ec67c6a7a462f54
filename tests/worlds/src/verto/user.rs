//! The user of a world's session: places and takes calls, changes its mind, asks for this and that.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use offhook_signaling::auth::login::Login;
use offhook_signaling::call_id::CallId;
use offhook_signaling::command::{Command, ConversationItem};
use offhook_signaling::secret::Secret;
use rand::RngExt;

use crate::verto::gateway::{ASSISTANT, EPOCH};
use crate::verto::network::Happening;
use crate::verto::world::{OFFER, QUIET, Verdict, World};

impl World {
    pub(super) fn user(&mut self) -> Verdict {
        let next = self.span(3_000, 60_000);
        self.agenda.plan(self.now + next, Happening::User);
        if self.model.is_parked() {
            self.model.commanded_to_connect(self.now);
            return match self.rng.random_range(0..3) {
                0 => {
                    let login = self.fresh_login();
                    self.command(Command::Login(login))
                }
                1 => self.command(Command::Retry),
                _ => self.command(Command::Reconnect),
            };
        }
        if !self.before(QUIET) {
            return Ok(());
        }
        let live = self.model.live();
        let wish = self.rng.random_range(0..16);
        self.trace.number(wish);
        if wish >= 13 {
            return self.errand(wish);
        }
        if wish < 4 && live.len() < 4 && (self.model.is_ready() || self.odds(10)) {
            return self.invite();
        }
        if wish == 9 && self.odds(10) && self.model.is_ready() {
            let login = self.fresh_login();
            return self.command(Command::Login(login));
        }
        let Some(call) =
            (!live.is_empty()).then(|| live[self.rng.random_range(0..live.len())].clone())
        else {
            return Ok(());
        };
        match wish {
            4 | 5 => {
                self.model.hung_up(&call);
                self.about(&call, |call| Command::Bye {
                    call,
                    cause: None,
                    sip_code: None,
                    headers: Vec::new(),
                })
            }
            6 | 7 => self.wish(&call, |call| Command::Dtmf {
                call,
                digits: "12#".into(),
            }),
            8 if self.model.is_up(&call) => self.wish(&call, |call| Command::UpdateMedia {
                call,
                sdp: OFFER.into(),
            }),
            10 | 11 => {
                let on = self.odds(60);
                self.wish(&call, |call| Command::Hold { call, on })
            }
            12 => self.wish(&call, |call| Command::Transfer {
                call,
                to: "1002".into(),
            }),
            _ => Ok(()),
        }
    }

    /// Something asked of a call whose outcome is told.
    fn wish(&mut self, call: &str, command: impl FnOnce(CallId) -> Command) -> Verdict {
        self.model.wished(call, self.now);
        self.about(call, command)
    }

    fn errand(&mut self, wish: u64) -> Verdict {
        const CHANNELS: [&str; 4] = ["presence", "news", "room.1", "forbidden"];
        let channel = CHANNELS[self.rng.random_range(0..CHANNELS.len())].to_owned();
        match wish {
            13 => {
                let on = self.odds(60);
                // Nobody may hear this one, however often it is asked for.
                self.model.wants(&channel, on && channel != "forbidden");
                let channels = vec![channel];
                self.command(if on {
                    Command::Subscribe { channels }
                } else {
                    Command::Unsubscribe { channels }
                })
            }
            14 => {
                self.apis += 1;
                self.model.commanded(self.apis, self.now);
                self.command(Command::FsApi {
                    id: self.apis,
                    command: "status".into(),
                    arguments: String::new(),
                })
            }
            _ if self.credential == Credential::Anonymous => self.command(Command::Converse {
                call: None,
                item: ConversationItem::Text {
                    text: "hello".into(),
                    images: Vec::new(),
                },
            }),
            _ => self.command(Command::Message {
                id: 7,
                call: None,
                to: "1001".into(),
                body: "hello".into(),
            }),
        }
    }

    fn fresh_login(&self) -> Login {
        self.credential.login(self.now - self.start)
    }

    fn invite(&mut self) -> Verdict {
        let call = CallId::random(&mut self.rng);
        self.calls += 1;
        self.model.invited(call.as_str(), self.now);
        if !self.model.is_ready() {
            self.model.hung_up(call.as_str());
        }
        self.command(Command::Invite {
            call: call.clone(),
            to: "9196".into(),
            sdp: OFFER.into(),
            caller_name: None,
            caller_number: None,
            headers: Vec::new(),
            client_state: None,
            codecs: Vec::new(),
            user_variables: Vec::new(),
            refer: None,
            replaces: None,
            trickle: None,
        })?;
        // Some change their mind at once, and so cross whatever is on its way.
        if self.odds(10) && self.model.live().iter().any(|live| live == call.as_str()) {
            self.model.hung_up(call.as_str());
            self.command(Command::Bye {
                call,
                cause: None,
                sip_code: None,
                headers: Vec::new(),
            })?;
        }
        Ok(())
    }

    pub(super) fn user_answers(&mut self, call: &str) -> Verdict {
        if self.odds(80) {
            self.model.taken(call, self.now);
            let answer = |call| Command::Answer {
                call,
                sdp: OFFER.into(),
                client_state: None,
                headers: Vec::new(),
                trickle: None,
            };
            self.about(call, answer)?;
            // Some press the button twice, which is told as a failure and changes nothing.
            if self.odds(20) && self.model.live().iter().any(|live| live == call) {
                self.model.wished(call, self.now);
                self.about(call, answer)?;
            }
            Ok(())
        } else {
            self.model.hung_up(call);
            self.about(call, |call| Command::Bye {
                call,
                cause: None,
                sip_code: None,
                headers: Vec::new(),
            })
        }
    }

    pub(super) fn about(&mut self, call: &str, command: impl FnOnce(CallId) -> Command) -> Verdict {
        CallId::from_wire(call).map_or(Ok(()), |call| self.command(command(call)))
    }
}

/// What a world's user logs in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    Password,
    /// Tokens that live for a quarter of an hour.
    Token,
    /// To one assistant; nobody can call.
    Anonymous,
}

impl Credential {
    pub(super) fn of(seed: u64) -> Self {
        if seed % 20 == 10 {
            Self::Anonymous
        } else if seed.is_multiple_of(4) {
            Self::Token
        } else {
            Self::Password
        }
    }

    /// A login as it is made this long after the world began.
    pub(super) fn login(self, at: Duration) -> Login {
        match self {
            Self::Password => Login::Password {
                user: "1000".into(),
                password: Secret::new("secret"),
            },
            Self::Token => {
                let ends = (EPOCH + at).as_secs() + 900;
                let claims = URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{ends}}}"));
                Login::Token {
                    token: Secret::new(format!("e30.{claims}.c2ln")),
                }
            }
            Self::Anonymous => Login::Anonymous {
                target_type: "ai_assistant".into(),
                target_id: ASSISTANT.into(),
                target_version: None,
                target_params: BTreeMap::new(),
            },
        }
    }
}
