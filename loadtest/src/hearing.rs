//! Whether the far end was heard to the end of a call, and what it owes.
//!
//! The numbers that are called send sound all the time. A far end of which nothing comes at the end has therefore gone silent, whether
//! or not the engine had time to say so.

use std::time::Duration;

use offhook_engine::ended::Ended;
use offhook_engine::quality::Quality;
use offhook_media::program::SLOT;
use offhook_media::quality::emodel::estimate;
use offhook_media::quality::statistics::Statistics;

/// Silence at the end of a call that is no gap of a network any more.
pub(crate) const SILENCE: Duration = Duration::from_secs(2);

/// What came of the far end between the answer and the end of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// Its sound came until the end.
    ToTheEnd,
    /// The last packet was this old at the end.
    Stopped(Duration),
    /// Nothing since the answer, whatever came before it.
    Nothing,
}

impl Hearing {
    pub(crate) fn of(ended: &Ended) -> Self {
        let talk = ended.talk;
        let statistics = ended.quality.as_ref().map(|quality| &quality.statistics);
        match statistics.and_then(silent) {
            None => Self::Nothing,
            Some(silent) if silent >= talk => Self::Nothing,
            Some(silent) if silent >= limit(talk) => Self::Stopped(silent),
            Some(_) => Self::ToTheEnd,
        }
    }

    /// How much of the call's end is missing.
    fn missing(self, talk: Duration) -> Duration {
        match self {
            Self::ToTheEnd => Duration::ZERO,
            Self::Stopped(silent) => silent,
            Self::Nothing => talk,
        }
    }
}

/// How old the last packet was at the end; `None`: there was none.
fn silent(statistics: &Statistics) -> Option<Duration> {
    let last = statistics.inbound.last_packet_received?;
    Some(statistics.at.saturating_sub(last))
}

/// A short call is not judged by a silence that it had no time for.
fn limit(talk: Duration) -> Duration {
    SILENCE.min(talk / 2)
}

/// The figures of a call with what is missing at its end counted as lost: no later packet shows that as a gap.
pub(crate) fn figures(ended: &Ended) -> Option<Quality> {
    let mut quality = ended.quality.clone()?;
    let missing = match ended.answered {
        true => Hearing::of(ended).missing(ended.talk),
        false => Duration::ZERO,
    };
    let packets = missing.as_nanos() / SLOT.as_nanos();
    let packets = u32::try_from(packets).unwrap_or(u32::MAX);
    if packets > 0 {
        let inbound = &mut quality.statistics.inbound;
        inbound.packets_lost = inbound.packets_lost.max(0) + i64::from(packets);
        inbound.packets_lost_settled += u64::from(packets);
        inbound.loss_runs += 1;
        let codec = quality.codec;
        quality.mos = codec.map(|codec| estimate(&quality.statistics.conditions(codec)));
    }
    Some(quality)
}

#[cfg(test)]
pub(crate) mod tests {
    use offhook_engine::ended::{EndReason, EndedBy};
    use offhook_engine::vocabulary::{AudioCodec, Cause, SipEnd};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A call that was talked in for `talk`, and whose last packet was `silent` old at its end; without: nothing ever came.
    pub(crate) fn ended(reason: EndReason, talk: Duration, silent: Option<Duration>) -> Ended {
        // The session is older than the answer: it rang.
        let at = talk + 3 * SECOND;
        let mut statistics = Statistics {
            at,
            ..Statistics::default()
        };
        statistics.outbound.packets_sent = 50 * talk.as_secs();
        if let Some(silent) = silent {
            let heard = at - silent;
            statistics.inbound.packets_received = 50 * heard.as_secs();
            statistics.inbound.last_packet_received = Some(heard);
        }
        Ended {
            by: EndedBy::Local,
            cause: Cause::NORMAL_CLEARING,
            reason,
            answered: !talk.is_zero(),
            answered_elsewhere: false,
            headers: Vec::new(),
            client_state: None,
            sip: SipEnd::default(),
            talk,
            quality: Some(Quality {
                statistics,
                codec: Some(AudioCodec::Opus),
                mos: silent.map(|_| 4.4),
            }),
            recording: None,
        }
    }

    fn heard(talk: Duration, silent: Option<Duration>) -> Hearing {
        Hearing::of(&ended(EndReason::HungUp, talk, silent))
    }

    #[test]
    fn sound_that_stops_before_the_end_or_before_the_answer_was_not_heard_to_the_end() {
        let millis = Duration::from_millis;
        assert_eq!(
            heard(10 * SECOND, Some(millis(1900))),
            Hearing::ToTheEnd,
            "a gap"
        );
        assert_eq!(
            heard(10 * SECOND, Some(2 * SECOND)),
            Hearing::Stopped(2 * SECOND)
        );
        // Early media, and nothing since.
        assert_eq!(heard(4 * SECOND, Some(5 * SECOND)), Hearing::Nothing);
        assert_eq!(heard(4 * SECOND, None), Hearing::Nothing);
        // A short call has its own measure.
        assert_eq!(heard(SECOND, Some(millis(400))), Hearing::ToTheEnd);
        assert_eq!(
            heard(SECOND, Some(millis(600))),
            Hearing::Stopped(millis(600))
        );
    }

    #[test]
    fn what_is_missing_at_the_end_is_lost_and_lowers_the_rating() {
        let figures_of = |silent| {
            let ended = ended(EndReason::HungUp, 10 * SECOND, silent);
            figures(&ended).unwrap()
        };
        let whole = figures_of(Some(Duration::from_millis(20)));
        assert_eq!(
            (whole.statistics.inbound.packets_lost, whole.mos),
            (0, Some(4.4))
        );
        let cut = figures_of(Some(5 * SECOND));
        assert_eq!(cut.statistics.inbound.packets_lost, 250);
        assert!(cut.mos.unwrap() < 2.0, "{:?}", cut.mos);
        let mute = figures_of(None);
        assert_eq!(mute.statistics.inbound.packets_lost, 500);
        assert!(mute.mos.unwrap() < 1.2, "{:?}", mute.mos);
        // A call that was never answered owes nothing.
        let rang = ended(EndReason::HungUp, Duration::ZERO, None);
        assert_eq!(figures(&rang).unwrap().statistics.inbound.packets_lost, 0);
    }
}
