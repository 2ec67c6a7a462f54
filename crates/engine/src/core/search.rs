//! Finds the account or the call that a request means, also when it names none.

use std::sync::Arc;

use offhook_media::program::CallKey;
use offhook_signaling::auth::login::LoginKind;
use offhook_signaling::call_id::CallId;

use crate::account::Account;
use crate::call::dialog::Call;
use crate::core::machine::Core;
use crate::error::{Error, Wanted};
use crate::output::AccountKey;

impl Core {
    pub(super) fn find_account(&self, name: Option<&str>) -> Result<AccountKey, Error> {
        let known = || {
            self.accounts
                .iter()
                .map(|account| Arc::clone(&account.profile.name))
                .collect()
        };
        match name {
            Some(name) => {
                let found = self.by_name.get(name).copied();
                found.ok_or_else(|| Error::UnknownAccount {
                    name: name.to_owned(),
                    known: known(),
                })
            }
            None if self.accounts.len() == 1 => Ok(AccountKey(0)),
            None => Err(Error::WhichAccount { known: known() }),
        }
    }

    pub(super) fn find_call(&self, id: Option<&CallId>, wanted: Wanted) -> Result<CallKey, Error> {
        let fits = |call: &Call| match (id, wanted) {
            (Some(id), _) => call.id() == id,
            (None, Wanted::Ringing) => call.rings_here(),
            (None, Wanted::Answered) => call.is_answered(),
            (None, Wanted::Held) => call.is_held(),
            (None, Wanted::Aside) => call.rings_here() || call.is_held(),
            (None, Wanted::Any) => !call.is_ending(),
        };
        let mut found = self
            .calls
            .iter()
            .filter(|(_, call)| fits(call))
            .map(|(key, _)| *key);
        match (found.next(), found.count(), id) {
            (Some(key), 0, _) => Ok(key),
            (Some(_), more, _) => Err(Error::WhichCall { count: more + 1 }),
            (None, _, Some(id)) => Err(Error::UnknownCall { call: id.clone() }),
            (None, _, None) => Err(Error::NoCall(wanted)),
        }
    }

    /// The only answered call beside this one, of its account.
    pub(super) fn find_other(&self, key: CallKey) -> Result<CallKey, Error> {
        let account = self.calls.get(&key).map(Call::account);
        let mut others = self
            .calls
            .iter()
            .filter(|(other, call)| {
                **other != key && Some(call.account()) == account && call.is_answered()
            })
            .map(|(key, _)| *key);
        match (others.next(), others.count()) {
            (Some(key), 0) => Ok(key),
            (Some(_), more) => Err(Error::WhichCall { count: more + 1 }),
            (None, _) => Err(Error::NoCall(Wanted::Answered)),
        }
    }

    /// The account of a call that is up.
    pub(super) fn account_of(&self, id: &CallId) -> Result<AccountKey, Error> {
        let key = self.find_call(Some(id), Wanted::Any)?;
        self.calls.get(&key).map(Call::account).ok_or(Error::Ended)
    }

    /// An account that can be used now.
    pub(super) fn find_ready(&self, name: Option<&str>) -> Result<AccountKey, Error> {
        let key = self.find_account(name)?;
        match self.accounts.get(key.0) {
            Some(account) if account.is_ready() => Ok(key),
            Some(account) => {
                let (reason, remedy) = account.not_ready();
                Err(Error::NotReady {
                    account: Arc::clone(&account.profile.name),
                    reason,
                    remedy,
                })
            }
            None => Err(Error::Ended),
        }
    }

    /// An account that can be used now, or will be.
    pub(super) fn find_living(&self, name: Option<&str>) -> Result<AccountKey, Error> {
        let key = self.find_account(name)?;
        match self.accounts.get(key.0) {
            Some(account) if !account.is_stopped() => Ok(key),
            Some(_) | None => self.find_ready(name),
        }
    }

    /// The call of an account with this name, if it lives.
    pub(super) fn key_of(&self, account: AccountKey, id: Option<&CallId>) -> Option<CallKey> {
        self.names.get(&(account, id?.clone())).copied()
    }

    /// The refusal that fits a call of an account that logs in anonymously.
    pub(super) fn anonymous(&self, account: AccountKey, what: &'static str) -> Option<Error> {
        let entry = self.accounts.get(account.0)?;
        (entry.profile.login == LoginKind::Anonymous).then(|| Error::Anonymous {
            account: Arc::clone(&entry.profile.name),
            what,
        })
    }

    /// The refusal that fits when every account logs in anonymously.
    pub(super) fn only_anonymous(&self, what: &'static str) -> Option<Error> {
        let first = self.accounts.first()?;
        let anonymous = |account: &Account| account.profile.login == LoginKind::Anonymous;
        self.accounts
            .iter()
            .all(anonymous)
            .then(|| Error::Anonymous {
                account: Arc::clone(&first.profile.name),
                what,
            })
    }
}
