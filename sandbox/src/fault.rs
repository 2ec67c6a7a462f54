//! What the sandbox is to do wrong, as its operator wishes.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

/// One wish, as `--fault` takes it: `NAME=NUMBER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Of the REST API.
    Rest(RestFault),
}

/// A wish for the REST API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestFault {
    /// `rest-slow=MS`: each answer comes this much later, after the request was carried out.
    Slow(Duration),
    /// `rest-429=N`: every N-th request is refused for its rate.
    TooMany(NonZeroU32),
    /// `rest-500=N`: every N-th request fails with an empty body and is not carried out.
    Failure(NonZeroU32),
    /// `rest-lost=N`: every N-th POST is carried out, and its connection cut instead of an answer.
    Lost(NonZeroU32),
}

/// Every wish of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FaultPlan {
    /// What the REST API does wrong.
    pub(crate) rest: RestFaults,
}

/// What the REST API does wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RestFaults {
    /// How much later each answer comes.
    pub(crate) slow: Duration,
    /// Every which request is refused for its rate.
    pub(crate) too_many: Option<NonZeroU32>,
    /// Every which request fails.
    pub(crate) failure: Option<NonZeroU32>,
    /// Every which POST is carried out without an answer.
    pub(crate) lost: Option<NonZeroU32>,
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let number = || {
            let number: u32 = value
                .parse()
                .map_err(|_| format!("{name} wants a number: write {name}=NUMBER"))?;
            Ok::<u32, String>(number)
        };
        let every =
            || NonZeroU32::new(number()?).ok_or_else(|| format!("{name} wants a number above 0"));
        let fault = match name {
            "rest-slow" => RestFault::Slow(Duration::from_millis(number()?.into())),
            "rest-429" => RestFault::TooMany(every()?),
            "rest-500" => RestFault::Failure(every()?),
            "rest-lost" => RestFault::Lost(every()?),
            _ => {
                return Err(format!(
                    "there is no fault {name:?}; there are rest-slow, rest-429, rest-500, rest-lost"
                ));
            }
        };
        Ok(Self::Rest(fault))
    }
}

impl FromIterator<Fault> for FaultPlan {
    fn from_iter<T: IntoIterator<Item = Fault>>(faults: T) -> Self {
        let mut plan = Self::default();
        for fault in faults {
            let Fault::Rest(fault) = fault;
            match fault {
                RestFault::Slow(time) => plan.rest.slow = time,
                RestFault::TooMany(every) => plan.rest.too_many = Some(every),
                RestFault::Failure(every) => plan.rest.failure = Some(every),
                RestFault::Lost(every) => plan.rest.lost = Some(every),
            }
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_a_name_and_a_number() {
        let wishes = ["rest-slow=250", "rest-429=7"].map(|text| text.parse::<Fault>().unwrap());
        let plan: FaultPlan = wishes.into_iter().collect();
        assert_eq!(plan.rest.slow, Duration::from_millis(250));
        assert_eq!(plan.rest.too_many, NonZeroU32::new(7));
        for wrong in ["rest-slow", "rest-500=0", "rest-500=x", "nonsense=1", ""] {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
        }
    }
}
