//! `offhook events`: tells what happens, line by line, until interrupted.

use crate::{
    client::{Client, Notified},
    command::describe::describe,
    error::Error,
    output::Output,
    table::plain,
};
use offhook_control::notice::Notice;

pub(crate) fn run(client: &mut Client, output: &Output) -> Result<(), Error> {
    let (subscribed, raw) = client.subscribe()?;
    output.print(&raw, || {
        let (accounts, calls) = (
            subscribed.snapshot.accounts.len(),
            subscribed.snapshot.calls.len(),
        );
        format!(
            "following offhookd {}: accounts: {accounts}, calls: {calls}",
            plain(&subscribed.snapshot.version)
        )
    })?;
    loop {
        let notified = client.next_notice()?;
        output.print(&notified.raw, || line(&notified))?;
    }
}

fn line(notified: &Notified) -> String {
    match &notified.typed {
        Some(notice) => line_of_notice(notice),
        None => {
            let kind = notified
                .raw
                .get("event")
                .and_then(|kind| kind.as_str())
                .unwrap_or("without a name");
            format!("an event that this offhook does not know: {}", plain(kind))
        }
    }
}

/// `10:04:05.123Z  desk  3f2a...  +120 ms  ringing`
fn line_of_notice(notice: &Notice) -> String {
    let mut parts = vec![time_of_day(notice.time_ms)];
    parts.extend(notice.account.as_deref().map(plain));
    parts.extend(notice.call.as_deref().map(plain));
    parts.extend(notice.at_ms.map(|at| format!("+{at:.0} ms")));
    parts.push(describe(&notice.event));
    parts.join("  ")
}

/// The time of day in UTC, which is what the daemon's log has.
fn time_of_day(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!(
        "{hour:02}:{minute:02}:{second:02}.{:03}Z",
        milliseconds % 1000
    )
}
