//! When a request is repeated, and after how long.

use std::time::Duration;

use crate::api::wire::{Arrived, HttpReply, WireFault};

/// Tries of one request, when the server or the network fails.
const TRIES: u32 = 5;
/// Refusals for the rate that one request puts up with.
const RATE_TRIES: u32 = 20;
/// The first pause; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(8);

/// Whether a request may be repeated when it may have been carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It changes nothing, or twice is as good as once.
    Freely,
    /// Twice makes two: first look whether it was carried out.
    Looked,
}

/// What came of one try.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome<'a> {
    Reply(&'a HttpReply),
    Fault(&'a WireFault),
}

/// What to do after one try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// This is the answer, good or bad.
    Done,
    /// Again after this time.
    Again(Duration),
    /// Again when the rate limit allows, which the pace knows.
    WhenAllowed,
    /// It may have been carried out and must not be repeated unseen.
    Uncertain,
}

/// The tries of one request.
#[derive(Debug, Default)]
pub(super) struct Tries {
    failures: u32,
    refusals: u32,
}

impl Tries {
    /// Judges a try; `chance` is a number from 0 to below 1.
    pub(super) fn judge(&mut self, outcome: Outcome<'_>, repeat: Repeat, chance: f64) -> Verdict {
        let passing = match outcome {
            Outcome::Reply(reply) if reply.status == 429 => {
                self.refusals += 1;
                return match self.refusals < RATE_TRIES {
                    true => Verdict::WhenAllowed,
                    false => Verdict::Done,
                };
            }
            Outcome::Reply(reply) => {
                says(reply).unwrap_or(matches!(reply.status, 408 | 409 | 500..))
            }
            Outcome::Fault(fault) => fault.may_pass,
        };
        // A 409 or 4xx was not carried out; a 5xx or a broken connection may have been.
        let certain = match outcome {
            Outcome::Reply(reply) => reply.status < 500 && reply.status != 408,
            Outcome::Fault(fault) => fault.arrived == Arrived::No,
        };
        if repeat == Repeat::Looked && !certain {
            return Verdict::Uncertain;
        }
        self.failures += 1;
        if !passing || self.failures >= TRIES {
            return Verdict::Done;
        }
        Verdict::Again(pause(self.failures, chance))
    }
}

/// `x-should-retry` says whether a request is to be repeated, whatever its status.
fn says(reply: &HttpReply) -> Option<bool> {
    reply.header("x-should-retry")?.trim().parse().ok()
}

/// Doubles with each failure, up to a limit, less up to a quarter.
pub(super) fn pause(failures: u32, chance: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10));
    doubled.min(LONGEST).mul_f64(1.0 - chance * 0.25)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16) -> HttpReply {
        HttpReply {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    fn judge(status: u16, repeat: Repeat) -> Verdict {
        Tries::default().judge(Outcome::Reply(&reply(status)), repeat, 0.0)
    }

    #[test]
    fn what_may_have_been_carried_out_is_not_repeated_unseen() {
        assert_eq!(judge(500, Repeat::Looked), Verdict::Uncertain);
        assert_eq!(judge(429, Repeat::Looked), Verdict::WhenAllowed);
        assert_eq!(judge(422, Repeat::Looked), Verdict::Done);
        assert_eq!(judge(201, Repeat::Looked), Verdict::Done);
        for (arrived, verdict) in [
            (Arrived::Perhaps, Verdict::Uncertain),
            (Arrived::No, Verdict::Again(FIRST)),
        ] {
            let fault = WireFault {
                arrived,
                may_pass: true,
                text: String::new(),
            };
            let judged = Tries::default().judge(Outcome::Fault(&fault), Repeat::Looked, 0.0);
            assert_eq!(judged, verdict);
        }
    }

    #[test]
    fn the_server_has_the_last_word_about_repeating() {
        for (status, says, again) in [(503, "false", false), (400, "true", true)] {
            let mut reply = reply(status);
            reply
                .headers
                .push(("x-should-retry".to_owned(), says.to_owned()));
            let judged = Tries::default().judge(Outcome::Reply(&reply), Repeat::Freely, 0.0);
            assert_eq!(matches!(judged, Verdict::Again(_)), again, "{status}");
        }
    }

    #[test]
    fn pauses_double_and_end() {
        let mut tries = Tries::default();
        let reply = reply(503);
        let mut pauses = Vec::new();
        while let Verdict::Again(pause) = tries.judge(Outcome::Reply(&reply), Repeat::Freely, 0.0) {
            pauses.push(pause.as_millis());
        }
        assert_eq!(pauses, [500, 1000, 2000, 4000]);
        assert!(pause(30, 0.0) <= LONGEST && pause(1, 0.99) >= FIRST / 2);
    }
}
