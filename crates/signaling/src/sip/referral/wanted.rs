//! What a REFER wants, as far as it may be done (RFC 3515, 2.4; RFC 3892; RFC 3261, 19.1.5).

use crate::event::Party;
use crate::sip::call::identity::party;
use crate::sip::message::HeaderName;
use crate::sip::message::address::NameAddr;
use crate::sip::message::params::Params;
use crate::sip::message::request::Request;
use crate::sip::message::uri::Uri;

/// Most headers that an address may bring with it.
const MOST_HEADERS: usize = 8;

/// The three names of a dialog, as a Replaces or a Target-Dialog holds them (RFC 3891, 6.1; RFC 4538, 7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialogName {
    /// Call-ID.
    pub call_id: String,
    /// Tag of the one who reads it.
    pub to_tag: String,
    /// Tag of the other one.
    pub from_tag: String,
    /// Only while nobody has answered (RFC 3891).
    pub early_only: bool,
}

impl DialogName {
    /// Reads a Replaces. `None`: a part is missing, or stands there twice.
    pub fn read_replaces(line: &str) -> Option<Self> {
        Self::read(line, "to-tag", "from-tag")
    }

    /// Reads a Target-Dialog, whose tags are those of the one who reads it (local) and of the other one (remote).
    pub fn read_target(line: &str) -> Option<Self> {
        Self::read(line, "local-tag", "remote-tag")
    }

    fn read(line: &str, own: &str, other: &str) -> Option<Self> {
        let (call_id, tail) = line.split_once(';')?;
        let params = Params::read(tail);
        let once = |name: &str| {
            let named = |(known, _): &(&str, Option<&str>)| known.eq_ignore_ascii_case(name);
            (params.iter().filter(named).count() == 1)
                .then(|| params.get(name).map(str::to_owned))
                .flatten()
        };
        let call_id = call_id.trim();
        if call_id.is_empty() || call_id.contains(',') {
            return None;
        }
        Some(Self {
            call_id: call_id.to_owned(),
            to_tag: once(own)?,
            from_tag: once(other)?,
            early_only: params.has("early-only"),
        })
    }
}

/// A REFER that can be carried out.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Where the INVITE goes to: without headers.
    pub uri: Uri,
    /// Headers that the address brings for the INVITE, those left out that are not for others to set.
    pub headers: Vec<(String, String)>,
    /// The Referred-By line, to be copied as it is (RFC 3892, 2.2).
    pub referred_by: Option<String>,
    /// Who that is.
    pub by: Option<Party>,
    /// The dialog that the INVITE is to replace.
    pub replaces: Option<DialogName>,
}

impl Wanted {
    /// Reads a REFER; `Err`: the status that refuses it. `routed`: a `tel:` address finds its way by a Route.
    pub fn read(request: &Request, routed: bool) -> Result<Self, u16> {
        // Exactly one (RFC 3515, 2.4.2).
        let mut targets = request
            .headers
            .addresses(&HeaderName::ReferTo)
            .map_err(|_| 400_u16)?;
        let target = targets.pop().ok_or(400_u16)?;
        if !targets.is_empty() {
            return Err(400);
        }
        let uri = target.uri;
        match uri.scheme().as_str() {
            "sip" | "sips" => {}
            "tel" if routed => {}
            // Neither a file nor a mail address nor a page is a call.
            _ => return Err(416),
        }
        // Only calls are placed for others (RFC 3515, 2.4.2 leaves it to us).
        let method = uri.param("method");
        if method.is_some_and(|method| !method.eq_ignore_ascii_case("INVITE")) {
            return Err(501);
        }
        let mut bys = request.headers.all(&HeaderName::ReferredBy);
        let referred_by = bys.next();
        if bys.next().is_some() {
            return Err(400);
        }
        let by = match &referred_by {
            Some(line) => Some(party(&NameAddr::parse(line).map_err(|_| 400_u16)?)),
            None => None,
        };
        let brought = uri.headers();
        if brought.len() > MOST_HEADERS {
            return Err(400);
        }
        let mut replaced = brought
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("Replaces"));
        let replaces = match (replaced.next(), replaced.next()) {
            (None, _) => None,
            (Some((_, line)), None) => Some(DialogName::read_replaces(line).ok_or(400_u16)?),
            (Some(_), Some(_)) => return Err(400),
        };
        Ok(Self {
            uri: uri.without_param("method").without_headers(),
            headers: brought.into_iter().filter(is_allowed).collect(),
            referred_by,
            by,
            replaces,
        })
    }

    /// Whether it wants the place of the dialog in which it was said: nobody can replace a call by itself.
    pub fn is_loop(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> bool {
        self.replaces.as_ref().is_some_and(|replaces| {
            let tags = (replaces.to_tag.as_str(), replaces.from_tag.as_str());
            replaces.call_id == call_id
                && (tags == (local_tag, remote_tag) || tags == (remote_tag, local_tag))
        })
    }
}

/// What an address may put into a request of ours: the dialog to be replaced, and words that no server acts on. Everything
/// that says who we are, where the request goes, or what it is stays ours (RFC 3261, 19.1.5).
fn is_allowed((name, value): &(String, String)) -> bool {
    let lower = name.to_ascii_lowercase();
    let known = matches!(
        lower.as_str(),
        "replaces" | "subject" | "priority" | "user-to-user"
    );
    (known || lower.starts_with("x-")) && !value.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sip::message::read::{Incoming, read};

    fn wanted(lines: &str) -> Result<Wanted, u16> {
        let text = format!(
            "REFER sip:a@b.example SIP/2.0\r\nVia: SIP/2.0/WS c.invalid;branch=z9hG4bK1\r\nFrom: <sip:c@b.example>;tag=1\r\n\
             To: <sip:a@b.example>;tag=2\r\nCall-ID: x\r\nCSeq: 2 REFER\r\nMax-Forwards: 70\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        let Ok(Incoming::Request(request)) = read(text.as_bytes()) else {
            panic!("{text}");
        };
        Wanted::read(&request, false)
    }

    #[test]
    fn an_address_brings_what_it_may_and_no_more() {
        let text = "Refer-To: <sip:d@b.example;method=INVITE?Replaces=x%40y%3Bto-tag%3D1%3Bfrom-tag%3D2&Route=%3Csip:e%3E\
                    &From=f&X-Room=7&Contact=g&P-Asserted-Identity=h&Subject=a%0D%0AX-Evil:%20b>\r\n";
        let wanted = wanted(text).unwrap();
        assert_eq!(wanted.uri.to_string(), "sip:d@b.example");
        let names: Vec<_> = wanted
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["Replaces", "X-Room"]);
        let replaces = wanted.replaces.as_ref().unwrap();
        assert_eq!(replaces.call_id, "x@y");
        assert!(wanted.is_loop("x@y", "1", "2") && wanted.is_loop("x@y", "2", "1"));
        assert!(!wanted.is_loop("x@y", "1", "3"));
    }

    #[test]
    fn what_cannot_be_carried_out_has_its_status() {
        for (lines, status) in [
            ("", 400),
            (
                "Refer-To: <sip:a@b.example>\r\nRefer-To: <sip:c@b.example>\r\n",
                400,
            ),
            ("Refer-To: <sip:a@b.example>, <sip:c@b.example>\r\n", 400),
            ("Refer-To: <file:///etc/passwd>\r\n", 416),
            ("Refer-To: <mailto:a@b.example>\r\n", 416),
            ("Refer-To: <https://b.example/>\r\n", 416),
            ("Refer-To: <tel:+12015550123>\r\n", 416),
            ("Refer-To: <sip:a@b.example;method=BYE>\r\n", 501),
            (
                "Refer-To: <sip:a@b.example?Replaces=x%3Bto-tag%3D1>\r\n",
                400,
            ),
            (
                "Refer-To: <sip:a@b.example?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2&Replaces=y%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\n",
                400,
            ),
            (
                "Refer-To: <sip:a@b.example>\r\nReferred-By: <sip:a@b>\r\nReferred-By: <sip:b@b>\r\n",
                400,
            ),
        ] {
            assert_eq!(wanted(lines).map(|_| ()), Err(status), "{lines}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_replaces_holds_it_is_read_or_refused(line in "\\PC{0,60}") {
            let _ = DialogName::read_replaces(&line);
            let _ = DialogName::read_target(&line);
        }

        #[test]
        fn three_names_come_back(id in "[a-z0-9@.]{1,20}", to in "[a-z0-9]{1,9}", from in "[a-z0-9]{1,9}") {
            let name = DialogName::read_replaces(&format!("{id};from-tag={from};to-tag={to};early-only")).unwrap();
            prop_assert_eq!(name, DialogName { call_id: id, to_tag: to, from_tag: from, early_only: true });
        }
    }
}
