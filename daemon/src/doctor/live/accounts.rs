//! Waits until each account is ready, and says of the others how far they came.

use std::collections::BTreeSet;
use std::time::Duration;

use offhook_control::notice::Event;
use offhook_control::reply::{AccountState, AccountStatus, ConnectSteps, Status};
use offhook_control::request::Request;
use tokio::time::Instant;

use crate::doctor::code::Code;
use crate::doctor::finding::{Finding, Place};
use crate::doctor::live::client::{Client, ClientError};
use crate::doctor::report::{Report, Stage};

/// Login and registration together; a gateway has its answers within.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// The names of the accounts that are ready.
pub(crate) async fn check(
    client: &mut Client,
    names: &[String],
    report: &mut Report,
) -> Result<BTreeSet<String>, ClientError> {
    let snapshot = client.subscribe().await?.snapshot;
    let mut open: BTreeSet<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| {
            let account = of(&snapshot, name);
            account.is_some_and(|account| !is_settled(account.state))
        })
        .collect();
    let deadline = Instant::now() + READY_WITHIN;
    while !open.is_empty() {
        let Some(notice) = client.notice(deadline).await? else {
            break;
        };
        if let (Some(account), Event::Account { state, .. }) = (&notice.account, &notice.event)
            && is_settled(*state)
        {
            open.remove(account.as_str());
        }
    }
    let status: Status = client.request(&Request::Status).await?;
    let mut ready = BTreeSet::new();
    for name in names {
        match of(&status, name) {
            Some(account) => {
                stages(account, report);
                match trouble(account) {
                    Some(finding) => report.add(finding),
                    None => {
                        ready.insert(name.clone());
                    }
                }
            }
            None => report.add(Finding::new(
                Code::DaemonDiffers,
                Place::account(name),
                "the daemon that answers on the control socket does not have this account",
                "restart the daemon so that it reads its configuration again, or name its own socket in `[control]`",
            )),
        }
    }
    Ok(ready)
}

fn of<'a>(status: &'a Status, name: &str) -> Option<&'a AccountStatus> {
    status.accounts.iter().find(|account| account.name == name)
}

/// Whether nothing more is to be expected within a moment.
const fn is_settled(state: AccountState) -> bool {
    !matches!(state, AccountState::Connecting | AccountState::LoggingIn)
}

fn stages(account: &AccountStatus, report: &mut Report) {
    let Some(steps) = &account.steps else { return };
    let ConnectSteps {
        socket_ms,
        tls_ms,
        login_ms,
        ready_ms,
    } = steps;
    let secure = tls_ms.unwrap_or(*socket_ms);
    let mut took = |name, from: f64, to: f64, detail: Option<&str>| {
        report.took(Stage {
            account: Some(account.name.clone()),
            name,
            took: Duration::try_from_secs_f64((to - from) / 1e3).unwrap_or_default(),
            detail: detail.map(str::to_owned),
        });
    };
    if let Some(login) = login_ms {
        took("login", secure, *login, Some("with the WebSocket upgrade"));
        if let Some(ready) = ready_ms {
            took("registration", *login, *ready, None);
        }
    }
}

fn trouble(account: &AccountStatus) -> Option<Finding> {
    let logged_in = account
        .steps
        .as_ref()
        .is_some_and(|steps| steps.login_ms.is_some());
    let code = if account.state == AccountState::Ready {
        return None;
    } else if logged_in {
        Code::NotRegistered
    } else if account.state == AccountState::Refused {
        Code::LoginRefused
    } else {
        Code::NotReady
    };
    let what = account.reason.clone().unwrap_or_else(|| {
        format!(
            "the account is still {} after {} s",
            account.state.as_str(),
            READY_WITHIN.as_secs()
        )
    });
    let remedy = account.remedy.as_deref().unwrap_or(
        "see the log of the daemon, and ask the server's operator what it says of this account",
    );
    let place = Place::account(&account.name).at_server(&account.server);
    Some(Finding::new(code, place, &what, remedy))
}
