//! Quoted strings (RFC 3261, 25.1), and splitting that respects them.

use std::borrow::Cow;
use std::fmt;

/// Writes a text as a quoted string.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        f.write_char('"')?;
        for letter in self.0.chars() {
            if matches!(letter, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(letter)?;
        }
        f.write_char('"')
    }
}

/// Whether a parameter's value may stand as it is: a token or a host, an IPv6 one too.
pub fn needs_none(value: &str) -> bool {
    !value.is_empty()
        && value
            .bytes()
            .all(|byte| is_token(byte) || matches!(byte, b'[' | b']' | b':'))
}

/// Whether the byte may stand in a token.
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

/// The text without its quotes and escapes, when it has any.
pub fn without_quotes(value: &str) -> Cow<'_, str> {
    let Some(inner) = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return Cow::Borrowed(value);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.extend(letters.next()),
            other => text.push(other),
        }
    }
    Cow::Owned(text)
}

/// The parts between separators that stand outside quotes and angle brackets.
pub fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest?;
        match find(whole, separator) {
            Some(at) => {
                rest = whole.get(at + separator.len_utf8()..);
                whole.get(..at)
            }
            None => rest.take(),
        }
    })
}

/// As `str::split_once`, outside quotes and angle brackets.
pub fn split_once(text: &str, separator: char) -> Option<(&str, &str)> {
    let at = find(text, separator)?;
    Some((text.get(..at)?, text.get(at + separator.len_utf8()..)?))
}

fn find(text: &str, wanted: char) -> Option<usize> {
    let (mut quoted, mut escaped, mut angled) = (false, false, false);
    for (at, letter) in text.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        match letter {
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' if !quoted => angled = true,
            '>' if !quoted => angled = false,
            found if found == wanted && !quoted && !angled => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn separators_inside_quotes_and_brackets_do_not_separate() {
        let parts: Vec<_> = split(r#""a,b" <sip:c,d@e>;x=",", <sip:f>"#, ',').collect();
        assert_eq!(parts, [r#""a,b" <sip:c,d@e>;x=",""#, " <sip:f>"]);
    }

    proptest! {
        #[test]
        fn whatever_is_quoted_comes_back(text in any::<String>()) {
            let quoted = Quoted(&text).to_string();
            prop_assert_eq!(without_quotes(&quoted), text.as_str());
            prop_assert_eq!(split(&quoted, ';').count(), 1);
        }
    }
}
