//! What a SIP account's settings mean for its user agent (RFC 3261, RFC 5626).

use offhook_signaling::auth::login::Login;
use offhook_signaling::remembered::Remembered;
use offhook_signaling::sip::config::Config;
use offhook_signaling::sip::message::uri::Uri;
use uuid::Builder;

use crate::config::AccountConfig;
use crate::driver::memory::Memory;
use crate::driver::{clock, secret_file};
use crate::error::BuildError;
use crate::ice::host_of;

pub(super) fn config(
    account: AccountConfig,
    memory: Option<&mut Memory>,
) -> Result<Config, BuildError> {
    let bad = |key, value: &str, why: &str| BuildError::SipAccount {
        account: account.name.clone(),
        key,
        value: value.to_owned(),
        why: why.to_owned(),
    };
    let sip = &account.sip;
    let login = &account.login;
    let address = match (&sip.address, login) {
        (Some(address), _) => address.clone(),
        (None, Login::Password { user, .. }) => user.clone(),
        (None, Login::Anonymous { .. }) => "anonymous".to_owned(),
        (None, _) => {
            return Err(bad(
                "login",
                "",
                "a token needs it beside itself: whose calls come here?",
            ));
        }
    };
    let aor = address_of_record(&address, &account.server)
        .ok_or_else(|| bad("login", &address, "it is no user name or user@domain"))?;
    let routes = sip
        .routes
        .iter()
        .map(|route| {
            let route = route.trim_matches(['<', '>']);
            Uri::parse(route).map_err(|_| bad("routes", route, "it is no SIP URI"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let instance = match &sip.instance {
        Some(instance) => instance.clone(),
        None => instance(&account.name, memory)?,
    };
    let mut config = Config::new(account.server.clone(), aor, login.clone(), instance);
    config.servers.extend(sip.further_servers.iter().cloned());
    config.display_name = account.caller_name.clone();
    config.auth_user = sip.auth_user.clone();
    config.trusted_authz = sip.trusted_authz.clone();
    config.login_age = secret_file::age(&account);
    config.token_refresh = account.token_source.as_ref().map(|_| account.token_refresh);
    config.registers &= sip.registers;
    config.routes = routes;
    config.expires = sip.expires;
    config.backoff = sip.backoff;
    config.reliable = sip.reliable;
    config.session_expires = sip.session_expires;
    config.trusts_identity = sip.trusts_identity;
    config.early_media = sip.early_media;
    config.crlf_keep_alive = sip.crlf_keep_alive;
    config.push = sip.push.clone();
    config.socket_token = sip.socket_token.clone();
    config.dtmf_info = sip.dtmf_info;
    config.info_packages = sip.info_packages.clone();
    config.feature_tags = sip.feature_tags.clone();
    config.refer_out_of_dialog = sip.refer_out_of_dialog;
    config.trickle = account.ice.trickle;
    config.wall_clock = Some(clock::time_of_day());
    config.timers.refused_retry = Some(account.refused_retry).filter(|pause| !pause.is_zero());
    config.timers.refused_max = account.refused_cap;
    Ok(config)
}

/// `user`, `user@domain`, or either as a `sip:` URI; a user without a domain is one of the server's host.
fn address_of_record(address: &str, server: &str) -> Option<Uri> {
    let bare = address
        .strip_prefix("sip:")
        .or_else(|| address.strip_prefix("sips:"))
        .unwrap_or(address);
    let scheme = if address.starts_with("sips:") {
        "sips"
    } else {
        "sip"
    };
    let (user, domain) = match bare.rsplit_once('@') {
        Some((user, domain)) => (user, domain),
        None => (bare, host_of(server)),
    };
    // An IPv6 address stands in brackets.
    let literal = domain.contains(':') && !domain.contains('[');
    let domain = if literal {
        format!("[{domain}]")
    } else {
        domain.to_owned()
    };
    if user.is_empty() || domain.is_empty() {
        return None;
    }
    Uri::parse(&format!("{scheme}:{user}@{domain}")).ok()
}

/// The name of this device: that of the last run, else a new one, which is kept if it can be.
fn instance(account: &str, memory: Option<&mut Memory>) -> Result<String, BuildError> {
    let kept = memory
        .as_ref()
        .and_then(|memory| memory.of(account).instance);
    if let Some(kept) = kept {
        return Ok(kept);
    }
    let seed = clock::seed().map_err(BuildError::NoEntropy)?;
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&seed[..16]);
    let instance = Builder::from_random_bytes(bytes)
        .into_uuid()
        .urn()
        .to_string();
    if let Some(memory) = memory {
        let state = Remembered {
            instance: Some(instance.clone()),
            ..memory.of(account)
        };
        memory.set(account, state);
    }
    Ok(instance)
}
