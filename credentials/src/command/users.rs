//! `users`: create, list, delete, status.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use offhook_credentials::api::client::Client;
use offhook_credentials::api::credential::{Credential, CredentialFilter};
use offhook_credentials::api::registration::NameOf;
use offhook_credentials::provision::{self, Work};
use offhook_credentials::secret::Secret;
use offhook_credentials::timestamp;
use offhook_credentials::users_file::{OpenUsers, Wanted};
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::arguments::{Server, StatusOf, Users, UsersCreate, UsersDelete, UsersList};
use crate::command::output;
use crate::command::progress::Progress;
use crate::failure::Failure;

pub(crate) fn run(command: &Users, client: &Client, server: &Server) -> Result<(), Failure> {
    match command {
        Users::Create(create) => make(create, client, server),
        Users::List(list) => show(list, client),
        Users::Delete(delete) => remove(delete, client),
        Users::Status { sip_username, of } => {
            let of = match of {
                StatusOf::User => NameOf::TelephonyCredential,
                StatusOf::Connection => NameOf::CredentialConnection,
                StatusOf::External => NameOf::UacExternalCredential,
            };
            let found = client.sip_registration(of, sip_username)?;
            output::line(&found.sip_registration_status)
        }
    }
}

fn make(create: &UsersCreate, client: &Client, server: &Server) -> Result<(), Failure> {
    let stop = stop_on_signals()?;
    let wall = SystemTime::now();
    let mut file = if create.out.exists() {
        let file = OpenUsers::open(&create.out)?;
        compare(create, server, &file.content.wanted)?;
        let done = file.content.users.len();
        output::remark(&format!("{done} of {} are there already", create.count));
        file
    } else {
        let wanted = Wanted {
            api_url: server.api_url.clone(),
            connection_id: create.connection.clone(),
            count: create.count as usize,
            prefix: create.prefix.clone(),
            expires_at: timestamp::full(wall + create.expires),
            run: Secret::draw(6)?.expose().to_owned(),
        };
        OpenUsers::create(&create.out, wanted)?
    };
    let progress = Progress::new("made");
    let work = Work {
        parallel: create.parallel.into(),
        freshness: create.freshness,
        stop: &stop,
        progress: &|done, of| progress.tell(done, of),
    };
    let summary = provision::create(client, &mut file, wall, work)?;
    output::line(&format!(
        "{} users in {}: {} made, {} found from before, {} unknown deleted",
        file.content.users.len(),
        create.out.display(),
        summary.made,
        summary.adopted,
        summary.removed
    ))
}

/// A file that was begun is gone on with as it was begun.
fn compare(create: &UsersCreate, server: &Server, there: &Wanted) -> Result<(), Failure> {
    let count = create.count.to_string();
    for (what, wanted, there) in [
        ("--api-url", &server.api_url, &there.api_url),
        ("--connection", &create.connection, &there.connection_id),
        ("--prefix", &create.prefix, &there.prefix),
        ("--count", &count, &there.count.to_string()),
    ] {
        if wanted != there {
            return Err(Failure::Differs {
                path: create.out.clone(),
                what,
                there: there.clone(),
            });
        }
    }
    Ok(())
}

fn remove(delete: &UsersDelete, client: &Client) -> Result<(), Failure> {
    let stop = stop_on_signals()?;
    let file = OpenUsers::open(&delete.file)?;
    let progress = Progress::new("deleted");
    let work = Work {
        parallel: delete.parallel.into(),
        freshness: delete.freshness,
        stop: &stop,
        progress: &|done, of| progress.tell(done, of),
    };
    let there = provision::delete(client, &file, work)?;
    file.remove()?;
    output::line(&format!(
        "{there} credentials deleted, 0 left; {} removed",
        delete.file.display()
    ))
}

fn show(list: &UsersList, client: &Client) -> Result<(), Failure> {
    let found = client.credentials(&CredentialFilter {
        name: list.name.clone(),
        tag: list.tag.clone(),
        status: list.status.clone(),
        sip_username: list.sip_username.clone(),
        connection_id: list.connection.clone(),
    })?;
    for credential in &found {
        line(credential, list.json)?;
    }
    Ok(())
}

fn line(of: &Credential, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return output::json(&json!({
            "id": of.id,
            "name": of.name,
            "connection_id": of.connection_id(),
            "sip_username": of.sip_username,
            "expired": of.expired,
            "expires_at": of.expires_at,
            "created_at": of.created_at,
        }));
    }
    let state = if of.expired { "expired" } else { "active" };
    output::line(&format!(
        "{}  {}  {}  {state}",
        of.id, of.name, of.sip_username
    ))
}

/// The first signal asks for an end; what is on its way is finished.
fn stop_on_signals() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The second one ends at once.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}
