//! Writes what happens to accounts and calls into the log, one line an event.

use offhook_engine::Engine;
use offhook_engine::driver::events::{Next, Notice};
use offhook_engine::event::EventKind;
use offhook_engine::status::AccountState;

use crate::control::replies::without_query;

/// Logs until the engine ends.
pub(crate) async fn write(engine: Engine) {
    let Ok(subscription) = engine.subscribe().await else {
        return;
    };
    // The handle must not keep the engine alive.
    drop(engine);
    let mut events = subscription.events;
    while let Some(next) = events.next().await {
        match next {
            Next::Notice(notice) => log(&notice),
            Next::Lost(lost) => {
                tracing::warn!(lost, "events came faster than they could be logged")
            }
        }
    }
}

/// Text from outside is written escaped, so that a line stays a line.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what has no line of its own is logged as it is"
)]
fn log(notice: &Notice) {
    let event = &notice.event;
    let account = &*event.account;
    let Some(call) = event.call.as_ref().map(ToString::to_string) else {
        return log_account(account, &event.kind);
    };
    match &event.kind {
        EventKind::Incoming { number, name, .. } => {
            tracing::info!(account, call, number, name, "incoming call")
        }
        EventKind::Invite { number, .. } => tracing::info!(account, call, number, "calling"),
        EventKind::Answered(_) => tracing::info!(account, call, "answered"),
        EventKind::Recording { path } => tracing::info!(account, call, path = ?path, "recording"),
        EventKind::NoMedia { silent } => {
            tracing::warn!(account, call, ?silent, "nothing is heard from the far end")
        }
        EventKind::PathLost { given_up } => tracing::warn!(
            account,
            call,
            given_up,
            "the network path stopped answering"
        ),
        EventKind::AudioFault { reason } => tracing::warn!(account, call, reason, "sound"),
        EventKind::IceServerFailed { server, reason } => {
            tracing::warn!(
                account,
                call,
                server,
                reason,
                "a STUN or TURN server is of no help"
            )
        }
        EventKind::RequestFailed { reason, remedy } => {
            tracing::warn!(account, call, reason, remedy, "a request failed")
        }
        EventKind::MessageFailed {
            message,
            reason,
            remedy,
        } => tracing::warn!(account, call, message, reason, remedy, "a text failed"),
        EventKind::ToolFailed { reason, .. } => tracing::warn!(account, call, reason, "a tool"),
        EventKind::Referred {
            to,
            by,
            followed_by,
            refused,
            ..
        } => {
            let followed_by = followed_by.as_ref().map(ToString::to_string);
            tracing::info!(
                account,
                call,
                to,
                by,
                followed_by,
                refused,
                "sent elsewhere"
            );
        }
        EventKind::Recovering { on } => tracing::info!(account, call, waits = on, "recovering"),
        EventKind::Ended(ended) => {
            let (by, cause, reason) = (ended.by, ended.cause.name(), ended.reason.to_string());
            let (remedy, talked) = (ended.reason.remedy(), ended.talk);
            tracing::info!(account, call, ?by, cause, reason, remedy, ?talked, "ended");
        }
        EventKind::Quality(_) => tracing::trace!(account, call, "figures"),
        EventKind::QualityWarning(warning) => {
            let (problem, value) = (warning.problem.name(), warning.value);
            if warning.on {
                tracing::warn!(account, call, problem, value, "bad quality");
            } else {
                tracing::info!(account, call, problem, value, "good quality again");
            }
        }
        kind => tracing::debug!(account, call, ?kind, "call"),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what has no line of its own is logged as it is"
)]
fn log_account(account: &str, kind: &EventKind) {
    match kind {
        EventKind::MessageFailed {
            message,
            reason,
            remedy,
        } => tracing::warn!(account, message, reason, remedy, "a text failed"),
        EventKind::Account {
            state: AccountState::Waiting,
            reason,
            remedy,
            retry_in,
        } => {
            let retry_in = retry_in.unwrap_or_default();
            tracing::warn!(account, reason, remedy, ?retry_in, "not connected");
        }
        EventKind::Account {
            state: AccountState::Refused,
            reason,
            remedy,
            ..
        } => {
            tracing::error!(account, reason, remedy, "refused");
        }
        EventKind::Ready => tracing::info!(account, "ready"),
        EventKind::Flow {
            server, up: true, ..
        } => {
            tracing::info!(
                account,
                server = without_query(server),
                "an edge proxy can carry calls"
            );
        }
        EventKind::Flow {
            server,
            reason,
            retry_in,
            ..
        } => {
            let server = without_query(server);
            tracing::warn!(
                account,
                server,
                reason,
                ?retry_in,
                "an edge proxy cannot carry calls"
            );
        }
        EventKind::ToolFailed { reason, .. } => tracing::warn!(account, reason, "a tool"),
        EventKind::TokenRefreshed => tracing::info!(account, "logged in with a new token"),
        EventKind::TokenFailed { reason } => tracing::warn!(account, reason, "no new token"),
        EventKind::TokenExpiringSoon { left } => {
            tracing::warn!(
                account,
                ?left,
                "the token ends soon and no new one has come"
            );
        }
        EventKind::TokenExpired => tracing::error!(account, "the token is no longer good"),
        EventKind::UnknownCall { call, reason, .. } => {
            tracing::warn!(account, %call, reason, "the server offered an unknown call; it was hung up");
        }
        EventKind::RegistrationConflict { detail } => {
            tracing::error!(account, detail, "the credential is in use elsewhere");
        }
        kind => tracing::debug!(account, ?kind, "account"),
    }
}
