//! Watches for a far end that sends nothing: tells it once, and says when it has lasted too long.
//!
//! Who was heard may fall silent and be there all the same: a telephone that sends nothing while its user listens (RFC 3389), a voice
//! mail that records. Its reports and its answers to checks of ICE show that it lives, and keep the call. Who was never heard has no
//! sound to send or none that comes through, and those signs do not help it.

use std::time::{Duration, Instant};

/// What the watch has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing new.
    Quiet,
    /// `no_media_after` is over.
    NoMedia { silent_for: Duration },
    /// `media_timeout` is over; no media came for this long.
    Timeout { silent_for: Duration },
}

/// Runs from the moment media may be expected; stands still while none is (hold).
#[derive(Debug)]
pub(crate) struct Silence {
    no_media_after: Duration,
    media_timeout: Duration,
    expected: bool,
    /// The last packet of media, or when the waiting began; `None` while nothing is waited for.
    since: Option<Instant>,
    told: bool,
    was_heard: bool,
    /// The last sign of life that is no media.
    lived: Option<Instant>,
}

impl Silence {
    /// Zero durations never come to an end.
    pub(crate) const fn new(no_media_after: Duration, media_timeout: Duration) -> Self {
        Self {
            no_media_after,
            media_timeout,
            expected: false,
            since: None,
            told: false,
            was_heard: false,
            lived: None,
        }
    }

    /// Media is expected from now on, or no longer.
    pub(crate) fn expect(&mut self, expected: bool, now: Instant) {
        if !(expected && self.expected) {
            self.expected = expected;
            self.since = expected.then_some(now);
            self.told = false;
        }
    }

    /// The way to the far end is lost for good as it seems: that counts on hold too, where nothing else would end the call.
    pub(crate) fn is_cut_off(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// The far end showed then that it is there, though not by media.
    pub(crate) fn lives(&mut self, then: Instant) {
        self.lived = self.lived.max(Some(then));
    }

    /// A valid packet came. Whether this ends a silence that was told.
    pub(crate) fn heard(&mut self, now: Instant) -> bool {
        self.was_heard = true;
        if let Some(since) = &mut self.since {
            *since = now;
        }
        std::mem::take(&mut self.told)
    }

    /// Looks at the time; tells each silence once.
    pub(crate) fn look(&mut self, now: Instant) -> Verdict {
        let Some(since) = self.since else {
            return Verdict::Quiet;
        };
        let silent_for = now.saturating_duration_since(since);
        let lived = self.lived.filter(|_| self.was_heard).unwrap_or(since);
        let gone_for = now.saturating_duration_since(lived.max(since));
        if !self.media_timeout.is_zero() && gone_for >= self.media_timeout {
            self.since = None;
            return Verdict::Timeout { silent_for };
        }
        let is_missed = self.expected && !self.told && !self.no_media_after.is_zero();
        if is_missed && silent_for >= self.no_media_after {
            self.told = true;
            return Verdict::NoMedia { silent_for };
        }
        Verdict::Quiet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_MEDIA: Duration = Duration::from_secs(5);
    const TIMEOUT: Duration = Duration::from_secs(60);

    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some instant to begin at"
    )]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn each_silence_is_told_once_and_ends_the_call_in_time() {
        let begin = start();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut silence = Silence::new(NO_MEDIA, TIMEOUT);
        assert_eq!(silence.look(at(100)), Verdict::Quiet);
        silence.expect(true, begin);
        assert_eq!(silence.look(at(4)), Verdict::Quiet);
        assert_eq!(
            silence.look(at(5)),
            Verdict::NoMedia {
                silent_for: NO_MEDIA
            }
        );
        assert_eq!(silence.look(at(6)), Verdict::Quiet);
        assert!(silence.heard(at(7)));
        assert!(!silence.heard(at(8)));
        assert_eq!(
            silence.look(at(13)),
            Verdict::NoMedia {
                silent_for: NO_MEDIA
            }
        );
        assert_eq!(
            silence.look(at(68)),
            Verdict::Timeout {
                silent_for: TIMEOUT
            }
        );
        assert_eq!(silence.look(at(69)), Verdict::Quiet);
    }

    #[test]
    fn the_clock_stands_still_on_hold() {
        let begin = start();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut silence = Silence::new(NO_MEDIA, TIMEOUT);
        silence.expect(true, begin);
        silence.expect(false, at(4));
        assert_eq!(silence.look(at(1000)), Verdict::Quiet);
        silence.expect(true, at(1000));
        assert_eq!(silence.look(at(1004)), Verdict::Quiet);
        assert_eq!(
            silence.look(at(1005)),
            Verdict::NoMedia {
                silent_for: NO_MEDIA
            }
        );
    }

    #[test]
    fn zero_means_never() {
        let begin = start();
        let mut silence = Silence::new(Duration::ZERO, Duration::ZERO);
        silence.expect(true, begin);
        assert_eq!(
            silence.look(begin + Duration::from_secs(100_000)),
            Verdict::Quiet
        );
    }
}
