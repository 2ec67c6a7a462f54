//! A mailbox in a few lines: simple-message-summary (RFC 3842, 5.2).

use serde_json::{Map, Value, json};

/// Most lines that are looked at.
const MOST_LINES: usize = 64;

/// Classes of messages, as the lines name them and as events do.
const CLASSES: [(&str, &str); 6] = [
    ("voice-message", "voice"),
    ("fax-message", "fax"),
    ("pager-message", "pager"),
    ("multimedia-message", "multimedia"),
    ("text-message", "text"),
    ("none", "none"),
];

/// Reads a body. `None`: it does not say whether messages wait.
pub fn read(body: &str) -> Option<Value> {
    let (mut waiting, mut account, mut messages) = (None, None, Map::new());
    for line in body.lines().take(MOST_LINES) {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        match name.as_str() {
            "messages-waiting" => {
                waiting = match value.to_ascii_lowercase().as_str() {
                    "yes" => Some(true),
                    "no" => Some(false),
                    _ => None,
                }
            }
            "message-account" => account = Some(value.to_owned()),
            _ => {
                let class = CLASSES.iter().find(|(known, _)| *known == name);
                if let (Some((_, class)), Some(counts)) = (class, counts(value)) {
                    messages.insert((*class).to_owned(), counts);
                }
            }
        }
    }
    waiting.map(|waiting| {
        json!({
            "kind": "message-summary",
            "waiting": waiting,
            "account": account,
            "messages": messages,
        })
    })
}

/// `new/old (urgent-new/urgent-old)`.
fn counts(value: &str) -> Option<Value> {
    let pair = |text: &str| {
        let (new, old) = text.trim().split_once('/')?;
        let number = |text: &str| text.trim().parse::<u32>().ok();
        Some((number(new)?, number(old)?))
    };
    let (all, urgent) = match value.split_once('(') {
        Some((all, urgent)) => (all, pair(urgent.trim_end().trim_end_matches(')'))),
        None => (value, None),
    };
    let (new, old) = pair(all)?;
    let (urgent_new, urgent_old) = urgent.unwrap_or_default();
    Some(json!({"new": new, "old": old, "urgent_new": urgent_new, "urgent_old": urgent_old}))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mailbox_is_read() {
        let body = "Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 4/8 (1/2)\r\n\
                    Fax-Message: 1/0\r\n\r\nTo: <alice@example.com>\r\n";
        let read = read(body).unwrap();
        assert_eq!(
            read,
            json!({"kind": "message-summary", "waiting": true, "account": "sip:alice@vmail.example.com", "messages": {
                "voice": {"new": 4, "old": 8, "urgent_new": 1, "urgent_old": 2},
                "fax": {"new": 1, "old": 0, "urgent_new": 0, "urgent_old": 0},
            }})
        );
    }

    #[test]
    fn sloppy_ones_are_read_as_far_as_they_say_something() {
        let body = "messages-waiting:NO\nVoice-Message: x/y\nFax-Message: 99999999999/1\nnonsense";
        let read = read(body).unwrap();
        assert_eq!(read["waiting"], false);
        assert_eq!(read["messages"], json!({}));
        assert!(super::read("Voice-Message: 1/2").is_none());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(body in "\\PC{0,200}", value in "[0-9/() ]{0,20}") {
            let _ = read(&body);
            let _ = read(&format!("Messages-Waiting: yes\r\nVoice-Message: {value}\r\n"));
        }
    }
}
