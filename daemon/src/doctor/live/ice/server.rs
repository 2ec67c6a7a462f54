//! STUN and TURN servers as the command line names them; accounts name theirs in the configuration.

use offhook_engine::vocabulary::{IceServer, Secret, ServerUrlError};

/// Reads a STUN server: `HOST:PORT` or `stun:HOST[:PORT]`.
pub(crate) fn stun(text: &str) -> Result<IceServer, String> {
    let url = if text.starts_with("stun:") {
        text.to_owned()
    } else {
        format!("stun:{text}")
    };
    url.parse()
        .map_err(|error: ServerUrlError| error.to_string())
}

/// Reads a TURN server: `turn:HOST[:PORT][?transport=udp|tcp]` or `turns:HOST[:PORT]`.
pub(crate) fn turn(text: &str) -> Result<IceServer, String> {
    let server: IceServer = text
        .parse()
        .map_err(|error: ServerUrlError| error.to_string())?;
    if server.protocol.relays() {
        Ok(server)
    } else {
        Err("write turn:HOST or turns:HOST".to_owned())
    }
}

/// The server, with the `user:password` of a file.
pub(crate) fn with_login(server: IceServer, login: Option<&Secret>) -> IceServer {
    match login.and_then(|login| login.expose().split_once(':')) {
        Some((user, password)) if server.protocol.relays() => {
            server.with_credentials(user, password)
        }
        Some(_) | None => server,
    }
}
