//! One seed's call between two media sessions: their network, their signalling, and everything that goes wrong.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use offhook_media::dtls::fingerprint::FingerprintHash;
use offhook_media::ice::candidate::{Candidate, CandidateType, LocalCandidate};
use offhook_media::media_transport::event::Route;
use offhook_media::session::config::SessionConfig;
use offhook_media::session::event::MediaEvent;
use offhook_media::session::media_session::{MediaSession, Output, Renewal};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::media::connect::CERTIFICATES;
use crate::media::held::bounded;
use crate::media::places::{Places, seed as draw_seed};
use crate::media::programs::{CODEC, Listener, Talker, Word};
use crate::media::scene::{Act, Scene};
use crate::media::watch::Watch;
use crate::trace::Trace;

/// Datagrams that a forger has at hand.
const RECORDED: usize = 96;

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Both ends heard each other in the end.
    pub heard: bool,
    /// Ends that told a failure.
    pub failures: u8,
    /// Paths that were given up.
    pub lost: u8,
    /// New paths that were asked for.
    pub restarts: u8,
    /// The most datagrams besides media that an end sent in a second.
    pub busiest: u32,
    /// Hash of choices and outcomes.
    pub hash: u64,
}

#[derive(Debug)]
pub(super) enum Happening {
    Offer {
        to: usize,
        sdp: String,
        renewal: Renewal,
        restarts: bool,
    },
    Answer {
        to: usize,
        sdp: String,
        restarts: bool,
    },
    Trickle {
        to: usize,
        candidate: Candidate,
    },
    /// A server answers an end's question.
    Gathered {
        end: usize,
        candidate: LocalCandidate,
    },
    Act(Act),
}

pub(super) struct End {
    pub(super) session: MediaSession,
    pub(super) listener: Listener,
    pub(super) watch: Watch,
    pub(super) wake: Option<Instant>,
    pub(super) hold: bool,
    pub(super) lives: u8,
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) start: Instant,
    pub(super) rng: StdRng,
    pub(super) scene: Scene,
    pub(super) places: Places,
    pub(super) ends: [End; 2],
    pub(super) secret: u64,
    pub(super) agenda: BTreeMap<(Instant, u64), Happening>,
    pub(super) serial: u64,
    /// An offer is on its way, or its answer.
    pub(super) exchanging: bool,
    pub(super) recorded: VecDeque<(usize, Route, Vec<u8>)>,
    pub(super) restarts: u8,
    pub(super) story: Trace,
    pub(super) fixed: Trace,
}

/// Lives the call of this seed.
///
/// # Errors
/// The promise that it broke.
pub fn life(seed: u64) -> Result<Outcome, String> {
    World::new(seed, Trace::default())?.live()
}

/// The same, told line by line.
pub fn story(seed: u64) -> (Result<Outcome, String>, Vec<String>) {
    let mut world = match World::new(seed, Trace::with_story()) {
        Ok(world) => world,
        Err(fault) => return (Err(fault), Vec::new()),
    };
    let outcome = world.live();
    (outcome, world.story.story().to_vec())
}

pub(super) fn session(
    end: usize,
    life: u8,
    secret: u64,
    rng: &mut StdRng,
    now: Instant,
) -> (MediaSession, Listener) {
    let mut config = SessionConfig::new(Arc::clone(&CERTIFICATES[end]));
    config.codecs = vec![CODEC];
    let first = Word {
        secret,
        end: u8::try_from(end).unwrap_or_default(),
        life,
        number: 0,
    };
    let (program, listener) = Talker::new(first);
    let session = MediaSession::new(config, program, draw_seed(rng), now);
    (session, listener)
}

impl World {
    fn new(seed: u64, story: Trace) -> Result<Self, String> {
        let now = Instant::now();
        let mut rng = StdRng::seed_from_u64(seed);
        let scene = Scene::draw(&mut rng);
        let places = Places::new(scene.access.clone(), &mut rng);
        let secret = rng.random();
        let ends = [0, 1].map(|end| {
            let (session, listener) = session(end, 0, secret, &mut rng, now);
            let far = u8::try_from(1 - end).unwrap_or_default();
            End {
                session,
                listener,
                watch: Watch::new(secret, far, scene.deceived == Some(end)),
                wake: None,
                hold: false,
                lives: 0,
            }
        });
        Ok(Self {
            now,
            start: now,
            rng,
            scene,
            places,
            ends,
            secret,
            agenda: BTreeMap::new(),
            serial: 0,
            exchanging: false,
            recorded: VecDeque::new(),
            restarts: 0,
            story,
            fixed: Trace::default(),
        })
    }

    fn live(&mut self) -> Result<Outcome, String> {
        self.fix("scene", &format!("{:?}", self.scene));
        for end in [0, 1] {
            self.gather(end, false);
        }
        for (after, act) in self.scene.acts.clone() {
            self.plan(after, Happening::Act(act));
        }
        self.offer(0, Renewal::Change, false);
        self.run(self.scene.calm, |_| false)?;
        self.hold_little()?;
        let heard = self.calm_down()?;
        self.hold_little()?;
        let [one, other] = &self.ends;
        let ends = [one, other];
        let outcome = Outcome {
            heard,
            failures: count(ends, |end| end.watch.failed.is_some()),
            lost: count(ends, |end| end.watch.given_up),
            restarts: self.restarts,
            busiest: ends
                .map(|end| end.watch.busiest)
                .into_iter()
                .max()
                .unwrap_or(0),
            hash: 0,
        };
        self.fix("outcome", &format!("{heard} {}", outcome.failures));
        Ok(Outcome {
            hash: self.fixed.hash(),
            ..outcome
        })
    }

    fn hold_little(&self) -> Result<(), String> {
        [0, 1]
            .into_iter()
            .try_for_each(|end: usize| bounded(end, self.ends[end].session.census()))
    }

    pub(super) fn note(&mut self, kind: &str, what: &str) {
        self.story.clock(self.now - self.start);
        self.story.note(kind, what);
    }

    fn fix(&mut self, kind: &str, what: &str) {
        self.note(kind, what);
        self.fixed.note(kind, what);
    }

    pub(super) fn plan(&mut self, after: Duration, happening: Happening) {
        self.serial += 1;
        self.agenda
            .insert((self.now + after, self.serial), happening);
    }

    /// Asks for an end's candidates; those of servers come later where they may follow by themselves. Those that come at once
    /// are in the description that follows, or are `told` by themselves where it is on its way.
    pub(super) fn gather(&mut self, end: usize, told: bool) {
        let now = self.now;
        let host = self.places.host(end);
        let candidates = self.places.gather(end, now);
        let session = &mut self.ends[end].session;
        session.keep_candidates(&[host], now);
        session.set_gathering(self.scene.trickle);
        for candidate in candidates {
            if self.scene.trickle && candidate.typ != CandidateType::Host {
                let after = Duration::from_millis(self.rng.random_range(5..200));
                self.plan(after, Happening::Gathered { end, candidate });
                continue;
            }
            let new = self.ends[end].session.add_local_candidate(candidate, now);
            if let Some(candidate) = new.filter(|_| told) {
                let to = 1 - end;
                self.plan(self.scene.signalling, Happening::Trickle { to, candidate });
            }
        }
    }

    pub(super) fn offer(&mut self, from: usize, renewal: Renewal, restarts: bool) {
        let sdp = self.ends[from].session.create_offer(self.now);
        self.exchanging = true;
        self.note("offer", &format!("from {from}: {renewal:?}"));
        let to = 1 - from;
        let sdp = self.deceive(to, sdp);
        let offer = Happening::Offer {
            to,
            sdp,
            renewal,
            restarts,
        };
        self.plan(self.scene.signalling, offer);
        self.drain(from);
    }

    /// Whoever is to be deceived reads another fingerprint.
    fn deceive(&self, reader: usize, sdp: String) -> String {
        if self.scene.deceived != Some(reader) {
            return sdp;
        }
        let print = |end: usize| {
            let fingerprint = CERTIFICATES[end].fingerprint(FingerprintHash::Sha256);
            fingerprint.to_string()
        };
        sdp.replace(&print(1 - reader), &print(reader))
    }

    pub(super) fn restart(&mut self, end: usize) {
        self.restarts += 1;
        self.ends[end].session.restart_ice(self.now);
        self.gather(end, false);
        self.offer(end, Renewal::Change, true);
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        let now = self.now;
        match happening {
            Happening::Offer {
                to,
                sdp,
                renewal,
                restarts,
            } => {
                if renewal == Renewal::Afresh {
                    self.ends[to].watch.begins_afresh();
                }
                self.ends[to].watch.asked(restarts, now);
                match self.ends[to].session.accept_offer(&sdp, renewal, now) {
                    Ok(answer) => {
                        let sdp = self.deceive(1 - to, answer);
                        self.plan(
                            self.scene.signalling,
                            Happening::Answer {
                                to: 1 - to,
                                sdp,
                                restarts,
                            },
                        );
                        if restarts {
                            self.gather(to, true);
                        }
                    }
                    Err(_) if self.ends[to].watch.failed.is_some() => self.exchanging = false,
                    Err(refusal) => return Err(format!("end {to} refused an offer: {refusal}")),
                }
                self.drain_checked(to)
            }
            Happening::Answer { to, sdp, restarts } => {
                self.exchanging = false;
                self.ends[to].watch.asked(restarts, now);
                let accepted = self.ends[to].session.accept_answer(&sdp, now);
                if let (Err(refusal), None) = (accepted, &self.ends[to].watch.failed) {
                    return Err(format!("end {to} refused an answer: {refusal}"));
                }
                self.drain_checked(to)
            }
            Happening::Trickle { to, candidate } => {
                self.ends[to].session.add_remote_candidate(candidate, now);
                self.drain_checked(to)
            }
            Happening::Gathered { end, candidate } => {
                if candidate.base == self.places.host(end) {
                    let session = &mut self.ends[end].session;
                    if let Some(candidate) = session.add_local_candidate(candidate, now) {
                        let to = 1 - end;
                        self.plan(self.scene.signalling, Happening::Trickle { to, candidate });
                    }
                }
                self.drain_checked(end)
            }
            Happening::Act(act) => self.act(act),
        }
    }

    /// Lets `span` pass, or less when `enough` says so.
    pub(super) fn run(
        &mut self,
        span: Duration,
        enough: impl Fn(&Self) -> bool,
    ) -> Result<(), String> {
        let until = self.now + span;
        let mut rounds = 0_u32;
        self.drain_checked(0)?;
        self.drain_checked(1)?;
        while !enough(self) {
            let planned = self.agenda.keys().next().map(|(at, _)| *at);
            let wakes = self.ends.iter().filter_map(|end| end.wake);
            let next = wakes
                .chain(planned)
                .chain(self.places.next_deadline())
                .min()
                .filter(|next| *next <= until);
            let Some(next) = next else {
                self.now = until;
                break;
            };
            rounds = if next > self.now { 0 } else { rounds + 1 };
            if rounds > 5_000 {
                return Err("the ends never rest".to_owned());
            }
            self.now = self.now.max(next);
            if planned.is_some_and(|at| at <= self.now) {
                if let Some((_, happening)) = self.agenda.pop_first() {
                    self.happen(happening)?;
                }
                continue;
            }
            while let Some(arrival) = self.places.poll(self.now) {
                let route = Route {
                    local: arrival.local,
                    remote: arrival.remote,
                };
                let mut bytes = arrival.bytes;
                self.ends[arrival.end]
                    .watch
                    .receives(route, &bytes, self.now);
                if self.recorded.len() == RECORDED {
                    self.recorded.pop_front();
                }
                self.recorded.push_back((arrival.end, route, bytes.clone()));
                self.hand_over(arrival.end, route, &mut bytes)?;
            }
            for end in [0, 1] {
                let now = self.now;
                if self.ends[end].wake.is_some_and(|at| at <= now) {
                    self.ends[end].session.handle_timeout(now);
                    self.drain_checked(end)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn hand_over(
        &mut self,
        end: usize,
        route: Route,
        bytes: &mut [u8],
    ) -> Result<(), String> {
        let now = self.now;
        let session = &mut self.ends[end].session;
        session.handle_datagram(route.local, route.remote, bytes, now);
        self.drain_checked(end)
    }

    fn drain_checked(&mut self, end: usize) -> Result<(), String> {
        match self.drain(end) {
            Some(fault) => {
                self.note("fault", &fault);
                Err(format!("end {end}: {fault}"))
            }
            None => Ok(()),
        }
    }

    /// Carries out all that an end wants and listens to what it heard; tells the first promise broken.
    fn drain(&mut self, end: usize) -> Option<String> {
        let now = self.now;
        let mut fault = None;
        let mut told = Vec::new();
        let it = &mut self.ends[end];
        let news = std::mem::take(&mut it.listener.ear().news);
        loop {
            match it.session.poll() {
                Output::Transmit {
                    local,
                    remote,
                    bytes,
                } => {
                    let route = Route { local, remote };
                    let judged = it.watch.sends(route, bytes, now).err();
                    fault = fault.or(judged);
                    self.places.send(end, local, remote, bytes, now);
                }
                Output::Event(event) => {
                    let judged = it.watch.told(&event, now).err();
                    fault = fault.or(judged);
                    told.push(event);
                }
                Output::Forward { .. } => fault = Some("forwards to nobody".to_owned()),
                Output::Wait(wait) => {
                    it.wake = wait.map(|(at, _)| at.max(now));
                    break;
                }
                _ => break,
            }
        }
        for word in news {
            let judged = it.watch.hears(word, now).err();
            fault = fault.or(judged);
        }
        let route = it.session.route();
        let judged = it.watch.look(route, now).err();
        fault = fault.or(judged);
        for event in told {
            if !matches!(event, MediaEvent::Statistics(_)) {
                self.note("told", &format!("{end}: {event:?}"));
            }
        }
        fault
    }
}

fn count(ends: [&End; 2], what: impl Fn(&End) -> bool) -> u8 {
    ends.into_iter().map(|end| u8::from(what(end))).sum()
}
