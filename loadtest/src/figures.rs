//! Everything that was counted and measured in a run.

use std::collections::BTreeMap;
use std::time::Duration;

use offhook_engine::ended::Ended;
use offhook_engine::event::EventKind;

use crate::samples::Samples;

/// Kinds of failures that are told apart; further ones are counted together.
const MOST_KINDS: usize = 50;

/// Counts, and samples in milliseconds unless they say otherwise.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) users: usize,
    pub(crate) ready: usize,
    pub(crate) placed: usize,
    pub(crate) in_call: usize,
    pub(crate) answered: usize,
    /// Answered, heard, and ended by us.
    pub(crate) good: usize,
    pub(crate) failed: usize,
    pub(crate) failures: BTreeMap<String, usize>,
    /// Steps of logins, each from the one before.
    pub(crate) logins: Logins,
    /// Steps of calls, from the call's beginning.
    pub(crate) calls: Calls,
    /// Of each call that had media.
    pub(crate) media: Media,
    pub(crate) ours: Ours,
    /// When the connection of a user reached its last step.
    reached: BTreeMap<usize, Duration>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Logins {
    pub(crate) socket: Samples,
    pub(crate) tls: Samples,
    pub(crate) login: Samples,
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
    pub(crate) slots: u64,
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

    pub(crate) fn fail(&mut self, kind: String) {
        self.failed += 1;
        let known = self.failures.contains_key(&kind) || self.failures.len() < MOST_KINDS;
        let kind = match known {
            true => kind,
            false => "further kinds".to_owned(),
        };
        *self.failures.entry(kind).or_default() += 1;
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the other events measure nothing"
    )]
    pub(crate) fn account(&mut self, user: usize, kind: &EventKind, at: Duration) {
        let before = self.reached.get(&user).copied().unwrap_or_default();
        let step = milliseconds(at.saturating_sub(before));
        match kind {
            EventKind::Socket { .. } => {
                self.reached.remove(&user);
                self.logins.socket.add(milliseconds(at));
            }
            EventKind::Tls { took } => self.logins.tls.add(milliseconds(*took)),
            EventKind::Login => self.logins.login.add(step),
            EventKind::Ready => self.logins.ready.add(milliseconds(at)),
            _ => return,
        }
        self.reached.insert(user, at);
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
        let Some(quality) = &ended.quality else {
            return;
        };
        let statistics = &quality.statistics;
        let (inbound, outbound) = (&statistics.inbound, &statistics.outbound);
        self.media.packets_sent += outbound.packets_sent;
        self.media.packets_received += inbound.packets_received;
        if inbound.packets_received > 0 {
            let lost = inbound.packets_lost.max(0) as f64;
            let expected = inbound.packets_received as f64 + lost;
            self.media.loss_in.add(100.0 * lost / expected);
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
        self.ours.slots += outbound.packets_sent;
        self.ours.slots_late += statistics.local.slots_late;
        self.ours.slots_skipped += statistics.local.slots_skipped;
        self.ours.send_errors += statistics.local.send_errors;
        self.ours.receive_drops += statistics.local.receive_drops;
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
