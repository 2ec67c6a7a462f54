//! The command line. No secret is ever taken from it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use offhook_credentials::api::client::{Client, TELNYX};
use offhook_credentials::api::http::{Http, HttpConfig};
use offhook_credentials::api_key::{self, Surroundings};
use offhook_credentials::provision::read_duration;

use crate::failure::Failure;

/// Connections, users and tokens of Telnyx's WebRTC gateway.
///
/// The API key comes from --api-key-file, from OFFHOOK_API_KEY or from the systemd credential offhook-api-key.
#[derive(Debug, Parser)]
#[command(name = "offhook-credentials", version)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) server: Server,
    /// Say more on standard error.
    #[arg(long, global = true)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which API, and how to reach it.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// Base URL of the API; regional ones are https://api.telnyx.eu/v2, .com.au, .ca, .me.
    #[arg(long, global = true, value_name = "URL", default_value = TELNYX)]
    pub(crate) api_url: String,
    /// A certificate authority to trust besides the system's, in PEM.
    #[arg(long, global = true, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// File with the API key; others must not be able to read it.
    #[arg(long, global = true, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Time for one request.
    #[arg(long, global = true, value_name = "TIME", default_value = "60s", value_parser = duration)]
    request_limit: Duration,
}

impl Server {
    /// A client of it.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let key = api_key::find(self.api_key_file.as_deref(), &Surroundings::of_process())?;
        let real = self.api_url.starts_with("https://api.telnyx.");
        if real && !api_key::is_telnyx_key(&key) {
            tracing::warn!(
                "the API key does not begin with KEY as Telnyx's do; is it another secret?"
            );
        }
        let local = ["http://127.0.0.1", "http://[::1]", "http://localhost"];
        let http = Http::new(&HttpConfig {
            ca_file: self.ca_file.clone(),
            limit: self.request_limit,
            proxy: !local.iter().any(|start| self.api_url.starts_with(start)),
            ..HttpConfig::default()
        })?;
        Ok(Client::new(&self.api_url, key, http)?)
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Credential connections: settings that many users share.
    #[command(subcommand)]
    Connections(Connections),
    /// Users: a telephony credential each.
    #[command(subcommand)]
    Users(Users),
    /// Print a new token of a credential, once it can be used.
    Token(Token),
    /// Be the token endpoint: POST /token.
    Serve(Box<Serve>),
}

/// About connections.
#[derive(Debug, Subcommand)]
pub(crate) enum Connections {
    /// Make one. Its own login is drawn and written to a file of yours.
    Create(ConnectionCreate),
    /// List them.
    List {
        /// Part of the name.
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// Host name that its calls go to.
        #[arg(long, value_name = "HOST")]
        fqdn: Option<String>,
        /// Its outbound voice profile.
        #[arg(long, value_name = "ID")]
        voice_profile: Option<String>,
        /// In this order, or with `-` before it in the other; without it the newest first.
        #[arg(long, value_name = "FIELD", allow_hyphen_values = true, value_parser = ["created_at", "-created_at", "connection_name", "-connection_name", "active", "-active"])]
        sort: Option<String>,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Show one, and whether its own login is registered.
    Show {
        /// Its id.
        #[arg(value_name = "ID")]
        id: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Delete one; it must have no users.
    Delete {
        /// Its id.
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// How to make a connection.
#[derive(Debug, Args)]
pub(crate) struct ConnectionCreate {
    /// Its label.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// File for the drawn user name and password; NAME.connection.toml without it.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Take user_name and password from this TOML file instead of drawing them.
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    pub(crate) login_file: Option<PathBuf>,
    /// Who may call its users at their SIP addresses.
    #[arg(long, value_name = "WHO", value_parser = ["disabled", "internal", "unrestricted"])]
    pub(crate) sip_calling: Option<String>,
    /// Outbound voice profile, wanted for calls to the telephone network.
    #[arg(long, value_name = "ID")]
    pub(crate) voice_profile: Option<String>,
    /// Print it as JSON, without its password.
    #[arg(long)]
    pub(crate) json: bool,
}

/// About users.
#[derive(Debug, Subcommand)]
pub(crate) enum Users {
    /// Make users and write them down; the same command goes on after an interruption.
    Create(UsersCreate),
    /// List the credentials at the server.
    List(UsersList),
    /// Delete all users of a file, and then the file.
    Delete(UsersDelete),
    /// Say whether a SIP user name is registered.
    Status {
        /// gencred..., or what --of asks for.
        #[arg(value_name = "SIP-USERNAME")]
        sip_username: String,
        /// Whose name it is; with `external` it is the connection's id.
        #[arg(long, value_enum, default_value_t = StatusOf::User)]
        of: StatusOf,
    },
}

/// Whose registration is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatusOf {
    /// A user's.
    User,
    /// A connection's own login.
    Connection,
    /// A connection's login at another provider.
    External,
}

/// Which users to make.
#[derive(Debug, Args)]
pub(crate) struct UsersCreate {
    /// How many.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) count: u32,
    /// What their names begin with.
    #[arg(long, value_name = "TEXT", value_parser = prefix)]
    pub(crate) prefix: String,
    /// The connection that they belong to.
    #[arg(long, value_name = "ID")]
    pub(crate) connection: String,
    /// How long they live, such as 24h or 30d.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) expires: Duration,
    /// Where to write them; only you can read it.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// How long the gateway may refuse new users; the command ends when that is over.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration_or_zero)]
    pub(crate) freshness: Duration,
    /// Requests at the same time.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) parallel: u8,
}

/// Which users to delete.
#[derive(Debug, Args)]
pub(crate) struct UsersDelete {
    /// The file that `users create` wrote.
    #[arg(long = "in", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// How long lists may not show new users; those that were made last are looked for when that is over.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration_or_zero)]
    pub(crate) freshness: Duration,
    /// Requests at the same time.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) parallel: u8,
}

/// Which credentials to list.
#[derive(Debug, Args)]
pub(crate) struct UsersList {
    /// The whole name.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The whole tag.
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// Whether they live.
    #[arg(long, value_name = "STATUS", value_parser = ["active", "expired"])]
    pub(crate) status: Option<String>,
    /// The whole SIP user name.
    #[arg(long, value_name = "NAME")]
    pub(crate) sip_username: Option<String>,
    /// The connection's id.
    #[arg(long, value_name = "ID")]
    pub(crate) connection: Option<String>,
    /// One JSON object a line, without passwords.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which token.
#[derive(Debug, Args)]
pub(crate) struct Token {
    /// The credential's id.
    #[arg(value_name = "CREDENTIAL-ID")]
    pub(crate) id: String,
    /// How long the gateway may refuse a new token; printed when that is over.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration_or_zero)]
    pub(crate) freshness: Duration,
}

/// How to be the token endpoint.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address to listen on; without TLS only one of this machine.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8089")]
    pub(crate) listen: SocketAddr,
    /// TOML file of callers: [[caller]] with name, secret or certificate_sha256, and credential_id.
    #[arg(long, value_name = "FILE", required_unless_present = "users")]
    pub(crate) callers: Option<PathBuf>,
    /// A file of `users create`: each user is a caller with its token_secret.
    #[arg(long, value_name = "FILE")]
    pub(crate) users: Option<PathBuf>,
    /// Make the credential of a caller that has none on this connection, at its first request.
    #[arg(long, value_name = "ID")]
    pub(crate) create_on: Option<String>,
    /// How long credentials made at the first request live.
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = duration)]
    pub(crate) create_for: Duration,
    /// Certificate chain of this server, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// Its key, in PEM; others must not be able to read it.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Certificate authority of callers that show a certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(crate) client_ca: Option<PathBuf>,
    /// Requests that a caller may make in a minute.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) per_minute: u32,
    /// How long the gateway may refuse a new token; it is handed out when that is over.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration_or_zero)]
    pub(crate) freshness: Duration,
    /// Origin of a web page that may ask, such as https://phone.example.
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) allow_origin: Vec<String>,
}

fn duration(text: &str) -> Result<Duration, String> {
    read_duration(text).ok_or_else(|| format!("{text:?} is no time; write 90s, 30m, 24h or 7d"))
}

fn duration_or_zero(text: &str) -> Result<Duration, String> {
    match text {
        "0" | "0s" => Ok(Duration::ZERO),
        _ => duration(text),
    }
}

fn prefix(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.is_empty() || text.len() > 64 || !text.bytes().all(plain) {
        return Err("a prefix is 1 to 64 letters, digits, '-', '_' or '.'".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        let words = line.split_whitespace();
        Arguments::try_parse_from(std::iter::once("offhook-credentials").chain(words))
    }

    #[test]
    fn the_documented_lines_are_understood_and_none_takes_a_secret() {
        for line in [
            "--api-url https://api.telnyx.eu/v2 connections create --name desk --json",
            "connections list",
            "connections list --fqdn pbx.example --sort -created_at",
            "users status 15 --of external",
            "connections show 15 --api-key-file k",
            "connections delete 15",
            "users create --count 1000 --prefix load- --connection 15 --expires 24h --out users.toml",
            "users list",
            "users delete --in users.toml",
            "token 5b0a7e1c",
            "serve --callers callers.toml",
        ] {
            parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        for line in [
            "connections create --name desk --password x",
            "--api-key KEY connections list",
            "users create --count 0 --prefix a --connection 1 --expires 24h --out u",
            "users create --count 1 --prefix a/b --connection 1 --expires 24h --out u",
            "users create --count 1 --prefix a --connection 1 --expires soon --out u",
            "serve",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
