//! Reads what an account says of STUN, TURN and candidates.

use offhook_engine::ice::{IceConfig, IceServers, MOST_SERVERS};
use offhook_engine::vocabulary::{CandidatePolicy, IceServer, RelayCredentials};
use toml::Spanned;

use crate::config::account::{Blame, Surroundings, locate, secret_at};
use crate::config::checked::{choice, value};
use crate::config::raw::{RawAccount, RawIceServer};

pub(crate) fn read(
    raw: &RawAccount,
    account: &str,
    surroundings: &Surroundings<'_>,
) -> Result<IceConfig, Blame> {
    let policy = match &raw.ice_policy {
        None => CandidatePolicy::All,
        Some(text) => match text.get_ref().as_str() {
            "all" => CandidatePolicy::All,
            "relay-only" => CandidatePolicy::RelayOnly,
            "no-relay" => CandidatePolicy::NoRelay,
            _ => {
                return Err(choice(
                    "ice_policy",
                    text,
                    &["all", "relay-only", "no-relay"],
                    "\"all\", \"relay-only\" or \"no-relay\"",
                ));
            }
        },
    };
    let servers = match &raw.ice_servers {
        None => IceServers::Platform,
        Some(list) => {
            if let Some(one_too_many) = list.get(MOST_SERVERS) {
                let fault = value(
                    "ice_servers",
                    "...",
                    format!("there are more than {MOST_SERVERS}"),
                    "a few: two of each kind are plenty",
                );
                return Err((Some(one_too_many.span().start), fault));
            }
            let servers = list
                .iter()
                .map(|entry| read_server(entry, account, surroundings));
            IceServers::These(servers.collect::<Result<_, _>>()?)
        }
    };
    Ok(IceConfig {
        servers,
        policy,
        trickle: raw.trickle_ice.unwrap_or_default(),
    })
}

fn read_server(
    entry: &Spanned<RawIceServer>,
    account: &str,
    surroundings: &Surroundings<'_>,
) -> Result<IceServer, Blame> {
    let start = entry.span().start;
    let (url, username, password_file) = match entry.get_ref() {
        RawIceServer::Url(url) => (url, None, None),
        RawIceServer::Relay(relay) => (
            &relay.url,
            relay.username.as_ref(),
            relay.password_file.as_ref(),
        ),
    };
    let refuse = |why: String, expected| {
        // Not shown: what stands before an @ may be a password.
        let shown = if url.contains('@') { "..." } else { url };
        Err((Some(start), value("ice_servers", shown, why, expected)))
    };
    let server: IceServer = match url.parse() {
        Ok(server) => server,
        Err(error) => {
            return refuse(
                format!("it names no server: {error}"),
                "a URL such as \"stun:stun.example.com\"",
            );
        }
    };
    let relays = server.protocol.relays();
    match (username, password_file) {
        (Some(username), Some(file)) if relays => {
            let text = Spanned::new(start..start, file.clone());
            let path = locate("ice_servers", &text, account, surroundings)?;
            let password = secret_at("ice_servers", &text, account, &path)?;
            let server = server.with_credentials(username, password.expose());
            match server.credentials.as_ref().map(RelayCredentials::check) {
                Some(Err(error)) => refuse(error.to_string(), "a shorter one"),
                Some(Ok(())) | None => Ok(server),
            }
        }
        (None, None) if !relays => Ok(server),
        _ if relays => refuse(
            "a TURN server wants a user name and a password".to_owned(),
            "{ url = .., username = .., password_file = .. }",
        ),
        _ => refuse(
            "a STUN server takes no user name and no password".to_owned(),
            "its URL alone",
        ),
    }
}
