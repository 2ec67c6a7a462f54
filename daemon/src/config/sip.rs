//! Reads what only an account at a SIP server has.

use std::collections::BTreeMap;

use offhook_engine::config::AccountConfig;
use offhook_engine::protocol::Transfers;
use offhook_engine::vocabulary::{DtmfInfo, Login, Push, Reliable, SocketToken};
use toml::Spanned;

use crate::config::account::{Blame, check_server};
use crate::config::checked::{choice, duration, value};
use crate::config::error::Fault;
use crate::config::raw::{RawAccount, RawAnonymous, RawPush, Text};

/// Shortest session interval that may be asked for (RFC 4028, section 4), in seconds.
const LEAST_SESSION: u64 = 90;

/// The keys that other servers have no use for, each with its place, where it is there.
fn own_keys(raw: &RawAccount) -> impl Iterator<Item = (&'static str, usize)> {
    let text = |key, text: &Option<Text>| text.as_ref().map(|text| (key, text.span().start));
    let list = |key, list: &Option<Vec<Text>>| {
        let first = list.as_ref()?.first();
        Some((key, first.map_or(0, |text| text.span().start)))
    };
    let flag =
        |key, flag: &Option<Spanned<bool>>| flag.as_ref().map(|flag| (key, flag.span().start));
    let span = |key, start: Option<usize>| start.map(|start| (key, start));
    [
        text("auth_user", &raw.auth_user),
        list("further_servers", &raw.further_servers),
        list("routes", &raw.routes),
        text("instance", &raw.instance),
        flag("register", &raw.register),
        span(
            "expires",
            raw.expires.as_ref().map(|value| value.span().start),
        ),
        text("reliable_provisional", &raw.reliable_provisional),
        span(
            "session_expires",
            raw.session_expires.as_ref().map(|value| value.span().start),
        ),
        flag("trust_identity", &raw.trust_identity),
        flag("early_media", &raw.early_media),
        flag("crlf_keep_alive", &raw.crlf_keep_alive),
        span("push", raw.push.as_ref().map(|value| value.span().start)),
        list("trusted_authz", &raw.trusted_authz),
        text("transfers", &raw.transfers),
        text("socket_token", &raw.socket_token),
        text("dtmf_info", &raw.dtmf_info),
        list("info_packages", &raw.info_packages),
        list("feature_tags", &raw.feature_tags),
        flag("refer_out_of_dialog", &raw.refer_out_of_dialog),
    ]
    .into_iter()
    .flatten()
}

pub(crate) fn read(raw: &RawAccount, account: &mut AccountConfig) -> Result<(), Blame> {
    if !account.protocol.is_sip() {
        return match own_keys(raw).next() {
            None => Ok(()),
            Some((key, start)) => {
                let why = format!("a {} server has no such thing", account.protocol.name());
                let fault = value(
                    key,
                    "...",
                    why,
                    "it in an account with `dialect = \"sip\"` only",
                );
                Err((Some(start), fault))
            }
        };
    }
    account.sip.address = raw.login.as_ref().map(|login| login.get_ref().clone());
    account.sip.auth_user = raw.auth_user.as_ref().map(|user| user.get_ref().clone());
    for server in raw.further_servers.iter().flatten() {
        check_server(server)?;
        account.sip.further_servers.push(server.get_ref().clone());
    }
    for route in raw.routes.iter().flatten() {
        account.sip.routes.push(uri("routes", route)?);
    }
    for server in raw.trusted_authz.iter().flatten() {
        account.sip.trusted_authz.push(server.get_ref().clone());
    }
    account.sip.instance = raw.instance.as_ref().map(instance).transpose()?;
    let flag = |flag: &Option<Spanned<bool>>| flag.as_ref().map(|flag| *flag.get_ref());
    account.sip.registers = flag(&raw.register).unwrap_or(true);
    account.sip.trusts_identity = flag(&raw.trust_identity).unwrap_or_default();
    account.sip.early_media = flag(&raw.early_media).unwrap_or_default();
    account.sip.crlf_keep_alive = flag(&raw.crlf_keep_alive).unwrap_or_default();
    if let Some(expires) = &raw.expires {
        account.sip.expires = duration("expires", expires)?;
        if account.sip.expires.is_zero() {
            let fault = value(
                "expires",
                "0",
                "it would end at once".to_owned(),
                "such as \"10m\"",
            );
            return Err((Some(expires.span().start), fault));
        }
    }
    if let Some(expires) = &raw.session_expires {
        let wanted = duration("session_expires", expires)?;
        account.sip.session_expires = match wanted.as_secs() {
            0 => None,
            LEAST_SESSION.. => Some(wanted),
            short => {
                let why = format!("it is shorter than {LEAST_SESSION} s, which RFC 4028 forbids");
                let expected = "\"90s\" or more, or 0 for none";
                let fault = value("session_expires", &short.to_string(), why, expected);
                return Err((Some(expires.span().start), fault));
            }
        };
    }
    if let Some(wanted) = &raw.reliable_provisional {
        account.sip.reliable = match wanted.get_ref().as_str() {
            "never" => Reliable::Never,
            "supported" => Reliable::Supported,
            "required" => Reliable::Required,
            _ => {
                return Err(choice(
                    "reliable_provisional",
                    wanted,
                    &["never", "supported", "required"],
                    "\"never\", \"supported\" or \"required\"",
                ));
            }
        };
    }
    if let Some(wanted) = &raw.transfers {
        account.transfers = match wanted.get_ref().as_str() {
            "follow" => Transfers::Follow,
            "ask" => Transfers::Ask,
            "refuse" => Transfers::Refuse,
            _ => {
                return Err(choice(
                    "transfers",
                    wanted,
                    &["follow", "ask", "refuse"],
                    "\"follow\", \"ask\" or \"refuse\"",
                ));
            }
        };
    }
    account.sip.socket_token = raw.socket_token.as_ref().map(socket_token).transpose()?;
    if let Some(wanted) = &raw.dtmf_info {
        account.sip.dtmf_info = match wanted.get_ref().as_str() {
            "dtmf-relay" => DtmfInfo::Relay,
            "dtmf" => DtmfInfo::Plain,
            _ => {
                return Err(choice(
                    "dtmf_info",
                    wanted,
                    &["dtmf-relay", "dtmf"],
                    "\"dtmf-relay\" or \"dtmf\"",
                ));
            }
        };
    }
    let packages = raw.info_packages.iter().flatten();
    account.sip.info_packages = packages.map(|name| name.get_ref().clone()).collect();
    let tags = raw.feature_tags.iter().flatten();
    account.sip.feature_tags = tags.map(feature_tag).collect::<Result<_, _>>()?;
    account.sip.refer_out_of_dialog = flag(&raw.refer_out_of_dialog).unwrap_or_default();
    account.sip.push = raw
        .push
        .as_ref()
        .map(|push| read_push(push, &account.name))
        .transpose()?;
    if raw.backoff_base.is_some() {
        account.sip.backoff.base = account.backoff.base;
        account.sip.backoff.max = account.sip.backoff.max.max(account.backoff.base);
    }
    if raw.backoff_max.is_some() {
        account.sip.backoff.max = account.backoff.cap;
    }
    Ok(())
}

/// `anonymous = {}`: calls go out without a name, and none come in.
pub(crate) fn anonymous(entry: &Spanned<RawAnonymous>, account: &str) -> Result<Login, Blame> {
    let raw = entry.get_ref();
    let says_more = raw.target_type.is_some()
        || raw.target_id.is_some()
        || raw.target_version_id.is_some()
        || raw.conversation_id.is_some()
        || !raw.target_params.is_empty();
    if says_more {
        let why = format!("account `{account}` is one at a SIP server, where it has no target");
        let fault = value("anonymous", "{..}", why, "`anonymous = {}`");
        return Err((Some(entry.span().start), fault));
    }
    Ok(Login::Anonymous {
        target_type: String::new(),
        target_id: String::new(),
        target_version: None,
        target_params: BTreeMap::new(),
    })
}

fn read_push(entry: &Spanned<RawPush>, account: &str) -> Result<Push, Blame> {
    let raw = entry.get_ref();
    let missing = |key| {
        let fault = Fault::Missing {
            key,
            table: format!("`push` of account `{account}`"),
            meaning: "RFC 8599 needs both",
        };
        (Some(entry.span().start), fault)
    };
    let text = |text: &Text| text.get_ref().clone();
    Ok(Push {
        provider: raw
            .provider
            .as_ref()
            .map(text)
            .ok_or_else(|| missing("provider"))?,
        prid: raw.prid.as_ref().map(text).ok_or_else(|| missing("prid"))?,
        param: raw.param.as_ref().map(text),
    })
}

/// `query:NAME` or `header:NAME`.
fn socket_token(written: &Text) -> Result<SocketToken, Blame> {
    let name_of = |prefix: &str| {
        let name = written.get_ref().strip_prefix(prefix)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        (!name.is_empty() && name.chars().all(fits)).then(|| name.to_owned())
    };
    if let Some(name) = name_of("query:") {
        return Ok(SocketToken::Query(name));
    }
    if let Some(name) = name_of("header:") {
        return Ok(SocketToken::Header(name));
    }
    let why = "it names no place for a token".to_owned();
    let expected = "such as \"query:access_token\" or \"header:Authorization\"";
    let fault = value("socket_token", written.get_ref(), why, expected);
    Err((Some(written.span().start), fault))
}

/// `NAME` or `NAME=VALUE` of the registered Contact (RFC 3840, section 9).
fn feature_tag(written: &Text) -> Result<(String, Option<String>), Blame> {
    /// What offhook itself says there.
    const OWN: [&str; 5] = ["+sip.instance", "reg-id", "expires", "q", "tag"];
    let (name, said) = match written.get_ref().split_once('=') {
        Some((name, said)) => (name, Some(said.to_owned())),
        None => (written.get_ref().as_str(), None),
    };
    let bare = name.strip_prefix('+').unwrap_or(name);
    let letter = |c: char| c.is_ascii_alphanumeric() || "-_.!%'".contains(c);
    let fault = if bare.is_empty() || !bare.chars().all(letter) {
        "its name is none"
    } else if OWN.iter().any(|own| name.eq_ignore_ascii_case(own)) {
        "offhook says that itself"
    } else if said.iter().any(|said| said.chars().any(char::is_control)) {
        "a control character stands in it"
    } else {
        return Ok((name.to_owned(), said));
    };
    let expected = "such as \"+sip.pnsreg\" or \"methods=INVITE,BYE\"";
    let fault = value(
        "feature_tags",
        written.get_ref(),
        fault.to_owned(),
        expected,
    );
    Err((Some(written.span().start), fault))
}

fn instance(written: &Text) -> Result<String, Blame> {
    let text = written.get_ref();
    let uuid = text.strip_prefix("urn:uuid:");
    let is_uuid = |uuid: &str| {
        let groups: Vec<&str> = uuid.split('-').collect();
        groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
            && groups
                .iter()
                .all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    if uuid.is_some_and(is_uuid) {
        return Ok(text.clone());
    }
    let expected =
        "a name such as \"urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6\", another for each device";
    let fault = value("instance", text, "it is no UUID".to_owned(), expected);
    Err((Some(written.span().start), fault))
}

fn uri(key: &'static str, written: &Text) -> Result<String, Blame> {
    let text = written.get_ref();
    let bare = text.trim_matches(['<', '>']);
    let known = bare.starts_with("sip:") || bare.starts_with("sips:");
    if known && !bare.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Ok(bare.to_owned());
    }
    let why = "it is no SIP URI".to_owned();
    let fault = value(key, text, why, "such as \"sip:edge.example.com;lr\"");
    Err((Some(written.span().start), fault))
}
