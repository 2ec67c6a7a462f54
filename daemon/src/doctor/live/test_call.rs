//! A call to a number of the operator's choice: whether it is answered, and whether sound flows.

use std::time::Duration;

use offhook_control::notice::{Ended, Event};
use offhook_control::reply::CallPlaced;
use offhook_control::request::{Call, Request};
use offhook_engine::config::AccountConfig;
use tokio::time::Instant;

use crate::doctor::code::Code;
use crate::doctor::finding::{Finding, Place};
use crate::doctor::live::client::{Client, ClientError};
use crate::doctor::live::media::Heard;
use crate::doctor::live::self_call::finish;
use crate::doctor::report::{Report, Stage};

/// Somebody may have to walk to the telephone.
const ANSWERED_WITHIN: Duration = Duration::from_secs(45);
/// From the answer to the first sound.
const HEARD_WITHIN: Duration = Duration::from_secs(10);

enum Outcome {
    Sound,
    Silence,
    Unanswered,
    Ended(Box<Ended>),
}

/// Calls `number`, and hangs up as soon as sound comes in.
pub(crate) async fn check(
    client: &mut Client,
    account: &AccountConfig,
    number: &str,
    heard: &mut Heard,
    report: &mut Report,
) -> Result<(), ClientError> {
    let place = Place::account(&account.name).at_server(&account.server);
    let begun = Instant::now();
    let request = Request::Call(Call {
        account: Some(account.name.clone()),
        number: number.to_owned(),
        ..Call::default()
    });
    let placed: CallPlaced = match client.request(&request).await {
        Ok(placed) => placed,
        Err(ClientError::Refused(refusal)) => {
            report.add(failed(place, number, &refusal.message));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let outcome = follow(client, &placed.call, heard).await?;
    report.took(Stage {
        account: Some(account.name.clone()),
        name: "test_call",
        took: begun.elapsed(),
        detail: None,
    });
    match outcome {
        Outcome::Sound => {}
        Outcome::Silence => report.add(heard.silent(place)),
        Outcome::Unanswered => report.add(failed(
            place,
            number,
            &format!("nobody answered within {} s", ANSWERED_WITHIN.as_secs()),
        )),
        Outcome::Ended(ended) => {
            let why = format!("{} ({}): {}", ended.cause, ended.code, ended.reason);
            report.add(failed(place, number, &why));
            return Ok(());
        }
    }
    finish(client, vec![placed.call]).await
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "everything else is on the way to one of these"
)]
async fn follow(
    client: &mut Client,
    call: &str,
    heard: &mut Heard,
) -> Result<Outcome, ClientError> {
    let mut deadline = Instant::now() + ANSWERED_WITHIN;
    let (mut answered, mut sound) = (false, false);
    while !(answered && sound) {
        let Some(notice) = client.notice(deadline).await? else {
            return Ok(if answered {
                Outcome::Silence
            } else {
                Outcome::Unanswered
            });
        };
        if notice.call.as_deref() != Some(call) {
            continue;
        }
        heard.note(&notice);
        match notice.event {
            Event::Answered(_) => {
                answered = true;
                deadline = Instant::now() + HEARD_WITHIN;
            }
            Event::FirstRtpReceived => sound = true,
            // The server may be the first to notice that no path is found.
            Event::Ended(_) if answered && !heard.path => return Ok(Outcome::Silence),
            Event::Ended(ended) => return Ok(Outcome::Ended(Box::new(ended))),
            _ => {}
        }
    }
    Ok(Outcome::Sound)
}

fn failed(place: Place, number: &str, why: &str) -> Finding {
    Finding::new(
        Code::TestCallFailed,
        place,
        &format!("the call to {number} failed: {why}"),
        "check the number and what this account may call; the server's own record of the call says more",
    )
}
