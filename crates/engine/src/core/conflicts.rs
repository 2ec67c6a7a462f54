//! Accounts of one engine whose tokens are for one subject, which a server may take for one client.

use std::sync::Arc;
use std::time::Instant;

use offhook_signaling::auth::jwt::subject;
use offhook_signaling::secret::Secret;

use crate::core::machine::Core;
use crate::event::EventKind;
use crate::output::AccountKey;

impl Core {
    /// A token that an account logs in with from now on.
    pub(super) fn note_token(&mut self, account: AccountKey, token: &Secret) {
        if let Some(entry) = self.accounts.get_mut(account.0) {
            // With SIP the login beside the token says whose calls come here.
            let sip = entry.profile.protocol.is_sip();
            entry.profile.subject = subject(token.expose()).filter(|_| !sip);
        }
    }

    /// An account is ready: whoever is there already with a token for the same subject loses its calls to it, or takes
    /// them from it, and both are told.
    pub(super) fn tell_rivals(&mut self, account: AccountKey, now: Instant) {
        let Some(entry) = self.accounts.get(account.0) else {
            return;
        };
        let profile = &entry.profile;
        let Some(subject) = &profile.subject else {
            return;
        };
        let ours = Arc::clone(&profile.name);
        let rivals: Vec<(AccountKey, Arc<str>)> = self
            .accounts
            .iter()
            .enumerate()
            .filter(|(index, other)| {
                *index != account.0
                    && other.is_ready()
                    && other.profile.server == profile.server
                    && other.profile.subject.as_ref() == Some(subject)
            })
            .map(|(index, other)| (AccountKey(index), Arc::clone(&other.profile.name)))
            .collect();
        for (rival, theirs) in rivals {
            for (told, other) in [(account, &theirs), (rival, &ours)] {
                let detail = format!(
                    "the tokens of this account and of account `{other}` are for one subject (`sub`), so the server may take both for \
                     one client and call only one of them"
                );
                self.tell(told, vec![EventKind::RegistrationConflict { detail }], now);
            }
        }
    }
}
