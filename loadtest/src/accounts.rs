//! Users as accounts of the engine.

use std::path::PathBuf;
use std::time::Duration;

use offhook_engine::config::AccountConfig;
use offhook_engine::ice::IceServers;
use offhook_engine::protocol::Protocol;
use offhook_engine::token_source::{
    HeaderValue, HttpMethod, TIME_LIMIT, TokenEndpoint, TokenSource,
};
use offhook_engine::vocabulary::{
    ConnectOptions, FREESWITCH, IceServer, Login, Secret, TELNYX, Trust,
};

use crate::args::DialectName;
use crate::users::{Credential, TokenFrom, User};

/// A user that the server refuses is a result, and not asked again.
const NEVER: Duration = Duration::ZERO;

/// The STUN and TURN servers that calls ask.
pub(crate) fn ice_servers(server: &str, dialect: DialectName) -> Vec<IceServer> {
    IceServers::default().of(protocol(dialect), server)
}

pub(crate) fn protocol(dialect: DialectName) -> Protocol {
    match dialect {
        DialectName::Telnyx => TELNYX.into(),
        DialectName::Freeswitch => FREESWITCH.into(),
        DialectName::Sip => Protocol::Sip,
    }
}

/// The accounts, which share what they trust.
pub(crate) fn of(
    users: &[User],
    server: &str,
    dialect: DialectName,
    ca_file: Option<&PathBuf>,
    trusted_authz: &[String],
) -> Vec<AccountConfig> {
    let trust = ca_file.map_or_else(Trust::default, |file| Trust::with_ca_file(file.clone()));
    let connect = ConnectOptions {
        trust,
        ..ConnectOptions::default()
    };
    let protocol = protocol(dialect);
    let account = |user: &User| {
        let (login, token_source) = login(&user.credential, ca_file);
        let mut account = AccountConfig::new(&user.name, protocol, server, login);
        account.connect = connect.clone();
        account.token_source = token_source;
        account.recover_calls = false;
        account.refused_retry = NEVER;
        account.sip.address = match &user.credential {
            Credential::Token { address, .. } => address.clone(),
            Credential::Password { .. } => None,
        };
        account.sip.trusted_authz = trusted_authz.to_vec();
        account
    };
    users.iter().map(account).collect()
}

fn login(credential: &Credential, ca_file: Option<&PathBuf>) -> (Login, Option<TokenSource>) {
    let (user, password) = match credential {
        Credential::Password { login, password } => (login, password),
        Credential::Token { from, .. } => return by_token(from, ca_file),
    };
    let login = Login::Password {
        user: user.clone(),
        password: password.clone(),
    };
    (login, None)
}

/// The first token is fetched when the engine runs.
fn by_token(from: &TokenFrom, ca_file: Option<&PathBuf>) -> (Login, Option<TokenSource>) {
    let source = match from {
        TokenFrom::File(path) => TokenSource::File(path.clone()),
        TokenFrom::Url { url, bearer } => {
            let bearer = bearer.as_ref().map(|bearer| {
                let value = Secret::new(format!("Bearer {}", bearer.expose()));
                ("Authorization".to_owned(), HeaderValue::Memory(value))
            });
            TokenSource::Endpoint(TokenEndpoint {
                url: url.clone(),
                method: HttpMethod::Post,
                headers: bearer.into_iter().collect(),
                pointer: None,
                ca_file: ca_file.cloned(),
                time_limit: TIME_LIMIT,
            })
        }
    };
    let token = Secret::new("");
    (Login::Token { token }, Some(source))
}
