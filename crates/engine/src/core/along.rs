//! What users want calls to take along: whether it is sound, and whether the account's server carries it.

use std::sync::Arc;

use offhook_media::program::CallKey;
use offhook_signaling::call_id::CallId;
use offhook_signaling::variable::Variable;

use crate::account::{Carries, Trickle};
use crate::call::dialog::Call;
use crate::core::check::{
    check_headers, check_ice_servers, check_sip_status, check_state, check_variables,
};
use crate::core::machine::Core;
use crate::error::Error;
use crate::output::AccountKey;
use crate::request::{AnswerOptions, CallRequest, EndOptions};

/// What to do where there is no other way.
const ALONE: &str = "leave it out";
/// What to do with a call that begins.
const FIELD: &str = "give it as a header field (`headers`)";
/// The same, where the server takes variables.
const VARIABLES: &str = "give it as a variable of the call (`user_variables`)";

impl Core {
    /// The name that a new call gets: the wanted one if it is free, else a random one.
    pub(super) fn name_for(&mut self, wanted: Option<&CallId>) -> Result<CallId, Error> {
        let Some(wanted) = wanted else {
            return Ok(CallId::random(&mut self.rng));
        };
        let Some(id) = CallId::from_uuid(wanted.as_str()) else {
            let id = wanted.as_str().chars().take(40).collect();
            return Err(Error::NoUuid { id });
        };
        if self.calls.values().any(|call| *call.id() == id) {
            return Err(Error::CallExists { call: id });
        }
        Ok(id)
    }

    /// Whether what a new call is to say is sound, and the account's server carries all of it.
    pub(super) fn check_call(&self, key: AccountKey, request: &CallRequest) -> Result<(), Error> {
        check_headers(&request.headers)?;
        check_state(request.client_state.as_deref())?;
        check_variables(&request.user_variables)?;
        check_ice_servers(request.ice_servers.as_deref())?;
        self.check_trickle(key, request.trickle)?;
        let number = |value: &Variable| matches!(value, Variable::Number(_));
        let carries = |carries: Carries| {
            if request.late_offer && !carries.late_offer {
                Some(("a call without an offer of media", ALONE))
            } else if request.replaces.is_some() && !carries.late_offer {
                Some(("a call in the place of another one", ALONE))
            } else if !request.headers.is_empty() && !carries.headers {
                Some(("header fields", VARIABLES))
            } else if request.client_state.is_some() && !carries.client_state {
                Some((
                    "a client state",
                    if carries.variables { VARIABLES } else { FIELD },
                ))
            } else if !request.user_variables.is_empty() && !carries.variables {
                Some(("variables", FIELD))
            } else if !carries.number_variables
                && request
                    .user_variables
                    .iter()
                    .any(|(_, value)| number(value))
            {
                Some(("a number as a variable", "give it as text"))
            } else {
                None
            }
        };
        self.carried(key, carries)
    }

    /// Whether candidates may follow this call's descriptions, where that is wanted.
    fn check_trickle(&self, key: AccountKey, wanted: Option<bool>) -> Result<(), Error> {
        let announced = self
            .accounts
            .get(key.0)
            .is_some_and(|account| account.profile.trickle);
        self.carried(key, |carries| {
            let refusal = match carries.trickle {
                Trickle::OfCall => return None,
                Trickle::OfAccount if announced => return None,
                Trickle::OfAccount => "set `trickle_ice` in the account",
                Trickle::Never => ALONE,
            };
            (wanted == Some(true)).then_some(("candidates one by one", refusal))
        })
    }

    /// The refusal, if there is something that the account's server does not carry.
    fn carried(
        &self,
        key: AccountKey,
        missing: impl FnOnce(Carries) -> Option<(&'static str, &'static str)>,
    ) -> Result<(), Error> {
        let Some(account) = self.accounts.get(key.0) else {
            return Err(Error::Ended);
        };
        match missing(account.profile.protocol.carries()) {
            None => Ok(()),
            Some((what, instead)) => Err(Error::NotCarried {
                account: Arc::clone(&account.profile.name),
                dialect: account.profile.protocol.name(),
                what,
                instead,
            }),
        }
    }

    /// Whether an answer is sound, and the call's server carries all of it.
    pub(super) fn check_answer(&self, key: CallKey, options: &AnswerOptions) -> Result<(), Error> {
        check_headers(&options.headers)?;
        check_state(options.client_state.as_deref())?;
        let account = self
            .calls
            .get(&key)
            .map(Call::account)
            .ok_or(Error::Ended)?;
        check_ice_servers(options.ice_servers.as_deref())?;
        self.check_trickle(account, options.trickle)?;
        self.carried(account, |carries| {
            if !options.headers.is_empty() && !carries.headers {
                Some(("header fields with an answer", ALONE))
            } else if options.client_state.is_some() && !carries.client_state {
                Some(("a client state", ALONE))
            } else {
                None
            }
        })
    }

    /// Whether an end is sound, and the call's server carries all of it.
    pub(super) fn check_end(&self, key: CallKey, options: &EndOptions) -> Result<(), Error> {
        check_headers(&options.headers)?;
        check_sip_status(options.sip_code)?;
        let account = self
            .calls
            .get(&key)
            .map(Call::account)
            .ok_or(Error::Ended)?;
        self.carried(account, |carries| {
            if !options.headers.is_empty() && !carries.headers {
                Some(("header fields with the end of a call", ALONE))
            } else if options.sip_code.is_some() && !carries.sip_status {
                Some(("a SIP status", "give a cause in its place"))
            } else {
                None
            }
        })
    }

    /// An account whose calls start muted has those answered so that do not say otherwise.
    pub(super) fn as_account_has_it(
        &self,
        key: CallKey,
        mut options: AnswerOptions,
    ) -> AnswerOptions {
        let account = self.calls.get(&key).map(Call::account);
        let account = account.and_then(|account| self.accounts.get(account.0));
        if account.is_some_and(|account| account.profile.start_muted) {
            options.muted = options.muted.or(Some(true));
        }
        options
    }
}
