//! Accounts, calls and figures of the engine, in the words of the control socket.

use std::time::Duration;

use offhook_control::reply as wire;
use offhook_engine::quality::{Quality, buffered};
use offhook_engine::status::{
    AccountState, AccountStatus, CallState, CallStatus, ConnectSteps, Direction, FlowStatus, Status,
};

use offhook_engine::vocabulary::PlatformIds;

use crate::control::server::Daemon;

/// Milliseconds with their fraction.
pub(crate) fn ms(duration: Duration) -> f64 {
    // To a microsecond: more digits would only be noise in every line.
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// Whole milliseconds.
pub(crate) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The daemon with its accounts and calls.
pub(crate) fn status(status: &Status, daemon: &Daemon) -> wire::Status {
    wire::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instance: daemon.instance.to_string(),
        uptime_s: daemon.started.elapsed().as_secs(),
        accounts: status.accounts.iter().map(account).collect(),
        calls: status.calls.iter().map(call).collect(),
    }
}

fn account(account: &AccountStatus) -> wire::AccountStatus {
    wire::AccountStatus {
        name: account.name.to_string(),
        dialect: account.dialect.to_owned(),
        server: without_query(&account.server).to_owned(),
        state: account_state(account.state),
        reason: account.reason.clone(),
        remedy: account.remedy.clone(),
        retry_in_ms: account.retry_in.map(whole_ms),
        steps: account.steps.map(steps),
        flows: account.flows.iter().map(flow).collect(),
        malformed: account.malformed,
        other_devices: account.other_devices.clone(),
        push: account.push,
    }
}

fn flow(flow: &FlowStatus) -> wire::FlowStatus {
    wire::FlowStatus {
        server: without_query(&flow.server).to_owned(),
        up: flow.up,
        reason: flow.reason.clone(),
        retry_in_ms: flow.retry_in.map(whole_ms),
    }
}

/// A query may hold what a server calls a token.
pub(crate) fn without_query(server: &str) -> &str {
    server.split(['?', '#']).next().unwrap_or_default()
}

fn steps(steps: ConnectSteps) -> wire::ConnectSteps {
    wire::ConnectSteps {
        socket_ms: ms(steps.socket),
        tls_ms: steps.tls.map(ms),
        login_ms: steps.login.map(ms),
        ready_ms: steps.ready.map(ms),
    }
}

/// One call.
pub(crate) fn call(call: &CallStatus) -> wire::CallStatus {
    wire::CallStatus {
        call: call.call.to_string(),
        account: call.account.to_string(),
        direction: direction(call.direction),
        state: call_state(call.state),
        number: call.number.clone(),
        name: call.name.clone(),
        ids: call.ids.as_deref().map(call_ids),
        age_ms: whole_ms(call.age),
        muted: call.muted,
        deaf: call.deaf,
        codec: call.codec.map(str::to_owned),
        quality: call.quality.as_ref().map(quality),
    }
}

/// How the platform names a call.
pub(crate) fn call_ids(ids: &PlatformIds) -> wire::CallIds {
    wire::CallIds {
        session_id: ids.session.clone(),
        leg_id: ids.leg.clone(),
        call_control_id: ids.call_control.clone(),
    }
}

/// The state of an account.
pub(crate) const fn account_state(state: AccountState) -> wire::AccountState {
    match state {
        AccountState::Connecting => wire::AccountState::Connecting,
        AccountState::LoggingIn => wire::AccountState::LoggingIn,
        AccountState::Ready => wire::AccountState::Ready,
        AccountState::Waiting => wire::AccountState::Waiting,
        AccountState::Refused => wire::AccountState::Refused,
        AccountState::Stopped => wire::AccountState::Stopped,
    }
}

/// Who called whom.
pub(crate) const fn direction(direction: Direction) -> wire::Direction {
    match direction {
        Direction::Inbound => wire::Direction::Inbound,
        Direction::Outbound => wire::Direction::Outbound,
    }
}

const fn call_state(state: CallState) -> wire::CallState {
    match state {
        CallState::Calling => wire::CallState::Calling,
        CallState::Ringing => wire::CallState::Ringing,
        CallState::Early => wire::CallState::Early,
        CallState::Answering => wire::CallState::Answering,
        CallState::Active => wire::CallState::Active,
        CallState::Held => wire::CallState::Held,
        CallState::Recovering => wire::CallState::Recovering,
        CallState::Ending => wire::CallState::Ending,
    }
}

/// The figures of a call.
pub(crate) fn quality(quality: &Quality) -> wire::Quality {
    let statistics = &quality.statistics;
    let remote = statistics.remote_inbound;
    wire::Quality {
        packets_sent: statistics.outbound.packets_sent,
        packets_received: statistics.inbound.packets_received,
        packets_lost: statistics.inbound.packets_lost,
        packets_discarded: statistics.playout.packets_discarded,
        jitter_ms: ms(statistics.inbound.jitter),
        round_trip_ms: remote.and_then(|remote| remote.round_trip_time).map(ms),
        remote_fraction_lost: remote.map(|remote| remote.fraction_lost),
        jitter_buffer_ms: ms(buffered(statistics)),
        concealed_samples: statistics.playout.concealed_samples,
        fec_packets_used: statistics.playout.fec_packets_received,
        packets_refused: statistics.transport.packets_refused,
        slots_late: statistics.local.slots_late + statistics.local.slots_skipped,
        send_errors: statistics.local.send_errors,
        receive_drops: statistics.local.receive_drops,
        mos: quality.mos.map(|mos| (mos * 100.0).round() / 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_query_is_not_shown() {
        assert_eq!(
            without_query("wss://rtc.example/x?voice_sdk_id=abc"),
            "wss://rtc.example/x"
        );
    }

    #[test]
    fn milliseconds_keep_microseconds_and_no_more() {
        assert_eq!(ms(Duration::from_nanos(1_234_567)).to_string(), "1.235");
    }
}
