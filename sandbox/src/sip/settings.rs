//! How the SIP side behaves where servers differ.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::{Args, ValueEnum};

/// As the command line says it.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct SipOptions {
    /// What SIP clients are asked for, best first, separated by commas. JsSIP and SIP.js read the last alone, and know MD5.
    #[arg(long = "sip-challenges", value_name = "KINDS", value_enum, value_delimiter = ',', default_values = ["bearer", "sha-256", "md5"])]
    challenges: Vec<Scheme>,
    /// Also user-1 to user-N, for SIP alone, with the password of demo-1.
    #[arg(long = "sip-users", value_name = "N", default_value_t = 0)]
    users: u32,
    /// The shortest registration that SIP clients may ask for, in seconds.
    #[arg(long = "sip-min-expires", value_name = "SECONDS", default_value_t = 10)]
    min_expires: u32,
    /// The time within which an edge wants to hear of a client with outbound, in seconds.
    #[arg(long = "sip-flow-timer", value_name = "SECONDS", default_value_t = 30)]
    flow_timer: u32,
}

/// One way of proving who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scheme {
    /// Digest with MD5.
    Md5,
    /// Digest with SHA-256 (RFC 8760).
    #[value(name = "sha-256")]
    Sha256,
    /// A token (RFC 8898).
    Bearer,
}

/// The checked settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SipSettings {
    /// Where the plain listener is: the host of our own addresses.
    pub(crate) address: SocketAddr,
    /// What is asked for, in this order.
    pub(crate) challenges: Vec<Scheme>,
    /// How many users there are beside those of Verto.
    pub(crate) users: u32,
    /// Registrations are not granted for less.
    pub(crate) min_expires: u32,
    /// `Flow-Timer` of RFC 5626.
    pub(crate) flow_timer: u32,
    /// Life of a nonce.
    pub(crate) nonce_life: Duration,
}

impl From<SipOptions> for SipSettings {
    fn from(options: SipOptions) -> Self {
        Self {
            challenges: options.challenges,
            users: options.users,
            min_expires: options.min_expires,
            flow_timer: options.flow_timer,
            ..Self::default()
        }
    }
}

impl Default for SipSettings {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 80)),
            challenges: vec![Scheme::Bearer, Scheme::Sha256, Scheme::Md5],
            users: 0,
            min_expires: 10,
            flow_timer: 30,
            nonce_life: Duration::from_secs(3600),
        }
    }
}
