//! Asks the source of each account's tokens once, looks at what it brings, and lets the login use that.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use offhook_engine::config::AccountConfig;
use offhook_engine::driver::token::fetch::fetch;
use offhook_engine::token_source::{TokenError, TokenSource};
use offhook_engine::vocabulary::{Login, Secret};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::doctor::code::Code;
use crate::doctor::finding::{Finding, Place};
use crate::doctor::offline::tokens::judge;
use crate::doctor::report::{Report, Stage};

/// Sources that are asked at a time.
const AT_A_TIME: usize = 8;

type Answer = (
    AccountConfig,
    Option<(Result<Secret, TokenError>, Duration)>,
);

/// The accounts that can try to log in, with their tokens.
pub(crate) async fn check(accounts: Vec<AccountConfig>, report: &mut Report) -> Vec<AccountConfig> {
    let turns = Arc::new(Semaphore::new(AT_A_TIME));
    let mut asking = JoinSet::new();
    for (index, account) in accounts.into_iter().enumerate() {
        let turns = Arc::clone(&turns);
        asking.spawn(async move {
            // The semaphore is never closed.
            let _turn = turns.acquire_owned().await.ok();
            (index, ask(account).await)
        });
    }
    let mut answers = asking.join_all().await;
    answers.sort_by_key(|(index, _)| *index);
    answers
        .into_iter()
        .filter_map(|(_, answer)| look(answer, report))
        .collect()
}

async fn ask(account: AccountConfig) -> Answer {
    let source = match &account.token_source {
        // What stands in the file was looked at with the other files.
        None | Some(TokenSource::File(_)) => return (account, None),
        Some(source) => source.clone(),
    };
    let begun = Instant::now();
    let brought = fetch(source).await;
    (account, Some((brought, begun.elapsed())))
}

fn look((mut account, brought): Answer, report: &mut Report) -> Option<AccountConfig> {
    let Some((brought, took)) = brought else {
        return Some(account);
    };
    report.took(Stage {
        account: Some(account.name.clone()),
        name: "token",
        took,
        detail: None,
    });
    let place = Place::account(&account.name);
    match brought {
        Ok(token) => {
            let findings = judge(token.expose(), &place, SystemTime::now());
            let good = findings.is_empty();
            report.extend(findings);
            account.login = Login::Token { token };
            good.then_some(account)
        }
        Err(error) => {
            let (code, remedy) = if let TokenError::ApiKey { .. } = error {
                (
                    Code::ApiKeyAsToken,
                    "withdraw the key, and let the source make a token with a new one that only it knows",
                )
            } else if let TokenError::Malformed { .. } = error {
                (
                    Code::TokenMalformed,
                    "let the source answer with the token as the server's API gives it out",
                )
            } else {
                (
                    Code::TokenSourceFailed,
                    "mend the source; it is asked as the configuration says",
                )
            };
            report.add(Finding::new(code, place, &error.to_string(), remedy));
            None
        }
    }
}
