//! What a failure is filed under: few words, the same for the same fault whoever it befell, our own faults named as ours.

use std::net::SocketAddr;

use offhook_engine::ended::{EndReason, Ended};
use offhook_engine::error::Error;
use offhook_media::session::error::MediaError;

/// Units behind a number that says how long something took: no part of what failed.
const UNITS: [&str; 5] = ["ms", "s", "min", "h", "days"];
/// What the system says when this machine is at its end, whoever was to be reached: ENFILE, EMFILE, EADDRNOTAVAIL, ENOBUFS, ENOMEM.
const EXHAUSTED: [&str; 5] = [
    "(os error 23)",
    "(os error 24)",
    "(os error 99)",
    "(os error 105)",
    "(os error 12)",
];

/// A kind of failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) words: String,
    /// A limit or fault of this machine or program.
    pub(crate) ours: bool,
}

impl Kind {
    pub(crate) fn theirs(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            ours: false,
        }
    }

    pub(crate) fn ours(what: &str) -> Self {
        Self {
            words: format!("our own limit: {what}"),
            ours: true,
        }
    }

    /// Of a call that ended by itself.
    pub(crate) fn of_end(ended: &Ended) -> Self {
        let words = match &ended.reason {
            EndReason::HungUp | EndReason::ShutDown => "ended here".to_owned(),
            EndReason::Far { cause, .. } => match (ended.answered, ended.sip.code) {
                (true, _) => format!("the far end hung up early ({})", cause.name()),
                (false, Some(code)) => format!("refused by the far end: {} ({code})", cause.name()),
                (false, None) => format!("refused by the far end: {}", cause.name()),
            },
            EndReason::Server { cause, .. } => format!("ended by the server: {}", cause.name()),
            EndReason::ConnectionLost { .. } => "the connection to the server was lost".to_owned(),
            EndReason::TimeLimit { cause, .. } => format!("time limit: {}", cause.name()),
            EndReason::Media(error @ MediaError::Panicked) => {
                return Self::ours(&error.to_string());
            }
            EndReason::Media(error) => format!("media: {}", without_ports(&error.to_string())),
            EndReason::PrivateMedia { .. } => {
                "media: the server is at a private address".to_owned()
            }
            EndReason::MediaRefused(_) => {
                "media: the far end's description cannot be used".to_owned()
            }
            EndReason::NoSocket(why) => return Self::ours(&without_ports(why)),
            EndReason::MediaLost => return Self::ours("the media thread is overloaded"),
            EndReason::NoOffer | EndReason::NoAnswerDescription => {
                "the server sent no description".to_owned()
            }
            other => other.to_string(),
        };
        Self::theirs(words)
    }

    /// Of a call that the engine did not take.
    pub(crate) fn of_refusal(error: &Error, own: &[String]) -> Self {
        let ours = matches!(
            error,
            Error::TooManyCalls { .. } | Error::ShuttingDown | Error::Ended
        );
        match ours {
            true => Self::ours(&error.to_string()),
            false => {
                let why = without_names(&error.to_string(), own);
                Self::theirs(format!("the call could not be placed: {why}"))
            }
        }
    }

    /// Of a user that is not ready: what it waited for in vain, and the trouble that was told last. `own`: its names.
    pub(crate) fn of_login(what: &str, trouble: Option<&str>, own: &[String]) -> Self {
        let Some(trouble) = trouble else {
            return Self::theirs(what);
        };
        let why = without_spans(&without_names(trouble, own));
        match EXHAUSTED.iter().any(|error| why.contains(error)) {
            true => Self::ours(&format!("{what}: {why}")),
            false => Self::theirs(format!("{what}: {why}")),
        }
    }
}

/// The text without a user's own names, where they stand by themselves.
fn without_names(text: &str, own: &[String]) -> String {
    let mut names: Vec<&String> = own.iter().filter(|name| !name.is_empty()).collect();
    // The longest first: one may stand within another.
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    let mut text = text.to_owned();
    for name in names {
        let mut kept = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once(name.as_str()) {
            let within = |character: char| character.is_alphanumeric() || "-_".contains(character);
            let part = before.ends_with(within) || after.starts_with(within);
            kept.push_str(before);
            kept.push_str(if part { name } else { "USER" });
            rest = after;
        }
        kept.push_str(rest);
        text = kept;
    }
    text
}

/// The text without the lengths of time in it.
fn without_spans(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let bare = |word: &str| {
        word.trim_matches(|character: char| !character.is_alphanumeric())
            .to_owned()
    };
    let unit = |word: Option<&&str>| word.is_some_and(|word| UNITS.contains(&bare(word).as_str()));
    let shown = words.iter().enumerate().map(|(index, word)| {
        let number = bare(word).parse::<f64>().is_ok();
        match number && unit(words.get(index + 1)) {
            true => word.replace(&bare(word), "N"),
            false => (*word).to_owned(),
        }
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// The text without the ports of its addresses: each call has its own.
fn without_ports(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let bare = word.trim_matches(|character: char| ",;()".contains(character));
        match bare.parse::<SocketAddr>() {
            Ok(address) => word.replace(bare, &address.ip().to_string()),
            Err(_) => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn one_fault_is_one_kind_whoever_it_befell() {
        let refused = |user: &str| {
            let text = format!("127.0.0.1:8081 refused the login as {user}: wrong (-32001)");
            Kind::of_login("login refused", Some(&text), &own(&["load", user])).words
        };
        assert_eq!(refused("load-1"), refused("load-2"));
        assert!(refused("load-1").contains("wrong (-32001)"));
        let expired = |ago: &str| {
            let text = format!("pbx refused the token: it expired {ago} ago");
            Kind::of_login("login refused", Some(&text), &[]).words
        };
        assert_eq!(expired("3 s"), expired("7 s"));
        assert_eq!(
            without_ports("cannot wait for the UDP socket on 10.0.0.1:4711 (x)"),
            "cannot wait for the UDP socket on 10.0.0.1 (x)"
        );
    }

    #[test]
    fn a_name_within_another_word_is_left() {
        let text = "user 1000 of demo-1000 is at 1000@pbx";
        assert_eq!(
            without_names(text, &own(&["1000"])),
            "user USER of demo-1000 is at USER@pbx"
        );
    }

    #[test]
    fn a_machine_at_its_end_is_ours() {
        let text = "cannot connect to ws://pbx: Too many open files (os error 24) (stage: tcp)";
        let kind = Kind::of_login("not ready in time", Some(text), &[]);
        assert!(kind.ours && kind.words.starts_with("our own limit: not ready in time"));
        assert!(!Kind::of_login("not ready in time", Some("refused"), &[]).ours);
    }
}
