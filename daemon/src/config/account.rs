//! Reads one `[[account]]`: server, login with its secret, connection.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use offhook_engine::config::AccountConfig;
use offhook_engine::protocol::Protocol;
use offhook_engine::token_source::TokenSource;
use offhook_engine::vocabulary::{FREESWITCH, Login, LoginKind, NoProxy, Proxy, Secret, TELNYX};
use toml::Spanned;

use crate::config::account_media;
use crate::config::checked::{choice, duration, value};
use crate::config::error::{Fault, SecretFault};
use crate::config::gateway;
use crate::config::ice;
use crate::config::identity;
use crate::config::raw::{RawAccount, RawAnonymous, Text};
use crate::config::secret_file::{self, Places};
use crate::config::{sip, token, tool, trust};

/// Where the configuration stands.
pub(crate) struct Surroundings<'a> {
    /// Its folder: relative paths start here.
    pub(crate) folder: &'a Path,
    /// `$CREDENTIALS_DIRECTORY`, if systemd set it.
    pub(crate) credentials: Option<&'a Path>,
}

pub(crate) type Blame = (Option<usize>, Fault);

/// Reads an account with its secret.
pub(crate) fn read(
    entry: &Spanned<RawAccount>,
    surroundings: &Surroundings<'_>,
) -> Result<(AccountConfig, Vec<String>), Blame> {
    let raw = entry.get_ref();
    let start = entry.span().start;
    let name = needed(
        &raw.name,
        "name",
        "an [[account]]",
        "requests and notices name the account by it",
        start,
    )?;
    let name = name.get_ref().clone();
    let table = format!("account `{name}`");
    if name.is_empty() || name.chars().any(char::is_control) {
        let fault = value(
            "name",
            &name,
            "it is empty or holds control characters".to_owned(),
            "a short word",
        );
        return Err((Some(start), fault));
    }
    let dialect = needed(&raw.dialect, "dialect", &table, DIALECTS, start)?;
    let protocol = read_dialect(dialect)?;
    let environment = gateway::environment(raw, protocol)?;
    let server = match (&raw.server, environment) {
        (None, Some(environment)) => environment.server().to_owned(),
        (server, _) => {
            let meaning = "the ws:// or wss:// URL of the server";
            let server = needed(server, "server", &table, meaning, start)?;
            check_server(server)?;
            server.get_ref().clone()
        }
    };
    let (login, token_source) = read_login(raw, &name, protocol, surroundings, start)?;
    if login.kind() == LoginKind::Anonymous {
        refuse_inbound(raw, &name)?;
    }
    let warnings = [
        read_profile(raw, &name, &login)?,
        trust::in_clear(&name, protocol, &server, &login),
    ];
    let tools = tool::read_all(&raw.tool, &name, protocol)?;
    let mut account = AccountConfig::new(name, protocol, server, login);
    account.token_source = token_source;
    account.password_file = raw
        .password_file
        .as_ref()
        .map(|file| locate("password_file", file, &account.name, surroundings))
        .transpose()?;
    account.tools = tools;
    if let Some(before) = &raw.refresh_before {
        account.token_refresh.before = duration("refresh_before", before)?;
    }
    account.region = raw.region.as_ref().map(read_region).transpose()?;
    if let Some(wanted) = &raw.call_reports {
        account.call_reports = *wanted.get_ref();
        if account.call_reports && !protocol.has_gateway() {
            let fault = value(
                "call_reports",
                "true",
                format!("a {} server takes none", protocol.name()),
                "false, or an account at Telnyx",
            );
            return Err((Some(wanted.span().start), fault));
        }
    }
    gateway::read_report_pace(raw, &mut account)?;
    account.ice = ice::read(raw, &account.name, surroundings)?;
    if let Some(media) = &raw.media {
        account.media = account_media::read(media)?;
    }
    gateway::read(raw, environment, &mut account)?;
    account.server_commands = raw.server_commands.unwrap_or_default();
    account.recover_calls = raw.recover_calls.unwrap_or(true);
    account.caller_name = raw.caller_name.as_ref().map(|text| text.get_ref().clone());
    account.caller_number = raw
        .caller_number
        .as_ref()
        .map(|text| text.get_ref().clone());
    account.connect.trust = trust::read(raw, surroundings)?;
    if let Some(identity) = identity::read(raw, &account.name, surroundings)? {
        account.connect.trust = account.connect.trust.with_identity(identity);
    }
    account.connect.proxy = read_proxy(raw, surroundings)?;
    if let Some(base) = &raw.backoff_base {
        account.backoff.base = duration("backoff_base", base)?;
    }
    if let Some(cap) = &raw.backoff_max {
        account.backoff.cap = duration("backoff_max", cap)?;
    }
    if let Some(most) = &raw.reconnect_attempts {
        if protocol.is_sip() {
            let fault = value(
                "reconnect_attempts",
                &most.get_ref().to_string(),
                "a registrar is asked as long as there is somebody to register".to_owned(),
                "an account without the key",
            );
            return Err((Some(most.span().start), fault));
        }
        account.backoff.attempts = Some(*most.get_ref());
    }
    sip::read(raw, &mut account)?;
    for (name, header) in &raw.socket_headers {
        let header =
            token::secret_header(name, header, "socket_headers", &account.name, surroundings)?;
        account.connect.headers.push(header);
    }
    Ok((account, warnings.into_iter().flatten().collect()))
}

/// Refuses what would say how calls that come in are answered: without an identity none can.
fn refuse_inbound(raw: &RawAccount, account: &str) -> Result<(), Blame> {
    // Every key stands here, so that a new one cannot be added without a decision: a setting for calls that come in
    // belongs into `inbound`, with its name and its place in the file.
    let RawAccount {
        name: _,
        dialect: _,
        server: _,
        login: _,
        password_file: _,
        token_file: _,
        token: _,
        refresh_before: _,
        profile: _,
        region: _,
        environment: _,
        skip_last_voice_sdk_id: _,
        rtc_ip: _,
        rtc_port: _,
        canary: _,
        skip_trailing: _,
        origin: _,
        refused_retry: _,
        refused_retry_max: _,
        user_variables: _,
        login_params: _,
        // Of every call, whoever placed it.
        start_muted: _,
        // What the account itself asks for.
        watch: _,
        server_commands: _,
        // Of calls that were under way before, whoever placed them.
        recover_calls: _,
        anonymous: _,
        tool: _,
        ca_file: _,
        certificate_sha256: _,
        client_certificate_file: _,
        client_key_file: _,
        proxy: _,
        proxy_credentials_file: _,
        no_proxy: _,
        caller_name: _,
        caller_number: _,
        backoff_base: _,
        backoff_max: _,
        reconnect_attempts: _,
        ice_servers: _,
        ice_policy: _,
        trickle_ice: _,
        media: _,
        call_reports: _,
        call_report_interval: _,
        call_report_flush_interval: _,
        auth_user: _,
        further_servers: _,
        routes: _,
        instance: _,
        register,
        expires: _,
        reliable_provisional: _,
        session_expires: _,
        trust_identity: _,
        early_media: _,
        crlf_keep_alive: _,
        push,
        trusted_authz: _,
        transfers: _,
        socket_token: _,
        dtmf_info: _,
        info_packages: _,
        feature_tags: _,
        refer_out_of_dialog: _,
        socket_headers: _,
    } = raw;
    let asked = register.as_ref().filter(|register| *register.get_ref());
    let inbound = [
        asked.map(|register| ("register", register.span().start)),
        push.as_ref().map(|push| ("push", push.span().start)),
    ];
    match inbound.into_iter().flatten().next() {
        None => Ok(()),
        Some((key, start)) => {
            let account = account.to_owned();
            Err((Some(start), Fault::AnonymousInbound { key, account }))
        }
    }
}

/// A host label, such as `eu`.
fn read_region(text: &Text) -> Result<String, Blame> {
    let label = text.get_ref();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !label.is_empty() && label.len() <= 63 && label.chars().all(fits) {
        return Ok(label.clone());
    }
    let fault = value(
        "region",
        label,
        "it is no part of a host name".to_owned(),
        "a region such as \"eu\" or \"us-east\"",
    );
    Err((Some(text.span().start), fault))
}

/// What `profile` makes of the way to log in: a sentence to be told at the start.
fn read_profile(raw: &RawAccount, account: &str, login: &Login) -> Result<Option<String>, Blame> {
    let Some(profile) = &raw.profile else {
        return Ok(None);
    };
    match profile.get_ref().as_str() {
        "development" => Ok(None),
        "production" if login.kind() == LoginKind::Password => Ok(Some(format!(
            "account `{account}` is marked as production and logs in with a password, which stays on this machine for good: \
             let it log in with tokens (`token = {{ url = ... }}`)"
        ))),
        "production" => Ok(None),
        _ => Err(choice(
            "profile",
            profile,
            &["production", "development"],
            "\"production\" or \"development\"",
        )),
    }
}

fn needed<'a>(
    value: &'a Option<Text>,
    key: &'static str,
    table: &str,
    meaning: &'static str,
    start: usize,
) -> Result<&'a Text, Blame> {
    value.as_ref().ok_or_else(|| {
        (
            Some(start),
            Fault::Missing {
                key,
                table: table.to_owned(),
                meaning,
            },
        )
    })
}

/// What may stand there.
const DIALECTS: &str = "\"telnyx\", \"freeswitch\" or \"sip\"";

fn read_dialect(text: &Text) -> Result<Protocol, Blame> {
    match text.get_ref().as_str() {
        "telnyx" => Ok(TELNYX.into()),
        "freeswitch" => Ok(FREESWITCH.into()),
        "sip" => Ok(Protocol::Sip),
        _ => Err(choice(
            "dialect",
            text,
            &["telnyx", "freeswitch", "sip"],
            DIALECTS,
        )),
    }
}

pub(crate) fn check_server(text: &Text) -> Result<(), Blame> {
    let written = text.get_ref();
    let rest = written
        .strip_prefix("wss://")
        .or_else(|| written.strip_prefix("ws://"));
    let authority = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let (shown, why) = match authority {
        // Not shown: what stands before an @ may be a password.
        Some(authority) if authority.contains('@') => {
            ("...", "a user or password in a URL ends up in logs")
        }
        None if written.contains('@') => ("...", "it does not start with ws:// or wss://"),
        None => (written.as_str(), "it does not start with ws:// or wss://"),
        Some("") => (written.as_str(), "it names no host"),
        Some(_) if written.chars().any(|c| c.is_whitespace() || c.is_control()) => {
            (written.as_str(), "it holds a space or a control character")
        }
        Some(_) => return Ok(()),
    };
    let fault = value(
        "server",
        shown,
        why.to_owned(),
        "a URL such as \"wss://pbx.example:8082\"",
    );
    Err((Some(text.span().start), fault))
}

fn read_login(
    raw: &RawAccount,
    account: &str,
    protocol: Protocol,
    surroundings: &Surroundings<'_>,
    start: usize,
) -> Result<(Login, Option<TokenSource>), Blame> {
    let unclear = |found: &str| {
        (
            Some(start),
            Fault::LoginChoice {
                account: account.to_owned(),
                found: found.to_owned(),
            },
        )
    };
    let secret = |key: &'static str, text: &Text| read_secret(key, text, account, surroundings);
    let mut source = None;
    let login = match (
        &raw.login,
        &raw.password_file,
        &raw.token_file,
        &raw.token,
        &raw.anonymous,
    ) {
        (Some(user), Some(file), None, None, None) => Login::Password {
            user: user.get_ref().clone(),
            password: secret("password_file", file)?,
        },
        // With SIP a token says that we may, and the login whose calls come here.
        (name, None, Some(file), None, None) if name.is_none() || protocol.is_sip() => {
            source = Some(TokenSource::File(locate(
                "token_file",
                file,
                account,
                surroundings,
            )?));
            Login::Token {
                token: secret("token_file", file)?,
            }
        }
        (name, None, None, Some(wanted), None) if name.is_none() || protocol.is_sip() => {
            source = Some(token::read(wanted, account, surroundings)?);
            // Its first token is fetched when the engine runs.
            Login::Token {
                token: Secret::new(String::new()),
            }
        }
        (None, None, None, None, Some(target)) if protocol.is_sip() => {
            sip::anonymous(target, account)?
        }
        (None, None, None, None, Some(target)) => read_anonymous(target, account)?,
        (None, None, None, None, None) => return Err(unclear("no way to log in")),
        (Some(_), None, None, None, None) => {
            return Err(unclear("`login` without `password_file`"));
        }
        (None, Some(_), None, None, None) => {
            return Err(unclear("`password_file` without `login`"));
        }
        _ => return Err(unclear("more than one way to log in")),
    };
    if protocol.logins().contains(&login.kind()) {
        return Ok((login, source));
    }
    let (key, at) = match login.kind() {
        LoginKind::Token if raw.token.is_some() => ("token", raw.token.as_ref().map(Spanned::span)),
        LoginKind::Token => ("token_file", raw.token_file.as_ref().map(Spanned::span)),
        LoginKind::Anonymous => ("anonymous", raw.anonymous.as_ref().map(Spanned::span)),
        LoginKind::Password | _ => ("login", raw.login.as_ref().map(Spanned::span)),
    };
    Err((
        at.map(|span| span.start),
        Fault::LoginUnsupported {
            key,
            account: account.to_owned(),
            dialect: protocol.name(),
        },
    ))
}

fn read_secret(
    key: &'static str,
    text: &Text,
    account: &str,
    surroundings: &Surroundings<'_>,
) -> Result<Secret, Blame> {
    let path = locate(key, text, account, surroundings)?;
    secret_at(key, text, account, &path)
}

pub(crate) fn secret_at(
    key: &'static str,
    text: &Text,
    account: &str,
    path: &Path,
) -> Result<Secret, Blame> {
    secret_file::read(path).map_err(|fault| blame(key, text, account, fault))
}

pub(crate) fn locate(
    key: &'static str,
    text: &Text,
    account: &str,
    surroundings: &Surroundings<'_>,
) -> Result<PathBuf, Blame> {
    let places = Places {
        folder: surroundings.folder,
        credentials: surroundings.credentials,
    };
    secret_file::locate(text.get_ref(), &places).map_err(|fault| blame(key, text, account, fault))
}

fn blame(key: &'static str, text: &Text, account: &str, fault: SecretFault) -> Blame {
    let fault = Fault::Secret {
        key,
        account: account.to_owned(),
        fault,
    };
    (Some(text.span().start), fault)
}

fn read_anonymous(entry: &Spanned<RawAnonymous>, account: &str) -> Result<Login, Blame> {
    let raw = entry.get_ref();
    let table = format!("`anonymous` of account `{account}`");
    let start = entry.span().start;
    let target_type = needed(
        &raw.target_type,
        "target_type",
        &table,
        "the kind of target, such as \"ai_assistant\"",
        start,
    )?;
    let target_id = needed(&raw.target_id, "target_id", &table, "who is called", start)?;
    let conversation = raw
        .conversation_id
        .as_ref()
        .map(|id| ("conversation_id".to_owned(), id.get_ref().as_str().into()));
    let mut target_params = BTreeMap::new();
    for (name, written) in &raw.target_params {
        let read = target_param(written.get_ref()).ok_or_else(|| {
            let shown = format!("{name} = ...");
            let why = "JSON has no such value".to_owned();
            let expected = "text, numbers, true or false, lists and tables of them";
            (
                Some(written.span().start),
                value("target_params", &shown, why, expected),
            )
        })?;
        target_params.insert(name.clone(), read);
    }
    target_params.extend(conversation);
    Ok(Login::Anonymous {
        target_type: target_type.get_ref().clone(),
        target_id: target_id.get_ref().clone(),
        target_version: raw
            .target_version_id
            .as_ref()
            .map(|text| text.get_ref().clone()),
        target_params,
    })
}

/// A value of TOML as one of JSON.
fn target_param(written: &toml::Value) -> Option<serde_json::Value> {
    Some(match written {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Boolean(flag) => (*flag).into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => serde_json::Number::from_f64(*number)?.into(),
        toml::Value::Datetime(_) => return None,
        toml::Value::Array(items) => items.iter().map(target_param).collect::<Option<_>>()?,
        toml::Value::Table(members) => {
            let members = members.iter();
            let members = members.map(|(name, value)| Some((name.clone(), target_param(value)?)));
            serde_json::Value::Object(members.collect::<Option<_>>()?)
        }
    })
}

fn read_proxy(raw: &RawAccount, surroundings: &Surroundings<'_>) -> Result<Option<Proxy>, Blame> {
    let Some(url) = &raw.proxy else {
        return match &raw.proxy_credentials_file {
            Some(file) => Err((
                Some(file.span().start),
                Fault::Missing {
                    key: "proxy",
                    table: "an account with `proxy_credentials_file`".to_owned(),
                    meaning: "the URL of the proxy that the credentials are for",
                },
            )),
            None => Ok(None),
        };
    };
    let exceptions = NoProxy::parse(&raw.no_proxy.join(",")).map_err(|error| {
        let fault = value(
            "no_proxy",
            &error.rule,
            error.to_string(),
            "names, addresses or networks",
        );
        (Some(url.span().start), fault)
    })?;
    let credentials = raw.proxy_credentials_file.as_ref();
    let credentials = credentials
        .map(|file| readable("proxy_credentials_file", file, surroundings))
        .transpose()?;
    let proxy = Proxy::new(url.get_ref(), credentials, exceptions).map_err(|error| {
        let shown = if url.get_ref().contains('@') {
            "..."
        } else {
            url.get_ref()
        };
        let fault = value(
            "proxy",
            shown,
            format!("it {error}"),
            "a URL such as \"http://proxy.example:3128\"",
        );
        (Some(url.span().start), fault)
    })?;
    Ok(Some(proxy))
}

/// A file that must be there now; it is read again whenever it is used.
pub(crate) fn readable(
    key: &'static str,
    text: &Text,
    surroundings: &Surroundings<'_>,
) -> Result<PathBuf, Blame> {
    let path = surroundings.folder.join(text.get_ref());
    match std::fs::File::open(&path) {
        Ok(_) => Ok(path),
        Err(error) => Err((
            Some(text.span().start),
            Fault::NamedFile { key, path, error },
        )),
    }
}
