//! The configuration as the daemon uses it: every value read, every file looked at, nothing left to doubt.

use std::collections::HashSet;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use offhook_engine::config::{AccountConfig, AudioConfig, MediaConfig};
use offhook_engine::driver::secret_file::without_value;
use offhook_engine::request::Dtmf;
use offhook_engine::vocabulary::{
    AudioCodec, InterfaceChoice, InterfacePattern, Login, NoPattern, subject,
};
use toml::Spanned;
use tracing::level_filters::LevelFilter;

use crate::config::account::{self, Surroundings};
use crate::config::audio;
use crate::config::duration::RawDuration;
use crate::config::error::{ConfigError, Fault};
use crate::config::keys::{first_unknown, nearest};
use crate::config::raw::{RawConfig, RawInterfaces, RawMedia, Text};
use crate::config::same_login::{ServerKey, is_same_user};
use crate::log;

/// The priority of media threads under the real-time scheduler, where that is allowed: above ordinary programs, below what a
/// machine's owner runs in real time by hand.
const REAL_TIME: u8 = 10;

/// A configuration that the daemon can run with.
#[derive(Debug)]
pub(crate) struct Config {
    /// The control socket, if the file names one.
    pub(crate) socket: Option<PathBuf>,
    /// The accounts with their secrets.
    pub(crate) accounts: Vec<AccountConfig>,
    /// Input and output of calls.
    pub(crate) audio: AudioConfig,
    /// How media is set up.
    pub(crate) media: MediaConfig,
    /// How much is logged.
    pub(crate) level: LevelFilter,
    /// Where sessions are remembered, if the file says so.
    pub(crate) state_file: Option<PathBuf>,
    /// What works and should not be left so, a sentence each.
    pub(crate) warnings: Vec<String>,
}

/// Reads a configuration file and all that it names.
pub(crate) fn load(file: &Path, credentials: Option<&Path>) -> Result<Config, ConfigError> {
    let blame = |line, fault| ConfigError {
        file: file.to_owned(),
        line,
        fault: Box::new(fault),
    };
    let text =
        std::fs::read_to_string(file).map_err(|error| blame(None, Fault::Unreadable(error)))?;
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    check(
        &text,
        &Surroundings {
            folder,
            credentials,
        },
    )
    .map_err(|(offset, fault)| blame(offset.map(|offset| line_of(&text, offset)), fault))
}

/// Reads the text; a fault comes with the byte offset of what is to blame.
pub(crate) fn check(
    text: &str,
    surroundings: &Surroundings<'_>,
) -> Result<Config, (Option<usize>, Fault)> {
    let table = toml::de::DeTable::parse(text).map_err(|error| syntax(&error))?;
    // Before the types are read: a typing error is better told by the name it should have been.
    if let Some(unknown) = first_unknown(table.get_ref()) {
        return Err((Some(unknown.offset), unknown.fault));
    }
    let raw = read_raw(text)?;
    let mut names = HashSet::new();
    let mut accounts: Vec<AccountConfig> = Vec::new();
    let mut warnings = Vec::new();
    for entry in &raw.account {
        let (account, told) = account::read(entry, surroundings)?;
        warnings.extend(told);
        if !names.insert(account.name.clone()) {
            return Err((
                Some(entry.span().start),
                Fault::DuplicateAccount(account.name),
            ));
        }
        if let Some(first) = accounts.iter().find(|other| is_same(other, &account)) {
            return Err((
                Some(entry.span().start),
                Fault::SharedCredential {
                    first: first.name.clone(),
                    second: account.name,
                },
            ));
        }
        if let Some(first) = accounts.iter().find(|other| one_subject(other, &account)) {
            warnings.push(format!(
                "the tokens of the accounts `{}` and `{}` are for one subject (`sub`): if that is one credential, only one of them is \
                 called; give each account a credential of its own",
                first.name, account.name
            ));
        }
        accounts.push(account);
    }
    if accounts.is_empty() {
        return Err((None, Fault::NoAccount));
    }
    let at = |(text, fault): audio::Blame<'_>| (text.map(|text| text.span().start), fault);
    Ok(Config {
        socket: raw
            .control
            .and_then(|control| control.socket)
            .map(|path| surroundings.folder.join(path.into_inner())),
        accounts,
        audio: audio::read(raw.audio.as_ref(), surroundings.folder).map_err(at)?,
        warnings,
        state_file: raw
            .state
            .and_then(|state| state.file)
            .map(|path| surroundings.folder.join(path.into_inner())),
        media: media(&raw.media.unwrap_or_default())?,
        level: raw
            .log
            .and_then(|log| log.level)
            .as_ref()
            .map_or(Ok(LevelFilter::INFO), level)?,
    })
}

/// The text as it is written, its values still unread.
pub(crate) fn read_raw(text: &str) -> Result<RawConfig, (Option<usize>, Fault)> {
    toml::from_str(text).map_err(|error| syntax(&error))
}

/// Whether two accounts would register as one at their server, as far as the configuration shows.
fn is_same(one: &AccountConfig, other: &AccountConfig) -> bool {
    let who = match (&one.login, &other.login) {
        (Login::Password { user, .. }, Login::Password { user: another, .. }) => {
            is_same_user(user, another)
        }
        (Login::Token { token }, Login::Token { token: another }) => {
            if token.expose().is_empty() {
                one.token_source == other.token_source
            } else {
                token == another
            }
        }
        _ => false,
    };
    who && ServerKey::of(&one.server) == ServerKey::of(&other.server)
}

/// Whether the tokens of two accounts are for one subject at one server. What that is no document of Telnyx says, so it is no
/// fault that would keep all other accounts from their server.
fn one_subject(one: &AccountConfig, other: &AccountConfig) -> bool {
    let (Login::Token { token }, Login::Token { token: another }) = (&one.login, &other.login)
    else {
        return false;
    };
    // With SIP the login beside the token says whose calls come here.
    if one.protocol.is_sip() || other.protocol.is_sip() {
        return false;
    }
    let same = subject(token.expose())
        .is_some_and(|name| subject(another.expose()).is_some_and(|other| name == other));
    same && ServerKey::of(&one.server) == ServerKey::of(&other.server)
}

fn syntax(error: &toml::de::Error) -> (Option<usize>, Fault) {
    let message = error.message().lines().next().unwrap_or("this is no TOML");
    let message = without_value(message);
    (
        error.span().map(|span| span.start),
        Fault::Syntax { message },
    )
}

/// The line of a byte offset; 1 is the first.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}

fn level(text: &Text) -> Result<LevelFilter, (Option<usize>, Fault)> {
    log::level(text.get_ref()).ok_or_else(|| {
        choice(
            "level",
            text,
            &log::LEVELS,
            "off, error, warn, info, debug or trace",
        )
    })
}

fn media(raw: &RawMedia) -> Result<MediaConfig, (Option<usize>, Fault)> {
    let mut media = MediaConfig::default();
    if let Some(limit) = &raw.media_timeout {
        media.media_timeout = duration("media_timeout", limit)?;
    }
    if let Some(limit) = &raw.no_media {
        media.no_media_after = duration("no_media", limit)?;
    }
    if let Some(codecs) = &raw.codecs {
        media.codecs = codecs.iter().map(codec).collect::<Result<_, _>>()?;
    }
    if let Some(addresses) = &raw.addresses {
        media.addresses = addresses.iter().map(address).collect::<Result<_, _>>()?;
    }
    if let Some(interfaces) = &raw.interfaces {
        if raw.addresses.is_some() {
            return Err((
                Some(interfaces.span().start),
                Fault::Together {
                    table: "[media]",
                    one: "interfaces",
                    other: "addresses",
                },
            ));
        }
        media.interfaces = choice_of(interfaces.get_ref())?;
    }
    if let Some(dtmf) = &raw.dtmf {
        media.dtmf = match dtmf.get_ref().as_str() {
            "info" => Some(Dtmf::Info),
            "rfc4733" => Some(Dtmf::Rfc4733),
            _ => {
                return Err(choice(
                    "dtmf",
                    dtmf,
                    &["info", "rfc4733"],
                    "\"info\" or \"rfc4733\"",
                ));
            }
        };
    }
    media.loopback = raw.loopback;
    media.ports = raw.ports.as_ref().map(ports).transpose()?;
    media.real_time = real_time(raw.real_time.as_ref())?;
    Ok(media)
}

fn ports(text: &Text) -> Result<RangeInclusive<u16>, (Option<usize>, Fault)> {
    let refused = |why: &str| {
        let why = why.to_owned();
        let expected = "first and last UDP port, such as \"40000-40999\"";
        (
            Some(text.span().start),
            value("ports", text.get_ref(), why, expected),
        )
    };
    let port = |written: &str| written.trim().parse::<u16>().ok().filter(|port| *port > 0);
    let (first, last) = text
        .get_ref()
        .split_once('-')
        .and_then(|(first, last)| Some((port(first)?, port(last)?)))
        .ok_or_else(|| refused("it is no range of ports"))?;
    if first > last {
        return Err(refused("its last port comes before its first"));
    }
    Ok(first..=last)
}

fn real_time(priority: Option<&Spanned<i64>>) -> Result<Option<u8>, (Option<usize>, Fault)> {
    let Some(priority) = priority else {
        return Ok(Some(REAL_TIME));
    };
    match u8::try_from(*priority.get_ref()) {
        Ok(0) => Ok(None),
        Ok(value) if value < 100 => Ok(Some(value)),
        _ => Err((
            Some(priority.span().start),
            Fault::Value {
                key: "real_time",
                value: priority.get_ref().to_string(),
                why: "it is no real-time priority".to_owned(),
                expected: "1 to 99, or 0 for an ordinary thread",
            },
        )),
    }
}

pub(crate) fn codec(text: &Text) -> Result<AudioCodec, (Option<usize>, Fault)> {
    match text.get_ref().to_ascii_lowercase().as_str() {
        "opus" => Ok(AudioCodec::Opus),
        "g722" => Ok(AudioCodec::G722),
        "pcmu" => Ok(AudioCodec::Pcmu),
        "pcma" => Ok(AudioCodec::Pcma),
        _ => Err(choice(
            "codecs",
            text,
            &["opus", "g722", "pcmu", "pcma"],
            "\"opus\", \"g722\", \"pcmu\" and \"pcma\", best first",
        )),
    }
}

fn address(text: &Text) -> Result<IpAddr, (Option<usize>, Fault)> {
    text.get_ref().parse().map_err(|_| {
        let why = "it is no IP address".to_owned();
        (
            Some(text.span().start),
            value(
                "addresses",
                text.get_ref(),
                why,
                "addresses of this machine, such as \"192.0.2.7\"",
            ),
        )
    })
}

fn choice_of(raw: &RawInterfaces) -> Result<InterfaceChoice, (Option<usize>, Fault)> {
    let read = |texts: &[Text]| texts.iter().map(interface).collect::<Result<Vec<_>, _>>();
    Ok(InterfaceChoice {
        allow: read(&raw.allow)?,
        deny: read(&raw.deny)?,
        prefer: read(&raw.prefer)?,
    })
}

fn interface(text: &Text) -> Result<InterfacePattern, (Option<usize>, Fault)> {
    text.get_ref().parse().map_err(|refusal: NoPattern| {
        (
            Some(text.span().start),
            value(
                "interfaces",
                text.get_ref(),
                refusal.to_string(),
                "names such as \"eth0\" or \"docker*\", addresses, or networks such as \"10.0.0.0/8\"",
            ),
        )
    })
}

/// Reads a duration of at most a day.
pub(crate) fn duration(
    key: &'static str,
    raw: &Spanned<RawDuration>,
) -> Result<Duration, (Option<usize>, Fault)> {
    const EXPECTED: &str = "a number of seconds, or text such as \"500ms\", \"60s\", \"2m\"";
    let fault = |why: &str| {
        (
            Some(raw.span().start),
            value(key, &raw.get_ref().written(), why.to_owned(), EXPECTED),
        )
    };
    let duration = raw
        .get_ref()
        .read()
        .ok_or_else(|| fault("it is no duration"))?;
    if duration > Duration::from_secs(24 * 3600) {
        Err(fault("it is longer than a day"))
    } else {
        Ok(duration)
    }
}

/// A value that is none of the words that may stand there.
pub(crate) fn choice(
    key: &'static str,
    text: &Text,
    words: &[&'static str],
    expected: &'static str,
) -> (Option<usize>, Fault) {
    let written = text.get_ref();
    let why = nearest(written, words).map_or_else(
        || "it is unknown".to_owned(),
        |word| format!("did you mean {word:?}?"),
    );
    (Some(text.span().start), value(key, written, why, expected))
}

/// A value outside what its key takes.
pub(crate) fn value(
    key: &'static str,
    written: &str,
    why: String,
    expected: &'static str,
) -> Fault {
    Fault::Value {
        key,
        value: written.chars().take(80).collect(),
        why,
        expected,
    }
}
