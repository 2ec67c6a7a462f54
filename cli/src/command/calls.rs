//! `offhook calls`: the calls that live now.

use crate::{
    client::Client,
    error::Error,
    output::Output,
    table::{Table, span},
};
use offhook_control::{
    reply::{CallStatus, Calls},
    request::Request,
    rpc::read_result,
};
use std::time::Duration;

pub(crate) fn run(client: &mut Client, output: &Output) -> Result<(), Error> {
    let raw = client.request(&Request::Calls)?;
    let calls: Calls =
        read_result(raw.clone()).map_err(|error| Error::BadAnswer(error.to_string()))?;
    output.print(&raw, || table_of_calls(&calls.calls))
}

/// The calls as a table, or that there are none.
pub(crate) fn table_of_calls(calls: &[CallStatus]) -> String {
    if calls.is_empty() {
        return "no calls\n".to_owned();
    }
    let heading = [
        "CALL",
        "ACCOUNT",
        "DIRECTION",
        "NUMBER",
        "NAME",
        "STATE",
        "AGE",
        "CODEC",
        "LOST",
        "JITTER",
        "MOS",
    ];
    let mut table = Table::new(&heading);
    for call in calls {
        let mut state = call.state.as_str().to_owned();
        for (holds, word) in [(call.muted, ", muted"), (call.deaf, ", deaf")] {
            if holds {
                state.push_str(word);
            }
        }
        let [lost, jitter, mos] = match &call.quality {
            Some(quality) => [
                quality.packets_lost.to_string(),
                format!("{:.1} ms", quality.jitter_ms),
                quality
                    .mos
                    .map(|mos| format!("{mos:.1}"))
                    .unwrap_or_default(),
            ],
            None => Default::default(),
        };
        table.row(&[
            &call.call,
            &call.account,
            call.direction.as_str(),
            &call.number,
            call.name.as_deref().unwrap_or_default(),
            &state,
            &span(Duration::from_millis(call.age_ms)),
            call.codec.as_deref().unwrap_or_default(),
            &lost,
            &jitter,
            &mos,
        ]);
    }
    table.render()
}
