//! What the REST API is to do wrong.

use std::num::NonZeroU32;
use std::time::Duration;

/// The names, for messages.
pub(super) const NAMES: &str = "rest-slow=MS, rest-429=N, rest-500=N, rest-lost=N";

/// A wish for the REST API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestFault {
    /// `rest-slow=MS`: each answer comes this much later, after the request was carried out.
    Slow(Duration),
    /// `rest-429=N`: every N-th request is refused for its rate.
    TooMany(NonZeroU32),
    /// `rest-500=N`: every N-th request fails with an empty body and is not carried out.
    Failure(NonZeroU32),
    /// `rest-422=N`: every N-th POST is refused, though nothing is wrong with it.
    Refused(NonZeroU32),
    /// `rest-lost=N`: every N-th POST is carried out, and its connection cut instead of an answer.
    Lost(NonZeroU32),
}

/// All that the REST API does wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RestFaults {
    /// How much later each answer comes.
    pub(crate) slow: Duration,
    /// Every which request is refused for its rate.
    pub(crate) too_many: Option<NonZeroU32>,
    /// Every which request fails.
    pub(crate) failure: Option<NonZeroU32>,
    /// Every which POST is refused.
    pub(crate) refused: Option<NonZeroU32>,
    /// Every which POST is carried out without an answer.
    pub(crate) lost: Option<NonZeroU32>,
}

impl RestFault {
    /// Reads a wish; `None` when the name is not one of these.
    pub(super) fn read(name: &str, value: &str) -> Option<Result<Self, String>> {
        let number = || {
            value
                .parse::<u32>()
                .map_err(|_| format!("{name} wants a number: write {name}=NUMBER"))
        };
        let every =
            || NonZeroU32::new(number()?).ok_or_else(|| format!("{name} wants a number above 0"));
        Some(match name {
            "rest-slow" => number().map(|ms| Self::Slow(Duration::from_millis(ms.into()))),
            "rest-429" => every().map(Self::TooMany),
            "rest-500" => every().map(Self::Failure),
            "rest-422" => every().map(Self::Refused),
            "rest-lost" => every().map(Self::Lost),
            _ => return None,
        })
    }
}

impl RestFaults {
    /// Adds a wish, in place of one of the same name.
    pub(crate) fn add(&mut self, fault: RestFault) {
        match fault {
            RestFault::Slow(time) => self.slow = time,
            RestFault::TooMany(every) => self.too_many = Some(every),
            RestFault::Failure(every) => self.failure = Some(every),
            RestFault::Refused(every) => self.refused = Some(every),
            RestFault::Lost(every) => self.lost = Some(every),
        }
    }
}
