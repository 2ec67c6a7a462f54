//! SIP text, read and written for the model alone: lines and parameters, and nothing of what the session knows.

use std::fmt::Write as _;

/// One message as it was on the wire.
#[derive(Clone, Debug)]
pub(super) struct Message<'a> {
    line: &'a str,
    lines: Vec<(&'a str, &'a str)>,
    pub(super) body: &'a str,
}

impl<'a> Message<'a> {
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let (line, rest) = head.split_once("\r\n")?;
        let lines = rest
            .split("\r\n")
            .map(|line| {
                line.split_once(':')
                    .map(|(name, value)| (name, value.trim()))
            })
            .collect::<Option<_>>()?;
        Some(Self { line, lines, body })
    }

    /// Of a response.
    pub(super) fn status(&self) -> Option<u16> {
        let rest = self.line.strip_prefix("SIP/2.0 ")?;
        rest.split(' ').next()?.parse().ok()
    }

    pub(super) fn uri(&self) -> &'a str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    /// Of a request, or of the request that a response is about.
    pub(super) fn method(&self) -> &'a str {
        if self.status().is_some() {
            return self.get("CSeq").split(' ').nth(1).unwrap_or_default();
        }
        self.line.split(' ').next().unwrap_or_default()
    }

    pub(super) fn cseq(&self) -> u32 {
        let number = self.get("CSeq").split(' ').next();
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// The first value of that name, or nothing.
    pub(super) fn get(&self, name: &str) -> &'a str {
        self.all(name).next().unwrap_or_default()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.lines
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }

    pub(super) fn number(&self, name: &str) -> Option<u32> {
        self.get(name).split([';', ' ']).next()?.parse().ok()
    }

    pub(super) fn lists(&self, name: &str, token: &str) -> bool {
        self.all(name)
            .any(|line| line.split(',').any(|part| part.trim() == token))
    }

    pub(super) fn call_id(&self) -> &'a str {
        self.get("Call-ID")
    }

    pub(super) fn branch(&self) -> &'a str {
        param(self.get("Via"), "branch")
    }

    pub(super) fn tag_of_from(&self) -> &'a str {
        tag(self.get("From"))
    }

    pub(super) fn to_tag(&self) -> &'a str {
        tag(self.get("To"))
    }

    pub(super) fn has_sdp(&self) -> bool {
        !self.body.is_empty() && self.get("Content-Type") == "application/sdp"
    }

    /// The address between the brackets of a header.
    pub(super) fn address(&self, name: &str) -> &'a str {
        let line = self.get(name);
        let inner = line.split_once('<').map_or(line, |(_, rest)| rest);
        inner.split('>').next().unwrap_or_default()
    }
}

/// A parameter of a header, behind its address.
pub(super) fn param<'a>(line: &'a str, name: &str) -> &'a str {
    let tail = line.rsplit('>').next().unwrap_or(line);
    tail.split(';')
        .filter_map(|part| part.split_once('='))
        .find(|(known, _)| known.trim() == name)
        .map_or("", |(_, value)| value.trim())
}

pub(super) fn tag(line: &str) -> &str {
    param(line, "tag")
}

/// A message that is being written.
pub(super) struct Text(String);

impl Text {
    pub(super) fn request(method: &str, uri: &str) -> Self {
        Self(format!("{method} {uri} SIP/2.0\r\n"))
    }

    /// An answer with what it must copy; the tag goes into a To that has none.
    pub(super) fn answer(request: &Message<'_>, status: u16, tag: &str) -> Self {
        let mut text = Self(format!("SIP/2.0 {status} Said\r\n"));
        for via in request.all("Via") {
            text = text.line("Via", via);
        }
        for route in request.all("Record-Route") {
            text = text.line("Record-Route", route);
        }
        text = text.line("From", request.get("From"));
        let to = request.get("To");
        text = if status > 100 && request.to_tag().is_empty() {
            text.line("To", &format!("{to};tag={tag}"))
        } else {
            text.line("To", to)
        };
        text.line("Call-ID", request.call_id())
            .line("CSeq", request.get("CSeq"))
    }

    pub(super) fn line(mut self, name: &str, value: &str) -> Self {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{name}: {value}\r\n");
        self
    }

    pub(super) fn line_if(self, wanted: bool, name: &str, value: &str) -> Self {
        if wanted { self.line(name, value) } else { self }
    }

    pub(super) fn end(mut self) -> String {
        self.0.push_str("Content-Length: 0\r\n\r\n");
        self.0
    }

    pub(super) fn body(mut self, kind: &str, body: &str) -> String {
        let _ = write!(
            self.0,
            "Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0
    }

    /// With that description, if there is one.
    pub(super) fn sdp(self, sdp: Option<&str>) -> String {
        match sdp {
            Some(sdp) => self.body("application/sdp", sdp),
            None => self.end(),
        }
    }
}
