//! Finds the STUN and TURN servers of an account by their names, without a call ever waiting long for it.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use offhook_media::ice::gathering::config::{CandidatePolicy, GatheringConfig};
use offhook_media::ice::gathering::failure::ServerFailure;
use offhook_media::ice::server::{IceServer, IceServerAddress, ServerProtocol};
use offhook_media::sdp::refusal::SdesRefused;
use offhook_media::session::policy::MediaPolicy;
use offhook_signaling::transport::tls::Trust;
use rustls::ClientConfig;
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::account::Trickle;
use crate::config::AccountConfig;
use crate::ice::IceConfig;
use crate::output::CallMedia;

/// How long a call waits for the resolver.
const LOOKUP: Duration = Duration::from_secs(1);
/// How long an address is good for, and how long a name without one is not asked for again.
const KEPT: Duration = Duration::from_secs(300);
const FAILED: Duration = Duration::from_secs(10);

/// What an account's calls need of it.
#[derive(Debug, Clone)]
pub(crate) struct AccountIce {
    servers: Vec<IceServer>,
    config: IceConfig,
    trust: Trust,
    policy: MediaPolicy,
}

impl AccountIce {
    pub(crate) fn of(account: &AccountConfig) -> Self {
        let mut config = account.ice.clone();
        // Whoever takes none would never learn of them.
        config.trickle &= account.protocol.carries().trickle != Trickle::Never;
        Self {
            servers: account.ice.servers.of(account.protocol, &account.server),
            config,
            trust: account.connect.trust.clone(),
            policy: policy(account),
        }
    }

    /// What a call wants in place of it.
    pub(crate) fn of_call(&mut self, call: &CallMedia) {
        if call.relay_only {
            self.config.policy = CandidatePolicy::RelayOnly;
        }
        if let Some(servers) = &call.ice_servers {
            self.servers.clone_from(servers);
        }
        if let Some(trickle) = call.trickle {
            self.config.trickle = trickle;
        }
    }
}

/// What the account allows, as far as its connection does.
fn policy(account: &AccountConfig) -> MediaPolicy {
    let mut policy = account.media;
    // One connection in clear is enough: descriptions may take any of them.
    if policy.sdes.is_ok() && !account.servers().all(|server| server.starts_with("wss://")) {
        policy.sdes = Err(SdesRefused::SignallingInClear);
    }
    policy
}

/// Names that were looked up lately.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: HashMap<String, (Instant, Result<Vec<IpAddr>, String>)>,
}

/// What came of looking an account's servers up.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) gathering: GatheringConfig,
    /// What the account allows.
    pub(crate) policy: MediaPolicy,
    pub(crate) failures: Vec<(String, ServerFailure)>,
    looked_up: Vec<(String, Result<Vec<IpAddr>, String>)>,
}

impl Names {
    /// Looks up what is not known.
    pub(crate) fn look_up(
        &self,
        account: AccountIce,
        now: Instant,
    ) -> impl Future<Output = Found> + Send + use<> {
        let mut known = HashMap::new();
        let mut unknown = BTreeSet::new();
        for server in &account.servers {
            match self.known.get(&server.host) {
                Some((until, addresses)) if now < *until => {
                    known.insert(server.host.clone(), addresses.clone());
                }
                Some(_) | None => {
                    unknown.insert((server.host.clone(), server.port));
                }
            }
        }
        async move {
            let looked_up = join_all(unknown.into_iter().map(look_up)).await;
            known.extend(looked_up.iter().cloned());
            let tls = tls(&account).await;
            let mut found = Found {
                gathering: GatheringConfig {
                    policy: account.config.policy,
                    trickle: account.config.trickle,
                    tls,
                    ..GatheringConfig::default()
                },
                policy: account.policy,
                failures: Vec::new(),
                looked_up,
            };
            for server in account.servers {
                match known.get(&server.host) {
                    Some(Ok(addresses)) => found
                        .gathering
                        .servers
                        .extend(one_of_each(&server, addresses)),
                    Some(Err(words)) => {
                        found
                            .failures
                            .push((server.to_string(), ServerFailure::Name(words.clone())));
                    }
                    None => {}
                }
            }
            found
        }
    }

    /// Keeps what was found for the next call.
    pub(crate) fn keep(&mut self, found: &mut Found, now: Instant) {
        self.known.retain(|_, (until, _)| now < *until);
        for (host, addresses) in found.looked_up.drain(..) {
            let kept = if addresses.is_ok() { KEPT } else { FAILED };
            self.known.insert(host, (now + kept, addresses));
        }
    }
}

async fn look_up((host, port): (String, u16)) -> (String, Result<Vec<IpAddr>, String>) {
    let found = match timeout(LOOKUP, lookup_host((host.as_str(), port))).await {
        Ok(Ok(addresses)) => Ok(addresses.map(|address| address.ip()).collect()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the resolver does not answer".to_owned()),
    };
    (host, found)
}

/// One address of each family: more of them only make ICE slower.
fn one_of_each<'a>(
    server: &'a IceServer,
    addresses: &'a [IpAddr],
) -> impl Iterator<Item = IceServerAddress> + 'a {
    let v4 = addresses.iter().find(|address| address.is_ipv4());
    let v6 = addresses.iter().find(|address| address.is_ipv6());
    v4.into_iter().chain(v6).map(|address| server.at(*address))
}

async fn tls(account: &AccountIce) -> Option<Arc<ClientConfig>> {
    let wanted = |server: &IceServer| server.protocol == ServerProtocol::TurnTls;
    if !account.servers.iter().any(wanted) {
        return None;
    }
    // Without certificates the connection to the account's server fails too, and says why.
    let config = account.trust.client_config().await.ok()?;
    let mut config = ClientConfig::clone(&config);
    // What is spoken is no HTTP.
    config.alpn_protocols.clear();
    Some(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use offhook_signaling::auth::login::Login;
    use offhook_signaling::secret::Secret;

    use super::*;
    use crate::protocol::Protocol;

    #[test]
    fn keys_in_descriptions_want_every_connection_to_be_secure() {
        let allowed = |servers: &[&str]| {
            let login = Login::Password {
                user: "1000".to_owned(),
                password: Secret::new("secret"),
            };
            let mut account = AccountConfig::new("desk", Protocol::Sip, servers[0], login);
            account.media.sdes = Ok(());
            account.sip.further_servers = servers[1..].iter().map(|url| (*url).into()).collect();
            policy(&account).sdes
        };
        let clear = Err(SdesRefused::SignallingInClear);
        assert_eq!(allowed(&["wss://a.example"]), Ok(()));
        assert_eq!(allowed(&["ws://a.example"]), clear);
        assert_eq!(allowed(&["wss://a.example", "wss://b.example"]), Ok(()));
        assert_eq!(allowed(&["wss://a.example", "ws://b.example"]), clear);
    }
}
