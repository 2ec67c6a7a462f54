//! All live checks, one after the other: each looks only at what the one before has left standing.

use std::path::Path;

use offhook_engine::Engine;
use offhook_engine::config::AccountConfig;
use offhook_engine::vocabulary::{IceServer, LoginKind, Secret};

use crate::arguments::Doctor;
use crate::config::checked::Config;
use crate::config::secret_file;
use crate::doctor::code::Code;
use crate::doctor::finding::{Finding, Place};
use crate::doctor::live::client::{Client, ClientError};
use crate::doctor::live::ice::server::with_login;
use crate::doctor::live::media::Heard;
use crate::doctor::live::own_number::{own_number, unknown};
use crate::doctor::live::{accounts, connect, ice, own_engine, self_call, test_call, tokens};
use crate::doctor::offline::refusals::of_secret;
use crate::doctor::offline::users;
use crate::doctor::report::Report;

/// Looks at the way to the servers. `running` is the daemon of this configuration, if it runs.
pub(crate) async fn go(
    config: Config,
    running: Option<Client>,
    wish: &Doctor,
    report: &mut Report,
) {
    let reached = connect::check(&config.accounts, report).await;
    let servers = ice_servers(&config.accounts, wish, report);
    ice::check::check(servers, !reached.is_empty(), wish.number.is_some(), report).await;
    let standing: Vec<AccountConfig> = config
        .accounts
        .into_iter()
        .filter_map(|mut account| {
            if reached.get(&account.name)?.without_region {
                account.region = None;
            }
            Some(account)
        })
        .collect();
    let (mut client, engine, standing) = match running {
        Some(client) => (client, None, standing),
        None => {
            let standing = tokens::check(standing, report).await;
            match own_engine::start(standing.clone(), config.media).await {
                Ok((engine, client)) => (client, Some(engine), standing),
                Err(failure) => {
                    return report.add(broken(&failure.to_string()));
                }
            }
        }
    };
    let called = calls(&mut client, &standing, &reached, wish, report).await;
    if let Err(error) = called {
        report.add(broken(&error.to_string()));
    }
    if let Some(engine) = engine {
        Engine::shut_down(&engine).await;
    }
}

/// The STUN and TURN servers to look at: those of the accounts, each once, and those that were asked for.
fn ice_servers(accounts: &[AccountConfig], wish: &Doctor, report: &mut Report) -> Vec<IceServer> {
    let file = wish.turn_credentials_file.as_deref();
    let login = file.and_then(|file| turn_login(file, report));
    let given = wish.stun.iter().chain(&wish.turn).cloned();
    let given = given.map(|server| with_login(server, login.as_ref()));
    let configured = accounts
        .iter()
        .flat_map(|account| account.ice.servers.of(account.protocol, &account.server));
    let mut servers: Vec<IceServer> = Vec::new();
    for server in configured.chain(given) {
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    servers
}

fn turn_login(file: &Path, report: &mut Report) -> Option<Secret> {
    let place = Place::line(file, None);
    let (code, what, remedy) = match secret_file::read(file) {
        Ok(secret) if secret.expose().contains(':') => return Some(secret),
        Ok(_) => (
            Code::SecretUnusable,
            "the credentials file of the TURN servers is not of the form user:password".to_owned(),
            "write the user name, a colon and the password into it",
        ),
        Err(fault) => {
            let (code, remedy) = of_secret(&fault);
            (code, fault.to_string(), remedy)
        }
    };
    report.add(Finding::new(code, place, &what, remedy));
    None
}

async fn calls(
    client: &mut Client,
    standing: &[AccountConfig],
    reached: &connect::Reached,
    wish: &Doctor,
    report: &mut Report,
) -> Result<(), ClientError> {
    let names: Vec<String> = standing
        .iter()
        .map(|account| account.name.clone())
        .collect();
    let ready = accounts::check(client, &names, report).await?;
    let users = wish.users.as_deref().map_or_else(Vec::new, users::read);
    for account in standing
        .iter()
        .filter(|account| ready.contains(&account.name))
    {
        let mut heard = Heard::default();
        // Nobody calls an anonymous account, and whatever it calls is its one target.
        let free = account.login.kind() != LoginKind::Anonymous;
        match own_number(account, &wish.own_number, &users) {
            Some(number) => self_call::check(client, account, &number, &mut heard, report).await?,
            None if free => report.add(unknown(account)),
            None => {}
        }
        if let Some(number) = wish.number.as_ref().filter(|_| free) {
            test_call::check(client, account, number, &mut heard, report).await?;
        }
        let place = Place::account(&account.name).at_server(&account.server);
        report.extend(heard.misled(
            reached.get(&account.name).map(|server| server.address),
            place,
        ));
    }
    Ok(())
}

fn broken(what: &str) -> Finding {
    Finding::new(
        Code::NotReady,
        Place::default(),
        what,
        "see the log of the daemon, and restart it if it hangs",
    )
}
