//! `connections`: create, list, show, delete.

use std::path::{Path, PathBuf};

use offhook_credentials::api::client::Client;
use offhook_credentials::api::connection::{Connection, ConnectionFilter, NewConnection};
use offhook_credentials::owner_file;
use offhook_credentials::secret::{Secret, without_value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::arguments::{ConnectionCreate, Connections};
use crate::command::output;
use crate::failure::Failure;

/// Largest file with a login.
const LIMIT: u64 = 64 * 1024;

/// The login of a connection, as its file holds it.
#[derive(Serialize, Deserialize)]
struct Login {
    /// Set once the server has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    user_name: String,
    password: String,
}

pub(crate) fn run(command: &Connections, client: &Client) -> Result<(), Failure> {
    match command {
        Connections::Create(create) => make(create, client),
        Connections::List {
            name,
            fqdn,
            voice_profile,
            sort,
            json,
        } => {
            let found = client.connections(&ConnectionFilter {
                name_contains: name.clone(),
                fqdn: fqdn.clone(),
                outbound_voice_profile_id: voice_profile.clone(),
                sort: sort.clone(),
            })?;
            for connection in &found {
                show(connection, *json)?;
            }
            Ok(())
        }
        Connections::Show { id, json } => {
            let connection = client.connection(id)?;
            let registration = client.connection_registration(id)?;
            if *json {
                let mut value = render(&connection);
                value["registration"] = json!(registration.status);
                return output::json(&value);
            }
            show(&connection, false)?;
            output::line(&format!("registration: {}", registration.status))
        }
        Connections::Delete { id } => match client.delete_connection(id)? {
            true => output::line(&format!("deleted {id}")),
            false => Err(Failure::NoConnection(id.clone())),
        },
    }
}

fn make(create: &ConnectionCreate, client: &Client) -> Result<(), Failure> {
    let (login, file) = match &create.login_file {
        Some(given) => (read(given)?, None),
        None => {
            let out = create
                .out
                .clone()
                .unwrap_or_else(|| default_file(&create.name));
            (intend(&out)?, Some(out))
        }
    };
    // An earlier run may have been interrupted between the file and the server's answer.
    let found = client.connections(&ConnectionFilter::default())?;
    let made = found
        .into_iter()
        .find(|known| known.user_name == login.user_name && file.is_some());
    let connection = match made {
        Some(made) => made,
        None => client.create_connection(&NewConnection {
            name: create.name.clone(),
            user_name: login.user_name.clone(),
            password: Secret::new(login.password.clone()),
            fields: fields(create),
        })?,
    };
    if let Some(file) = file {
        let whole = Login {
            id: Some(connection.id.clone()),
            ..login
        };
        write(&file, &whole)?;
        output::remark(&format!("its login is in {}", file.display()));
    }
    show(&connection, create.json)
}

/// Draws a login, or finds the one of an interrupted run; it is on the disk when this returns.
fn intend(file: &Path) -> Result<Login, Failure> {
    if file.exists() {
        let known = read(file)?;
        return match &known.id {
            Some(id) => Err(Failure::Made {
                path: file.to_owned(),
                id: id.clone(),
            }),
            None => Ok(known),
        };
    }
    let login = Login {
        id: None,
        user_name: format!("offhook{}", Secret::draw(8)?.expose()),
        password: Secret::draw(24)?.expose().to_owned(),
    };
    write(file, &login)?;
    Ok(login)
}

fn read(file: &Path) -> Result<Login, Failure> {
    let text = owner_file::read_text(file, LIMIT)?;
    toml::from_str(&text).map_err(|error| Failure::Content {
        path: file.to_owned(),
        // Without the text, which holds the password.
        why: format!(
            "write user_name and password in TOML: {}",
            without_value(error.message())
        ),
    })
}

fn write(file: &Path, login: &Login) -> Result<(), Failure> {
    let text = toml::to_string(login).unwrap_or_default();
    Ok(owner_file::replace(file, &text)?)
}

fn fields(create: &ConnectionCreate) -> Map<String, Value> {
    let mut fields = Map::new();
    if let Some(who) = &create.sip_calling {
        fields.insert("sip_uri_calling_preference".to_owned(), json!(who));
    }
    if let Some(profile) = &create.voice_profile {
        let outbound = json!({ "outbound_voice_profile_id": profile });
        fields.insert("outbound".to_owned(), outbound);
    }
    fields
}

fn default_file(name: &str) -> PathBuf {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_".contains(char);
    let name: String = name
        .chars()
        .map(|char| if plain(char) { char } else { '-' })
        .collect();
    PathBuf::from(format!("{name}.connection.toml"))
}

fn show(connection: &Connection, json: bool) -> Result<(), Failure> {
    if json {
        return output::json(&render(connection));
    }
    let state = if connection.active {
        "active"
    } else {
        "inactive"
    };
    output::line(&format!(
        "{}  {}  {}  {state}",
        connection.id, connection.connection_name, connection.user_name
    ))
}

fn render(connection: &Connection) -> Value {
    json!({
        "id": connection.id,
        "connection_name": connection.connection_name,
        "user_name": connection.user_name,
        "active": connection.active,
        "sip_uri_calling_preference": connection.sip_uri_calling_preference,
        "created_at": connection.created_at,
    })
}
