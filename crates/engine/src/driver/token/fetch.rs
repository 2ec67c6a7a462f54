//! Asks one source for one token, and looks at what it brought.

use offhook_signaling::auth::jwt::Lifetime;
use offhook_signaling::secret::Secret;
use tokio::task::spawn_blocking;

use crate::driver::secret_file;
use crate::driver::token::command;
#[cfg(feature = "token-endpoint")]
use crate::driver::token::endpoint;
use crate::token_source::{TokenError, TokenSource};

/// A token from its source; takes as long as the source's own limit at most.
///
/// # Errors
/// When the source fails, or what it brings is no token.
pub async fn fetch(source: TokenSource) -> Result<Secret, TokenError> {
    let name = source.to_string();
    let token = match source {
        TokenSource::Command(wanted) => command::run(&wanted).await?,
        TokenSource::File(path) => {
            let reading = spawn_blocking(move || secret_file::read(&path));
            reading.await.map_err(|_| broken(&name))??
        }
        #[cfg(feature = "token-endpoint")]
        TokenSource::Endpoint(wanted) => {
            let asking = spawn_blocking(move || endpoint::ask(&wanted));
            asking.await.map_err(|_| broken(&name))??
        }
        #[cfg(not(feature = "token-endpoint"))]
        TokenSource::Endpoint(wanted) => {
            return Err(TokenError::Url {
                url: wanted.shown().to_owned(),
                why: "this program was built without an HTTPS client (feature `token-endpoint`)",
            });
        }
    };
    check(&name, token)
}

fn broken(source: &str) -> TokenError {
    TokenError::NoToken {
        source_name: source.to_owned(),
        why: "asking it was broken off".to_owned(),
    }
}

/// Whether it can be a token at all; what it says of its life is the session's business.
pub(crate) fn check(source: &str, answer: Secret) -> Result<Secret, TokenError> {
    let token = answer.expose().trim();
    if token.starts_with("KEY") && !token.contains('.') {
        return Err(TokenError::ApiKey {
            source_name: source.to_owned(),
        });
    }
    match Lifetime::read(token) {
        Ok(_) if token.len() == answer.expose().len() => Ok(answer),
        Ok(_) => Ok(Secret::new(token)),
        Err(fault) => Err(TokenError::Malformed {
            source_name: source.to_owned(),
            fault,
        }),
    }
}
