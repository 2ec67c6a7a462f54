//! ICE candidates that follow their description by INFO, both ways (trickle ICE: RFC 8840).
//!
//! Ours wait until the dialog is confirmed and the far side has named the package. Whoever does not know what the far side can
//! do describes all of them at once (half trickle: 5.3); that is the engine's part.

use std::fmt::Write as _;
use std::time::Instant;

use crate::error::Error;
use crate::event::Event;
use crate::sip::call::offers::{core_answer, core_answer_with, media_of};
use crate::sip::call::state::{Call, Offer, Phase, Up, Wish};
use crate::sip::message::outgoing::Content;
use crate::sip::message::request::Request;
use crate::sip::message::{HeaderName, Method};
use crate::sip::session::core::Core;
use crate::sip::session::owner::InCall;
use crate::sip::transaction::server::ServerKey;

/// The option tag and the INFO package (10.3 and 10.6).
pub(in crate::sip) const TRICKLE: &str = "trickle-ice";
/// The type of its bodies (9.3).
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// Most candidates of one side.
const MOST: usize = 128;
/// Longest line of a candidate.
const LONGEST: usize = 1024;

/// What followed, and what is still to follow.
#[derive(Debug, Default)]
pub(in crate::sip) struct Trickle {
    /// Ours of the present description, the oldest first.
    ours: Vec<String>,
    /// No more of ours follow.
    ended: bool,
    /// The description that they belong to, by its user fragment; empty before it is known.
    generation: String,
    /// What the INFO under way says: how many, and whether it is the last. Only one at a time (4.4).
    out: Option<(usize, bool)>,
    /// What the far side has taken.
    told: (usize, bool),
    /// Theirs.
    theirs: Vec<String>,
    their_end: bool,
    /// User fragment of the far side's last description.
    their_generation: String,
}

impl Call {
    /// The user has one more candidate; `None`: it has no more.
    pub(in crate::sip) fn trickle_out(
        &mut self,
        candidate: Option<String>,
        core: &mut Core,
        now: Instant,
    ) -> Result<(), Error> {
        let unsayable = |fault| {
            Err(Error::Unsayable {
                command: "candidate",
                fault,
            })
        };
        if let Phase::Up(up) = &self.phase {
            if !is_taken_by(up) {
                return unsayable("the far side takes no candidates behind its description");
            }
            let generation = generation(up);
            if self.trickle.generation != generation && !self.trickle.generation.is_empty() {
                self.trickle.begin_anew();
            }
            self.trickle.generation = generation;
        }
        match candidate {
            Some(line) => {
                let line = line.trim().trim_start_matches("a=").to_owned();
                let is_one = line.starts_with("candidate:") && line.len() <= LONGEST;
                if !is_one || line.chars().any(char::is_control) {
                    return unsayable("the candidate is none");
                }
                if self.trickle.ours.len() >= MOST {
                    return unsayable("too many candidates");
                }
                if !self.trickle.ours.contains(&line) {
                    self.trickle.ours.push(line);
                }
            }
            None => self.trickle.ended = true,
        }
        self.next_candidates(core, now);
        Ok(())
    }

    /// Says what is new, with all that was said before (4.4), when nothing is in its way.
    pub(in crate::sip) fn next_candidates(&mut self, core: &mut Core, now: Instant) {
        let flow = self.way(core);
        let ready = core
            .flow(flow)
            .is_some_and(|flow| flow.is_ready(&core.config));
        let Phase::Up(up) = &self.phase else {
            return;
        };
        let state = (self.trickle.ours.len(), self.trickle.ended);
        let waits = up.unacked.is_some() || up.owed_ack.is_some();
        if !ready || waits || self.trickle.out.is_some() || state == self.trickle.told {
            return;
        }
        if !is_taken_by(up) {
            // They came before anybody knew.
            self.trickle.begin_anew();
            return core.tell(Event::CommandFailed {
                call: self.id.clone(),
                error: Error::Unsayable {
                    command: "candidate",
                    fault: "the far side takes no candidates behind its description",
                },
            });
        }
        if self.trickle.generation.is_empty() {
            self.trickle.generation = generation(up);
        }
        let body = fragment(description(up), &self.trickle.ours, self.trickle.ended);
        self.trickle.out = Some(state);
        let mut content = Content::default();
        content.push(&HeaderName::UserAgent, core.config.user_agent.as_str());
        content.push_named("Info-Package", TRICKLE);
        content.push(&HeaderName::ContentDisposition, "Info-Package");
        content.set_body(FRAGMENT, body);
        self.in_dialog(Method::Info, content, InCall::Trickle, core, now);
    }

    /// That INFO has its answer. `false`: it was refused, and no other follows.
    pub(in crate::sip) fn on_candidates_answered(
        &mut self,
        taken: bool,
        core: &mut Core,
        now: Instant,
    ) {
        let out = self.trickle.out.take();
        if taken {
            self.trickle.told = out.unwrap_or(self.trickle.told);
            self.next_candidates(core, now);
        } else {
            self.trickle.begin_anew();
        }
    }

    /// That INFO went down with its connection: it is said again over the next one.
    pub(in crate::sip) fn on_candidates_lost(&mut self) {
        self.trickle.out = None;
    }

    /// The user is shown a description of the far side: candidates of the one before mean nothing any more.
    pub(in crate::sip) fn heard(&mut self, sdp: &str) {
        self.their_media = media_of(sdp);
        let generation = attribute(sdp, "ice-ufrag").unwrap_or_default();
        if generation != self.trickle.their_generation {
            self.trickle.their_generation = generation.to_owned();
            self.trickle.theirs.clear();
            self.trickle.their_end = false;
        }
    }

    /// Candidates of the far side: those that are new are told.
    pub(in crate::sip) fn on_candidates(
        &mut self,
        request: &Request,
        key: &ServerKey,
        core: &mut Core,
        now: Instant,
    ) {
        if request.content_type().as_deref() != Some(FRAGMENT) {
            return core_answer_with(core, key, 415, &[(HeaderName::Accept, FRAGMENT)], now);
        }
        core_answer(core, key, 200, now);
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let generation = attribute(&body, "ice-ufrag").unwrap_or_default();
        if generation != self.trickle.their_generation {
            return core.count_malformed("candidates of another description than the present one");
        }
        for line in body.lines().map(str::trim_end) {
            let line = line.strip_prefix("a=").unwrap_or_default();
            let known = &self.trickle.theirs;
            let is_new = line.starts_with("candidate:")
                && line.len() <= LONGEST
                && known.len() < MOST
                && !known.iter().any(|known| known == line);
            if is_new {
                self.trickle.theirs.push(line.to_owned());
                core.tell(Event::RemoteCandidate {
                    call: self.id.clone(),
                    candidate: line.to_owned(),
                });
            }
        }
        let ended = body
            .lines()
            .any(|line| line.trim_end() == "a=end-of-candidates");
        if ended && !std::mem::replace(&mut self.trickle.their_end, true) {
            core.tell(Event::RemoteEndOfCandidates {
                call: self.id.clone(),
            });
        }
    }
}

impl Trickle {
    /// None of ours, since there is another description or nobody takes them.
    fn begin_anew(&mut self) {
        self.ours.clear();
        self.ended = false;
        self.told = (0, false);
        self.generation.clear();
    }
}

/// Whether the far side named the package (RFC 8840, 10.6; RFC 6086, 4.2.1).
fn is_taken_by(up: &Up) -> bool {
    let packages = up.dialog.peer.info_packages.iter().flatten();
    packages
        .into_iter()
        .any(|one| one.eq_ignore_ascii_case(TRICKLE))
}

/// Our description that the candidates belong to: the one under way, else the one in force.
fn description(up: &Up) -> &str {
    match &up.offer {
        Offer::Ours {
            kind: Wish::Offer(sdp),
        } => sdp,
        Offer::None | Offer::Ours { .. } | Offer::Theirs { .. } | Offer::Waiting { .. } => {
            up.local_sdp.as_deref().unwrap_or_default()
        }
    }
}

fn generation(up: &Up) -> String {
    attribute(description(up), "ice-ufrag")
        .unwrap_or_default()
        .to_owned()
}

/// The first attribute of that name in a description or a fragment of one.
fn attribute<'a>(sdp: &'a str, name: &str) -> Option<&'a str> {
    sdp.lines().find_map(|line| {
        let (known, value) = line.strip_prefix("a=")?.split_once(':')?;
        (known == name).then(|| value.trim_end())
    })
}

/// The body of an INFO (9.2): what names the description, and all candidates so far under its one medium.
fn fragment(sdp: &str, candidates: &[String], ended: bool) -> String {
    let mut body = String::new();
    for name in ["ice-options", "ice-pwd", "ice-ufrag"] {
        if let Some(value) = attribute(sdp, name) {
            // Writing to a String cannot fail.
            let _ = write!(body, "a={name}:{value}\r\n");
        }
    }
    let medium = sdp.lines().find_map(|line| line.strip_prefix("m="));
    let kind = medium.and_then(|line| line.split(' ').next());
    let _ = write!(body, "m={} 9 RTP/AVP 0\r\n", kind.unwrap_or("audio"));
    let mid = attribute(sdp, "mid").unwrap_or("0");
    let _ = write!(body, "a=mid:{mid}\r\n");
    for candidate in candidates {
        let _ = write!(body, "a={candidate}\r\n");
    }
    if ended {
        body.push_str("a=end-of-candidates\r\n");
    }
    body
}
