//! The heart without I/O: accounts and calls, between users, signalling sessions and media workers.
//!
//! Drive it: one input (a request, a signalling event, a media event, a timeout), then [`Core::poll`] until
//! [`Output::Wait`]. It has no clock and no chance of its own: time comes with every input, chance from the seed.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use offhook_media::driver::event::CallEvent;
use offhook_media::program::CallKey;
use offhook_signaling::call_id::CallId;
use offhook_signaling::cause::Cause;
use offhook_signaling::command::Command;
use offhook_signaling::event::{Event as SignalingEvent, Party};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::account::{Account, Profile, Stages};
use crate::call::dialog::Call;
use crate::call::state::{Effects, Identity, Shown};
use crate::error::{Error, Wanted};
use crate::event::{Event, EventKind};
use crate::output::{AccountKey, Deadline, Output};
use crate::request::{CallRequest, Dtmf};
use crate::status::{CallStatus, Direction, Status};

/// See [`Deadline::ShutDown`].
const SHUT_DOWN: Duration = Duration::from_secs(4);
/// Longest number that is sent to a server.
const LONGEST_NUMBER: usize = 256;
/// Most digits in one request.
const MOST_DIGITS: usize = 64;

/// What the core is told once.
#[derive(Debug, Clone)]
pub struct CoreConfig {
    /// The accounts, in their order.
    pub accounts: Vec<Profile>,
    /// Most calls at a time; one more from outside is refused as busy.
    pub max_calls: usize,
    /// How digits are sent.
    pub dtmf: Dtmf,
}

/// Accounts and calls of one shard.
#[derive(Debug)]
pub struct Core {
    accounts: Vec<Account>,
    calls: BTreeMap<CallKey, Call>,
    /// Servers choose names too, so a name counts only together with its account.
    names: HashMap<(AccountKey, CallId), CallKey>,
    deadlines: BTreeSet<(Instant, Deadline, CallKey)>,
    outbox: VecDeque<Output>,
    rng: StdRng,
    next_key: u64,
    max_calls: usize,
    dtmf: Dtmf,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Stopping { until: Instant },
    Stopped,
}

impl Core {
    /// A core whose accounts begin to connect; `seed` must be unguessable, call names are drawn from it.
    #[must_use]
    pub fn new(config: CoreConfig, seed: [u8; 32], now: Instant) -> Self {
        Self {
            accounts: config
                .accounts
                .into_iter()
                .map(|profile| Account::new(profile, now))
                .collect(),
            calls: BTreeMap::new(),
            names: HashMap::new(),
            deadlines: BTreeSet::new(),
            outbox: VecDeque::new(),
            rng: StdRng::from_seed(seed),
            next_key: 0,
            max_calls: config.max_calls,
            dtmf: config.dtmf,
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

    /// Places a call; everything after its name comes as events.
    ///
    /// # Errors
    /// When the account is unknown or not ready, the number is none, or the engine is full or shutting down.
    pub fn call(&mut self, request: &CallRequest, now: Instant) -> Result<CallId, Error> {
        if self.phase != Phase::Running {
            return Err(Error::ShuttingDown);
        }
        check_number(&request.number)?;
        let key = self.find_account(request.account.as_deref())?;
        let Some(account) = self.accounts.get(key.0) else {
            return Err(Error::Ended);
        };
        let name = Arc::clone(&account.profile.name);
        if !account.is_ready() {
            let (reason, remedy) = account.not_ready();
            return Err(Error::NotReady {
                account: name,
                reason,
                remedy,
            });
        }
        if self.calls.len() >= self.max_calls {
            return Err(Error::TooManyCalls {
                limit: self.max_calls,
            });
        }
        let shown = Shown {
            name: request
                .caller_name
                .clone()
                .or_else(|| account.profile.caller_name.clone()),
            number: request
                .caller_number
                .clone()
                .or_else(|| account.profile.caller_number.clone()),
        };
        let id = CallId::random(&mut self.rng);
        let identity = self.identity(key, name, id.clone(), Direction::Outbound);
        let mut fx = Effects {
            outbox: &mut self.outbox,
            now,
        };
        let call = Call::outbound(identity.clone(), &request.number, shown, &mut fx);
        self.enter(identity, call);
        Ok(id)
    }

    /// Answers a call that rings; without a name, the only one that does.
    ///
    /// # Errors
    /// When there is none, several, or it does not ring here.
    pub fn answer(&mut self, call: Option<&CallId>, now: Instant) -> Result<CallId, Error> {
        let key = self.find_call(call, Wanted::Ringing)?;
        self.with_call(key, now, |call, fx| {
            if !call.rings_here() {
                return Err(wrong_state(call, "answered"));
            }
            call.answer(fx);
            Ok(call.id().clone())
        })
        .unwrap_or(Err(Error::Ended))
    }

    /// Ends, cancels or refuses a call; without a name, the only one there is.
    ///
    /// # Errors
    /// When there is none, several, or it ends already.
    pub fn hang_up(
        &mut self,
        call: Option<&CallId>,
        cause: Option<Cause>,
        now: Instant,
    ) -> Result<CallId, Error> {
        let key = self.find_call(call, Wanted::Any)?;
        self.with_call(key, now, |call, fx| {
            if call.is_ending() {
                return Err(wrong_state(call, "hung up"));
            }
            call.hang_up(cause, fx);
            Ok(call.id().clone())
        })
        .unwrap_or(Err(Error::Ended))
    }

    /// Sends digits: `0`-`9`, `*`, `#`, `A`-`D`; `w` waits 0.5 s, `W` 1 s.
    ///
    /// # Errors
    /// When the call is unknown or carries no audio yet, or a digit is none.
    pub fn dtmf(&mut self, call: &CallId, digits: &str, now: Instant) -> Result<(), Error> {
        let digits = read_digits(digits)?;
        let key = self.find_call(Some(call), Wanted::Any)?;
        let method = self.dtmf;
        self.with_call(key, now, |call, fx| {
            if !call.carries_digits() {
                return Err(wrong_state(call, "sent digits"));
            }
            match method {
                Dtmf::Info => call.dtmf_by_signaling(&digits, fx),
                Dtmf::Rfc4733 => call.dtmf_by_rtp(&digits, fx),
            }
            Ok(())
        })
        .unwrap_or(Err(Error::Ended))
    }

    /// Sends silence in place of the input, or the input again.
    ///
    /// # Errors
    /// When the call is unknown or ending.
    pub fn mute(&mut self, call: &CallId, on: bool, now: Instant) -> Result<(), Error> {
        let key = self.find_call(Some(call), Wanted::Any)?;
        self.with_call(key, now, |call, fx| {
            if call.is_ending() {
                return Err(wrong_state(call, "muted"));
            }
            call.mute(on, fx);
            Ok(())
        })
        .unwrap_or(Err(Error::Ended))
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
        let name = Arc::clone(&entry.profile.name);
        for (at, kind) in entry.connected(stages, now) {
            self.outbox.push_back(Output::Event(Event {
                account: Arc::clone(&name),
                call: None,
                at,
                kind,
            }));
        }
    }

    /// What the account's session says.
    pub fn on_signaling(&mut self, account: AccountKey, event: SignalingEvent, now: Instant) {
        let Some(entry) = self.accounts.get_mut(account.0) else {
            return;
        };
        let events = match event {
            SignalingEvent::Connecting { .. } => vec![entry.connecting(now)],
            SignalingEvent::Connected => vec![entry.logging_in(now)],
            SignalingEvent::LoggedIn { .. } => vec![entry.logged_in(now)],
            SignalingEvent::Ready => entry.ready(now),
            SignalingEvent::LoginFailed(error) => vec![entry.login_failed(&error, now)],
            SignalingEvent::Failed(error) => vec![entry.failed(&error, now)],
            SignalingEvent::Disconnected { cause, retry_in } => {
                let events = entry.disconnected(&cause, retry_in, now);
                self.tell(account, events.into_iter().collect(), now);
                return self.connection_lost(account, now);
            }
            SignalingEvent::Stopped => vec![entry.stopped(now)],
            SignalingEvent::Incoming {
                call, caller, sdp, ..
            } => return self.incoming(account, call, caller, sdp, now),
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
            | _) => return self.on_call_event(account, event, now),
        };
        self.tell(account, events, now);
        self.finish_if_done();
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

    fn incoming(
        &mut self,
        account: AccountKey,
        id: CallId,
        caller: Party,
        sdp: Option<String>,
        now: Instant,
    ) {
        if self.phase != Phase::Running || self.names.contains_key(&(account, id.clone())) {
            return;
        }
        let Some(entry) = self.accounts.get(account.0) else {
            return;
        };
        let name = Arc::clone(&entry.profile.name);
        if self.calls.len() >= self.max_calls {
            let busy = Command::Bye {
                call: id,
                cause: Some(Cause::USER_BUSY),
                headers: Vec::new(),
            };
            return self.outbox.push_back(Output::Signaling(account, busy));
        }
        let identity = self.identity(account, name, id, Direction::Inbound);
        let mut fx = Effects {
            outbox: &mut self.outbox,
            now,
        };
        let call = Call::inbound(identity.clone(), caller, sdp, &mut fx);
        self.enter(identity, call);
    }

    fn on_call_event(&mut self, account: AccountKey, event: SignalingEvent, now: Instant) {
        let Some(id) = call_of(&event) else { return };
        if let Some(key) = self.names.get(&(account, id.clone())).copied() {
            self.with_call(key, now, |call, fx| call.on_signaling(event, fx));
            self.finish_if_done();
        } else if let SignalingEvent::Attach { call, .. } = event {
            // A call of an earlier life of this program: nobody here waits for it.
            let bye = Command::Bye {
                call,
                cause: Some(Cause::NORMAL_CLEARING),
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

    fn identity(
        &mut self,
        account: AccountKey,
        account_name: Arc<str>,
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
        }
    }

    fn enter(&mut self, identity: Identity, call: Call) {
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
    fn with_call<T>(
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

    fn find_account(&self, name: Option<&str>) -> Result<AccountKey, Error> {
        let known = || {
            self.accounts
                .iter()
                .map(|account| Arc::clone(&account.profile.name))
                .collect()
        };
        match name {
            Some(name) => self
                .accounts
                .iter()
                .position(|account| *account.profile.name == *name)
                .map(AccountKey)
                .ok_or_else(|| Error::UnknownAccount {
                    name: name.to_owned(),
                    known: known(),
                }),
            None if self.accounts.len() == 1 => Ok(AccountKey(0)),
            None => Err(Error::WhichAccount { known: known() }),
        }
    }

    fn find_call(&self, id: Option<&CallId>, wanted: Wanted) -> Result<CallKey, Error> {
        let fits = |call: &Call| match (id, wanted) {
            (Some(id), _) => call.id() == id,
            (None, Wanted::Ringing) => call.rings_here(),
            (None, Wanted::Any) => !call.is_ending(),
        };
        let mut found = self
            .calls
            .iter()
            .filter(|(_, call)| fits(call))
            .map(|(key, _)| *key);
        match (found.next(), found.count(), id) {
            (Some(key), 0, _) => Ok(key),
            (Some(_), more, _) => Err(Error::WhichCall { count: more + 1 }),
            (None, _, Some(id)) => Err(Error::UnknownCall { call: id.clone() }),
            (None, _, None) => Err(Error::NoCall(wanted)),
        }
    }

    fn tell(&mut self, account: AccountKey, kinds: Vec<EventKind>, now: Instant) {
        let Some(entry) = self.accounts.get(account.0) else {
            return;
        };
        let (name, at) = (Arc::clone(&entry.profile.name), entry.at(now));
        let events = kinds.into_iter().map(|kind| {
            Output::Event(Event {
                account: Arc::clone(&name),
                call: None,
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
        | SignalingEvent::Ringing { call }
        | SignalingEvent::EarlyMedia { call, .. }
        | SignalingEvent::Answered { call, .. }
        | SignalingEvent::Confirmed { call }
        | SignalingEvent::Attach { call, .. }
        | SignalingEvent::MediaUpdated { call, .. }
        | SignalingEvent::Display { call, .. }
        | SignalingEvent::DtmfSent { call }
        | SignalingEvent::Ended { call, .. }
        | SignalingEvent::CommandFailed { call, .. } => Some(call),
        // About the account, or of a later protocol.
        SignalingEvent::Connecting { .. }
        | SignalingEvent::Connected
        | SignalingEvent::LoggedIn { .. }
        | SignalingEvent::Ready
        | SignalingEvent::Disconnected { .. }
        | SignalingEvent::LoginFailed(_)
        | SignalingEvent::Failed(_)
        | SignalingEvent::Stopped
        | _ => None,
    }
}

fn wrong_state(call: &Call, wanted: &'static str) -> Error {
    Error::WrongState {
        call: call.id().clone(),
        wanted,
        state: call.state().word(),
    }
}

fn check_number(number: &str) -> Result<(), Error> {
    let why = if number.is_empty() {
        "it is empty"
    } else if number.len() > LONGEST_NUMBER {
        "it is too long"
    } else if number.chars().any(|c| c.is_control() || c.is_whitespace()) {
        "it holds a space or a control character"
    } else {
        return Ok(());
    };
    Err(Error::Number {
        number: number.chars().take(40).collect(),
        why,
    })
}

fn read_digits(digits: &str) -> Result<String, Error> {
    if digits.is_empty() || digits.len() > MOST_DIGITS {
        return Err(Error::DigitCount { limit: MOST_DIGITS });
    }
    digits
        .chars()
        .map(|digit| match digit {
            '0'..='9' | '*' | '#' | 'A'..='D' | 'w' | 'W' => Ok(digit),
            'a'..='d' => Ok(digit.to_ascii_uppercase()),
            _ => Err(Error::Digit(digit)),
        })
        .collect()
}
