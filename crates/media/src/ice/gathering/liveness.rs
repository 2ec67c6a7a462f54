//! Whether a TURN server still has an allocation of ours: asked when checks that go by it come back from nowhere.
//!
//! A server that was started again, or that sees us come from another address since a NAT forgot us, drops what we send and says
//! nothing. Asked to refresh the allocation it says that there is none (437, RFC 8656 section 7.3).

use std::time::{Duration, Instant};

use turn_client_proto::types::stun::message::Message;

use crate::ice::gathering::probe::{self, Answer, Challenge, Request, challenge};
use crate::ice::server::RelayCredentials;

/// So many checks went, and nothing came since the first of them, which is so long ago: the server is asked. A pair whose media stopped is
/// checked after half a second, each fifth of a second, so that this is little more than a second after it was heard.
const SILENCE: Duration = Duration::from_millis(500);
const UNANSWERED: u32 = 3;
/// Before it is asked again. Half of the time in which audio is to be back.
const REPEAT: Duration = Duration::from_millis(500);
/// How a check begins (RFC 8489, section 5).
const BINDING_REQUEST: [u8; 2] = [0, 1];

/// No allocation for whoever asks (RFC 8656, section 19), and a nonce that is too old.
const ALLOCATION_MISMATCH: u16 = 437;
const STALE_NONCE: u16 = 438;

/// What is known of one allocation.
#[derive(Debug)]
pub(super) struct Liveness {
    credentials: RelayCredentials,
    challenge: Option<Challenge>,
    /// The first check that was sent by it since something came, and how many were.
    silent_since: Option<Instant>,
    unanswered: u32,
    question: Option<Question>,
}

#[derive(Debug)]
struct Question {
    request: Request,
    asked: Instant,
    /// The server wanted to know who asks, and was told.
    signed_anew: bool,
}

/// What an answer means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is there, or nothing is known.
    Stands,
    /// It is gone.
    Gone,
    /// The question is to be asked once more, with what the server wants.
    AskAgain(Vec<u8>),
}

impl Liveness {
    pub(super) fn new(credentials: &RelayCredentials) -> Self {
        Self {
            credentials: credentials.clone(),
            challenge: None,
            silent_since: None,
            unanswered: 0,
            question: None,
        }
    }

    /// Takes what a refused request has to be signed with.
    pub(super) fn read_challenge(&mut self, message: &Message<'_>) {
        if let Some(challenge) = challenge(message) {
            self.challenge = Some(challenge);
        }
    }

    /// Something came by the allocation, or was said of it.
    pub(super) fn hear(&mut self) {
        self.silent_since = None;
        self.unanswered = 0;
        self.question = None;
    }

    /// A datagram leaves by it; the question to send first, if it is time for one.
    pub(super) fn send(&mut self, bytes: &[u8], now: Instant) -> Option<Vec<u8>> {
        if !bytes.starts_with(&BINDING_REQUEST) {
            return None;
        }
        self.unanswered = self.unanswered.saturating_add(1);
        let since = *self.silent_since.get_or_insert(now);
        if self.unanswered < UNANSWERED || now < since + SILENCE {
            return None;
        }
        match &mut self.question {
            Some(question) if now < question.asked + REPEAT => None,
            // The same one: its answer may be slow.
            Some(question) => {
                question.asked = now;
                Some(question.request.bytes().to_vec())
            }
            None => self.ask(false, now),
        }
    }

    fn ask(&mut self, signed_anew: bool, now: Instant) -> Option<Vec<u8>> {
        let challenge = self.challenge.as_ref()?;
        let request = probe::keep(&self.credentials, challenge).ok()?;
        let bytes = request.bytes().to_vec();
        self.question = Some(Question {
            request,
            asked: now,
            signed_anew,
        });
        Some(bytes)
    }

    /// Reads what came from the server; `None`: it answers no question of this.
    pub(super) fn answer(&mut self, datagram: &[u8], now: Instant) -> Option<Verdict> {
        let question = self.question.as_ref()?;
        let answer = question.request.answer(datagram)?;
        let signed_anew = question.signed_anew;
        let wants = match answer {
            Answer::Refused { code, .. } if code == ALLOCATION_MISMATCH => {
                return Some(Verdict::Gone);
            }
            Answer::Unauthorised(challenge) => Some(challenge),
            Answer::Refused { code, .. } if code == STALE_NONCE => {
                let message = Message::from_bytes(datagram).ok();
                message.and_then(|message| challenge(&message))
            }
            Answer::Success(_) | Answer::Refused { .. } => None,
        };
        if let Some(challenge) = wants.filter(|_| !signed_anew) {
            self.challenge = Some(challenge);
            return Some(match self.ask(true, now) {
                Some(again) => Verdict::AskAgain(again),
                None => Verdict::Stands,
            });
        }
        self.hear();
        Some(Verdict::Stands)
    }
}

/// Whether this answer of a server to any request says that it has no allocation for us.
pub(super) fn is_mismatch(datagram: &[u8]) -> bool {
    probe::refusal(datagram) == Some(ALLOCATION_MISMATCH)
}
