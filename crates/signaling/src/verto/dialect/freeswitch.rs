//! A stock FreeSWITCH with `mod_verto`.

use std::time::Duration;

use crate::auth::login::LoginKind;
use crate::verto::dialect::differences::{Dialect, PingReply, Probes, Readiness, SessidRule};
use crate::verto::dialect::refusals;
use crate::verto::method::Method;

/// FreeSWITCH.
pub const FREESWITCH: Dialect = Dialect {
    name: "freeswitch",
    prefix: "verto.",
    readiness: Readiness::ClientReady,
    sessid: SessidRule::Client,
    logins: &[LoginKind::Password],
    gateway_fields: false,
    headers: false,
    number_variables: false,
    tells_ringing: false,
    silence_means_loss: false,
    answered_when_secured: true,
    trickle: false,
    timed_digits: true,
    confirms_digits: true,
    commands: true,
    shows_callee: true,
    assistants: false,
    refusals: refusals::FREESWITCH,
    // The server pings only after 30 s of our silence and never looks at the answer; pings of ours every 20 s keep
    // address translations open and show that it lives, so both limits are the same.
    probes: Probes {
        after_silence: Duration::from_secs(20),
        after_no_reply: Duration::from_secs(20),
        reply_within: Duration::from_secs(8),
    },
    ping_reply: PingReply::Ack,
    acked: &[
        Method::Invite,
        Method::Media,
        Method::Answer,
        Method::Attach,
        Method::Bye,
        Method::Display,
        Method::Info,
    ],
    keeps_unanswered: false,
    // `detach-timeout-sec`, 120 by default.
    detach_limit: Duration::from_secs(120),
};
