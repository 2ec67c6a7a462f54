//! The exchange: every leg, and who is registered; what clients ask of it.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use offhook_media::program::AudioCodec;

use crate::numbers::{Destination, Step};
use crate::switch::asleep::{Asleep, Waiting};
use crate::switch::cause::{self, cause};
use crate::switch::leg::{
    Endpoint, EndpointId, Leg, LegEvent, LegId, LegMedia, Party, RaceId, State,
};
use crate::switch::media::{MediaCommand, MediaId, Sound};
use crate::switch::timers::{Timer, Timers};

/// A called client rings this long before the call fails with `NO_ANSWER`.
pub(super) const RING_LIMIT: Duration = Duration::from_secs(60);
/// Most calls back that may wait at the same time.
const MAX_CALLS_BACK: usize = 1024;

/// What the exchange wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Tell the leg's protocol.
    Leg(LegId, LegEvent),
    /// Tell the media side.
    Media(MediaCommand),
}

/// A call that a client makes.
#[derive(Debug)]
pub(crate) struct ClientCall {
    pub(crate) endpoint: Endpoint,
    pub(crate) user: String,
    pub(crate) caller: Party,
    pub(crate) dialled: String,
    /// The client's SDP; `None`: it wants an offer of ours (SIP).
    pub(crate) offer: Option<String>,
    /// Codecs that the offer and this sandbox have in common, in the client's order.
    pub(crate) codecs: Vec<AudioCodec>,
    /// The client offered to send digits with its sound.
    pub(crate) digits: bool,
    /// What happens, whatever was dialled.
    pub(crate) script: Option<Vec<Step>>,
    /// Of a user's clients only this one is to ring.
    pub(crate) only: Option<EndpointId>,
}

/// A call that the sandbox itself makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnCall {
    pub(crate) caller: Party,
    /// What the client hears once it answers.
    pub(crate) sound: Sound,
    /// What it is offered, best first.
    pub(crate) codecs: Vec<AudioCodec>,
    /// A client that can is not offered anything, but is to offer itself (SIP).
    pub(crate) late: bool,
}

/// Whether and how a client wants a call held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HoldWish {
    Hold,
    Unhold,
    Toggle,
}

/// The leg is not in a state in which this can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotNow;

/// Every leg, and who is registered. Give it input, then drain [`poll`](Self::poll).
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    pub(super) legs: BTreeMap<LegId, Leg>,
    /// Which leg a media session belongs to.
    pub(super) sessions: BTreeMap<MediaId, LegId>,
    pub(super) races: BTreeMap<RaceId, Vec<LegId>>,
    registered: BTreeMap<String, Vec<Endpoint>>,
    calls_back: BTreeMap<(Instant, u64), (String, OwnCall)>,
    pub(super) timers: Timers,
    pub(super) asleep: Asleep,
    /// How long an answered call outlives its socket, whatever server its client sees.
    pub(super) detached_for: Option<Duration>,
    effects: VecDeque<Effect>,
    serial: u64,
}

impl Exchange {
    /// An exchange in which answered calls outlive their sockets for this long, and otherwise as each server has it.
    pub(crate) fn new(detached_for: Option<Duration>) -> Self {
        Self {
            detached_for,
            ..Self::default()
        }
    }

    /// The user's calls now also (or only) go to this client.
    pub(crate) fn register(&mut self, user: &str, endpoint: Endpoint) {
        let clients = self.registered.entry(user.to_owned()).or_default();
        if endpoint.face.last_login_wins {
            clients.retain(|client| !client.face.last_login_wins);
        }
        clients.retain(|client| client.id != endpoint.id);
        clients.push(endpoint);
    }

    /// No more calls to this client.
    pub(crate) fn unregister(&mut self, endpoint: EndpointId) {
        self.registered.retain(|_, clients| {
            clients.retain(|client| client.id != endpoint);
            !clients.is_empty()
        });
    }

    /// Whether calls to this user reach somebody.
    pub(crate) fn is_registered(&self, user: &str) -> bool {
        self.registered.contains_key(user)
    }

    /// A client calls.
    pub(crate) fn call(&mut self, call: ClientCall, now: Instant) -> LegId {
        let destination = match call.script {
            Some(steps) => Destination::Script(steps),
            None => self.destination(&call.dialled),
        };
        let unknown = call.endpoint.face.unknown_number;
        let id = LegId(self.next_serial());
        let callee = Party {
            name: String::new(),
            number: call.dialled,
        };
        let state = State::Proceeding { offer: call.offer };
        let leg = Leg {
            digits: call.digits,
            ..Leg::new(call.endpoint, call.user, call.caller, callee, state).with(call.codecs)
        };
        self.legs.insert(id, leg);
        match destination {
            Destination::Script(steps) => self.run(id, steps, now),
            Destination::Unknown => self.run(id, vec![Step::HangUp(cause(unknown))], now),
            Destination::User(user) => self.fork(id, &user, call.only, now),
        }
        id
    }

    /// The sandbox calls a user; says how many clients ring.
    pub(crate) fn call_user(&mut self, user: &str, call: &OwnCall, now: Instant) -> usize {
        let clients = self.clients_of(user);
        if clients.is_empty() {
            self.push(user, Waiting::Own(call.clone(), now + RING_LIMIT), now);
            return 0;
        }
        let (late, usual): (Vec<Endpoint>, Vec<Endpoint>) = clients
            .iter()
            .partition(|client| call.late && client.face.may_offer);
        self.ring(user, &usual, &call.caller, &call.codecs, call.sound, None);
        for client in late {
            self.ring_without_offer(user, client, call, now);
        }
        clients.len()
    }

    /// The sandbox will call a user after a while. Too many such calls at once are forgotten.
    pub(super) fn call_back(&mut self, user: &str, call: OwnCall, at: Instant) {
        if self.calls_back.len() < MAX_CALLS_BACK {
            let serial = self.next_serial();
            self.calls_back
                .insert((at, serial), (user.to_owned(), call));
        }
    }

    /// A client wants a call held, or no more. Says whether it is held now.
    pub(crate) fn hold(&mut self, id: LegId, wish: HoldWish) -> bool {
        let Some(leg) = self.legs.get_mut(&id) else {
            return false;
        };
        // mod_verto asks for nothing but an answered channel, and one that came back is.
        if leg.state == State::Active {
            leg.held = match wish {
                HoldWish::Hold => true,
                HoldWish::Unhold => false,
                HoldWish::Toggle => !leg.held,
            };
        }
        let held = leg.held;
        let partner = leg.partner;
        self.play(id);
        if let Some(partner) = partner {
            self.play(partner);
        }
        held
    }

    /// A client sends digits by signalling: whoever it is bridged to gets them as RFC 4733 events, as from FreeSWITCH.
    pub(crate) fn digits(&mut self, id: LegId, digits: String) {
        let Some(leg) = self.legs.get(&id) else {
            return;
        };
        if let (State::Active, Some(_), Some(media)) = (&leg.state, leg.partner, &leg.media) {
            let media = media.id;
            // `12@250+3`: groups with lengths, which ours does not have; a flash is no tone.
            let groups = digits
                .split('+')
                .filter_map(|group| group.split('@').next());
            let digits = groups
                .flat_map(str::chars)
                .filter(|digit| *digit != 'F')
                .collect();
            self.ask_media(MediaCommand::Digits(media, digits));
        }
    }

    /// The next thing to do.
    pub(crate) fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let call_back = self.calls_back.keys().next().map(|(at, _)| *at);
        [self.timers.next(), call_back].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some((id, timer)) = self.timers.due(now) {
            match timer {
                Timer::Step => self.advance(id, now),
                Timer::Limit => self.give_up(id),
            }
        }
        while let Some(entry) = self.calls_back.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let (user, call) = entry.remove();
            self.call_user(&user, &call, now);
        }
    }

    fn fork(&mut self, id: LegId, user: &str, only: Option<EndpointId>, now: Instant) {
        let mut clients = self.clients_of(user);
        clients.retain(|client| only.is_none_or(|only| only == client.id));
        let waits =
            clients.is_empty() && only.is_none() && self.push(user, Waiting::Caller(id), now);
        if clients.is_empty() && !waits {
            self.end_by_exchange(id, cause(cause::USER_NOT_REGISTERED));
            return;
        }
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        let State::Proceeding { offer } = &mut leg.state else {
            return;
        };
        leg.state = State::Forking {
            offer: std::mem::take(offer),
        };
        let caller = leg.caller.clone();
        let codecs = leg.codecs.clone();
        self.tell(id, LegEvent::Ringing);
        if !waits {
            self.ring(user, &clients, &caller, &codecs, Sound::Nothing, Some(id));
        }
    }

    pub(super) fn ring(
        &mut self,
        user: &str,
        clients: &[Endpoint],
        caller: &Party,
        codecs: &[AudioCodec],
        sound: Sound,
        partner: Option<LegId>,
    ) -> Vec<LegId> {
        let race = RaceId(self.next_serial());
        let mut rivals = Vec::new();
        for &endpoint in clients {
            let id = LegId(self.next_serial());
            let leg = Leg {
                sound,
                partner,
                race: Some(race),
                ..Leg::new(
                    endpoint,
                    user.to_owned(),
                    caller.clone(),
                    Party::user(user),
                    State::Offering,
                )
                .with(codecs.to_vec())
            };
            self.legs.insert(id, leg);
            rivals.push(id);
        }
        self.races.insert(race, rivals.clone());
        for &id in &rivals {
            if let Some(media) = self.open_media(id, Sound::Nothing) {
                self.ask_media(MediaCommand::CreateOffer(media));
            }
        }
        rivals
    }

    pub(super) fn clients_of(&self, user: &str) -> Vec<Endpoint> {
        self.registered.get(user).cloned().unwrap_or_default()
    }

    /// How long a client that has our offer may ring.
    pub(super) fn start_ring_limit(&mut self, id: LegId, now: Instant) {
        self.timers.set(id, Timer::Limit, Some(now + RING_LIMIT));
    }

    /// Opens a media session for a leg.
    pub(super) fn open_media(&mut self, id: LegId, sound: Sound) -> Option<MediaId> {
        let media = MediaId(self.next_serial());
        let leg = self.legs.get_mut(&id)?;
        leg.media = Some(LegMedia::new(media));
        let open = MediaCommand::Open {
            media,
            face: leg.endpoint.face.media,
            codecs: leg.codecs.clone(),
            digits: leg.digits,
            sound,
        };
        self.sessions.insert(media, id);
        self.ask_media(open);
        Some(media)
    }

    /// Ends a leg's media session, if it has one.
    pub(super) fn close_media(&mut self, id: LegId) {
        let media = self.legs.get_mut(&id).and_then(|leg| leg.media.take());
        if let Some(media) = media {
            self.sessions.remove(&media.id);
            self.ask_media(MediaCommand::Close(media.id));
        }
    }

    /// Lets a leg's client hear what it should hear as things stand.
    pub(super) fn play(&mut self, id: LegId) {
        let Some(leg) = self.legs.get(&id) else {
            return;
        };
        let Some(media) = &leg.media else { return };
        let media = media.id;
        let partner = leg.partner.and_then(|partner| self.legs.get(&partner));
        let sound = match partner {
            _ if leg.held || leg.silent.is_some() => Sound::Nothing,
            None => leg.sound,
            // The far end put us on hold: something to listen to.
            Some(partner) if partner.held => Sound::Speech,
            Some(partner) => partner
                .media
                .as_ref()
                .map_or(Sound::Nothing, |theirs| Sound::Bridge(theirs.id)),
        };
        self.ask_media(MediaCommand::Play(media, sound));
    }

    pub(super) fn tell(&mut self, id: LegId, event: LegEvent) {
        self.effects.push_back(Effect::Leg(id, event));
    }

    pub(super) fn ask_media(&mut self, command: MediaCommand) {
        self.effects.push_back(Effect::Media(command));
    }

    pub(super) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}
