//! The commands that the daemon takes and confirms, and whose outcome comes as events: answer, hangup, dtmf, mute, log-level.

use crate::{arguments::Switch, client::Client, error::Error, output::Output, table::plain};
use offhook_control::{
    reply::Done,
    request::{Answer, Dtmf, Hangup, Level, LogLevel, Mute, Request},
    rpc::read_result,
};

pub(crate) fn answer(
    call: Option<&str>,
    client: &mut Client,
    output: &Output,
) -> Result<(), Error> {
    let request = Request::Answer(Answer {
        call: call.map(str::to_owned),
    });
    give(&request, client, output, |call| format!("answering {call}"))
}

pub(crate) fn hangup(
    call: Option<&str>,
    cause: Option<&str>,
    client: &mut Client,
    output: &Output,
) -> Result<(), Error> {
    let request = Request::Hangup(Hangup {
        call: call.map(str::to_owned),
        cause: cause.map(str::to_owned),
    });
    give(&request, client, output, |call| {
        format!("hanging up {call}")
    })
}

pub(crate) fn dtmf(
    call: &str,
    digits: &str,
    client: &mut Client,
    output: &Output,
) -> Result<(), Error> {
    let request = Request::Dtmf(Dtmf {
        call: call.to_owned(),
        digits: digits.to_owned(),
    });
    give(&request, client, output, |call| {
        format!("sending {} in {call}", plain(digits))
    })
}

pub(crate) fn mute(
    call: &str,
    state: Switch,
    client: &mut Client,
    output: &Output,
) -> Result<(), Error> {
    let on = state == Switch::On;
    let request = Request::Mute(Mute {
        call: call.to_owned(),
        on,
    });
    give(&request, client, output, |call| {
        format!("{} {call}", if on { "muting" } else { "unmuting" })
    })
}

pub(crate) fn log_level(level: Level, client: &mut Client, output: &Output) -> Result<(), Error> {
    give(
        &Request::LogLevel(LogLevel { level }),
        client,
        output,
        |_| "log level changed".to_owned(),
    )
}

/// Asks, and prints what the daemon took on.
fn give(
    request: &Request,
    client: &mut Client,
    output: &Output,
    text: impl FnOnce(&str) -> String,
) -> Result<(), Error> {
    let raw = client.request(request)?;
    let done: Done =
        read_result(raw.clone()).map_err(|error| Error::BadAnswer(error.to_string()))?;
    let call = done.call.map_or_else(
        || "the call".to_owned(),
        |call| format!("call {}", plain(&call)),
    );
    output.print(&raw, || text(&call))
}
