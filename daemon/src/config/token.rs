//! Reads `token = {..}`: the program or the web service that an account gets its tokens from.

use std::path::PathBuf;
use std::time::Duration;

use offhook_engine::command_line::CommandLine;
use offhook_engine::token_source::{
    HeaderValue, HttpMethod, TIME_LIMIT, TokenEndpoint, TokenSource,
};
use offhook_engine::vocabulary::Secret;
use toml::Spanned;

use crate::config::account::{Blame, Surroundings, readable};
use crate::config::checked::{choice, duration, value};
use crate::config::error::{Fault, SecretFault};
use crate::config::raw::{RawHeader, RawToken};
use crate::config::secret_file::{self, Places};

/// Longest time that a source may take.
const LONGEST: Duration = Duration::from_secs(300);

pub(crate) fn read(
    entry: &Spanned<RawToken>,
    account: &str,
    surroundings: &Surroundings<'_>,
) -> Result<TokenSource, Blame> {
    let raw = entry.get_ref();
    let start = Some(entry.span().start);
    let time_limit = match &raw.time_limit {
        None => TIME_LIMIT,
        Some(limit) => match duration("time_limit", limit)? {
            short if short.is_zero() || short > LONGEST => {
                let fault = value(
                    "time_limit",
                    "...",
                    "a source takes more than nothing and less than 5 minutes".to_owned(),
                    "a duration such as \"10s\"",
                );
                return Err((Some(limit.span().start), fault));
            }
            limit => limit,
        },
    };
    let unclear = |found: &str| {
        let fault = Fault::TokenChoice {
            account: account.to_owned(),
            found: found.to_owned(),
        };
        Err((start, fault))
    };
    match (&raw.command, &raw.url) {
        (Some(argv), None) => {
            if raw.method.is_some()
                || raw.pointer.is_some()
                || raw.ca_file.is_some()
                || !raw.headers.is_empty()
            {
                return unclear("a `command` with keys that belong to a `url`");
            }
            let argv = argv.get_ref().clone();
            if argv.first().is_none_or(String::is_empty) {
                return unclear("an empty `command`");
            }
            Ok(TokenSource::Command(CommandLine { argv, time_limit }))
        }
        (None, Some(url)) => {
            let written = url.get_ref();
            if !(written.starts_with("https://") || written.starts_with("http://"))
                || written.contains('@')
            {
                let fault = value(
                    "url",
                    "...",
                    "it is no web address, or holds a user or password, which ends up in logs"
                        .to_owned(),
                    "a URL such as \"https://backend.example/token\"",
                );
                return Err((Some(url.span().start), fault));
            }
            let method = match raw.method.as_ref() {
                None => HttpMethod::default(),
                Some(text) => match text.get_ref().as_str() {
                    "GET" => HttpMethod::Get,
                    "POST" => HttpMethod::Post,
                    _ => {
                        return Err(choice(
                            "method",
                            text,
                            &["GET", "POST"],
                            "\"GET\" or \"POST\"",
                        ));
                    }
                },
            };
            let pointer = match &raw.pointer {
                Some(text) if !text.get_ref().starts_with('/') => {
                    let fault = value(
                        "pointer",
                        text.get_ref(),
                        "it is no JSON pointer".to_owned(),
                        "a path such as \"/data/token\"",
                    );
                    return Err((Some(text.span().start), fault));
                }
                other => other.as_ref().map(|text| text.get_ref().clone()),
            };
            let ca_file = raw.ca_file.as_ref();
            Ok(TokenSource::Endpoint(TokenEndpoint {
                url: written.clone(),
                method,
                headers: raw
                    .headers
                    .iter()
                    .map(|(name, header)| read_header(name, header, account, surroundings))
                    .collect::<Result<_, _>>()?,
                pointer,
                ca_file: ca_file
                    .map(|file| readable("ca_file", file, surroundings))
                    .transpose()?,
                time_limit,
            }))
        }
        (Some(_), Some(_)) => unclear("both a `command` and a `url`"),
        (None, None) => unclear("neither a `command` nor a `url`"),
    }
}

/// A header whose value is read from its file once: that of the upgrade of a WebSocket.
pub(crate) fn secret_header(
    name: &str,
    header: &Spanned<RawHeader>,
    key: &'static str,
    account: &str,
    surroundings: &Surroundings<'_>,
) -> Result<(String, String), Blame> {
    let (_, value) = header_file(header, key, account, surroundings)?;
    let prefix = header.get_ref().prefix.as_deref().unwrap_or_default();
    Ok((name.to_owned(), format!("{prefix}{}", value.expose())))
}

/// A header whose file is looked at now, so that a mistake is told at the start, and read at every use.
fn read_header(
    name: &str,
    header: &Spanned<RawHeader>,
    account: &str,
    surroundings: &Surroundings<'_>,
) -> Result<(String, HeaderValue), Blame> {
    let (path, _) = header_file(header, "token.headers", account, surroundings)?;
    let prefix = header.get_ref().prefix.clone().unwrap_or_default();
    Ok((name.to_owned(), HeaderValue::File { prefix, path }))
}

fn header_file(
    header: &Spanned<RawHeader>,
    key: &'static str,
    account: &str,
    surroundings: &Surroundings<'_>,
) -> Result<(PathBuf, Secret), Blame> {
    let places = Places {
        folder: surroundings.folder,
        credentials: surroundings.credentials,
    };
    let blame = |fault: SecretFault| {
        let account = account.to_owned();
        let fault = Fault::Secret {
            key,
            account,
            fault,
        };
        (Some(header.span().start), fault)
    };
    let path = secret_file::locate(header.get_ref().file.get_ref(), &places).map_err(blame)?;
    let value = secret_file::read(&path).map_err(blame)?;
    Ok((path, value))
}
