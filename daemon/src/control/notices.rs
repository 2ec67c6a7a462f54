//! Events of the engine, in the words of the control socket.

use std::time::{SystemTime, UNIX_EPOCH};

use offhook_control::notice as wire;
use offhook_control::reply::CallIds;
use offhook_control::request::Header;
use offhook_engine::driver::events::Notice;
use offhook_engine::ended::{Ended, EndedBy};
use offhook_engine::event::{EventKind, IceEnd, Said};
use offhook_engine::vocabulary::{AssistantEvent, ConferenceChange, Member, RefusedChannel};
use serde_json::{Value, json};

use crate::control::replies::{
    account_state, call_ids, direction, ms, quality, whole_ms, without_query,
};

/// An event as a notice. Each has one, so that the numbers have no gaps.
pub(crate) fn of(notice: &Notice) -> wire::Notice {
    let event = &notice.event;
    wire::Notice {
        seq: notice.seq,
        time_ms: since_1970_ms(notice.time),
        account: Some(event.account.to_string()),
        call: event.call.as_ref().map(ToString::to_string),
        ids: event.ids.as_deref().map(call_ids),
        at_ms: Some(ms(event.at)),
        event: kind(&event.kind),
    }
}

/// Tells a client that it missed notices; `seq` is the number of the last one missed.
pub(crate) fn overflow(seq: u64, lost: u64) -> wire::Notice {
    wire::Notice {
        seq,
        time_ms: since_1970_ms(SystemTime::now()),
        account: None,
        call: None,
        ids: None,
        at_ms: None,
        event: wire::Event::Overflow { lost },
    }
}

fn since_1970_ms(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, whole_ms)
}

fn kind(kind: &EventKind) -> wire::Event {
    match kind {
        EventKind::Account {
            state,
            reason,
            remedy,
            retry_in,
        } => wire::Event::Account {
            state: account_state(*state),
            reason: reason.clone(),
            remedy: remedy.clone(),
            retry_in_ms: retry_in.map(whole_ms),
        },
        EventKind::Socket { dns, tcp } => wire::Event::Socket {
            dns_ms: ms(*dns),
            tcp_ms: ms(*tcp),
        },
        EventKind::Tls { took } => wire::Event::Tls { tls_ms: ms(*took) },
        EventKind::Login => wire::Event::Login,
        EventKind::Ready => wire::Event::Ready,
        EventKind::Incoming {
            number,
            name,
            headers,
            client_state,
            replaces,
        } => wire::Event::Incoming {
            number: number.clone(),
            name: name.clone(),
            headers: fields(headers),
            client_state: client_state.clone(),
            replaces: replaces.as_ref().map(ToString::to_string),
        },
        EventKind::Invite {
            number,
            direction: who,
            ..
        } => wire::Event::Invite {
            number: number.clone(),
            direction: direction(*who),
        },
        EventKind::ServerMedia { addresses } => wire::Event::ServerMedia {
            addresses: addresses.iter().map(ToString::to_string).collect(),
        },
        EventKind::Ringing(what) => wire::Event::Ringing(said(what)),
        EventKind::Progress { status, reason } => wire::Event::Progress {
            status: *status,
            reason: reason.clone(),
        },
        EventKind::Referred {
            to,
            by,
            replaces,
            followed_by,
            refused,
        } => wire::Event::Referred {
            to: to.clone(),
            by: by.clone(),
            replaces: *replaces,
            followed_by: followed_by.as_ref().map(ToString::to_string),
            refused: *refused,
        },
        EventKind::ReferralLapsed => wire::Event::ReferralLapsed,
        EventKind::Published { open, note } => wire::Event::Published {
            open: *open,
            note: note.clone(),
        },
        EventKind::Early(what) => wire::Event::Early(said(what)),
        EventKind::Answered(what) => wire::Event::Answered(said(what)),
        EventKind::Attached(what) => wire::Event::Attached(said(what)),
        EventKind::Ice { local, remote } => wire::Event::Ice {
            local: end(local),
            remote: end(remote),
        },
        EventKind::Dtls { profile } => wire::Event::Dtls {
            profile: profile.to_string(),
        },
        EventKind::Unencrypted => wire::Event::Unencrypted,
        EventKind::FirstRtpSent => wire::Event::FirstRtpSent,
        EventKind::FirstRtpReceived => wire::Event::FirstRtpReceived,
        EventKind::NoMedia { silent } => wire::Event::NoMedia {
            silent_ms: whole_ms(*silent),
        },
        EventKind::MediaResumed => wire::Event::MediaResumed,
        EventKind::PathLost { given_up } => wire::Event::PathLost {
            given_up: *given_up,
        },
        EventKind::Dtmf { digit } => wire::Event::Dtmf { digit: *digit },
        EventKind::Recording { path } => wire::Event::Recording {
            path: path.display().to_string(),
        },
        EventKind::AudioFault { reason } => wire::Event::AudioFault {
            reason: reason.clone(),
            remedy: None,
        },
        EventKind::AudioRestored { device } => wire::Event::AudioRestored {
            device: device.clone(),
        },
        EventKind::IceServerFailed { server, reason } => wire::Event::IceServerFailed {
            server: server.clone(),
            reason: reason.clone(),
        },
        EventKind::RequestFailed { reason, remedy } => wire::Event::RequestFailed {
            reason: reason.clone(),
            remedy: remedy.clone(),
            message: None,
        },
        EventKind::MessageFailed {
            message,
            reason,
            remedy,
        } => wire::Event::RequestFailed {
            reason: reason.clone(),
            remedy: Some(remedy.clone()),
            message: Some(*message),
        },
        EventKind::MessageAccepted { message, stored } => wire::Event::MessageAccepted {
            message: *message,
            stored: *stored,
        },
        EventKind::Quality(figures) => wire::Event::Quality(quality(figures)),
        EventKind::QualityWarning(warning) => wire::Event::QualityWarning {
            problem: warning.problem.name().to_owned(),
            code: warning.problem.code(),
            on: warning.on,
            value: (warning.value * 10_000.0).round() / 10_000.0,
            threshold: warning.problem.threshold(),
        },
        EventKind::Held { on } => wire::Event::Held { on: *on },
        EventKind::HeldByPeer { on } => wire::Event::HeldByPeer { on: *on },
        EventKind::Flow {
            server,
            up,
            reason,
            retry_in,
        } => wire::Event::Flow {
            server: without_query(server).to_owned(),
            up: *up,
            reason: reason.clone(),
            retry_in_ms: retry_in.map(whole_ms),
        },
        EventKind::Display { number, name } => wire::Event::Display {
            number: number.clone(),
            name: name.clone(),
        },
        EventKind::Transferred => wire::Event::Transferred,
        EventKind::Message { from, text } => wire::Event::Message {
            from: from.number.clone(),
            name: Some(from.name.clone()).filter(|name| !name.is_empty()),
            text: text.clone(),
        },
        EventKind::Assistant(event) => assistant(event),
        EventKind::ToolCall {
            tool_call,
            name,
            arguments,
            handled,
        } => wire::Event::ToolCall {
            tool_call: tool_call.clone(),
            name: name.clone(),
            arguments: arguments.clone(),
            handled: *handled,
        },
        EventKind::ToolFailed {
            tool_call,
            name,
            reason,
        } => wire::Event::ToolFailed {
            tool_call: tool_call.clone(),
            name: name.clone(),
            reason: reason.clone(),
        },
        EventKind::TokenExpiringSoon { left } => wire::Event::TokenExpiringSoon {
            left_s: left.as_secs(),
        },
        EventKind::TokenExpired => wire::Event::TokenExpired,
        EventKind::TokenFailed { reason } => wire::Event::TokenFailed {
            reason: reason.clone(),
        },
        EventKind::TokenRefreshed => wire::Event::TokenRefreshed,
        EventKind::UnknownCall {
            call,
            number,
            reason,
        } => wire::Event::UnknownCall {
            unknown: call.to_string(),
            number: number.clone(),
            reason: (*reason).to_owned(),
        },
        EventKind::RegistrationConflict { detail } => wire::Event::RegistrationConflict {
            reason: detail.clone(),
            remedy: Some("give each client its own credential".to_owned()),
        },
        EventKind::CallIds {
            session,
            leg,
            call_control,
        } => wire::Event::CallIds(CallIds {
            session_id: session.clone(),
            leg_id: leg.clone(),
            call_control_id: call_control.clone(),
        }),
        EventKind::Watching { channels, refused } => wire::Event::Watching {
            channels: channels.clone(),
            refused: refused.iter().map(|it| it.channel.clone()).collect(),
            refusals: refused.iter().map(channel_refusal).collect(),
        },
        EventKind::Channel {
            channel,
            data,
            lost,
        } => wire::Event::Channel {
            channel: channel.clone(),
            data: data.clone(),
            lost: *lost,
        },
        EventKind::Conference(change) => conference(change),
        EventKind::Prompt {
            kind,
            text,
            pattern,
        } => wire::Event::Prompt {
            kind: kind.clone(),
            text: text.clone(),
            pattern: pattern.clone(),
        },
        EventKind::Info { data } => wire::Event::Info { data: data.clone() },
        EventKind::Announcement { text } => wire::Event::Announcement { text: text.clone() },
        EventKind::Muted { on } => wire::Event::Muted { on: *on },
        EventKind::Deaf { on } => wire::Event::Deaf { on: *on },
        EventKind::Recovering { on } => wire::Event::Recovering { on: *on },
        EventKind::Ended(told) => wire::Event::Ended(ended(told)),
        // An event that this version of the socket has no word for: its number is taken all the same.
        _ => wire::Event::Other,
    }
}

fn fields(headers: &[(String, String)]) -> Vec<Header> {
    headers
        .iter()
        .map(|(name, value)| Header {
            name: name.clone(),
            value: value.clone(),
        })
        .collect()
}

fn said(said: &Said) -> wire::Said {
    wire::Said {
        headers: fields(&said.headers),
        client_state: said.client_state.clone(),
    }
}

fn assistant(event: &AssistantEvent) -> wire::Event {
    let other = |kind: &str, data: Value| wire::Event::Assistant {
        kind: kind.to_owned(),
        data,
    };
    match event {
        AssistantEvent::Delta { item, text } => wire::Event::AssistantText {
            item: item.clone(),
            text: text.clone(),
        },
        AssistantEvent::Item {
            item,
            role,
            status,
            text,
        } => wire::Event::AssistantItem {
            item: item.clone(),
            role: role.clone(),
            status: Some(status.clone()).filter(|status| !status.is_empty()),
            text: text.clone(),
        },
        AssistantEvent::Audio { data } => other("audio", data.clone()),
        AssistantEvent::Settings { data } => other("settings", Value::Object(data.clone())),
        AssistantEvent::Transcription { text } => other("transcription", json!({ "text": text })),
        AssistantEvent::Failed(error) => wire::Event::RequestFailed {
            reason: error.to_string(),
            remedy: Some(error.remedy().to_string()),
            message: None,
        },
        AssistantEvent::Other { kind, data } => other(kind, data.clone()),
        // Told by the engine as an event of its own; or a kind that this daemon has no word for.
        AssistantEvent::ToolCall { .. } | _ => other("other", Value::Null),
    }
}

fn conference(change: &ConferenceChange) -> wire::Event {
    let member = |member: &Member| {
        json!({
            "key": member.key,
            "member": member.id,
            "number": member.number,
            "name": member.name,
            "codec": member.codec,
            "status": member.status,
        })
    };
    let (change, data) = match change {
        ConferenceChange::Joined {
            name,
            moderator,
            member,
        } => (
            "joined",
            json!({ "name": name, "moderator": moderator, "member": member }),
        ),
        ConferenceChange::Bootstrap { members } => (
            "members",
            members.iter().map(member).collect::<Vec<_>>().into(),
        ),
        ConferenceChange::Put { member: row, at } => {
            let mut row = member(row);
            if let Some(at) = at {
                row["at"] = (*at).into();
            }
            ("member", row)
        }
        ConferenceChange::Remove { key } => ("gone", json!({ "key": key })),
        ConferenceChange::Clear => ("cleared", Value::Null),
        ConferenceChange::Left => ("left", Value::Null),
        ConferenceChange::Chat {
            from,
            text,
            direction,
            kind,
        } => (
            "chat",
            json!({ "from": from.number, "name": from.name, "text": text, "direction": direction, "type": kind }),
        ),
        ConferenceChange::Reply { command, result } => (
            "answer",
            match result {
                Ok(said) => json!({ "command": command, "answer": said }),
                Err(said) => json!({ "command": command, "error": said }),
            },
        ),
        // A kind that this daemon has no word for.
        _ => ("other", Value::Null),
    };
    wire::Event::Conference {
        change: change.to_owned(),
        data,
    }
}

fn end(end: &IceEnd) -> String {
    format!("{} {}", end.kind, end.address)
}

fn ended(ended: &Ended) -> wire::Ended {
    wire::Ended {
        by: match ended.by {
            EndedBy::Local => wire::EndedBy::Local,
            EndedBy::Remote => wire::EndedBy::Remote,
            EndedBy::Network => wire::EndedBy::Network,
        },
        cause: ended.cause.name().to_owned(),
        code: ended.cause.code(),
        reason: ended.reason.to_string(),
        remedy: ended.reason.remedy().map(str::to_owned),
        answered: ended.answered,
        answered_elsewhere: ended.answered_elsewhere,
        headers: fields(&ended.headers),
        client_state: ended.client_state.clone(),
        sip_code: ended.sip.code,
        sip_reason: ended.sip.reason.clone(),
        sip_call_id: ended.sip.call_id.clone(),
        talk_ms: whole_ms(ended.talk),
        quality: ended.quality.as_ref().map(quality),
    }
}

fn channel_refusal(refused: &RefusedChannel) -> wire::ChannelRefusal {
    wire::ChannelRefusal {
        channel: refused.channel.clone(),
        code: refused.code,
        reason: refused.reason.clone(),
    }
}
