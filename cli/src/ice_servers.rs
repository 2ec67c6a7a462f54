//! STUN and TURN servers of one call, from the command line and from a file: passwords stand in neither the one nor a file for everybody.

use crate::arguments::IceServers;
use crate::error::Error;
use offhook_control::request::IceServer;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Longest list that is read; a line of the control socket holds no more.
const LONGEST: u64 = 60 * 1024;

/// What a command asks for; `None`: the account's own.
pub(crate) fn read(wish: &IceServers) -> Result<Option<Vec<IceServer>>, Error> {
    if let Some(file) = &wish.ice_servers {
        return read_file(file).map(Some);
    }
    let urls = wish.ice_server.iter().cloned().map(IceServer::Url);
    Ok(Some(urls.collect()).filter(|servers: &Vec<_>| !servers.is_empty()))
}

fn read_file(path: &Path) -> Result<Vec<IceServer>, Error> {
    let fault = |why: String| Error::IceServers {
        path: path.to_owned(),
        why,
    };
    let unreadable = |error: io::Error| fault(error.to_string());
    let mut text = String::new();
    let open_to_all = if path == Path::new("-") {
        let input = io::stdin().take(LONGEST);
        { input }.read_to_string(&mut text).map_err(unreadable)?;
        false
    } else {
        let file = File::open(path).map_err(unreadable)?;
        let mode = file.metadata().map_err(unreadable)?.mode();
        let mut file = file.take(LONGEST);
        file.read_to_string(&mut text).map_err(unreadable)?;
        mode & 0o007 != 0
    };
    let servers: Vec<IceServer> = serde_json::from_str(&text).map_err(|error| {
        // Without its words, which may hold what stands there.
        let (line, column) = (error.line(), error.column());
        fault(format!(
            "it is no JSON list of URLs and {{\"url\", \"username\", \"password\"}} (line {line}, column {column})"
        ))
    })?;
    let secret =
        |server: &IceServer| matches!(server, IceServer::Relay(relay) if relay.password.is_some());
    if open_to_all && servers.iter().any(secret) {
        return Err(fault(
            "it holds a password and everybody may read it".to_owned(),
        ));
    }
    Ok(servers)
}
