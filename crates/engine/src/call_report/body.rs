//! The JSON of a report, in the words of Telnyx's SDK.

use std::time::SystemTime;

use offhook_media::quality::statistics::Statistics;
use serde_json::{Map, Value, json};

use crate::calendar::rfc3339;
use crate::event::EventKind;
use crate::status::Direction;

/// What the reports of an account say of it.
#[derive(Debug, Clone)]
pub(crate) struct About {
    /// `login_token`, `login_password` or `anonymous_login`.
    pub(crate) login: &'static str,
    pub(crate) host: String,
    pub(crate) region: Option<String>,
    /// Its own number or user name, where that is known.
    pub(crate) number: Option<String>,
    /// URL of each STUN and TURN server, and whether it has credentials.
    pub(crate) servers: Vec<(String, bool)>,
    pub(crate) relay_only: bool,
    pub(crate) trickle: bool,
}

/// What is known of a call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) began: SystemTime,
    pub(crate) direction: Direction,
    /// Who was called; `None`: the account.
    pub(crate) destination: Option<String>,
    /// Who called; `None`: the account.
    pub(crate) caller: Option<String>,
    pub(crate) state: &'static str,
    pub(crate) session: Option<String>,
    pub(crate) leg: Option<String>,
}

impl Call {
    pub(crate) fn new(id: &str, now: SystemTime) -> Self {
        Self {
            id: id.to_owned(),
            began: now,
            direction: Direction::Outbound,
            destination: None,
            caller: None,
            state: "trying",
            session: None,
            leg: None,
        }
    }
}

/// The figures at the end of a second.
#[derive(Debug)]
pub(crate) struct Interval {
    pub(crate) start: SystemTime,
    pub(crate) end: SystemTime,
    pub(crate) statistics: Statistics,
}

/// A line of the log.
#[derive(Debug)]
pub(crate) struct Entry {
    at: SystemTime,
    level: &'static str,
    message: String,
}

/// Why a part is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    End,
    BufferLimit,
    SocketClose,
}

/// A few words about an event, where it belongs into the log: no number, no text, no address.
pub(crate) fn entry(kind: &EventKind, at: SystemTime) -> Option<Entry> {
    let (level, message) = match kind {
        EventKind::Incoming { .. } => ("info", "incoming".to_owned()),
        EventKind::Invite { .. } => ("info", "invite".to_owned()),
        EventKind::Ringing(_) => ("info", "ringing".to_owned()),
        EventKind::Early(_) => ("info", "early media".to_owned()),
        EventKind::Answered(_) => ("info", "answered".to_owned()),
        EventKind::Ice { local, remote } => (
            "info",
            format!("ice pair: {} to {}", local.kind, remote.kind),
        ),
        EventKind::Unencrypted => ("warn", "media goes in the clear".to_owned()),
        EventKind::Dtls { profile } => ("info", format!("dtls: {profile}")),
        EventKind::FirstRtpSent => ("info", "first RTP packet sent".to_owned()),
        EventKind::FirstRtpReceived => ("info", "first RTP packet received".to_owned()),
        EventKind::NoMedia { silent } => ("warn", format!("no RTP for {} s", silent.as_secs())),
        EventKind::MediaResumed => ("info", "RTP again".to_owned()),
        EventKind::PathLost { given_up } => ("warn", format!("ice lost, given up: {given_up}")),
        EventKind::Held { on } => ("info", format!("held: {on}")),
        EventKind::Recovering { on } => ("warn", format!("recovering: {on}")),
        EventKind::AudioFault { .. } => ("warn", "audio fault".to_owned()),
        EventKind::AudioRestored { .. } => ("info", "audio restored".to_owned()),
        EventKind::IceServerFailed { .. } => ("warn", "ice server failed".to_owned()),
        EventKind::QualityWarning(warning) => (
            if warning.on { "warn" } else { "info" },
            format!(
                "{} ({}): {}",
                warning.problem.name(),
                warning.problem.code(),
                warning.on
            ),
        ),
        EventKind::RequestFailed { .. } | EventKind::MessageFailed { .. } => {
            ("warn", "request failed".to_owned())
        }
        EventKind::Transferred => ("info", "transferred".to_owned()),
        EventKind::Ended(ended) => ("info", format!("ended: {}", ended.cause.name())),
        _ => return None,
    };
    Some(Entry { at, level, message })
}

/// One part of a report. The last part of a call that had others, and every part before it, tells its number.
pub(crate) fn write(
    about: &About,
    call: &Call,
    intervals: &[Interval],
    entries: &[Entry],
    segment: u32,
    flush: Flush,
    now: SystemTime,
) -> Vec<u8> {
    let mut report = Map::new();
    report.insert("summary".to_owned(), summary(about, call, now));
    let stats: Vec<Value> = intervals.iter().map(interval).collect();
    report.insert("stats".to_owned(), Value::Array(stats));
    if !entries.is_empty() {
        let logs = entries.iter().map(|entry| {
            json!({"timestamp": rfc3339(entry.at), "level": entry.level, "message": entry.message})
        });
        report.insert("logs".to_owned(), logs.collect());
    }
    if segment > 0 || flush != Flush::End {
        report.insert("segment".to_owned(), segment.into());
    }
    let reason = match flush {
        Flush::End => None,
        Flush::BufferLimit => Some("buffer-limit"),
        Flush::SocketClose => Some("socket-close"),
    };
    if let Some(reason) = reason {
        report.insert("flushReason".to_owned(), json!({ "type": reason }));
    }
    Value::Object(report).to_string().into_bytes()
}

fn summary(about: &About, call: &Call, now: SystemTime) -> Value {
    let lasted = now.duration_since(call.began).unwrap_or_default();
    let servers: Vec<Value> = about
        .servers
        .iter()
        .map(|(url, login)| json!({"urls": url, "hasUsername": login, "hasCredential": login}))
        .collect();
    let outbound = call.direction == Direction::Outbound;
    without_nulls(json!({
        "callId": call.id,
        "destinationNumber": call.destination.as_ref().or(about.number.as_ref()),
        "callerNumber": call.caller.as_ref().or(about.number.as_ref()),
        "direction": if outbound { "outbound" } else { "inbound" },
        "state": call.state,
        "durationSeconds": lasted.as_secs_f64(),
        "telnyxSessionId": call.session,
        "telnyxLegId": call.leg,
        "sdkVersion": concat!("offhook-", env!("CARGO_PKG_VERSION")),
        "startTimestamp": rfc3339(call.began),
        "endTimestamp": rfc3339(now),
        "clientSummary": {
            "authentication": {"type": about.login},
            "connection": without_nulls(json!({"host": about.host, "region": about.region})),
            "media": {
                "audio": true,
                "video": false,
                "forceRelayCandidate": about.relay_only,
                "trickleIce": about.trickle,
                "iceServers": servers,
            },
            "callReports": {"enabled": true, "intervalMs": 1000},
        },
    }))
}

/// Times in seconds, counts since the call's beginning: as in webrtc-stats, which the SDK passes on.
fn interval(interval: &Interval) -> Value {
    let statistics = &interval.statistics;
    let (inbound, outbound) = (&statistics.inbound, &statistics.outbound);
    let (playout, transport) = (&statistics.playout, &statistics.transport);
    let remote_inbound = statistics.remote_inbound.as_ref().map(|remote| {
        without_nulls(json!({
            "packetsLost": remote.packets_lost,
            "fractionLost": remote.fraction_lost,
            "jitter": remote.jitter.as_secs_f64(),
            "roundTripTime": remote.round_trip_time.map(|time| time.as_secs_f64()),
            "totalRoundTripTime": remote.total_round_trip_time.as_secs_f64(),
            "roundTripTimeMeasurements": remote.round_trip_time_measurements,
        }))
    });
    let remote_outbound = statistics.remote_outbound.as_ref().map(|remote| {
        json!({
            "packetsSent": remote.packets_sent,
            "bytesSent": remote.bytes_sent,
            "reportsCount": remote.reports_sent,
        })
    });
    let round_trip = statistics
        .remote_inbound
        .as_ref()
        .and_then(|remote| remote.round_trip_time);
    json!({
        "intervalStartUtc": rfc3339(interval.start),
        "intervalEndUtc": rfc3339(interval.end),
        "audio": {
            "outbound": {
                "packetsSent": outbound.packets_sent,
                "bytesSent": outbound.bytes_sent,
                "headerBytesSent": outbound.header_bytes_sent,
                "audioLevelAvg": playout.source_audio_level,
            },
            "inbound": {
                "packetsReceived": inbound.packets_received,
                "bytesReceived": inbound.bytes_received,
                "headerBytesReceived": inbound.header_bytes_received,
                "packetsLost": inbound.packets_lost,
                "packetsDiscarded": playout.packets_discarded,
                "jitterAvg": inbound.jitter.as_secs_f64(),
                "jitterBufferDelay": playout.jitter_buffer_delay.as_secs_f64(),
                "jitterBufferTargetDelay": playout.jitter_buffer_target_delay.as_secs_f64(),
                "jitterBufferEmittedCount": playout.jitter_buffer_emitted_count,
                "totalSamplesReceived": playout.total_samples_received,
                "concealedSamples": playout.concealed_samples,
                "concealmentEvents": playout.concealment_events,
                "fecPacketsReceived": playout.fec_packets_received,
                "audioLevelAvg": playout.audio_level,
                "totalAudioEnergy": playout.total_audio_energy,
            },
        },
        "connection": without_nulls(json!({
            "currentRoundTripTime": round_trip.map(|time| time.as_secs_f64()),
            "packetsSent": transport.packets_sent,
            "packetsReceived": transport.packets_received,
            "bytesSent": transport.bytes_sent,
            "bytesReceived": transport.bytes_received,
        })),
        "remoteRtcp": without_nulls(json!({"inbound": remote_inbound, "outbound": remote_outbound})),
    })
}

fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(members) = &mut value {
        members.retain(|_, member| !member.is_null());
    }
    value
}
