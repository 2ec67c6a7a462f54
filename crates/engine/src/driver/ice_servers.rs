//! Finds the STUN and TURN servers of an account by their names, without a call ever waiting long for it.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use offhook_media::ice::gathering::config::{CandidatePolicy, GatheringConfig};
use offhook_media::ice::gathering::failure::ServerFailure;
use offhook_media::ice::server::{IceServer, IceServerAddress, ServerProtocol};
use offhook_media::sdp::refusal::SdesRefused;
use offhook_media::session::policy::MediaPolicy;
use offhook_signaling::transport::tls::Trust;
use rustls::ClientConfig;
use tokio::net::lookup_host;
use tokio::sync::watch;
use tokio::time::timeout_at;

use crate::account::Trickle;
use crate::config::AccountConfig;
use crate::driver::clock;
use crate::ice::IceConfig;
use crate::output::CallMedia;

/// How long a call waits for the resolver while it has no server at all.
const LOOKUP: Duration = Duration::from_secs(1);
/// How long it waits for further names once it has one, and a relay where there are to be any.
const GRACE: Duration = Duration::from_millis(100);
/// How long it waits for a relay while it has other servers: without one, some calls find no path.
const RELAY_GRACE: Duration = Duration::from_millis(500);
/// How long an address is good for, and how long nobody waits again for a name without one.
const KEPT: Duration = Duration::from_secs(300);
const FAILED: Duration = Duration::from_secs(10);
/// How long it is better than none, where the resolver does not answer (RFC 8767).
const STALE: Duration = Duration::from_secs(3600);

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

/// The addresses of a name, or the resolver's words.
type Addresses = Result<Vec<IpAddr>, String>;

/// A question to the resolver, and when it was answered. It goes on whether or not a call still waits for it.
type Question = watch::Receiver<Option<(Instant, Addresses)>>;

/// Finds the addresses of a host.
type Resolver = fn(String, u16) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;

/// Names that were looked up lately.
#[derive(Debug)]
pub(crate) struct Names {
    /// Until when it is good.
    known: HashMap<String, (Instant, Addresses)>,
    /// Questions that no call has taken the answer of yet.
    asked: HashMap<String, Question>,
    resolver: Resolver,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            asked: HashMap::new(),
            resolver: by_system,
        }
    }
}

/// What came of looking an account's servers up.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) gathering: GatheringConfig,
    /// What the account allows.
    pub(crate) policy: MediaPolicy,
    pub(crate) failures: Vec<(String, ServerFailure)>,
    /// What the resolver said, and when.
    answered: Vec<(String, Instant, Addresses)>,
    /// Names that it said nothing of in time.
    unanswered: Vec<String>,
}

impl Names {
    /// Looks up what is not known. One server is enough to begin with: whatever the resolver says late is for the next call.
    pub(crate) fn look_up(
        &mut self,
        account: AccountIce,
        now: Instant,
    ) -> impl Future<Output = Found> + Send + use<> {
        let mut known = HashMap::new();
        let mut questions = HashMap::new();
        for server in &account.servers {
            let host = &server.host;
            if let Ok(address) = host.parse() {
                known.insert(host.clone(), Ok(vec![address]));
                continue;
            }
            let kept = self.known.get(host);
            if let Some((_, addresses)) = kept {
                known.insert(host.clone(), addresses.clone());
            }
            // What nobody waits for is taken where it has come meanwhile.
            let is_good = kept.is_some_and(|(until, _)| now < *until);
            let has_come = |it: &Question| it.borrow().is_some();
            if !is_good || self.asked.get(host).is_some_and(has_come) {
                let question = self.question(host, server.port, now);
                questions.insert(host.clone(), question);
            }
        }
        let begun = clock::now();
        async move {
            let worth = Worth::of(&account);
            let answered = answers(questions, &mut known, &worth, begun).await;
            let tls = tls(&account).await;
            let mut found = Found {
                gathering: GatheringConfig {
                    policy: account.config.policy,
                    trickle: account.config.trickle,
                    tls,
                    ..GatheringConfig::default()
                },
                policy: account.policy,
                ..answered
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

    /// The question that is under way, or a new one.
    fn question(&mut self, host: &str, port: u16, now: Instant) -> Question {
        let is_over = |it: &Question| match &*it.borrow() {
            Some((answered, _)) => now >= *answered + KEPT,
            None => it.has_changed().is_err(),
        };
        match self.asked.get(host) {
            Some(question) if !is_over(question) => question.clone(),
            Some(_) | None => {
                let question = ask(self.resolver, host.to_owned(), port);
                self.asked.insert(host.to_owned(), question.clone());
                question
            }
        }
    }

    /// Keeps what was found for the next call.
    pub(crate) fn keep(&mut self, found: &mut Found, now: Instant) {
        self.known.retain(|_, (until, addresses)| {
            let longer = if addresses.is_ok() {
                STALE
            } else {
                Duration::ZERO
            };
            now < *until + longer
        });
        for (host, answered, addresses) in found.answered.drain(..) {
            let kept = if addresses.is_ok() { KEPT } else { FAILED };
            self.asked.remove(&host);
            self.known.insert(host, (answered + kept, addresses));
        }
        for host in found.unanswered.drain(..) {
            let unknown = || (now, Err("the resolver does not answer".to_owned()));
            let (until, _) = self.known.entry(host).or_insert_with(unknown);
            *until = now + FAILED;
        }
    }
}

/// How long names are worth waiting for.
#[derive(Debug)]
struct Worth {
    /// Hosts of TURN servers.
    relays: BTreeSet<String>,
    /// Whether all others are of no use.
    relay_only: bool,
}

impl Worth {
    fn of(account: &AccountIce) -> Self {
        let relays = account.servers.iter().filter(|it| it.protocol.relays());
        Self {
            relays: relays.map(|it| it.host.clone()).collect(),
            relay_only: account.config.policy == CandidatePolicy::RelayOnly,
        }
    }

    /// With so much known.
    fn wait(&self, known: &HashMap<String, Addresses>) -> Duration {
        let is_found = |host: &String| known.get(host).is_some_and(Result::is_ok);
        let has_relay = self.relays.is_empty() || self.relays.iter().any(is_found);
        let has_any = known.values().any(Result::is_ok);
        match (has_any, has_relay) {
            (true, true) => GRACE,
            (true, false) if !self.relay_only => RELAY_GRACE,
            (true | false, _) => LOOKUP,
        }
    }
}

/// Waits for answers, as long as they are worth it, and adds them to what is known.
async fn answers(
    questions: HashMap<String, Question>,
    known: &mut HashMap<String, Addresses>,
    worth: &Worth,
    begun: Instant,
) -> Found {
    let mut found = Found::default();
    let mut open: BTreeSet<String> = questions.keys().cloned().collect();
    let mut waiting: FuturesUnordered<_> = questions.into_iter().map(answer).collect();
    let mut until = begun + worth.wait(known);
    while let Ok(Some(answer)) = timeout_at(until.into(), waiting.next()).await {
        let Some((host, at, addresses)) = answer else {
            continue;
        };
        open.remove(&host);
        known.insert(host.clone(), addresses.clone());
        if addresses.is_ok() {
            until = until.min(clock::now() + worth.wait(known));
        }
        found.answered.push((host, at, addresses));
    }
    for host in open {
        // An old address is better than none.
        let words = || Err("the resolver does not answer".to_owned());
        known.entry(host.clone()).or_insert_with(words);
        found.unanswered.push(host);
    }
    found
}

/// `None`: there will be no answer.
async fn answer((host, mut question): (String, Question)) -> Option<(String, Instant, Addresses)> {
    let (at, addresses) = question.wait_for(Option::is_some).await.ok()?.clone()?;
    Some((host, at, addresses))
}

/// Asks the resolver, on a task of its own.
fn ask(resolver: Resolver, host: String, port: u16) -> Question {
    let (sender, question) = watch::channel(None);
    tokio::spawn(async move {
        let found = resolver(host, port).await;
        let found = found.map_err(|error| error.to_string());
        // Nobody may want it any more.
        let _ = sender.send(Some((clock::now(), found)));
    });
    question
}

fn by_system(host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
    async move {
        let found = lookup_host((host.as_str(), port)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
    .boxed()
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

    use std::future::{pending, ready};
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::time::{advance, sleep};

    use super::*;
    use crate::protocol::Protocol;

    const LITERAL: &str = "stun:192.0.2.1";

    /// It answers once for `once.example`, after a while for `late.example`, and never for others.
    fn resolver(host: String, _: u16) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        static ASKED: AtomicBool = AtomicBool::new(false);
        let address: IpAddr = [192, 0, 2, 9].into();
        match host.as_str() {
            "late.example" => async move {
                sleep(Duration::from_millis(300)).await;
                Ok(vec![address])
            }
            .boxed(),
            "once.example" if !ASKED.swap(true, Ordering::Relaxed) => {
                ready(Ok(vec![address])).boxed()
            }
            _ => pending().boxed(),
        }
    }

    fn names() -> Names {
        Names {
            resolver,
            ..Names::default()
        }
    }

    /// How long a call waits, and how many servers it begins with.
    async fn begin(names: &mut Names, servers: &[&str]) -> (Duration, usize) {
        let account = AccountIce {
            servers: servers.iter().map(|url| url.parse().unwrap()).collect(),
            config: IceConfig::default(),
            trust: Trust::default(),
            policy: MediaPolicy::default(),
        };
        let begun = clock::now();
        let mut found = names.look_up(account, begun).await;
        let ended = clock::now();
        names.keep(&mut found, ended);
        assert_eq!(
            found.failures.len() + found.gathering.servers.len(),
            servers.len()
        );
        // The timer has steps of a millisecond.
        let waited = (ended - begun).as_millis() as u64 / 10 * 10;
        (Duration::from_millis(waited), found.gathering.servers.len())
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_no_resolver_answers_for_delays_no_call_that_has_a_server() {
        let mut names = names();
        let servers = ["stun:dead.example", LITERAL];
        assert_eq!(begin(&mut names, &servers).await, (GRACE, 1));
        assert_eq!(begin(&mut names, &servers).await, (Duration::ZERO, 1));
        advance(FAILED).await;
        assert_eq!(begin(&mut names, &servers).await, (GRACE, 1));
        // Without any it is worth waiting for.
        let other = ["stun:other.example"];
        assert_eq!(begin(&mut names, &other).await, (LOOKUP, 0));
        assert_eq!(begin(&mut names, &other).await, (Duration::ZERO, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_is_answered_for_late_is_there_for_the_next_call() {
        let mut names = names();
        let servers = ["stun:late.example", LITERAL];
        assert_eq!(begin(&mut names, &servers).await, (GRACE, 1));
        sleep(LOOKUP).await;
        assert_eq!(begin(&mut names, &servers).await, (Duration::ZERO, 2));
        // It is waited for where there is nothing else.
        let alone = ["stun:late.example"];
        let begun = begin(&mut self::names(), &alone).await;
        assert_eq!(begun, (Duration::from_millis(300), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_relay_is_worth_more_waiting_than_a_further_name() {
        let late = ["turn:late.example", LITERAL];
        let begun = begin(&mut names(), &late).await;
        assert_eq!(begun, (Duration::from_millis(300), 2));
        let dead = ["turn:dead.example", LITERAL];
        assert_eq!(begin(&mut names(), &dead).await, (RELAY_GRACE, 1));
        let relays = ["turn:dead.example", "turn:192.0.2.1"];
        assert_eq!(begin(&mut names(), &relays).await, (GRACE, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_of_before_is_better_than_none() {
        let mut names = names();
        let servers = ["stun:once.example"];
        assert_eq!(begin(&mut names, &servers).await, (Duration::ZERO, 1));
        advance(KEPT).await;
        assert_eq!(begin(&mut names, &servers).await, (GRACE, 1));
        assert_eq!(begin(&mut names, &servers).await, (Duration::ZERO, 1));
    }

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
