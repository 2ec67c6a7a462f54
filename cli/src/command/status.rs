//! `offhook status`: the daemon, its accounts and its calls.

use crate::{
    client::Client,
    command::calls::table_of_calls,
    error::Error,
    output::Output,
    table::{Table, plain, span},
};
use offhook_control::{
    reply::{AccountStatus, Status},
    request::Request,
    rpc::read_result,
};
use std::time::Duration;

pub(crate) fn run(client: &mut Client, output: &Output) -> Result<(), Error> {
    let raw = client.request(&Request::Status)?;
    let status: Status =
        read_result(raw.clone()).map_err(|error| Error::BadAnswer(error.to_string()))?;
    output.print(&raw, || text(&status))
}

fn text(status: &Status) -> String {
    let uptime = span(Duration::from_secs(status.uptime_s));
    let mut text = format!("offhookd {}, up for {uptime}\n\n", plain(&status.version));
    if status.accounts.is_empty() {
        text.push_str("no accounts\n");
    } else {
        let mut table = Table::new(&["ACCOUNT", "STATE", "DIALECT", "SERVER", "NEXT ATTEMPT"]);
        for account in &status.accounts {
            let next = account
                .retry_in_ms
                .map(|left| format!("in {}", span(Duration::from_millis(left))))
                .unwrap_or_default();
            table.row(&[
                &account.name,
                account.state.as_str(),
                &account.dialect,
                &account.server,
                &next,
            ]);
        }
        text.push_str(&table.render());
        text.extend(status.accounts.iter().flat_map(lost_flows));
        text.extend(status.accounts.iter().filter_map(why_not_ready));
        text.extend(status.accounts.iter().filter_map(nonsense));
    }
    text.push('\n');
    text.push_str(&table_of_calls(&status.calls));
    text
}

/// A sentence for each connection of an account that is lost while others carry its calls.
fn lost_flows(account: &AccountStatus) -> impl Iterator<Item = String> {
    account.flows.iter().filter(|flow| !flow.up).map(|flow| {
        let next = flow.retry_in_ms.map(|left| {
            let left = span(Duration::from_millis(left));
            format!("; next attempt in {left}")
        });
        let reason = flow.reason.as_deref().unwrap_or("not registered there");
        format!(
            "\n{}: no calls by {}: {}{}\n",
            plain(&account.name),
            plain(&flow.server),
            plain(reason),
            next.unwrap_or_default()
        )
    })
}

/// A sentence for an account whose server, or whoever reaches us through it, says what makes no sense.
fn nonsense(account: &AccountStatus) -> Option<String> {
    let count = account.malformed;
    (count > 0).then(|| {
        let name = plain(&account.name);
        format!("\n{name}: {count} messages made no sense and were refused or passed over\n")
    })
}

/// The sentence under the table for an account that has one.
fn why_not_ready(account: &AccountStatus) -> Option<String> {
    let mut text = format!(
        "\n{}: {}\n",
        plain(&account.name),
        plain(account.reason.as_ref()?)
    );
    if let Some(remedy) = &account.remedy {
        text.push_str(&format!("  what to do: {}\n", plain(remedy)));
    }
    Some(text)
}
