//! Events of the engine, in the words of the control socket.

use std::time::{SystemTime, UNIX_EPOCH};

use offhook_control::notice as wire;
use offhook_engine::driver::events::Notice;
use offhook_engine::ended::{Ended, EndedBy};
use offhook_engine::event::{EventKind, IceEnd};

use crate::control::replies::{account_state, direction, ms, quality, whole_ms};

/// An event as a notice. Each has one, so that the numbers have no gaps.
pub(crate) fn of(notice: &Notice) -> wire::Notice {
    let event = &notice.event;
    wire::Notice {
        seq: notice.seq,
        time_ms: since_1970_ms(notice.time),
        account: Some(event.account.to_string()),
        call: event.call.as_ref().map(ToString::to_string),
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
        EventKind::Incoming { number, name } => wire::Event::Incoming {
            number: number.clone(),
            name: name.clone(),
        },
        EventKind::Invite {
            number,
            direction: who,
        } => wire::Event::Invite {
            number: number.clone(),
            direction: direction(*who),
        },
        EventKind::Ringing => wire::Event::Ringing,
        EventKind::Early => wire::Event::Early,
        EventKind::Answered => wire::Event::Answered,
        EventKind::Ice { local, remote } => wire::Event::Ice {
            local: end(local),
            remote: end(remote),
        },
        EventKind::Dtls { profile } => wire::Event::Dtls {
            profile: profile.to_string(),
        },
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
        EventKind::RequestFailed { reason, remedy } => wire::Event::RequestFailed {
            reason: reason.clone(),
            remedy: remedy.clone(),
        },
        EventKind::Quality(figures) => wire::Event::Quality(quality(figures)),
        EventKind::Muted { on } => wire::Event::Muted { on: *on },
        EventKind::Recovering { on } => wire::Event::Recovering { on: *on },
        EventKind::Ended(told) => wire::Event::Ended(ended(told)),
        // An event that this version of the socket has no word for: its number is taken all the same.
        _ => wire::Event::Other,
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
        talk_ms: whole_ms(ended.talk),
        quality: ended.quality.as_ref().map(quality),
    }
}
