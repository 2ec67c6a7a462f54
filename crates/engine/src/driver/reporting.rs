//! Call reports of all accounts: what the collector gives, posted to where it belongs.

use std::collections::BTreeMap;
use std::sync::Arc;

use offhook_media::ice::gathering::config::CandidatePolicy;
use offhook_signaling::auth::login::{Login, LoginKind};
use tokio::sync::Semaphore;

use crate::call_report::body::About;
use crate::call_report::collector::Reports;
use crate::config::AccountConfig;
use crate::driver::clock;
use crate::driver::report_post::{self, Destination};
use crate::event::Event;
use crate::ice::host_of;

/// Posts at a time; others wait their turn.
const AT_A_TIME: usize = 4;

/// The reports and where they go.
#[derive(Debug)]
pub(crate) struct Reporting {
    reports: Reports,
    destinations: BTreeMap<Arc<str>, Destination>,
    /// `voice_sdk_id` of each account.
    instances: BTreeMap<Arc<str>, String>,
    turns: Arc<Semaphore>,
}

impl Reporting {
    pub(crate) fn of(accounts: &[AccountConfig]) -> Self {
        let wanted = || accounts.iter().filter(|account| account.call_reports);
        let name = |account: &AccountConfig| Arc::from(account.name.as_str());
        let reports = wanted().map(|account| (name(account), about(account), account.report_pace));
        let destinations = wanted().map(|account| {
            let ca_file = account.connect.trust.ca_file().map(ToOwned::to_owned);
            (name(account), Destination::at(&account.server, ca_file))
        });
        Self {
            reports: Reports::new(reports),
            destinations: destinations.collect(),
            instances: BTreeMap::new(),
            turns: Arc::new(Semaphore::new(AT_A_TIME)),
        }
    }

    pub(crate) fn named(&mut self, account: &str, report_id: String) {
        self.reports.named(account, report_id);
    }

    /// The account connects to this URL, which may be that of a region.
    pub(crate) fn connects(&mut self, account: &str, url: &str) {
        if let Some(destination) = self.destinations.get_mut(account) {
            destination.move_to(url);
        }
    }

    /// The account's connection goes to this instance of the gateway.
    pub(crate) fn instance(&mut self, account: &Arc<str>, voice_sdk_id: Option<String>) {
        match voice_sdk_id {
            Some(id) if self.destinations.contains_key(account) => {
                self.instances.insert(Arc::clone(account), id);
            }
            Some(_) | None => {}
        }
    }

    /// The posting that an event gives rise to, if it does.
    pub(crate) fn event(
        &mut self,
        event: &Event,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        let segment = self.reports.event(event, clock::time_of_day())?;
        let destination = self.destinations.get(&segment.account)?.clone();
        let instance = self.instances.get(&segment.account).cloned();
        let turns = Arc::clone(&self.turns);
        Some(report_post::post(segment, destination, instance, turns))
    }
}

fn about(account: &AccountConfig) -> About {
    let servers = account.ice.servers.of(account.protocol, &account.server);
    About {
        login: match account.login.kind() {
            LoginKind::Token => "login_token",
            LoginKind::Anonymous => "anonymous_login",
            LoginKind::Password | _ => "login_password",
        },
        host: host_of(&account.server).to_owned(),
        region: account.region.clone(),
        number: account
            .caller_number
            .clone()
            .or_else(|| match &account.login {
                Login::Password { user, .. } => Some(user.clone()),
                Login::Token { .. } | Login::Anonymous { .. } | _ => None,
            }),
        servers: servers
            .iter()
            .map(|server| (server.to_string(), server.credentials.is_some()))
            .collect(),
        relay_only: account.ice.policy == CandidatePolicy::RelayOnly,
        trickle: account.ice.trickle,
    }
}
