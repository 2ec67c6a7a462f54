//! An HTTP proxy on the way: its address, its credentials, and the tunnel that it is asked for (RFC 9110, section 9.3.6).

use crate::transport::{
    error::{CredentialsFault, Fault, UrlFault},
    http::{Head, HeadFault},
    no_proxy::NoProxy,
    target::{Authority, parse_proxy},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{
    fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

/// A proxy that tunnels by `CONNECT`, and for which servers it is used. Cheap to clone.
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    authority: Authority,
    credentials_file: Option<PathBuf>,
    exceptions: NoProxy,
}

impl Proxy {
    /// A proxy at `url` (`http://host:port`). The credentials file holds `user:password` in its first line and is read anew for each
    /// connection, so that a changed password needs no restart.
    ///
    /// # Errors
    /// Says what is wrong with the URL; a user name or password in it is refused, because URLs end up in logs.
    pub fn new(
        url: &str,
        credentials_file: Option<PathBuf>,
        exceptions: NoProxy,
    ) -> Result<Self, UrlFault> {
        Ok(Self(Arc::new(Inner {
            authority: parse_proxy(url)?,
            credentials_file,
            exceptions,
        })))
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.0.authority
    }

    /// Whether this server is reached through the proxy.
    pub(super) fn applies_to(&self, server: &Authority) -> bool {
        !self
            .0
            .exceptions
            .excepts(&server.host.without_root(), server.port)
    }

    /// Reads the credentials file, if there is one. Blocks for a small local file.
    pub(super) fn credentials(&self) -> Result<Option<Credentials>, Fault> {
        let Some(path) = &self.0.credentials_file else {
            return Ok(None);
        };
        let basic = read_basic(path).map_err(|fault| Fault::ProxyCredentials {
            path: path.clone(),
            fault,
        })?;
        Ok(Some(Credentials {
            path: path.clone(),
            basic,
        }))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("authority", &format_args!("{}", self.0.authority))
            .field("credentials_file", &self.0.credentials_file)
            .field("exceptions", &self.0.exceptions)
            .finish()
    }
}

/// What the proxy is told about us. Has no `Debug`, so that nobody prints it.
pub(super) struct Credentials {
    path: PathBuf,
    /// Base64 of `user:password` (RFC 7617).
    basic: Zeroizing<String>,
}

fn read_basic(path: &Path) -> Result<Zeroizing<String>, CredentialsFault> {
    const MAX: u64 = 4096;
    let file = File::open(path).map_err(CredentialsFault::Unreadable)?;
    refuse_if_open_to_all(&file)?;
    let mut text = Zeroizing::new(String::with_capacity(256));
    file.take(MAX)
        .read_to_string(&mut text)
        .map_err(CredentialsFault::Unreadable)?;
    let line = text.lines().next().unwrap_or_default();
    match line.split_once(':') {
        Some((user, _)) if !user.is_empty() => Ok(Zeroizing::new(STANDARD.encode(line))),
        Some(_) | None => Err(CredentialsFault::Malformed),
    }
}

#[cfg(unix)]
fn refuse_if_open_to_all(file: &File) -> Result<(), CredentialsFault> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file
        .metadata()
        .map_err(CredentialsFault::Unreadable)?
        .permissions()
        .mode()
        & 0o7777;
    if mode & 0o007 == 0 {
        Ok(())
    } else {
        Err(CredentialsFault::OpenToAll { mode })
    }
}

#[cfg(not(unix))]
fn refuse_if_open_to_all(_: &File) -> Result<(), CredentialsFault> {
    Ok(())
}

/// Asks for a tunnel to `server`. Afterwards the stream leads there.
pub(super) async fn tunnel(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    server: &Authority,
    credentials: Option<Credentials>,
) -> Result<(), Fault> {
    let mut request = Zeroizing::new(String::with_capacity(1024));
    request.push_str(&format!("CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n"));
    if let Some(credentials) = &credentials {
        request.push_str("Proxy-Authorization: Basic ");
        request.push_str(&credentials.basic);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(Fault::Broken)?;
    stream.flush().await.map_err(Fault::Broken)?;

    let head = Head::read(stream).await.map_err(|fault| match fault {
        HeadFault::Broken(error) => Fault::Broken(error),
        HeadFault::ClosedEarly => Fault::ClosedEarly,
        HeadFault::NotHttp => Fault::ProxyNotHttp,
    })?;
    match (head.status.code, credentials) {
        // The server speaks only when spoken to, so anything behind the head is the proxy's own.
        (200..300, _) if head.rest.is_empty() => Ok(()),
        (200..300, _) => Err(Fault::ProxyNotHttp),
        (407, None) => Err(Fault::ProxyWantsCredentials),
        (407, Some(credentials)) => Err(Fault::ProxyRefusedCredentials {
            path: credentials.path,
        }),
        _ => Err(Fault::ProxyRefused {
            status: head.status,
        }),
    }
}
