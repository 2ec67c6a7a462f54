//! Everything that was counted and measured in a run.

use std::collections::BTreeMap;
use std::mem;
use std::time::{Duration, Instant};

use offhook_engine::ended::Ended;
use offhook_engine::event::EventKind;

use crate::hearing;
use crate::kind::Kind;
use crate::samples::Samples;

/// Kinds of failures that are told apart, theirs and ours each; further ones are counted together.
const MOST_KINDS: usize = 50;

/// Counts, and samples in milliseconds unless they say otherwise.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) users: usize,
    pub(crate) ready: usize,
    pub(crate) placed: usize,
    pub(crate) in_call: usize,
    pub(crate) answered: usize,
    /// Answered, heard to the end, and ended by us.
    pub(crate) good: usize,
    /// Ended with the whole run, before they could be judged.
    pub(crate) stopped: usize,
    /// Calls that were neither good nor stopped: with those, and with `in_call` while the run goes on, they are all that were placed.
    pub(crate) call_failures: Failures,
    /// Users that could not log in, or not again.
    pub(crate) user_failures: Failures,
    pub(crate) rate: Rate,
    /// How often a user that had been ready lost its connection, by user.
    connections_lost: BTreeMap<usize, usize>,
    /// Steps of logins, each from the one before.
    pub(crate) logins: Logins,
    /// Steps of calls, from the call's beginning.
    pub(crate) calls: Calls,
    /// Of each call that had media.
    pub(crate) media: Media,
    pub(crate) ours: Ours,
    /// The connection of each user.
    connections: BTreeMap<usize, Connection>,
}

/// How fast calls began.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rate {
    first: Option<Instant>,
    last: Option<Instant>,
    began: u64,
    /// How far the plan was put off because we did not come to a call whose turn it was and whose user was ready.
    pub(crate) behind: Duration,
}

impl Rate {
    pub(crate) fn call_began(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        self.last = Some(now);
        self.began += 1;
    }

    /// Calls a second, from the first beginning to the last; `None` where that is no span of time.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of calls stay far below 2^52"
    )]
    pub(crate) fn reached(&self) -> Option<f64> {
        let span = self.last?.checked_duration_since(self.first?)?;
        let reached = self.began.saturating_sub(1) as f64 / span.as_secs_f64();
        (self.began > 1 && reached.is_finite()).then_some(reached)
    }

    /// Calls that did not begin, by our own fault, of so many a second.
    pub(crate) fn left_out(&self, wanted: f64) -> u64 {
        let pause = Duration::try_from_secs_f64(1.0 / wanted).unwrap_or_default();
        let calls = self.behind.as_nanos().checked_div(pause.as_nanos());
        calls.map_or(0, |calls| u64::try_from(calls).unwrap_or(u64::MAX))
    }
}

/// What failed, by its kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failures {
    pub(crate) count: usize,
    theirs: BTreeMap<String, usize>,
    /// Those of this machine or program, apart: the kinds of a bad server never hide them.
    ours: BTreeMap<String, usize>,
}

impl Failures {
    pub(crate) fn add(&mut self, kind: Kind) {
        self.count += 1;
        let (kinds, further) = match kind.ours {
            true => (&mut self.ours, Kind::ours("further kinds")),
            false => (&mut self.theirs, Kind::theirs("further kinds")),
        };
        let known = kinds.contains_key(&kind.words) || kinds.len() < MOST_KINDS;
        let words = match known {
            true => kind.words,
            false => further.words,
        };
        *kinds.entry(words).or_default() += 1;
    }

    /// What failed and how often, ours last.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (&str, usize)> {
        let all = self.theirs.iter().chain(&self.ours);
        all.map(|(kind, count)| (kind.as_str(), *count))
    }

    pub(crate) fn ours(&self) -> impl Iterator<Item = (&str, usize)> {
        self.ours
            .iter()
            .map(|(kind, count)| (kind.as_str(), *count))
    }
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, Default)]
struct Connection {
    /// How long it waited on this machine before the server was asked.
    queued: Duration,
    /// When it reached its last step.
    reached: Duration,
    /// What came of it since: a registration that is renewed on it is no login.
    logged_in: bool,
    ready: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Logins {
    /// From the beginning of the attempt until the server was asked: the engine opens so many connections at a time.
    pub(crate) queue: Samples,
    /// Name resolution and TCP.
    pub(crate) socket: Samples,
    pub(crate) tls: Samples,
    pub(crate) login: Samples,
    /// From when the server was asked.
    pub(crate) ready: Samples,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Calls {
    pub(crate) ringing: Samples,
    pub(crate) answer: Samples,
    pub(crate) ice: Samples,
    pub(crate) dtls: Samples,
    pub(crate) first_rtp: Samples,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Media {
    pub(crate) packets_sent: u64,
    pub(crate) packets_received: u64,
    /// In percent.
    pub(crate) loss_in: Samples,
    /// In percent, as the far end reports it.
    pub(crate) loss_out: Samples,
    pub(crate) jitter: Samples,
    pub(crate) round_trip: Samples,
    /// 1 to 4.5.
    pub(crate) mos: Samples,
}

/// What this machine failed at: never to be taken for the server's or the network's.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ours {
    pub(crate) slots_late: u64,
    pub(crate) slots_skipped: u64,
    pub(crate) send_errors: u64,
    pub(crate) receive_drops: u64,
    pub(crate) events_lost: u64,
}

impl Figures {
    pub(crate) fn of(users: usize) -> Self {
        Self {
            users,
            ..Self::default()
        }
    }

    pub(crate) fn connection_lost(&mut self, user: usize) {
        *self.connections_lost.entry(user).or_default() += 1;
    }

    /// Users that lost their connection, and how often they did.
    pub(crate) fn connections_lost(&self) -> (usize, usize) {
        let times = self.connections_lost.values().sum();
        (self.connections_lost.len(), times)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the other events measure nothing"
    )]
    pub(crate) fn account(&mut self, user: usize, kind: &EventKind, at: Duration) {
        let connection = self.connections.entry(user).or_default();
        let step = milliseconds(at.saturating_sub(connection.reached));
        match kind {
            EventKind::Socket { dns, tcp } => {
                let connecting = *dns + *tcp;
                *connection = Connection {
                    queued: at.saturating_sub(connecting),
                    ..Connection::default()
                };
                self.logins.queue.add(milliseconds(connection.queued));
                self.logins.socket.add(milliseconds(connecting));
            }
            EventKind::Tls { took } => self.logins.tls.add(milliseconds(*took)),
            EventKind::Login if !mem::replace(&mut connection.logged_in, true) => {
                self.logins.login.add(step);
            }
            EventKind::Ready if !mem::replace(&mut connection.ready, true) => {
                let asked = at.saturating_sub(connection.queued);
                self.logins.ready.add(milliseconds(asked));
            }
            _ => return,
        }
        connection.reached = at;
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the other events measure nothing"
    )]
    pub(crate) fn call(&mut self, kind: &EventKind, at: Duration) {
        let samples = match kind {
            EventKind::Ringing(_) => &mut self.calls.ringing,
            EventKind::Answered(_) => &mut self.calls.answer,
            EventKind::Ice { .. } => &mut self.calls.ice,
            EventKind::Dtls { .. } => &mut self.calls.dtls,
            EventKind::FirstRtpReceived => &mut self.calls.first_rtp,
            _ => return,
        };
        samples.add(milliseconds(at));
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of packets in one call stay far below 2^52"
    )]
    pub(crate) fn quality(&mut self, ended: &Ended) {
        let Some(quality) = hearing::figures(ended) else {
            return;
        };
        let statistics = &quality.statistics;
        let (inbound, outbound) = (&statistics.inbound, &statistics.outbound);
        self.media.packets_sent += outbound.packets_sent;
        self.media.packets_received += inbound.packets_received;
        let lost = inbound.packets_lost.max(0) as f64;
        let expected = inbound.packets_received as f64 + lost;
        if expected > 0.0 {
            self.media.loss_in.add(100.0 * lost / expected);
        }
        if inbound.packets_received > 0 {
            self.media.jitter.add(milliseconds(inbound.jitter));
        }
        if let Some(remote) = &statistics.remote_inbound
            && outbound.packets_sent > 0
        {
            let lost = remote.packets_lost.max(0) as f64;
            let share = 100.0 * lost / outbound.packets_sent as f64;
            self.media.loss_out.add(share);
            if let Some(round_trip) = remote.round_trip_time {
                self.media.round_trip.add(milliseconds(round_trip));
            }
        }
        if let Some(mos) = quality.mos {
            self.media.mos.add(mos);
        }
        self.ours.slots_late += statistics.local.slots_late;
        self.ours.slots_skipped += statistics.local.slots_skipped;
        self.ours.send_errors += statistics.local.send_errors;
        self.ours.receive_drops += statistics.local.receive_drops;
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn the_wait_for_our_own_turn_is_no_time_of_the_server() {
        let mut figures = Figures::of(1);
        let (dns, tcp) = (2 * MILLISECOND, 3 * MILLISECOND);
        figures.account(0, &EventKind::Socket { dns, tcp }, 4000 * MILLISECOND);
        figures.account(0, &EventKind::Login, 4010 * MILLISECOND);
        figures.account(0, &EventKind::Ready, 4012 * MILLISECOND);
        let logins = &figures.logins;
        let all = [&logins.queue, &logins.socket, &logins.login, &logins.ready];
        let all = all.map(|samples| samples.distribution().unwrap().max.round());
        assert_eq!(all, [3995.0, 5.0, 10.0, 17.0]);
    }

    #[test]
    fn a_registration_that_is_renewed_on_its_connection_is_no_login() {
        let mut figures = Figures::of(1);
        let (dns, tcp) = (MILLISECOND, MILLISECOND);
        let socket = EventKind::Socket { dns, tcp };
        let hour = 3_600_000 * MILLISECOND;
        for (kind, at) in [
            (&socket, 2 * MILLISECOND),
            (&EventKind::Login, 5 * MILLISECOND),
            (&EventKind::Ready, 6 * MILLISECOND),
            (&EventKind::Login, hour),
            (&EventKind::Ready, hour),
        ] {
            figures.account(0, kind, at);
        }
        let told = |figures: &Figures| {
            let (login, ready) = (&figures.logins.login, &figures.logins.ready);
            [login, ready]
                .map(|samples| samples.distribution().map(|of| (of.count, of.max.round())))
        };
        assert_eq!(told(&figures), [Some((1, 3.0)), Some((1, 6.0))]);
        // A new connection is measured anew.
        for (kind, at) in [
            (&socket, 2 * MILLISECOND),
            (&EventKind::Login, 12 * MILLISECOND),
            (&EventKind::Ready, 20 * MILLISECOND),
        ] {
            figures.account(0, kind, at);
        }
        assert_eq!(told(&figures), [Some((2, 10.0)), Some((2, 20.0))]);
    }

    #[test]
    fn the_rate_is_counted_from_the_first_call_to_the_last() {
        let now = Instant::now();
        let mut rate = Rate::default();
        assert_eq!(rate.reached(), None);
        rate.call_began(now);
        assert_eq!(rate.reached(), None, "one call has no rate");
        rate.call_began(now + 100 * MILLISECOND);
        rate.call_began(now + 400 * MILLISECOND);
        assert_eq!(rate.reached(), Some(5.0));
        rate.behind = 250 * MILLISECOND;
        assert_eq!(rate.left_out(10.0), 2);
    }

    #[test]
    fn many_kinds_of_theirs_hide_none_of_ours() {
        let mut failures = Failures::default();
        for number in 0..60 {
            failures.add(Kind::theirs(format!("kind {number}")));
        }
        failures.add(Kind::ours("no file left"));
        let told: BTreeMap<&str, usize> = failures.kinds().collect();
        assert_eq!(told["our own limit: no file left"], 1);
        assert_eq!(told["further kinds"], 10);
        assert_eq!(failures.count, 61);
    }
}
