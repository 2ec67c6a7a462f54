//! Who the far side is, who we say that we are, and what may be shown of it (RFC 3323, 3325, 4916, 5806, 7044).

use crate::error::Error;
use crate::event::{Event, Party, Said};
use crate::sip::call::headers;
use crate::sip::call::state::Call;
use crate::sip::config::Config;
use crate::sip::message::HeaderName;
use crate::sip::message::address::NameAddr;
use crate::sip::message::headers::Headers;
use crate::sip::message::ids::Ids;
use crate::sip::message::quoted;
use crate::sip::message::uri::Uri;
use crate::sip::session::core::Core;

/// Headers with a name of their own that are shown to the user beside those that have none here.
const SHOWN: [HeaderName; 9] = [
    HeaderName::AlertInfo,
    HeaderName::CallInfo,
    HeaderName::Identity,
    HeaderName::InReplyTo,
    HeaderName::Organization,
    HeaderName::Priority,
    HeaderName::ReferredBy,
    HeaderName::ReplyTo,
    HeaderName::Subject,
];
/// Longest name that is shown or sent.
const LONGEST_NAME: usize = 256;
/// Most entries of a History-Info that are shown.
const MOST_RETARGETS: usize = 32;

/// Who sent a request: P-Asserted-Identity of a server that is believed, else From (RFC 3325, 8).
pub(in crate::sip) fn caller(headers: &Headers, ids: &Ids, config: &Config) -> Party {
    asserted(headers, config).unwrap_or_else(|| party(&ids.from))
}

/// What a server that is believed says of who sent a message. One or two values: a `tel:` one is the number, the other one
/// may bring the name (RFC 3325, 9.1).
pub(in crate::sip) fn asserted(headers: &Headers, config: &Config) -> Option<Party> {
    if !config.trusts_identity {
        return None;
    }
    let values = headers.addresses(&HeaderName::PAssertedIdentity).ok()?;
    let first = values.first()?;
    let number = values.iter().find(|value| value.uri.scheme() == "tel");
    let mut shown = party(number.unwrap_or(first));
    if shown.name.is_empty() {
        let named = values.iter().take(2).map(|value| party(value).name);
        let mut named = named.filter(|name| !name.is_empty());
        shown.name = named.next().unwrap_or_default();
    }
    Some(shown)
}

/// Name and number of an address. Who hides has no number (RFC 3323, 4.1.1.3).
pub(in crate::sip) fn party(address: &NameAddr) -> Party {
    let number = if is_nobody(&address.uri) {
        String::new()
    } else {
        let user = address.uri.user().or_else(|| address.uri.host());
        user.unwrap_or_else(|| address.uri.to_string())
    };
    Party {
        name: printable(address.display_name.as_deref().unwrap_or_default()),
        number: printable(&number),
    }
}

/// A text of a stranger as it may stand on a screen.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(LONGEST_NAME)
        .collect()
}

/// What a message says beside its purpose: headers that have no name here (`X-...`, Diversion), and those that a person may
/// want to see. Of History-Info the entries in the order of their index, but for those that are private. Who somebody is
/// (P-Asserted-Identity, a From with `verstat`) only of a server that is believed.
pub(in crate::sip) fn said(message: &Headers, config: &Config) -> Box<Said> {
    let mut headers = message.others();
    for name in &SHOWN {
        headers.extend(message.all(name).map(|value| (name.to_string(), value)));
    }
    headers.extend(
        retargets(message)
            .into_iter()
            .map(|entry| (HeaderName::HistoryInfo.to_string(), entry)),
    );
    if config.trusts_identity {
        for value in message.all(&HeaderName::PAssertedIdentity) {
            headers.push((HeaderName::PAssertedIdentity.to_string(), value));
        }
        let from = message.get(&HeaderName::From).unwrap_or_default();
        if from.to_ascii_lowercase().contains(";verstat=") {
            headers.push((HeaderName::From.to_string(), from));
        }
    }
    Box::new(Said {
        headers,
        client_state: None,
        variables: Vec::new(),
    })
}

/// The entries of History-Info, the oldest first. Privacy `history` on the message or on an entry hides it, as does `header`
/// and `session` (RFC 7044, 10.1.2).
fn retargets(headers: &Headers) -> Vec<String> {
    let hides = |value: &str| {
        let mut words = value.split([';', ',']).map(str::trim);
        words.any(|word| {
            matches!(
                word.to_ascii_lowercase().as_str(),
                "history" | "header" | "session"
            )
        })
    };
    if headers.all(&HeaderName::Privacy).any(|value| hides(&value)) {
        return Vec::new();
    }
    let mut entries: Vec<(Vec<u32>, String)> = Vec::new();
    for line in headers.all(&HeaderName::HistoryInfo) {
        for entry in quoted::split(&line, ',').take(MOST_RETARGETS) {
            let Ok(address) = NameAddr::parse(entry.trim()) else {
                continue;
            };
            let mut privacy = address.uri.headers().into_iter();
            if privacy.any(|(name, value)| name.eq_ignore_ascii_case("privacy") && hides(&value)) {
                continue;
            }
            let index = address.params.get("index").unwrap_or_default();
            let index = index.split('.').filter_map(|part| part.parse().ok());
            entries.push((index.collect(), entry.trim().to_owned()));
        }
    }
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    entries.truncate(MOST_RETARGETS);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

impl Call {
    /// The far side is somebody else than the user was shown, or the server only now says who it is.
    pub(in crate::sip) fn show(&mut self, party: Party, core: &mut Core) {
        if self.shown != party {
            self.shown = party.clone();
            core.tell(Event::Display {
                call: self.id.clone(),
                remote: party,
            });
        }
    }

    /// The same for an answer, which no From speaks for.
    pub(in crate::sip) fn show_asserted(&mut self, headers: &Headers, core: &mut Core) {
        if let Some(party) = asserted(headers, &core.config) {
            self.show(party, core);
        }
    }
}

/// Whether the user's headers of a call ask for privacy (RFC 3323, 4.2; RFC 3325, 9.3).
///
/// # Errors
/// They ask for something that is no privacy, or for it and for none at once.
pub(in crate::sip) fn wants_privacy(users: &[(String, String)]) -> Result<bool, Error> {
    let mut words = Vec::new();
    for (name, value) in users {
        if name.trim().eq_ignore_ascii_case("Privacy") {
            words.extend(
                value
                    .split(';')
                    .map(|word| word.trim().to_ascii_lowercase()),
            );
        }
    }
    let known = [
        "id", "user", "header", "session", "critical", "history", "none",
    ];
    let unsayable = |fault| Error::Unsayable {
        command: "call",
        fault,
    };
    if !words.iter().all(|word| known.contains(&word.as_str())) {
        return Err(unsayable("the privacy asked for is none that SIP knows"));
    }
    let none = words.iter().any(|word| word == "none");
    if none && words.len() > 1 {
        return Err(unsayable("privacy `none` stands alone"));
    }
    Ok(!none
        && words
            .iter()
            .any(|word| matches!(word.as_str(), "id" | "user")))
}

/// From of a call of ours.
///
/// # Errors
/// The name would not stay one.
pub(in crate::sip) fn from(
    config: &Config,
    name: Option<String>,
    hides: bool,
) -> Result<NameAddr, Error> {
    let name = name.or_else(|| config.display_name.clone());
    let name = name.filter(|name| !name.is_empty());
    if let Some(name) = &name
        && (name.chars().any(char::is_control) || name.len() > LONGEST_NAME)
    {
        return Err(Error::Unsayable {
            command: "call",
            fault: "the caller's name holds a line break or another control character, or is too long",
        });
    }
    if hides {
        return Ok(NameAddr {
            display_name: Some("Anonymous".to_owned()),
            ..NameAddr::new(uri(config, hides))
        });
    }
    Ok(NameAddr {
        display_name: name,
        ..NameAddr::new(config.aor.clone())
    })
}

/// Our address as others may know it: nobody's where we hide (RFC 3323, 4.1.1.3).
pub(in crate::sip) fn uri(config: &Config, hides: bool) -> Uri {
    let anonymous = Uri::parse("sip:anonymous@anonymous.invalid").ok();
    let anonymous = anonymous.filter(|_| hides);
    anonymous.unwrap_or_else(|| config.aor.clone())
}

/// Whether that is nobody's address.
pub(in crate::sip) fn is_nobody(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    host.eq_ignore_ascii_case("anonymous.invalid")
}

/// From of a request of ours about no call, without its tag.
pub(in crate::sip) fn own(config: &Config) -> NameAddr {
    from(config, None, headers::is_anonymous(config))
        .unwrap_or_else(|_| NameAddr::new(config.aor.clone()))
}
