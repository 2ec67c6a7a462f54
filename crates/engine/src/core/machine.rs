//! The machine itself: what comes in from sessions, media and the clock, and what goes out.
//!
//! Drive it: one input (a request, a signalling event, a media event, a timeout), then [`Core::poll`] until
//! [`Output::Wait`]. It has no clock and no chance of its own: time comes with every input, chance from the seed.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use offhook_media::driver::event::CallEvent;
use offhook_media::graph::ringback::RingbackTone;
use offhook_media::program::CallKey;
use offhook_signaling::call_id::CallId;
use offhook_signaling::cause::Cause;
use offhook_signaling::command::{Command, PreferredCodec};
use offhook_signaling::event::{AssistantEvent, Event as SignalingEvent};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::account::{Account, Profile, Stages};
use crate::call::dialog::Call;
use crate::call::state::{Effects, Identity, Offered};
use crate::core::media_addresses;
use crate::core::referrals::Referral;
use crate::event::{Event, EventKind};
use crate::output::{AccountKey, Deadline, Output};
use crate::protocol::Protocol;
use crate::request::{AnswerOptions, Dtmf};
use crate::status::{CallStatus, Direction, Status};
use crate::tool::ToolCall;

/// See [`Deadline::ShutDown`].
const SHUT_DOWN: Duration = Duration::from_secs(4);

/// After the start, how long a server may offer calls of an earlier process: as long as mod_verto keeps them
/// (`detach-timeout-sec`). Later nobody is about to miss them, and no server shall open a microphone by itself.
const ADOPTION: Duration = Duration::from_secs(120);

/// What the core is told once.
#[derive(Debug, Clone)]
pub struct CoreConfig {
    /// The accounts, in their order.
    pub accounts: Vec<Profile>,
    /// Most calls at a time; one more from outside is refused as busy.
    pub max_calls: usize,
    /// How digits are sent; `None`: as each account's server has it.
    pub dtmf: Option<Dtmf>,
    /// The tone that callers hear while the far end rings.
    pub ringback: Option<RingbackTone>,
    /// Codecs that invitations ask the server to prefer; none: our offer says enough.
    pub preferred_codecs: Vec<PreferredCodec>,
}

/// Accounts and calls of one shard.
#[derive(Debug)]
pub struct Core {
    pub(super) accounts: Vec<Account>,
    /// Where each account stands, by its name.
    pub(super) by_name: HashMap<Arc<str>, AccountKey>,
    pub(super) calls: BTreeMap<CallKey, Call>,
    /// Servers choose names too, so a name counts only together with its account.
    pub(super) names: HashMap<(AccountKey, CallId), CallKey>,
    deadlines: BTreeSet<(Instant, Deadline, CallKey)>,
    pub(super) outbox: VecDeque<Output>,
    pub(super) rng: StdRng,
    next_key: u64,
    /// Texts to users so far.
    pub(super) messages: u64,
    /// Calls of an earlier process are taken up until then.
    adopts_until: Instant,
    pub(super) max_calls: usize,
    pub(super) dtmf: Option<Dtmf>,
    pub(super) ringback: Option<RingbackTone>,
    pub(super) preferred_codecs: Vec<PreferredCodec>,
    pub(super) phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    Stopping { until: Instant },
    Stopped,
}

impl Core {
    /// A core whose accounts begin to connect; `seed` must be unguessable, call names are drawn from it.
    #[must_use]
    pub fn new(config: CoreConfig, seed: [u8; 32], now: Instant) -> Self {
        let named = |(index, profile): (usize, &Profile)| {
            let name = Arc::clone(&profile.name);
            (name, AccountKey(index))
        };
        let watches = |(index, profile): (usize, &Profile)| {
            let channels = profile.watch.clone();
            let wish = Command::Subscribe { channels };
            (!profile.watch.is_empty()).then_some(Output::Signaling(AccountKey(index), wish))
        };
        Self {
            outbox: config
                .accounts
                .iter()
                .enumerate()
                .filter_map(watches)
                .collect(),
            by_name: config.accounts.iter().enumerate().map(named).collect(),
            accounts: config
                .accounts
                .into_iter()
                .map(|profile| Account::new(profile, now))
                .collect(),
            calls: BTreeMap::new(),
            names: HashMap::new(),
            deadlines: BTreeSet::new(),
            rng: StdRng::from_seed(seed),
            next_key: 0,
            messages: 0,
            adopts_until: now + ADOPTION,
            max_calls: config.max_calls,
            dtmf: config.dtmf,
            ringback: config.ringback,
            preferred_codecs: config.preferred_codecs,
            phase: Phase::Running,
        }
    }

    /// The next thing to do; call until [`Output::Wait`].
    pub fn poll(&mut self) -> Output {
        if let Some(output) = self.outbox.pop_front() {
            return output;
        }
        let call = self
            .deadlines
            .first()
            .map(|(at, deadline, _)| (*at, *deadline));
        let stopping = match self.phase {
            Phase::Stopping { until } => Some((until, Deadline::ShutDown)),
            Phase::Running | Phase::Stopped => None,
        };
        Output::Wait(call.into_iter().chain(stopping).min())
    }

    /// Accounts and calls at this moment.
    #[must_use]
    pub fn status(&self, now: Instant) -> Status {
        Status {
            accounts: self
                .accounts
                .iter()
                .map(|account| account.status(now))
                .collect(),
            calls: self.calls(now),
        }
    }

    /// The calls at this moment, oldest first.
    #[must_use]
    pub fn calls(&self, now: Instant) -> Vec<CallStatus> {
        self.calls.values().map(|call| call.status(now)).collect()
    }

    /// The name of an account.
    #[must_use]
    pub fn name_of(&self, account: usize) -> Option<Arc<str>> {
        let entry = self.accounts.get(account)?;
        Some(Arc::clone(&entry.profile.name))
    }

    /// Whether an account has lost its connection and waits for the next attempt; not when its login was refused.
    #[must_use]
    pub fn is_waiting(&self, account: usize) -> bool {
        let entry = self.accounts.get(account);
        entry.is_some_and(|entry| entry.is_waiting())
    }

    /// Ends every call and every session; [`Output::Finished`] follows within 4 s.
    pub fn shut_down(&mut self, now: Instant) {
        if self.phase != Phase::Running {
            return;
        }
        self.phase = Phase::Stopping {
            until: now + SHUT_DOWN,
        };
        for key in self.keys() {
            self.with_call(key, now, Call::shut_down);
        }
        for index in 0..self.accounts.len() {
            self.outbox
                .push_back(Output::Signaling(AccountKey(index), Command::Shutdown));
        }
        self.finish_if_done();
    }

    /// The account's socket stands; how long its stages took.
    pub fn connected(&mut self, account: AccountKey, stages: Stages, now: Instant) {
        let Some(entry) = self.accounts.get_mut(account.0) else {
            return;
        };
        // A further connection of an account that can make calls (SIP) is no step towards that.
        if entry.is_ready() {
            return;
        }
        let name = Arc::clone(&entry.profile.name);
        for (at, kind) in entry.connected(stages, now) {
            self.outbox.push_back(Output::Event(Event {
                account: Arc::clone(&name),
                call: None,
                ids: None,
                at,
                kind,
            }));
        }
    }

    /// What the account's session says.
    pub fn on_signaling(&mut self, account: AccountKey, event: SignalingEvent, now: Instant) {
        let described = media_addresses::of(&event);
        self.take(account, event, now);
        if let Some((id, addresses)) = described
            && let Some(call) = self
                .names
                .get(&(account, id.clone()))
                .and_then(|key| self.calls.get_mut(key))
        {
            call.note_server_addresses(&addresses);
            let status = call.status(now);
            self.outbox.push_back(Output::Event(Event {
                account: status.account,
                call: Some(id),
                ids: status.ids,
                at: status.age,
                kind: EventKind::ServerMedia { addresses },
            }));
        }
    }

    fn take(&mut self, account: AccountKey, event: SignalingEvent, now: Instant) {
        let Some(entry) = self.accounts.get_mut(account.0) else {
            return;
        };
        let events = match event {
            SignalingEvent::Connecting { .. } => vec![entry.connecting(now)],
            SignalingEvent::Connected => vec![entry.logging_in(now)],
            // On a live connection it is a new login in place of an older one.
            SignalingEvent::LoggedIn { .. } if entry.is_ready() => vec![entry.renewed()],
            SignalingEvent::LoggedIn { .. } => vec![entry.logged_in(now)],
            SignalingEvent::Ready => {
                let events = entry.ready(now);
                self.tell(account, events, now);
                self.tell_rivals(account, now);
                return self.give_outputs(account);
            }
            SignalingEvent::Flow {
                server,
                cause,
                retry_in,
            } => vec![entry.flow(&server, cause.as_ref(), retry_in, now)],
            SignalingEvent::Registered {
                server,
                others,
                push,
            } => {
                entry.registrar_told(server, others, push);
                return;
            }
            SignalingEvent::LoginFailed(error) => vec![entry.login_failed(&error, now)],
            SignalingEvent::Unregistered(error) => vec![entry.unregistered(&error, now)],
            SignalingEvent::Failed(error) => vec![entry.failed(&error, now)],
            SignalingEvent::RegisteredAgain => entry.registered_again(now).into_iter().collect(),
            SignalingEvent::Postponed(error) => vec![EventKind::RequestFailed {
                reason: error.to_string(),
                remedy: Some("nothing: it is asked again by itself".to_owned()),
            }],
            SignalingEvent::Disconnected { cause, retry_in } => {
                let events = entry.disconnected(&cause, retry_in, now);
                self.tell(account, events.into_iter().collect(), now);
                return self.connection_lost(account, now);
            }
            SignalingEvent::Stopped => vec![entry.stopped(now)],
            SignalingEvent::Incoming {
                call,
                caller,
                sdp,
                said,
                ids,
                replaces,
            } => {
                let offered = Offered {
                    caller,
                    sdp,
                    said: (*said).into(),
                    ids: *ids,
                    replaces,
                };
                return self.incoming(account, call, offered, now);
            }
            SignalingEvent::Referred {
                call,
                within,
                to,
                referred_by,
                replaces,
            } => {
                let wish = Referral {
                    call,
                    within,
                    to,
                    by: referred_by,
                    replaces,
                };
                return self.on_referred(account, wish, now);
            }
            SignalingEvent::ReferLapsed { call } => {
                entry.referrals.remove(&call);
                return self.tell_of(account, Some(call), EventKind::ReferralLapsed, now);
            }
            SignalingEvent::Published { open, note } => vec![EventKind::Published { open, note }],
            SignalingEvent::TokenWanted { .. } => {
                if entry.profile.has_token_source {
                    self.outbox.push_back(Output::FetchToken(account));
                }
                return;
            }
            SignalingEvent::Remember { state } => {
                return self.outbox.push_back(Output::Remember(account, state));
            }
            SignalingEvent::ReportKey { id } => {
                return self.outbox.push_back(Output::ReportKey(account, id));
            }
            SignalingEvent::ApiReply { id, result } => {
                return self.outbox.push_back(Output::Answer(id, result));
            }
            SignalingEvent::TokenExpiringSoon { left } => {
                vec![EventKind::TokenExpiringSoon { left }]
            }
            SignalingEvent::TokenExpired => vec![EventKind::TokenExpired],
            SignalingEvent::RegistrationConflict { detail } => {
                vec![EventKind::RegistrationConflict { detail }]
            }
            SignalingEvent::Channels {
                subscribed,
                refused,
            } => vec![EventKind::Watching {
                channels: subscribed,
                refused,
            }],
            SignalingEvent::ChannelEvent {
                channel,
                data,
                lost,
            } => vec![EventKind::Channel {
                channel,
                data,
                lost,
            }],
            SignalingEvent::Announcement { words } => {
                vec![EventKind::Announcement { text: words }]
            }
            SignalingEvent::SessionCommandFailed { error, .. } => {
                vec![EventKind::RequestFailed {
                    reason: error.to_string(),
                    remedy: Some(error.remedy().to_string()),
                }]
            }
            SignalingEvent::MessageAccepted {
                call: None,
                id: message,
                stored,
            } => vec![EventKind::MessageAccepted { message, stored }],
            SignalingEvent::MessageFailed {
                call: None,
                id: message,
                error,
            } => vec![EventKind::message_failed(message, &error)],
            SignalingEvent::Info { call: None, data } => vec![EventKind::Info { data }],
            SignalingEvent::Message {
                call: None,
                from,
                body,
            } => vec![EventKind::Message { from, text: body }],
            SignalingEvent::Assistant {
                call,
                event:
                    AssistantEvent::ToolCall {
                        tool_call,
                        name,
                        arguments,
                    },
            } => {
                let call = ToolCall {
                    call,
                    tool_call,
                    name,
                    arguments,
                };
                return self.on_tool_call(account, call, now);
            }
            SignalingEvent::Assistant { call: None, event } => {
                vec![EventKind::Assistant(Box::new(event))]
            }
            event @ (SignalingEvent::Trying { .. }
            | SignalingEvent::Ringing { .. }
            | SignalingEvent::EarlyMedia { .. }
            | SignalingEvent::Answered { .. }
            | SignalingEvent::Confirmed { .. }
            | SignalingEvent::Attach { .. }
            | SignalingEvent::MediaUpdated { .. }
            | SignalingEvent::Display { .. }
            | SignalingEvent::DtmfSent { .. }
            | SignalingEvent::Ended { .. }
            | SignalingEvent::CommandFailed { .. }
            | SignalingEvent::MediaUpdateFailed { .. }
            | _) => return self.on_call_event(account, event, now),
        };
        self.tell(account, events, now);
        self.finish_if_done();
    }

    /// How many messages the account's session has refused or passed over since they made no sense.
    pub fn note_malformed(&mut self, account: AccountKey, count: u64) {
        if let Some(entry) = self.accounts.get_mut(account.0) {
            entry.malformed = count;
        }
    }

    /// What the media worker says of a call.
    pub fn on_media(&mut self, key: CallKey, event: CallEvent, now: Instant) {
        if self.calls.contains_key(&key) {
            self.with_call(key, now, |call, fx| call.on_media(event, fx));
            self.finish_if_done();
        }
    }

    /// A call's input or output could not be opened; `reason` names it and says what to do.
    pub fn on_audio_fault(&mut self, key: CallKey, reason: String, now: Instant) {
        if self.calls.contains_key(&key) {
            self.with_call(key, now, |call, fx| call.on_audio_fault(reason, fx));
        }
    }

    /// The instant of the last [`Output::Wait`] has come.
    pub fn on_timeout(&mut self, now: Instant) {
        while let Some(due) = self
            .deadlines
            .first()
            .copied()
            .filter(|(at, _, _)| *at <= now)
        {
            // A call changes its deadline on timeout; an entry that stays belongs to nobody.
            self.with_call(due.2, now, Call::on_timeout);
            self.deadlines.remove(&due);
        }
        if let Phase::Stopping { until } = self.phase
            && until <= now
        {
            for key in self.keys() {
                self.with_call(key, now, Call::finish);
            }
            self.finish();
        }
        self.finish_if_done();
    }

    fn incoming(&mut self, account: AccountKey, id: CallId, offered: Offered, now: Instant) {
        if self.phase != Phase::Running || self.names.contains_key(&(account, id.clone())) {
            return;
        }
        let Some(entry) = self.accounts.get(account.0) else {
            return;
        };
        let (name, protocol) = (Arc::clone(&entry.profile.name), entry.profile.protocol);
        let replaced = offered
            .replaces
            .as_ref()
            .and_then(|old| self.names.get(&(account, old.clone())))
            .and_then(|key| self.calls.get(key));
        let senses = replaced.map(|call| (call.is_muted(), call.is_deaf()));
        // A call in another one's place is none more.
        if self.calls.len() >= self.max_calls && senses.is_none() {
            let busy = Command::Bye {
                call: id,
                cause: Some(Cause::USER_BUSY),
                sip_code: None,
                headers: Vec::new(),
            };
            return self.outbox.push_back(Output::Signaling(account, busy));
        }
        let identity = self.identity(account, name, protocol, id, Direction::Inbound);
        let mut fx = Effects {
            outbox: &mut self.outbox,
            now,
        };
        let mut call = Call::inbound(identity.clone(), offered, &mut fx);
        if let Some((muted, deaf)) = senses {
            // Our user has taken it long since: only who is at the far end changes (RFC 3891, section 3).
            let options = AnswerOptions {
                muted: Some(muted),
                ..AnswerOptions::default()
            };
            call.deafen(deaf, &mut fx);
            call.answer(options, &mut fx);
        }
        self.enter(identity, call);
    }

    fn on_call_event(&mut self, account: AccountKey, event: SignalingEvent, now: Instant) {
        let Some(id) = call_of(&event) else { return };
        if let Some(key) = self.names.get(&(account, id.clone())).copied() {
            self.with_call(key, now, |call, fx| call.on_signaling(event, fx));
            self.finish_if_done();
        } else if let SignalingEvent::Attach {
            call,
            sdp,
            remote: caller,
            outbound,
            said,
            ids,
            ..
        } = event
        {
            let Some(entry) = self.accounts.get(account.0) else {
                return;
            };
            let refused = if self.phase != Phase::Running {
                Some("the engine ends")
            } else if !entry.profile.adopts_calls {
                Some("this account takes up no calls of an earlier process")
            } else if now > self.adopts_until {
                Some("it came later than a server keeps the calls of an earlier process")
            } else if self.calls.len() >= self.max_calls {
                Some("there are as many calls as there may be")
            } else {
                None
            };
            let Some(reason) = refused else {
                let (name, protocol) = (Arc::clone(&entry.profile.name), entry.profile.protocol);
                let muted = entry.profile.start_muted;
                let direction = match outbound {
                    true => Direction::Outbound,
                    false => Direction::Inbound,
                };
                let identity = self.identity(account, name, protocol, call, direction);
                let mut fx = Effects {
                    outbox: &mut self.outbox,
                    now,
                };
                let offered = Offered {
                    caller,
                    sdp: None,
                    said: (*said).into(),
                    ids: *ids,
                    replaces: None,
                };
                let call = Call::adopted(identity.clone(), offered, sdp, muted, &mut fx);
                return self.enter(identity, call);
            };
            // A call of an earlier life of this program, which nobody here waits for.
            let unknown = EventKind::UnknownCall {
                call: call.clone(),
                number: caller.number,
                reason,
            };
            self.tell(account, vec![unknown], now);
            let bye = Command::Bye {
                call,
                cause: Some(Cause::NORMAL_CLEARING),
                sip_code: None,
                headers: Vec::new(),
            };
            self.outbox.push_back(Output::Signaling(account, bye));
        }
    }

    fn connection_lost(&mut self, account: AccountKey, now: Instant) {
        let keys: Vec<CallKey> = self
            .accounts
            .get(account.0)
            .map(|entry| entry.calls.iter().copied().collect())
            .unwrap_or_default();
        for key in keys {
            self.with_call(key, now, Call::connection_lost);
        }
    }

    pub(super) fn identity(
        &mut self,
        account: AccountKey,
        account_name: Arc<str>,
        protocol: Protocol,
        id: CallId,
        direction: Direction,
    ) -> Identity {
        let key = CallKey(self.next_key);
        self.next_key += 1;
        Identity {
            key,
            id,
            account,
            account_name,
            direction,
            protocol,
        }
    }

    pub(super) fn enter(&mut self, identity: Identity, call: Call) {
        if let Some(account) = self.accounts.get_mut(identity.account.0) {
            account.calls.insert(identity.key);
        }
        if let Some((at, deadline)) = call.deadline() {
            self.deadlines.insert((at, deadline, identity.key));
        }
        self.names
            .insert((identity.account, identity.id), identity.key);
        self.calls.insert(identity.key, call);
    }

    /// Lets something happen to a call and keeps the tables true to it. The key must be that of a call.
    pub(super) fn with_call<T>(
        &mut self,
        key: CallKey,
        now: Instant,
        happen: impl FnOnce(&mut Call, &mut Effects<'_>) -> T,
    ) -> Option<T> {
        let call = self.calls.get_mut(&key)?;
        let before = call.deadline();
        let result = happen(
            call,
            &mut Effects {
                outbox: &mut self.outbox,
                now,
            },
        );
        let after = call.deadline();
        let over = call.is_over().then(|| (call.account(), call.id().clone()));
        if before != after {
            if let Some((at, deadline)) = before {
                self.deadlines.remove(&(at, deadline, key));
            }
            if let Some((at, deadline)) = after {
                self.deadlines.insert((at, deadline, key));
            }
        }
        if let Some((account, id)) = over {
            self.calls.remove(&key);
            if let Some(entry) = self.accounts.get_mut(account.0) {
                entry.calls.remove(&key);
            }
            self.names.remove(&(account, id));
        }
        Some(result)
    }

    fn keys(&self) -> Vec<CallKey> {
        self.calls.keys().copied().collect()
    }

    fn finish_if_done(&mut self) {
        let stopping = matches!(self.phase, Phase::Stopping { .. });
        if stopping && self.calls.is_empty() && self.accounts.iter().all(Account::is_stopped) {
            self.finish();
        }
    }

    fn finish(&mut self) {
        self.phase = Phase::Stopped;
        self.outbox.push_back(Output::Finished);
    }

    pub(super) fn tell(&mut self, account: AccountKey, kinds: Vec<EventKind>, now: Instant) {
        let Some(entry) = self.accounts.get(account.0) else {
            return;
        };
        let (name, at) = (Arc::clone(&entry.profile.name), entry.at(now));
        let events = kinds.into_iter().map(|kind| {
            Output::Event(Event {
                account: Arc::clone(&name),
                call: None,
                ids: None,
                at,
                kind,
            })
        });
        self.outbox.extend(events);
    }
}

/// The call that an event is about.
fn call_of(event: &SignalingEvent) -> Option<&CallId> {
    match event {
        SignalingEvent::Incoming { call, .. }
        | SignalingEvent::Trying { call }
        | SignalingEvent::Ringing { call, .. }
        | SignalingEvent::Progress { call, .. }
        | SignalingEvent::EarlyMedia { call, .. }
        | SignalingEvent::Answered { call, .. }
        | SignalingEvent::Confirmed { call }
        | SignalingEvent::Attach { call, .. }
        | SignalingEvent::MediaUpdated { call, .. }
        | SignalingEvent::Offer { call, .. }
        | SignalingEvent::OfferWanted { call }
        | SignalingEvent::Digit { call, .. }
        | SignalingEvent::Display { call, .. }
        | SignalingEvent::DtmfSent { call }
        | SignalingEvent::Ended { call, .. }
        | SignalingEvent::HoldState { call, .. }
        | SignalingEvent::Transferred { call }
        | SignalingEvent::CallIds { call, .. }
        | SignalingEvent::Conference { call, .. }
        | SignalingEvent::Prompt { call, .. }
        | SignalingEvent::RemoteCandidate { call, .. }
        | SignalingEvent::RemoteEndOfCandidates { call }
        | SignalingEvent::MediaUpdateFailed { call, .. }
        | SignalingEvent::CommandFailed { call, .. } => Some(call),
        SignalingEvent::Message { call, .. }
        | SignalingEvent::MessageAccepted { call, .. }
        | SignalingEvent::MessageFailed { call, .. }
        | SignalingEvent::Info { call, .. }
        | SignalingEvent::Assistant { call, .. } => call.as_ref(),
        // About the account, or of a later protocol.
        SignalingEvent::Connecting { .. }
        | SignalingEvent::Connected
        | SignalingEvent::LoggedIn { .. }
        | SignalingEvent::Ready
        | SignalingEvent::Unregistered(_)
        | SignalingEvent::Disconnected { .. }
        | SignalingEvent::LoginFailed(_)
        | SignalingEvent::Failed(_)
        | SignalingEvent::Stopped
        | _ => None,
    }
}
