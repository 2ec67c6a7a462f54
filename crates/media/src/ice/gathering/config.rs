//! What a call is told about gathering.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use crate::ice::server::IceServerAddress;

/// Which candidates may be used (RFC 8828 section 5, `iceTransportPolicy` of webrtc-pc).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CandidatePolicy {
    /// All there are.
    #[default]
    All,
    /// Those of TURN servers only: the far end learns no address of ours.
    RelayOnly,
    /// All but those of TURN servers.
    NoRelay,
}

/// Servers to ask, and for how long.
#[derive(Clone)]
pub struct GatheringConfig {
    /// STUN and TURN servers; empty: our own addresses only, known at once.
    pub servers: Vec<IceServerAddress>,
    /// Which candidates may be used.
    pub policy: CandidatePolicy,
    /// How long the others are waited for once one server has answered.
    pub patience: Duration,
    /// How long all of it may take.
    pub limit: Duration,
    /// Send offer and answer at once, candidates as they are found (RFC 8838).
    pub trickle: bool,
    /// For `turns:`; without it those servers are left out.
    pub tls: Option<Arc<ClientConfig>>,
}

impl Default for GatheringConfig {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            policy: CandidatePolicy::All,
            patience: Duration::from_millis(500),
            limit: Duration::from_secs(2),
            trickle: false,
            tls: None,
        }
    }
}

impl std::fmt::Debug for GatheringConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatheringConfig")
            .field("servers", &self.servers)
            .field("policy", &self.policy)
            .field("trickle", &self.trickle)
            .finish_non_exhaustive()
    }
}
