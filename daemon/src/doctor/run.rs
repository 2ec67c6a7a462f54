//! `offhookd doctor` from its arguments to its exit code.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use offhook_control::reply::Status;
use offhook_control::request::Request;
use offhook_control::socket_path::SYSTEM_SOCKET;

use crate::arguments::Doctor;
use crate::config::checked::{Config, load};
use crate::doctor::code::Code;
use crate::doctor::finding::{Finding, Place};
use crate::doctor::live::client::{Client, ClientError};
use crate::doctor::live::go::go;
use crate::doctor::offline::examine::{Wish, examine};
use crate::doctor::print;
use crate::doctor::report::Report;
use crate::run::{credentials_directory, default_socket, usual_state_file};

/// Where `offhook-credentials` looks for its key.
const API_KEY: &str = "OFFHOOK_API_KEY";
/// Why nothing could be looked at.
const FAILED: u8 = 1;

/// Looks, prints what was found, and yields the exit code for it.
pub(crate) fn run(wish: &Doctor) -> ExitCode {
    let mut report = Report::default();
    if wish.live {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(live(wish, &mut report)),
            Err(error) => {
                // Nobody is left to be told when this fails.
                let _ = writeln!(io::stderr(), "offhookd: doctor cannot start: {error}");
                return ExitCode::from(FAILED);
            }
        }
    } else {
        offline(wish, None, &mut report);
    }
    report.allow(&wish.allow);
    report.sort();
    let text = if wish.json {
        format!("{}\n", print::json(&report))
    } else {
        print::text(&report)
    };
    // Whoever reads the exit code alone, or has read enough, has closed the pipe.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    report.exit_code()
}

fn offline(wish: &Doctor, descriptors: Option<u64>, report: &mut Report) {
    let wish = Wish {
        file: &wish.config,
        users: wish.users.as_deref(),
        credentials: credentials_directory(),
        api_key: std::env::var_os(API_KEY).is_some_and(|key| !key.is_empty()),
        state_directory: usual_state_file().is_some(),
        now: SystemTime::now(),
        descriptors,
    };
    examine(wish, report);
}

/// A configuration that is refused has no servers to look at.
async fn live(wish: &Doctor, report: &mut Report) {
    let config = load(&wish.config, credentials_directory().as_deref()).ok();
    let running = match &config {
        Some(config) => daemon_of(config).await,
        None => Ok(None),
    };
    let descriptors = running
        .as_ref()
        .ok()
        .and_then(Option::as_ref)
        .and_then(Client::descriptor_limit);
    offline(wish, descriptors, report);
    match (config, running) {
        (Some(config), Ok(running)) => go(config, running, wish, report).await,
        (Some(_), Err((socket, error))) => report.add(Finding::new(
            Code::NotReady,
            Place::line(&socket, None),
            &format!("whether the daemon runs cannot be said: {error}"),
            "run doctor as a user who may open this socket; when the daemon hangs, restart it",
        )),
        (None, _) => {}
    }
}

/// The daemon that runs on this configuration. Where that names no socket, a daemon counts if it has one of its accounts.
async fn daemon_of(config: &Config) -> Result<Option<Client>, (PathBuf, ClientError)> {
    let ask = async |socket: &Path| {
        let asked = Client::of_daemon(socket).await;
        asked.map_err(|error| (socket.to_owned(), error))
    };
    if let Some(socket) = &config.socket {
        return ask(socket).await;
    }
    for socket in [default_socket(), PathBuf::from(SYSTEM_SOCKET)] {
        if let Some(mut client) = ask(&socket).await? {
            let status: Status = client
                .request(&Request::Status)
                .await
                .map_err(|error| (socket, error))?;
            let mut known = status.accounts.iter().map(|account| &account.name);
            if known.any(|name| config.accounts.iter().any(|account| account.name == *name)) {
                return Ok(Some(client));
            }
        }
    }
    Ok(None)
}
