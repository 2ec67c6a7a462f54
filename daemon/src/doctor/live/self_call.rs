//! A call of an account to itself: whether calls to it arrive here. It is refused as soon as it does.

use std::time::Duration;

use offhook_control::notice::{Ended, Event, Notice};
use offhook_control::reply::{CallPlaced, Done};
use offhook_control::request::{Call, Hangup, Reject, Request};
use offhook_engine::config::AccountConfig;
use tokio::time::Instant;

use crate::doctor::code::Code;
use crate::doctor::finding::{Finding, Place};
use crate::doctor::live::client::{Client, ClientError};
use crate::doctor::live::media::Heard;
use crate::doctor::report::{Report, Stage};

/// Servers pass a call on within a second or two.
const ARRIVES_WITHIN: Duration = Duration::from_secs(10);
/// For both ends of a call to be told over.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// With these a server says that it knows nobody, or reaches nobody, under the number of somebody who is registered.
const NOT_HERE: [&str; 5] = [
    "USER_NOT_REGISTERED",
    "SUBSCRIBER_ABSENT",
    "NO_USER_RESPONSE",
    "NO_ANSWER",
    "RECOVERY_ON_TIMER_EXPIRE",
];

/// What came of it.
enum Outcome {
    /// It arrived, as this call.
    Arrived(String),
    /// It did not, or somewhere else.
    Elsewhere(String),
    /// The server did not carry it at all.
    Failed(Box<Ended>),
}

/// Calls `number`; what the server says about its media on the way goes into `heard`.
pub(crate) async fn check(
    client: &mut Client,
    account: &AccountConfig,
    number: &str,
    heard: &mut Heard,
    report: &mut Report,
) -> Result<(), ClientError> {
    let place = Place::account(&account.name).at_server(&account.server);
    let begun = Instant::now();
    let placed: CallPlaced = match client.request(&call(account, number)).await {
        Ok(placed) => placed,
        Err(ClientError::Refused(refusal)) => {
            report.add(failed(place, number, &refusal.message));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let outcome = follow(client, &account.name, &placed.call, heard).await?;
    report.took(Stage {
        account: Some(account.name.clone()),
        name: "self_call",
        took: begun.elapsed(),
        detail: None,
    });
    match outcome {
        Outcome::Arrived(incoming) => {
            let reject = Reject {
                call: Some(incoming.clone()),
                cause: None,
                ..Reject::default()
            };
            end(client, &Request::Reject(reject)).await?;
            finish(client, vec![placed.call, incoming]).await?;
        }
        Outcome::Elsewhere(how) => {
            finish(client, vec![placed.call]).await?;
            report.add(Finding::new(
                Code::RegistrationConflict,
                place,
                &format!(
                    "login and registration are well, and a call to {number}, the account's own number, does not arrive here: {how}"
                ),
                "find who else uses this credential (another machine, a browser, a copy of this configuration) and give each \
                 client its own; the provider's console shows who is registered",
            ));
        }
        Outcome::Failed(ended) => report.add(failed(
            place,
            number,
            &format!("{} ({}): {}", ended.cause, ended.code, ended.reason),
        )),
    }
    Ok(())
}

fn failed(place: Place, number: &str, why: &str) -> Finding {
    Finding::new(
        Code::SelfCallFailed,
        place,
        &format!("a call to {number}, taken for the account's own number, was not carried: {why}"),
        "name its number by `--own-number ACCOUNT=NUMBER`; where the server lets nobody call himself, add `--allow self_call_failed`",
    )
}

fn call(account: &AccountConfig, number: &str) -> Request {
    Request::Call(Call {
        account: Some(account.name.clone()),
        number: number.to_owned(),
        ..Call::default()
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "everything else is on the way to one of these"
)]
async fn follow(
    client: &mut Client,
    account: &str,
    call: &str,
    heard: &mut Heard,
) -> Result<Outcome, ClientError> {
    let deadline = Instant::now() + ARRIVES_WITHIN;
    let mut rang = false;
    let mut arrived: Option<String> = None;
    while let Some(notice) = client.notice(deadline).await? {
        let ours = notice.call.as_deref() == Some(call);
        let others = notice.account.as_deref() == Some(account) && !ours;
        heard.note(&notice);
        match notice.event {
            Event::Incoming { .. } if others => arrived = notice.call.clone(),
            // Told right behind the call itself, so that nothing is waited for in vain.
            Event::ServerMedia { .. } if others && arrived.is_some() => break,
            Event::Ended(_) if others && arrived.is_some() => break,
            Event::Ringing(_) | Event::Early(_) if ours => rang = true,
            Event::Answered(_) if ours && arrived.is_none() => {
                return Ok(Outcome::Elsewhere("somebody else answered it".to_owned()));
            }
            Event::Ended(ended) if ours && arrived.is_none() => {
                return Ok(if NOT_HERE.contains(&ended.cause.as_str()) {
                    Outcome::Elsewhere(format!("the server ends it with {}", ended.cause))
                } else {
                    Outcome::Failed(Box::new(ended))
                });
            }
            _ => {}
        }
    }
    Ok(match arrived {
        Some(incoming) => Outcome::Arrived(incoming),
        None if rang => Outcome::Elsewhere("it rings somewhere else".to_owned()),
        None => Outcome::Elsewhere(format!(
            "nothing came within {} s",
            ARRIVES_WITHIN.as_secs()
        )),
    })
}

/// Asks for an end; says whether there was something to end. A call that has just ended is no fault.
async fn end(client: &mut Client, request: &Request) -> Result<bool, ClientError> {
    match client.request::<Done>(request).await {
        Ok(_) => Ok(true),
        Err(ClientError::Refused(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Hangs up and waits until the calls are over, so that nothing of the look is left behind.
pub(crate) async fn finish(client: &mut Client, mut calls: Vec<String>) -> Result<(), ClientError> {
    if let Some(first) = calls.first() {
        let hangup = Hangup {
            call: Some(first.clone()),
            ..Hangup::default()
        };
        if !end(client, &Request::Hangup(hangup)).await? {
            return Ok(());
        }
    }
    let deadline = Instant::now() + ENDS_WITHIN;
    while !calls.is_empty() {
        let Some(Notice { call, event, .. }) = client.notice(deadline).await? else {
            return Ok(());
        };
        if matches!(event, Event::Ended(_)) {
            calls.retain(|left| Some(left) != call.as_ref());
        }
    }
    Ok(())
}
