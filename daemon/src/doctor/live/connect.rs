//! Opens every account's WebSocket once, without a login, and compares clocks.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use offhook_engine::config::AccountConfig;
use offhook_engine::driver::probe::{Opened, open};
use offhook_engine::vocabulary::ConnectError;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::doctor::code::Code;
use crate::doctor::finding::{Finding, Place};
use crate::doctor::live::connect_fault;
use crate::doctor::offline::tokens::CLOCK_SLACK;
use crate::doctor::report::{Report, Stage};
use crate::doctor::span::span;

/// Connections that are opened at a time.
const AT_A_TIME: usize = 16;

/// The server of each account that could be reached.
pub(crate) type Reached = BTreeMap<String, Server>;

/// What is known of a server that could be reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    /// Its address.
    pub(crate) address: IpAddr,
    /// The account's region cannot be reached.
    pub(crate) without_region: bool,
}

struct Attempt {
    account: AccountConfig,
    outcome: Result<Opened, ConnectError>,
    took: Duration,
    at: SystemTime,
}

/// Tries all accounts.
pub(crate) async fn check(accounts: &[AccountConfig], report: &mut Report) -> Reached {
    let turns = Arc::new(Semaphore::new(AT_A_TIME));
    let mut running = JoinSet::new();
    for (index, account) in accounts.iter().cloned().enumerate() {
        let turns = Arc::clone(&turns);
        running.spawn(async move {
            // The semaphore is never closed.
            let _turn = turns.acquire_owned().await.ok();
            let begun = Instant::now();
            let outcome = open(&account).await;
            let attempt = Attempt {
                account,
                outcome,
                took: begun.elapsed(),
                at: SystemTime::now(),
            };
            (index, attempt)
        });
    }
    let mut attempts = running.join_all().await;
    attempts.sort_by_key(|(index, _)| *index);
    let mut reached = Reached::new();
    for (_, attempt) in attempts {
        let name = attempt.account.name.clone();
        if let Some(server) = tell(attempt, report) {
            reached.insert(name, server);
        }
    }
    reached
}

fn tell(attempt: Attempt, report: &mut Report) -> Option<Server> {
    let Attempt {
        account,
        outcome,
        took,
        at,
    } = attempt;
    let stage = |name, took| Stage {
        account: Some(account.name.clone()),
        name,
        took,
        detail: None,
    };
    let place = Place::account(&account.name).at_server(&account.server);
    let opened = match outcome {
        Ok(opened) => opened,
        Err(error) => {
            report.took(stage(connect_fault::stage(&error), took));
            report.add(connect_fault::finding(&error, place));
            return None;
        }
    };
    let timings = opened.timings;
    for (name, took) in [
        ("dns", Some(timings.dns)),
        ("tcp", Some(timings.tcp)),
        ("proxy", timings.proxy),
        ("tls", timings.tls),
        ("websocket", Some(timings.upgrade)),
    ] {
        if let Some(took) = took {
            report.took(stage(name, took));
        }
    }
    if let Some(error) = &opened.passed_over {
        report.add(connect_fault::region(error, place.clone()));
    }
    report.extend(
        opened
            .server_date
            .and_then(|date| clock_off(date, at, place)),
    );
    Some(Server {
        address: opened.server.ip(),
        without_region: opened.passed_over.is_some(),
    })
}

fn clock_off(server: SystemTime, here: SystemTime, place: Place) -> Option<Finding> {
    let (off, word) = match here.duration_since(server) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    if off <= CLOCK_SLACK {
        return None;
    }
    let what = format!("this machine's clock is {} {word} the server's", span(off));
    Some(Finding::new(
        Code::ClockOff,
        place,
        &what,
        "let this machine set its clock by NTP (`timedatectl set-ntp true`)",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_minute_is_forgiven_in_both_directions() {
        let here = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        for (server, word) in [(999_900, "ahead of"), (1_000_100, "behind")] {
            let server = SystemTime::UNIX_EPOCH + Duration::from_secs(server);
            let found = clock_off(server, here, Place::default()).unwrap();
            assert!(
                found.what.contains("100 s") && found.what.contains(word),
                "{}",
                found.what
            );
        }
        for server in [999_975, 1_000_025] {
            let server = SystemTime::UNIX_EPOCH + Duration::from_secs(server);
            assert_eq!(clock_off(server, here, Place::default()), None);
        }
    }
}
