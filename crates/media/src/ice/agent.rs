//! One call's ICE agent, by the `is` crate, with bounds and the knowledge which addresses a check vouches for.

use std::collections::VecDeque;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use is::stun::{Class, StunMessage, StunPacket};
use is::{CandidateKind, IceAgent, IceAgentEvent, Protocol, default_local_preference};

use crate::census::Census;
use crate::ice::candidate::{Candidate, CandidateTransport, CandidateType, LocalCandidate};
use crate::ice::consent::{Consent, DOUBT, Given, Interval, Verdict};
use crate::ice::credentials::IceCredentials;
use crate::ice::fingerprint;
use crate::ice::listening::{ASKING, Listening, Need};
use crate::ice::translation::{
    as_creds, as_kind, as_local, as_remote, as_type, blank, found, preference_by_connection,
};

/// Spacing of checks (Ta). RFC 8445, section 14.2 has 50 ms as its default and 5 ms as its floor; one audio stream
/// with few candidates does no harm with 20.
const PACING: Duration = Duration::from_millis(20);

/// Least spacing of those that a message of the far end brings about: the check that it triggers, and the nomination.
const HASTE: Duration = Duration::from_millis(5);

/// How many of them need not wait even for that: the first pair works three round trips after the start.
const HEAD_START: u8 = 2;

/// The longest wait between checks of a pair while a path is being sought, and shortly after: a lost nomination must
/// not cost seconds; and while a path that held does not answer. The crate's first wait, 250 ms, stays.
const SEEKING: Duration = Duration::from_millis(500);

/// How long a path must have held.
const SETTLING: Duration = Duration::from_secs(5);

/// Addresses of the far end that an authenticated check may vouch for. Each costs the agent a candidate.
const MAX_VOUCHED: usize = 64;

/// Pairs of which it is known when they answered last; the one silent for longest makes room.
const MAX_ANSWERED: usize = 64;

/// Answers remembered, so that none counts twice: more than a pair has checks under way.
const MAX_TRANSACTIONS: usize = 64;

/// Pairs that are checked: more than our candidates (eight hosts and eight relays) and those that a far end may tell of (32) make. The
/// crate's own limit is 100 (RFC 8445, section 6.1.2.5), and what it drops first are relays, by which alone there may be a path.
const MAX_PAIRS: usize = (8 + 8) * 32;

/// Checks of which it is remembered where they went: more than are under way, but for a far end of very many addresses.
const MAX_ASKED: usize = 64;

/// Early checks that are answered when the far end's credentials come.
const MAX_EARLY: usize = 64;

/// Why the agent does not take a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StunRefused {
    /// Not a STUN message, or one that lacks what a check must have.
    Malformed,
    /// A request for someone else, or with the wrong password.
    BadAuthentication,
    /// A response to nothing we asked, or with the wrong password.
    Stray,
    /// Checks from too many addresses.
    Exceeded,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgentEvent {
    /// Send by this pair from now on.
    Selected(Pair),
    /// The selected pair is dead and no other is there.
    Lost,
    /// The far end answers no checks of ours by the selected pair; it may be sent media for a while yet.
    Unanswered,
    /// It may not be sent anything any more until ICE is restarted (RFC 7675, section 5.1).
    ConsentExpired,
    /// A check vouches for this address of the far end.
    Vouched(SocketAddr),
}

/// How a check begins (RFC 8489, section 5).
const BINDING_REQUEST: [u8; 2] = [0, 1];

/// Names a check and its answer.
type Transaction = [u8; 12];

fn transaction_of(datagram: &[u8]) -> Option<Transaction> {
    datagram.get(8..)?.first_chunk().copied()
}

/// A working pair of addresses and how they became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) local_type: CandidateType,
    pub(crate) remote_type: CandidateType,
}

/// The agent. Feed it, then drain `poll_transmit` and `poll_event`.
#[derive(Debug)]
pub(crate) struct Agent {
    agent: IceAgent,
    /// Of our candidates: relays whose servers are reached by connections.
    by_connection: Vec<SocketAddr>,
    vouched: Vec<SocketAddr>,
    selected: Option<Pair>,
    up: bool,
    running: bool,
    /// Checks that came before the far end's credentials, and wait in the crate's queue.
    early: usize,
    /// Heard of the far end, or of a change around us, since the path was lost.
    awake: bool,
    /// The path is lost since its address of ours is gone.
    forsaken: bool,
    /// When checks may become rare.
    steady_at: Option<Instant>,
    /// Whether they are, and how rare.
    steady: bool,
    interval: Interval,
    /// When the last check began.
    checked: Option<Instant>,
    /// When one may begin that a message brings about.
    hasty_at: Option<Instant>,
    head_start: u8,
    consent: Consent,
    /// Of the selected pair.
    listening: Option<Listening>,
    /// When a check of ours was answered last, by local and remote address.
    answered: Vec<(SocketAddr, SocketAddr, Instant)>,
    /// Transactions of the answers taken last.
    transactions: VecDeque<Transaction>,
    /// Where the checks went that are not answered yet.
    asked: VecDeque<(Transaction, SocketAddr)>,
    /// The crate's choice, from among pairs that worked once, which has not answered lately: it has to first.
    unproven: Option<Pair>,
    /// What consent has to say.
    news: Option<AgentEvent>,
}

impl Agent {
    pub(crate) fn new(credentials: &IceCredentials, tie_breaker: u64, controlling: bool) -> Self {
        let mut agent = IceAgent::new(as_creds(credentials));
        agent.set_control_tie_breaker(tie_breaker);
        agent.set_controlling(controlling);
        agent.set_timing_advance(PACING);
        agent.set_max_stun_rto(SEEKING);
        agent.set_max_candidate_pairs(MAX_PAIRS);
        Self {
            agent,
            by_connection: Vec::new(),
            vouched: Vec::new(),
            selected: None,
            up: false,
            running: false,
            early: 0,
            awake: false,
            forsaken: false,
            steady_at: None,
            steady: false,
            interval: Interval::new(tie_breaker),
            checked: None,
            hasty_at: None,
            head_start: HEAD_START,
            consent: Consent::default(),
            listening: None,
            answered: Vec::new(),
            transactions: VecDeque::new(),
            asked: VecDeque::new(),
            unproven: None,
            news: None,
        }
    }

    /// Whether a pair works now.
    pub(crate) fn is_up(&self) -> bool {
        self.up
    }

    /// When a check of the selected pair was answered last; `None` once consent has expired.
    pub(crate) const fn answered(&self) -> Option<Instant> {
        self.consent.given()
    }

    /// Whether a pair works now, and nothing was said against it.
    pub(crate) fn is_well(&self) -> bool {
        self.up && !self.consent.is_doubted()
    }

    /// Whether the far end's credentials are known, and its addresses are checked.
    pub(crate) const fn is_running(&self) -> bool {
        self.running
    }

    /// Whether a pair was ever selected.
    pub(crate) const fn has_found(&self) -> bool {
        self.selected.is_some()
    }

    pub(crate) fn is_controlling(&self) -> bool {
        self.agent.controlling()
    }

    pub(crate) fn set_controlling(&mut self) {
        self.agent.set_controlling(true);
    }

    pub(crate) fn add_local(
        &mut self,
        candidate: LocalCandidate,
        now: Instant,
    ) -> Option<Candidate> {
        let LocalCandidate { address, typ, .. } = candidate;
        let made = as_local(candidate)?;
        if candidate.by_connection {
            self.agent.set_local_preference(preference_by_connection);
        }
        let added = self.agent.add_local_candidate(made).is_some();
        if candidate.by_connection {
            self.agent.set_local_preference(default_local_preference);
            if !self.by_connection.contains(&address) {
                self.by_connection.push(address);
            }
        }
        if !added {
            return None;
        }
        self.tick(now);
        self.local_candidates()
            .into_iter()
            .find(|known| known.addr == address && known.typ == typ)
    }

    /// Gives up everything but these addresses of ours, and what was found to be another view of one of them.
    pub(crate) fn keep(&mut self, addresses: &[SocketAddr], now: Instant) {
        let gone: Vec<is::Candidate> = self
            .agent
            .local_candidates()
            .filter(|candidate| {
                let is_view = candidate.kind() == CandidateKind::PeerReflexive;
                let ours = if is_view {
                    candidate.local()
                } else {
                    candidate.addr()
                };
                !addresses.contains(&ours)
            })
            .collect();
        for candidate in gone {
            self.agent.invalidate_candidate(&candidate);
        }
        self.by_connection.retain(|it| addresses.contains(it));
        self.tick(now);
    }

    pub(crate) fn local_candidates(&self) -> Vec<Candidate> {
        let mut foundations = Vec::new();
        self.agent
            .local_candidates()
            .filter(|candidate| candidate.kind() != CandidateKind::PeerReflexive)
            .map(|candidate| {
                // Of one type and base: of one foundation (RFC 8445, section 5.1.1.3), but for the server, of which a call has few.
                let typ = as_type(candidate.kind());
                let base = candidate.local();
                let kind = (typ, base.ip());
                let place = foundations.iter().position(|known| *known == kind);
                let place = place.unwrap_or_else(|| {
                    foundations.push(kind);
                    foundations.len() - 1
                });
                Candidate {
                    foundation: (place + 1).to_string(),
                    component: 1,
                    transport: CandidateTransport::Udp,
                    priority: candidate.prio(),
                    addr: candidate.addr(),
                    typ,
                    raddr: match typ {
                        CandidateType::Host | CandidateType::PeerReflexive => None,
                        CandidateType::ServerReflexive => Some(base),
                        // What lies behind a relay is nobody's business.
                        CandidateType::Relay => Some(blank(candidate.addr())),
                    },
                }
            })
            .collect()
    }

    /// Our candidates as they were added.
    pub(crate) fn own_candidates(&self) -> impl Iterator<Item = LocalCandidate> {
        let ours = |candidate: &is::Candidate| candidate.kind() != CandidateKind::PeerReflexive;
        self.agent
            .local_candidates()
            .filter(ours)
            .map(|candidate| LocalCandidate {
                address: candidate.addr(),
                base: candidate.local(),
                typ: as_type(candidate.kind()),
                by_connection: self.by_connection.contains(&candidate.addr()),
            })
    }

    /// The pair in use, while it works.
    pub(crate) fn selected(&self) -> Option<Pair> {
        self.selected.filter(|_| self.up)
    }

    /// Whether the far end has a candidate of this address, told or found.
    pub(crate) fn has_remote(&self, remote: SocketAddr) -> bool {
        self.agent
            .remote_candidates()
            .any(|candidate| candidate.addr() == remote)
    }

    /// Whether the far end's description, or another since, had this candidate.
    pub(crate) fn was_told(&self, candidate: &Candidate) -> bool {
        let kind = as_kind(candidate.typ);
        self.agent
            .remote_candidates()
            .any(|known| known.addr() == candidate.addr && known.kind() == kind)
    }

    /// What it holds. Pairs are the crate's own: no more than one of each two candidates of ours and the far end's.
    pub(crate) fn census(&self) -> Census {
        let found = self.vouched.len() + self.answered.len();
        Census {
            agents: 1,
            local_candidates: self.agent.local_candidates().count(),
            remote_candidates: self.remote_candidates(),
            checks: self.asked.len() + self.transactions.len() + found,
            ..Census::default()
        }
    }

    pub(crate) fn remote_candidates(&self) -> usize {
        self.agent.remote_candidates().count()
    }

    /// Takes the far end's credentials and begins the checks.
    pub(crate) fn start(&mut self, remote: &IceCredentials, now: Instant) {
        self.agent.set_remote_credentials(as_creds(remote));
        self.running = true;
        // The crate answers one early check a tick, begins nothing of its own in such a tick, and asks for no further one
        // before its first whole one: without a tick for each of them it would sleep for ever.
        for _ in 0..mem::take(&mut self.early) {
            let _ = self.check(now);
        }
        let _ = self.check(now);
    }

    /// Begins the check that is due, at the pace of checks (RFC 8445, section 6.1.4.2).
    fn tick(&mut self, now: Instant) {
        if self.running && self.checked.is_none_or(|last| now >= last + PACING) {
            let _ = self.check(now);
        }
    }

    /// Begins the check that a message brings about, ahead of those that wait for their turn.
    fn hasten(&mut self, now: Instant) {
        let soonest = self.checked.map_or(now, |last| last + HASTE);
        if now >= soonest {
            let _ = self.check(now);
        } else if self.head_start > 0 {
            self.head_start -= u8::from(self.check(now));
        } else {
            self.hasty_at = Some(soonest);
        }
    }

    /// Lets the crate begin a check, if one is due; whether it did.
    fn check(&mut self, now: Instant) -> bool {
        self.hasty_at = None;
        let before = self.agent.stats().bind_request_sent;
        self.agent.handle_timeout(now);
        let began = self.agent.stats().bind_request_sent > before;
        if began {
            self.checked = Some(now);
        }
        began
    }

    pub(crate) fn add_remote(&mut self, candidate: &Candidate, now: Instant) {
        if candidate.ignorable().is_some() {
            return;
        }
        // The crate would take one that no pair has for another one. What is dead begins anew of itself while there is no path.
        if !self.was_told(candidate) {
            self.agent.add_remote_candidate(as_remote(candidate));
            self.tick(now);
        }
    }

    /// Takes over from the agent before a restart: media that is on its way by the path of before is the far end's as well.
    pub(crate) fn inherit(&mut self, former: &Self) {
        let before = former.selected.map(|pair| pair.remote);
        self.vouched
            .extend(before.filter(|addr| !self.vouched.contains(addr)));
    }

    /// No more checks of ours: the call is given up.
    pub(crate) fn stop(&mut self) {
        self.running = false;
        self.up = false;
    }

    /// Whether an authenticated check came from this address.
    pub(crate) fn vouches_for(&self, remote: SocketAddr) -> bool {
        self.vouched.contains(&remote)
    }

    /// Whether it is this agent that is asked or answered: by its user name or transaction, and with its password.
    pub(crate) fn is_meant(&self, datagram: &[u8]) -> bool {
        StunMessage::parse(datagram).is_ok_and(|message| self.agent.accepts_message(&message))
    }

    pub(crate) fn handle_stun(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) -> Result<(), StunRefused> {
        let message = StunMessage::parse(datagram).map_err(|_| StunRefused::Malformed)?;
        // The crate looks at the integrity alone.
        if fingerprint::is_wrong(datagram) {
            return Err(StunRefused::Malformed);
        }
        let class = message.class();
        if class == Class::Indication {
            // A keepalive (RFC 8445, section 11): it has done its work on the way.
            return Ok(());
        }
        if !self.vouches_for(remote) && self.vouched.len() >= MAX_VOUCHED {
            return Err(StunRefused::Exceeded);
        }
        if class == Class::Success && !self.is_from_whom_we_asked(remote, datagram) {
            return Err(StunRefused::Stray);
        }
        let packet = StunPacket {
            proto: Protocol::Udp,
            source: remote,
            destination: local,
            message,
        };
        if !self.agent.handle_packet(now, packet) {
            return Err(if class == Class::Request {
                StunRefused::BadAuthentication
            } else {
                StunRefused::Stray
            });
        }
        if self.is_selected(local, remote) {
            let was_asked = self.listening.as_mut().is_some_and(Listening::sign_of_life);
            if was_asked {
                self.seek();
            }
        }
        if class == Class::Success && self.is_first_answer(datagram) {
            self.on_answer(local, remote, now);
        }
        self.wake();
        // A check triggers one the other way, and an answer may allow to nominate: neither waits for the next tick.
        if self.running {
            self.hasten(now);
        } else if class == Class::Request {
            self.early = (self.early + 1).min(MAX_EARLY);
        }
        Ok(())
    }

    /// What comes from elsewhere shows nothing of the address that was asked (RFC 8445, section 7.2.5.2.1): the crate would take it for
    /// an answer by that one, as from a far end with several addresses and one socket for all of them.
    fn is_from_whom_we_asked(&mut self, remote: SocketAddr, datagram: &[u8]) -> bool {
        let transaction = transaction_of(datagram);
        let is_it = |(asked, _): &(Transaction, SocketAddr)| Some(*asked) == transaction;
        let Some(place) = self.asked.iter().position(is_it) else {
            return true;
        };
        let (_, whom) = self.asked[place];
        if whom == remote {
            self.asked.remove(place);
        }
        whom == remote
    }

    /// An answer that is sent again, by whoever recorded it, renews no consent.
    fn is_first_answer(&mut self, datagram: &[u8]) -> bool {
        let Some(transaction) = transaction_of(datagram) else {
            return false;
        };
        if self.transactions.contains(&transaction) {
            return false;
        }
        if self.transactions.len() >= MAX_TRANSACTIONS {
            self.transactions.pop_front();
        }
        self.transactions.push_back(transaction);
        true
    }

    /// A check of ours was answered by this pair.
    fn on_answer(&mut self, local: SocketAddr, remote: SocketAddr, now: Instant) {
        let by = |pair: &Pair| pair.remote == remote && pair.local == local;
        self.answered
            .retain(|(known, far, _)| (*known, *far) != (local, remote));
        if self.answered.len() >= MAX_ANSWERED {
            self.answered.remove(0);
        }
        self.answered.push((local, remote, now));
        if let Some(pair) = self.unproven.filter(by) {
            self.unproven = None;
            self.select(pair, now, now);
            self.news = Some(AgentEvent::Selected(pair));
        } else if self.selected().is_some_and(|pair| by(&pair))
            && self.consent.give(now) == Given::Again
        {
            self.news = self.selected.map(AgentEvent::Selected);
        } else if self.forsaken || self.listening.as_ref().is_some_and(Listening::is_silent) {
            self.move_to(local, remote, now);
        }
    }

    fn is_selected(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        self.selected()
            .is_some_and(|pair| (pair.local, pair.remote) == (local, remote))
    }

    /// Verified media came by this pair; `true` when there is something to send or to tell. What comes by another one than the
    /// selected one may have moved there, as when a NAT before the far end has forgotten it; nothing but checks is sent there before
    /// one is answered.
    pub(crate) fn hear(&mut self, local: SocketAddr, remote: SocketAddr, now: Instant) -> bool {
        let is_selected = self.is_selected(local, remote);
        if self.wake() {
            return true;
        }
        let Some(listening) = self.listening.as_mut().filter(|_| self.up && self.running) else {
            return false;
        };
        if is_selected {
            return listening.media(now);
        }
        let (asks, moved) = (listening.media_elsewhere(now), listening.has_moved(now));
        if asks {
            self.ask();
        }
        if !self.has_remote(remote) && self.remote_candidates() < MAX_VOUCHED {
            self.add_remote(&found(remote), now);
        }
        // The pair is the controlling side's to choose, and it has chosen.
        if moved && !self.is_controlling() {
            self.move_to(local, remote, now);
        }
        true
    }

    /// Sends by another pair from now on, one that has answered.
    fn move_to(&mut self, local: SocketAddr, remote: SocketAddr, now: Instant) {
        if let Some(answered) = self.last_answer(local, remote, now) {
            let pair = self.describe(local, remote);
            self.unproven = None;
            self.select(pair, answered, now);
            self.news = Some(AgentEvent::Selected(pair));
        }
    }

    /// When a check of ours was answered by this pair last, if that is not long ago.
    fn last_answer(&self, local: SocketAddr, remote: SocketAddr, now: Instant) -> Option<Instant> {
        self.answered
            .iter()
            .find(|(ours, theirs, _)| (*ours, *theirs) == (local, remote))
            .map(|(_, _, at)| *at)
            .filter(|at| now < *at + DOUBT)
    }

    /// Sends by this pair from now on, with the consent that its last answer gave.
    fn select(&mut self, pair: Pair, answered: Instant, now: Instant) {
        self.seek();
        self.forsaken = false;
        self.selected = Some(pair);
        self.up = true;
        self.listening = Some(Listening::new(now));
        self.consent = Consent::default();
        let _ = self.consent.give(answered);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.up {
            match self.consent.look(now) {
                Verdict::Fresh => {}
                // At the pace of seeking from here on.
                Verdict::Uneasy => {
                    self.steady = false;
                    self.agent.set_max_stun_rto(SEEKING);
                }
                Verdict::Doubtful => self.news = Some(AgentEvent::Unanswered),
                Verdict::Expired => {
                    self.stop();
                    self.news = Some(AgentEvent::ConsentExpired);
                }
            }
        }
        if self.up && self.running {
            let need = self.listening.as_mut().and_then(|it| it.look(now));
            match need {
                Some(Need::Ask) => self.ask(),
                Some(Need::Replace(since)) => self.replace(since, now),
                Some(Need::Seek) => self.seek(),
                None => {}
            }
        }
        if self.running {
            if self.up && now >= *self.steady_at.get_or_insert(now + SETTLING) {
                self.steady = !self.consent.is_uneasy();
                let longest = match self.steady {
                    true => self.interval.present(),
                    false => SEEKING,
                };
                self.agent.set_max_stun_rto(longest);
            }
            if self.hasty_at.is_some_and(|due| now >= due) {
                let _ = self.check(now);
            } else {
                self.tick(now);
            }
        }
    }

    /// The pair that has answered last of all that have since then takes over.
    fn replace(&mut self, since: Instant, now: Instant) {
        let since = self.answered.iter().filter(|(_, _, at)| *at >= since);
        if let Some((local, remote, _)) = since.max_by_key(|(_, _, at)| *at).copied() {
            self.move_to(local, remote, now);
        }
    }

    /// Every pair is to be checked soon.
    fn ask(&mut self) {
        self.steady = false;
        self.steady_at = None;
        self.agent.set_max_stun_rto(ASKING);
    }

    /// The far end is heard while the path to it is lost, so there is one again; `true` when that is news.
    fn wake(&mut self) -> bool {
        let is_lost = self.running && !self.up && self.has_found();
        let is_news = is_lost && !mem::replace(&mut self.awake, true);
        if is_news {
            self.ask();
        }
        is_news
    }

    /// An address of ours is gone: where media went by it the path is lost, and the first pair that answers takes over, the
    /// controlling side's choice or not.
    pub(crate) fn forsake(&mut self, address: IpAddr) {
        let goes_by_it = self.selected.is_some_and(|pair| pair.local.ip() == address);
        if self.running && goes_by_it && !mem::replace(&mut self.forsaken, true) {
            if mem::take(&mut self.up) {
                self.news = Some(AgentEvent::Lost);
            }
            self.begin_anew();
        }
    }

    /// Something has changed around us: a path in doubt is asked again at once, and not when its next check is due. `true` when it
    /// is one.
    pub(crate) fn look_again(&mut self, now: Instant) -> bool {
        let goes_unanswered = self.listening.as_mut().is_some_and(|it| it.ask_again(now));
        let is_lost = !self.up && self.has_found();
        let is_in_doubt = self.running && (is_lost || goes_unanswered);
        if is_in_doubt && is_lost {
            self.begin_anew();
        } else if is_in_doubt {
            self.ask();
        }
        is_in_doubt
    }

    /// Every pair, also one that was given up, is checked at once.
    fn begin_anew(&mut self) {
        self.agent.recreate_candidate_pairs();
        self.unproven = None;
        self.awake = true;
        self.ask();
    }

    fn seek(&mut self) {
        self.awake = false;
        self.steady = false;
        self.steady_at = None;
        self.agent.set_max_stun_rto(SEEKING);
    }

    pub(crate) fn deadline(&mut self) -> Option<Instant> {
        let check = self
            .agent
            .poll_timeout()
            .into_iter()
            .chain(self.hasty_at)
            .min();
        let check = check.filter(|_| self.running);
        let consent = self.consent.deadline().filter(|_| self.up);
        let silence = self.listening.as_ref().and_then(Listening::deadline);
        let silence = silence.filter(|_| self.up && self.running);
        check.into_iter().chain(consent).chain(silence).min()
    }

    /// The next datagram to send: from, to, bytes.
    pub(crate) fn poll_transmit(&mut self) -> Option<(SocketAddr, SocketAddr, Vec<u8>)> {
        let transmit = self.agent.poll_transmit()?;
        if let (true, Some(transaction)) = (
            transmit.contents.starts_with(&BINDING_REQUEST),
            transaction_of(&transmit.contents),
        ) {
            if self.asked.len() >= MAX_ASKED {
                self.asked.pop_front();
            }
            self.asked.push_back((transaction, transmit.destination));
            if self.steady && self.is_selected(transmit.source, transmit.destination) {
                self.interval.draw();
                self.agent.set_max_stun_rto(self.interval.present());
            }
        }
        Some((
            transmit.source,
            transmit.destination,
            transmit.contents.to_vec(),
        ))
    }

    pub(crate) fn poll_event(&mut self, now: Instant) -> Option<AgentEvent> {
        if let Some(news) = self.news.take() {
            return Some(news);
        }
        while let Some(event) = self.agent.poll_event() {
            match event {
                IceAgentEvent::NominatedSend {
                    source,
                    destination,
                    ..
                } => {
                    let pair = self.describe(source, destination);
                    let is_news = !self.up || self.selected != Some(pair);
                    self.unproven = None;
                    let answered = self.last_answer(pair.local, pair.remote, now);
                    if let (true, Some(answered)) = (is_news, answered) {
                        self.select(pair, answered, now);
                        return Some(AgentEvent::Selected(pair));
                    }
                    // Worked once: that is no consent to be sent media now.
                    self.unproven = is_news.then_some(pair);
                }
                IceAgentEvent::IceConnectionStateChange(state) => {
                    if state.is_disconnected() && self.running {
                        // The crate dropped the dead pairs: they begin anew, until the owner gives up.
                        self.agent.recreate_candidate_pairs();
                        self.unproven = None;
                    }
                    if self.up && self.running && !state.is_connected() {
                        self.up = false;
                        self.seek();
                        return Some(AgentEvent::Lost);
                    }
                }
                IceAgentEvent::DiscoveredRecv { source, .. } => {
                    if !self.vouches_for(source) {
                        self.vouched.push(source);
                        return Some(AgentEvent::Vouched(source));
                    }
                }
                IceAgentEvent::IceRestart(_) => {}
            }
        }
        None
    }

    fn describe(&self, local: SocketAddr, remote: SocketAddr) -> Pair {
        let local_kind = self
            .agent
            .local_candidates()
            .find(|candidate| candidate.addr() == local)
            .map_or(CandidateKind::Host, |candidate| candidate.kind());
        let remote_kind = self
            .agent
            .remote_candidates()
            .filter(|candidate| candidate.addr() == remote)
            .max_by_key(is::Candidate::prio)
            .map_or(CandidateKind::PeerReflexive, |candidate| candidate.kind());
        Pair {
            local,
            remote,
            local_type: as_type(local_kind),
            remote_type: as_type(remote_kind),
        }
    }
}

/// The user name fragment of whoever asks by this datagram; `None` where it is no check.
pub(crate) fn asking_ufrag(datagram: &[u8]) -> Option<String> {
    let message = StunMessage::parse(datagram).ok()?;
    let asks = message.class() == Class::Request;
    let (_, theirs) = message.split_username().filter(|_| asks)?;
    Some(theirs.to_owned())
}
