//! Tells a token or an API key in a text that should hold none, and takes it out of what is shown.

use std::ops::Range;

use offhook_engine::vocabulary::Lifetime;

/// Shorter than any key; long enough not to be a word.
const SHORTEST_KEY: usize = 20;

/// What a text looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A JSON Web Token.
    Token,
    /// A key of Telnyx's REST API.
    ApiKey,
}

impl Kind {
    /// In a sentence.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Token => "a token (JWT)",
            Self::ApiKey => "an API key",
        }
    }
}

/// Every token and key in a text, with where it stands (bytes).
pub(crate) fn find(text: &str) -> Vec<(Range<usize>, Kind)> {
    let mut found = Vec::new();
    // Letters of base64url (RFC 4648, section 5) and the dots of a token.
    let other = |letter: char| !(letter.is_ascii_alphanumeric() || "-_.".contains(letter));
    let mut start = 0;
    for word in text.split(other) {
        let end = start + word.len();
        let bare = word.trim_matches(['.', '-']);
        if let Some(kind) = kind(bare) {
            let from = end - word.trim_start_matches(['.', '-']).len();
            found.push((from..from + bare.len(), kind));
        }
        let rest = text.get(end..).unwrap_or_default();
        start = end + rest.chars().next().map_or(0, char::len_utf8);
    }
    found
}

/// What one word looks like.
pub(crate) fn kind(word: &str) -> Option<Kind> {
    if word.starts_with("KEY") && word.len() >= SHORTEST_KEY {
        let digit = word.bytes().any(|byte| byte.is_ascii_digit());
        return (digit && !word.contains('.')).then_some(Kind::ApiKey);
    }
    let (header, _) = word.split_once('.')?;
    let is_object = |part: &str| Lifetime::read(&format!("x.{part}.x")).is_ok();
    (word.len() >= SHORTEST_KEY && Lifetime::read(word).is_ok() && is_object(header))
        .then_some(Kind::Token)
}

/// The text without them.
pub(crate) fn hide(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for (range, _) in find(text) {
        shown.push_str(text.get(from..range.start).unwrap_or_default());
        shown.push_str("...");
        from = range.end;
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "eyJhbGciOiJIUzUxMiJ9.eyJleHAiOjF9.c2lnbmF0dXJl";
    const KEY: &str = "KEY0123456789ABCDEF0123456789ABCDEF_abcdefghijklmnopqrst12";

    #[test]
    fn tokens_and_keys_are_found_wherever_they_stand() {
        for (text, kind) in [
            (TOKEN.to_owned(), Kind::Token),
            (format!("cannot read /etc/{TOKEN} (gone)"), Kind::Token),
            (format!("Bearer {TOKEN}=="), Kind::Token),
            (KEY.to_owned(), Kind::ApiKey),
            (format!("https://a.example/t?key={KEY}&x=1"), Kind::ApiKey),
            (format!("K={KEY}"), Kind::ApiKey),
        ] {
            let found = find(&text);
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(found[0].1, kind, "{text}");
            let shown = hide(&text);
            assert!(!shown.contains(TOKEN) && !shown.contains(KEY), "{shown}");
            assert!(shown.contains("..."), "{shown}");
        }
    }

    #[test]
    fn ordinary_texts_are_left_alone() {
        for text in [
            "wss://rtc.telnyx.com",
            "www.e30.com",
            "/etc/offhook/desk.password",
            "KEYBOARD_OF_THE_KIOSK_IN_THE_HALL",
            "KEYNOTE",
            "sip.pbx.example.com:8082",
            "v=1.2.3==",
            "ü.ö.ä",
            "",
        ] {
            assert_eq!(find(text), [], "{text}");
            assert_eq!(hide(text), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(KEY|eyJ|[.=/ ü]|[a-z0-9]{0,12}){0,12}") {
            let shown = hide(&text);
            proptest::prop_assert!(find(&shown).is_empty() || !find(&text).is_empty());
        }
    }
}
