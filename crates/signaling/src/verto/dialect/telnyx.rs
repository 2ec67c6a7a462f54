//! The gateway of Telnyx (`wss://rtc.telnyx.com`).

use std::time::Duration;

use crate::auth::login::LoginKind;
use crate::verto::dialect::differences::{Dialect, PingReply, Probes, Readiness, SessidRule};
use crate::verto::method::Method;

/// Telnyx.
pub const TELNYX: Dialect = Dialect {
    name: "telnyx",
    prefix: "telnyx_rtc.",
    readiness: Readiness::Registered,
    sessid: SessidRule::Server {
        fresh: Duration::from_secs(90),
    },
    logins: &[LoginKind::Password, LoginKind::Token, LoginKind::Anonymous],
    gateway_fields: true,
    headers: true,
    number_variables: true,
    tells_ringing: true,
    silence_means_loss: true,
    answered_when_secured: false,
    trickle: true,
    timed_digits: false,
    confirms_digits: false,
    commands: false,
    shows_callee: false,
    assistants: true,
    refusals: &[],
    // Figures of the browser SDK. The server pings every 15 to 30 s, so silence of 20 s is already unusual.
    probes: Probes {
        after_silence: Duration::from_secs(20),
        after_no_reply: Duration::from_secs(45),
        reply_within: Duration::from_secs(5),
    },
    ping_reply: PingReply::OwnPing,
    acked: &[
        Method::Invite,
        Method::Ringing,
        Method::Media,
        Method::Answer,
        Method::Attach,
        Method::Bye,
        Method::Display,
        Method::Candidate,
        Method::EndOfCandidates,
    ],
    keeps_unanswered: true,
    detach_limit: Duration::from_secs(90),
};
