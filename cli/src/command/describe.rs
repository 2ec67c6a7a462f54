//! Each event in a few words for people.

use crate::table::{plain, span};
use offhook_control::{
    notice::{ChannelRefusal, Ended, EndedBy, Event, Said},
    reply::Quality,
    request::Header,
};
use std::time::Duration;

/// An event in a few words, safe for a terminal.
pub(crate) fn describe(event: &Event) -> String {
    plain(&words(event))
}

fn words(event: &Event) -> String {
    match event {
        Event::Account {
            state,
            reason,
            remedy,
            retry_in_ms,
        } => {
            let mut text = format!("account is {}", state.as_str());
            if let Some(reason) = reason {
                text.push_str(&format!(": {reason}"));
            }
            if let Some(remedy) = remedy {
                text.push_str(&format!("; {remedy}"));
            }
            if let Some(left) = retry_in_ms {
                text.push_str(&format!(
                    " (next attempt in {})",
                    span(Duration::from_millis(*left))
                ));
            }
            text
        }
        Event::Socket { dns_ms, tcp_ms } => {
            format!("socket open (DNS {dns_ms:.1} ms, TCP {tcp_ms:.1} ms)")
        }
        Event::Tls { tls_ms } => format!("TLS open ({tls_ms:.1} ms)"),
        Event::Login => "logged in".to_owned(),
        Event::Ready => "ready for calls".to_owned(),
        Event::Incoming { number, name, .. } => match name {
            Some(name) => format!("{name} ({number}) calls"),
            None => format!("{number} calls"),
        },
        Event::Invite { number, .. } if number.is_empty() => "calling the assistant".to_owned(),
        Event::Invite { number, .. } => format!("calling {number}"),
        Event::ServerMedia { addresses } => {
            format!("the server's media is at {}", addresses.join(", "))
        }
        Event::Ringing(said) => with("ringing", said),
        Event::Early(said) => with("early media", said),
        Event::Answered(said) => with("answered", said),
        Event::Attached(said) => with("offered anew", said),
        Event::Ice { local, remote } => format!("ICE connected {local} to {remote}"),
        Event::Dtls { profile } => format!("DTLS connected, {profile}"),
        Event::Unencrypted => "media goes in the clear".to_owned(),
        Event::FirstRtpSent => "first audio packet sent".to_owned(),
        Event::FirstRtpReceived => "first audio packet received".to_owned(),
        Event::NoMedia { silent_ms } => {
            format!(
                "no audio came for {}",
                span(Duration::from_millis(*silent_ms))
            )
        }
        Event::MediaResumed => "audio comes again".to_owned(),
        Event::PathLost { given_up } => if *given_up {
            "the network path is gone"
        } else {
            "the network path stopped answering"
        }
        .to_owned(),
        Event::Dtmf { digit } => format!("the far end pressed {digit}"),
        Event::Recording { path } => format!("recording to {path}"),
        Event::AudioFault { reason, remedy } => match remedy {
            Some(remedy) => format!("sound fault: {reason}; {remedy}"),
            None => format!("sound fault: {reason}"),
        },
        Event::AudioRestored { device } => format!("{device} is back"),
        Event::IceServerFailed { server, reason } => format!("{server} is of no help: {reason}"),
        Event::RequestFailed {
            reason,
            remedy,
            message,
        } => {
            let what = match message {
                Some(message) => format!("text {message}"),
                None => "request".to_owned(),
            };
            match remedy {
                Some(remedy) => format!("{what} failed: {reason}; {remedy}"),
                None => format!("{what} failed: {reason}"),
            }
        }
        Event::Quality(quality) => words_of_quality(quality),
        Event::QualityWarning {
            problem,
            on,
            value,
            threshold,
            code: _,
        } => {
            let state = if *on { "bad" } else { "good again" };
            let problem = problem.replace('_', " ");
            format!("quality is {state}: {problem} ({value}, limit {threshold})")
        }
        Event::Progress { status, reason } => format!("{status} {reason}"),
        Event::Referred {
            to,
            by,
            followed_by,
            refused,
            ..
        } => {
            let who = by.as_deref().unwrap_or("the far end");
            match (followed_by, refused) {
                (Some(call), _) => format!("{who} sends us to {to}: calling as call {call}"),
                (None, true) => format!("{who} wanted to send us to {to}: refused"),
                (None, false) => format!("{who} wants to send us to {to}"),
            }
        }
        Event::ReferralLapsed => "nobody waits any more for us to call somebody else".to_owned(),
        Event::Published { open, note } => {
            let state = if *open { "open" } else { "closed" };
            match note {
                Some(note) => format!("shown to others as {state}: {note}"),
                None => format!("shown to others as {state}"),
            }
        }
        Event::HeldByPeer { on } => if *on {
            "put on hold by the far end"
        } else {
            "the far end listens again"
        }
        .to_owned(),
        Event::Flow {
            server, up, reason, ..
        } => match (up, reason) {
            (true, _) => format!("{server} can carry calls"),
            (false, Some(reason)) => format!("{server} cannot carry calls: {reason}"),
            (false, None) => format!("{server} cannot carry calls"),
        },
        Event::Held { on } => if *on { "on hold" } else { "no longer on hold" }.to_owned(),
        Event::Display { number, name } => match name {
            Some(name) => format!("the far end is {name} ({number}) now"),
            None => format!("the far end is {number} now"),
        },
        Event::Transferred => "the far end was transferred".to_owned(),
        Event::Message { from, name, text } => match name {
            Some(name) => format!("{name} ({from}) writes: {text}"),
            None => format!("{from} writes: {text}"),
        },
        Event::MessageAccepted {
            message,
            stored: false,
        } => format!("text {message} was accepted"),
        Event::MessageAccepted {
            message,
            stored: true,
        } => format!("text {message} is kept for later"),
        Event::AssistantText { text, .. } => format!("assistant says on: {text}"),
        Event::AssistantItem { role, text, .. } => format!("{role}: {text}"),
        Event::ToolCall {
            tool_call,
            name,
            arguments,
            handled,
        } => {
            let who = if *handled {
                ", answered by its program"
            } else {
                ""
            };
            format!("tool call {tool_call}: {name} {arguments}{who}")
        }
        Event::ToolFailed { reason, .. } => format!("tool call failed: {reason}"),
        Event::Assistant { kind, .. } => format!("assistant event {kind}"),
        Event::TokenExpiringSoon { left_s } => format!(
            "the token is good for only {} more, and no new one has come",
            span(Duration::from_secs(*left_s))
        ),
        Event::TokenExpired => "the token is no longer good".to_owned(),
        Event::TokenFailed { reason } => format!("no new token: {reason}"),
        Event::TokenRefreshed => "logged in with a new token".to_owned(),
        Event::UnknownCall {
            unknown,
            number,
            reason,
        } => format!("hung up call {unknown} with {number}, which nobody here knows: {reason}"),
        Event::RegistrationConflict { reason, remedy } => match remedy {
            Some(remedy) => format!("registration conflict: {reason}; {remedy}"),
            None => format!("registration conflict: {reason}"),
        },
        Event::CallIds(ids) => format!(
            "known to the server as session {}, leg {}",
            ids.session_id.as_deref().unwrap_or("-"),
            ids.leg_id.as_deref().unwrap_or("-")
        ),
        Event::Watching {
            channels, refused, ..
        } if refused.is_empty() => {
            format!("watching {}", channels.join(", "))
        }
        Event::Watching {
            channels,
            refused,
            refusals,
        } => {
            let told = refused.iter().map(|channel| {
                let why = refusals.iter().find(|it| it.channel == *channel);
                why.map_or_else(|| channel.clone(), refused_channel)
            });
            let told: Vec<_> = told.collect();
            format!(
                "watching {}; refused: {}",
                channels.join(", "),
                told.join(", ")
            )
        }
        Event::Channel { channel, data, .. } => format!("{channel}: {data}"),
        Event::Conference { change, data } => format!("conference {change}: {data}"),
        Event::Prompt { text, .. } => format!("the server asks: {text}"),
        Event::Info { data } => format!("the server says {data}"),
        Event::Announcement { text } => format!("the operator says: {text}"),
        Event::Muted { on } => if *on { "muted" } else { "no longer muted" }.to_owned(),
        Event::Deaf { on } => if *on { "deaf" } else { "no longer deaf" }.to_owned(),
        Event::Recovering { on } => if *on {
            "the server is gone; the call is kept"
        } else {
            "the server is back"
        }
        .to_owned(),
        Event::Ended(ended) => words_of_end(ended),
        Event::Overflow { lost } => {
            format!("{lost} events were lost because they were read too slowly")
        }
        Event::Other | _ => "an event that this offhook does not know".to_owned(),
    }
}

/// A step of a call with the header fields that came with it.
fn with(step: &str, said: &Said) -> String {
    if said.headers.is_empty() {
        return step.to_owned();
    }
    let field = |header: &Header| format!("{}: {}", header.name, header.value);
    let fields: Vec<String> = said.headers.iter().map(field).collect();
    format!("{step} ({})", fields.join(", "))
}

fn words_of_quality(quality: &Quality) -> String {
    let mut text = format!(
        "quality: sent {}, received {}, lost {}, jitter {:.1} ms",
        quality.packets_sent, quality.packets_received, quality.packets_lost, quality.jitter_ms
    );
    if let Some(round_trip) = quality.round_trip_ms {
        text.push_str(&format!(", round trip {round_trip:.1} ms"));
    }
    if let Some(mos) = quality.mos {
        text.push_str(&format!(", MOS {mos:.1}"));
    }
    // Told only where it happens: it is this machine's fault, not the network's.
    for (count, what) in [
        (quality.slots_late, "sent late"),
        (quality.send_errors, "not sent"),
        (quality.receive_drops, "not read in time"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {count} {what} by this machine"));
        }
    }
    text
}

fn words_of_end(ended: &Ended) -> String {
    let by = match ended.by {
        EndedBy::Local => "by us",
        EndedBy::Remote => "by the far end",
        EndedBy::Network => "by the network",
        _ => "by somebody",
    };
    let mut text = format!(
        "ended {by}, {} ({}): {}",
        ended.cause, ended.code, ended.reason
    );
    if let Some(code) = ended.sip_code {
        text.push_str(&format!(" (SIP {code})"));
    }
    if ended.answered {
        text.push_str(&format!(
            " after {}",
            span(Duration::from_millis(ended.talk_ms))
        ));
    }
    if let Some(remedy) = &ended.remedy {
        text.push_str(&format!("; {remedy}"));
    }
    text
}

fn refused_channel(refused: &ChannelRefusal) -> String {
    let code = refused.code.map(|code| format!("{code} "));
    let ChannelRefusal {
        channel, reason, ..
    } = refused;
    format!("{channel} ({}{reason})", code.unwrap_or_default())
}
