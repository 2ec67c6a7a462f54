//! `offhookd doctor` from its arguments to its exit code.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::SystemTime;

use crate::arguments::Doctor;
use crate::config::checked::{Config, load};
use crate::doctor::live::client::Client;
use crate::doctor::live::go::go;
use crate::doctor::offline::examine::{Wish, examine};
use crate::doctor::print;
use crate::doctor::report::Report;
use crate::run::{credentials_directory, default_socket};

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
        None => None,
    };
    let descriptors = running.as_ref().and_then(Client::descriptor_limit);
    offline(wish, descriptors, report);
    if let Some(config) = config {
        go(config, running, wish, report).await;
    }
}

async fn daemon_of(config: &Config) -> Option<Client> {
    let socket = config.socket.clone().unwrap_or_else(default_socket);
    Client::of_daemon(&socket).await
}
