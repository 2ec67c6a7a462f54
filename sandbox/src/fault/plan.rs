//! A fault plan: wishes for the gateway and for the REST API.

use std::str::FromStr;

use crate::fault::gateway::{self, Wish, Wishes};
use crate::fault::rest::{self, RestFault, RestFaults};

/// One wish, as `--fault` takes it: `NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Of the REST API.
    Rest(RestFault),
    /// Of the Verto gateway.
    Gateway(Wish),
}

/// Every wish of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FaultPlan {
    /// What the REST API does wrong.
    pub(crate) rest: RestFaults,
    /// What the gateway does wrong.
    pub(crate) gateway: Wishes,
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let (name, value) = (name.trim(), value.trim());
        if let Some(rest) = RestFault::read(name, value) {
            return rest.map(Self::Rest);
        }
        let wish = Wish::read(name, value).unwrap_or_else(|| {
            let (gateway, rest) = (gateway::NAMES, rest::NAMES);
            Err(format!(
                "there is no fault {name:?}; there are {gateway}, {rest}"
            ))
        });
        wish.map(Self::Gateway)
    }
}

impl FromIterator<Fault> for FaultPlan {
    fn from_iter<T: IntoIterator<Item = Fault>>(faults: T) -> Self {
        let mut plan = Self::default();
        for fault in faults {
            match fault {
                Fault::Rest(fault) => plan.rest.add(fault),
                Fault::Gateway(wish) => plan.gateway.add(wish),
            }
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;
    use crate::fault::gateway::{GatewayFault, Mishap, STATES};

    fn wish(text: &str) -> Wish {
        match text.parse() {
            Ok(Fault::Gateway(wish)) => wish,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_fault_of_the_rest_api_is_a_name_and_a_number() {
        let wishes = ["rest-slow=250", "rest-429=7"].map(|text| text.parse::<Fault>().unwrap());
        let plan: FaultPlan = wishes.into_iter().collect();
        assert_eq!(plan.rest.slow, Duration::from_millis(250));
        assert_eq!(plan.rest.too_many, NonZeroU32::new(7));
    }

    #[test]
    fn a_fault_of_the_gateway_may_say_how_often_and_to_whom() {
        let drop = GatewayFault::After(Mishap::Drop, Duration::from_millis(2500));
        let all = wish("drop-after=2.5");
        assert_eq!((all.fault, all.left, all.user), (drop, None, None));
        let some = wish("refuse-login=-32001:2@demo-1");
        assert_eq!(some.fault, GatewayFault::RefuseLogin(-32001));
        assert_eq!((some.left, some.user.as_deref()), (Some(2), Some("demo-1")));
        assert_eq!(wish("attach-late=never@x").fault, GatewayFault::AttachNever);
        for state in STATES {
            wish(&format!("gateway-state={state}"));
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_form() {
        for (wrong, named) in [
            ("rest-slow", "rest-slow=NUMBER"),
            ("rest-500=0", "above 0"),
            ("rest-500=x", "rest-500=NUMBER"),
            ("nonsense=1", "drop-after=SECONDS"),
            ("", "rest-lost=N"),
            ("drop-after=soon", "drop-after=SECONDS"),
            ("drop-after=-1", "drop-after=SECONDS"),
            ("drop-after-messages=0", "from 1"),
            ("cut-frame=", "cut-frame=N"),
            ("stall=1.5", "stall=MS"),
            ("refuse-login=no", "-32001"),
            ("forget-calls=some", "\"one\""),
            ("unanswered=drop", "\"keep\""),
            ("gateway-state=GONE", "FAIL_WAIT"),
            ("gateway-state=REGED:often", "gateway-state=REGED:TIMES"),
        ] {
            let error = wrong.parse::<Fault>().unwrap_err();
            assert!(error.contains(named), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_wish_is_used_up_by_those_it_is_for() {
        let plan = ["refuse-login=-1:1@a", "refuse-login=-2:2", "drop-after=1:1"];
        let plan = plan.map(|text| text.parse::<Fault>().unwrap());
        let mut wishes = FaultPlan::from_iter(plan).gateway;
        let refuse = |fault| {
            if let GatewayFault::RefuseLogin(code) = fault {
                Some(code)
            } else {
                None
            }
        };
        let codes = ["b", "a", "a", "a", "b"].map(|user| wishes.take(user, refuse));
        assert_eq!(codes, [Some(-2), Some(-1), Some(-2), None, None]);
        assert_eq!(wishes.take_for_socket("a").len(), 1);
        assert_eq!(wishes.take_for_socket("a"), []);
    }
}
