//! Why a STUN or TURN server gave no candidate.

use crate::ice::server::CredentialsError;

/// Why a server gave no candidate. The call goes on without.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerFailure {
    /// Nothing came back.
    #[error(
        "it does not answer: check its address, and that the firewall lets UDP or TCP to it pass"
    )]
    Unanswered,
    /// Its name leads to no address; the words are the system's.
    #[error("its name cannot be resolved: {0}")]
    Name(String),
    /// No address of ours is of its family.
    #[error("this machine has no address from which it can be reached")]
    OutOfReach,
    /// It wants other credentials (RFC 8489 section 9.2.5).
    #[error("it refuses the user name or password (401): renew them")]
    Unauthorized,
    /// It refused, by a code of RFC 8489 section 14.8 or RFC 8656 section 19.
    #[error("it refuses with code {code}")]
    Refused {
        /// The code.
        code: u16,
    },
    /// A STUN server answered without an address.
    #[error("it answers, but tells no address: it is no STUN server")]
    NoAddress,
    /// A TURN server without user name and password.
    #[error("it relays, but no user name and password are given for it")]
    NoCredentials,
    /// A user name or password that no request can carry.
    #[error("it was not asked: {0}")]
    Credentials(#[from] CredentialsError),
    /// It relays without asking who we are, which the implementation behind this cannot use.
    #[error(
        "it relays for anybody, without user name and password, which is not supported: let it ask for them"
    )]
    NoAuthentication,
    /// So many servers are given that it had no turn.
    #[error(
        "it was not asked: a call asks for {limit} relays at most, and the servers before it had them all; name fewer"
    )]
    TooManyServers {
        /// The most there are.
        limit: usize,
    },
    /// No connection, or no TLS on it; the words are the system's.
    #[error("no connection: {0}")]
    Connection(String),
    /// It closed the connection.
    #[error("it closed the connection")]
    Closed,
    /// It sent us from server to server.
    #[error("it names one alternate server after the other (300)")]
    Redirected,
}
