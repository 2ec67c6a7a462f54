//! Gathers what an account's calls tell, and says when a part of it is to be sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use offhook_signaling::call_id::CallId;

use crate::call_report::body::{self, About, Call, Entry, Interval};
use crate::config::ReportPace;
use crate::event::{Event, EventKind};
use crate::status::Direction;

/// Figures of so many seconds are sent without waiting for the end: the server takes 2 MB at most.
const MOST_INTERVALS: usize = 300;
/// Figures come a little early or late.
const UNEVEN: Duration = Duration::from_millis(500);
/// Log lines that are sent without waiting.
const MOST_ENTRIES: usize = 800;

/// One part of a call's report, ready to be posted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Segment {
    pub(crate) account: Arc<str>,
    pub(crate) call: CallId,
    /// For `x-call-report-id`.
    pub(crate) report_id: String,
    /// JSON.
    pub(crate) body: Vec<u8>,
}

/// The calls of the accounts whose reports are switched on.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    accounts: BTreeMap<Arc<str>, Account>,
    calls: BTreeMap<(Arc<str>, CallId), Growing>,
}

#[derive(Debug)]
struct Account {
    about: About,
    pace: ReportPace,
    report_id: Option<String>,
}

#[derive(Debug)]
struct Growing {
    call: Call,
    pace: ReportPace,
    intervals: Vec<Interval>,
    /// The figures since the last of these, until they stand for as much as is wanted.
    begun: Option<Interval>,
    entries: Vec<Entry>,
    segment: u32,
    flushed: SystemTime,
}

impl Reports {
    pub(crate) fn new(accounts: impl IntoIterator<Item = (Arc<str>, About, ReportPace)>) -> Self {
        let accounts = accounts.into_iter().map(|(name, about, pace)| {
            let account = Account {
                about,
                pace,
                report_id: None,
            };
            (name, account)
        });
        Self {
            accounts: accounts.collect(),
            calls: BTreeMap::new(),
        }
    }

    /// The registration told what reports go under.
    pub(crate) fn named(&mut self, account: &str, report_id: String) {
        if let Some(account) = self.accounts.get_mut(account) {
            account.report_id = Some(report_id);
        }
    }

    /// Takes an event; gives the part of a report that is to be sent now, if one is.
    pub(crate) fn event(&mut self, event: &Event, now: SystemTime) -> Option<Segment> {
        let account = self.accounts.get(&event.account)?;
        let call = event.call.clone()?;
        let key = (Arc::clone(&event.account), call);
        let growing = self.calls.entry(key.clone()).or_insert_with(|| Growing {
            call: Call::new(key.1.as_str(), now),
            pace: account.pace,
            intervals: Vec::new(),
            begun: None,
            entries: Vec::new(),
            segment: 0,
            flushed: now,
        });
        growing.take(event, now);
        let flush = match &event.kind {
            EventKind::Ended(_) => Some(body::Flush::End),
            EventKind::Recovering { on: true } => Some(body::Flush::SocketClose),
            _ if growing.intervals.len() >= MOST_INTERVALS => Some(body::Flush::BufferLimit),
            _ if growing.entries.len() >= MOST_ENTRIES => Some(body::Flush::BufferLimit),
            _ if growing.is_due(now) => Some(body::Flush::BufferLimit),
            _ => None,
        };
        let report_id = account.report_id.clone();
        let body = flush.map(|flush| growing.flush(&account.about, flush, now));
        if matches!(event.kind, EventKind::Ended(_)) {
            self.calls.remove(&key);
        }
        Some(Segment {
            account: key.0,
            call: key.1,
            report_id: report_id?,
            body: body?,
        })
    }
}

impl Growing {
    fn is_due(&self, now: SystemTime) -> bool {
        let waited = now.duration_since(self.flushed).unwrap_or_default();
        waited + UNEVEN > self.pace.flush && !(self.intervals.is_empty() && self.begun.is_none())
    }

    fn take(&mut self, event: &Event, now: SystemTime) {
        let call = &mut self.call;
        match &event.kind {
            EventKind::Quality(quality) => {
                let before = self.intervals.last().map(|interval| interval.end);
                let start = before.unwrap_or(self.flushed);
                let interval = Interval {
                    start,
                    end: now,
                    statistics: quality.statistics.clone(),
                };
                if now.duration_since(start).unwrap_or_default() + UNEVEN >= self.pace.interval {
                    self.intervals.push(interval);
                    self.begun = None;
                } else {
                    self.begun = Some(interval);
                }
                return;
            }
            EventKind::Invite {
                number,
                caller_number,
                ..
            } => {
                call.direction = Direction::Outbound;
                call.destination = Some(number.clone());
                call.caller.clone_from(caller_number);
            }
            EventKind::Incoming { number, .. } => {
                call.direction = Direction::Inbound;
                call.caller = Some(number.clone());
                call.state = "ringing";
            }
            EventKind::Early(_) => call.state = "early",
            EventKind::Answered(_) => call.state = "active",
            EventKind::Held { on } => call.state = if *on { "held" } else { "active" },
            EventKind::Recovering { on } => call.state = if *on { "recovering" } else { "active" },
            EventKind::Ended(_) => call.state = "destroy",
            EventKind::CallIds { session, leg, .. } => {
                call.session.clone_from(session);
                call.leg.clone_from(leg);
            }
            _ => {}
        }
        self.entries.extend(body::entry(&event.kind, now));
    }

    fn flush(&mut self, about: &About, flush: body::Flush, now: SystemTime) -> Vec<u8> {
        let mut intervals = std::mem::take(&mut self.intervals);
        intervals.extend(self.begun.take());
        let entries = std::mem::take(&mut self.entries);
        let body = body::write(
            about,
            &self.call,
            &intervals,
            &entries,
            self.segment,
            flush,
            now,
        );
        self.segment += 1;
        self.flushed = now;
        body
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use offhook_media::quality::statistics::Statistics;
    use offhook_signaling::cause::Cause;
    use offhook_signaling::event::SipEnd;
    use serde_json::Value;

    use super::*;
    use crate::ended::{EndReason, Ended};
    use crate::event::Said;
    use crate::quality::Quality;

    struct World {
        reports: Reports,
        now: SystemTime,
        sent: Vec<Value>,
    }

    impl World {
        fn new() -> Self {
            Self::at(ReportPace::default())
        }

        fn at(pace: ReportPace) -> Self {
            let about = About {
                login: "login_token",
                host: "rtc.telnyx.com".to_owned(),
                region: Some("eu".to_owned()),
                number: Some("desk-1".to_owned()),
                servers: vec![("turn:turn.example:3478".to_owned(), true)],
                relay_only: false,
                trickle: true,
            };
            let mut reports = Reports::new([("desk".into(), about, pace)]);
            reports.named("desk", "report-1".to_owned());
            Self {
                reports,
                now: UNIX_EPOCH + Duration::from_secs(1_764_000_000),
                sent: Vec::new(),
            }
        }

        fn tell(&mut self, account: &str, kind: EventKind) {
            let event = Event {
                account: account.into(),
                call: CallId::from_wire("call-1"),
                ids: None,
                at: Duration::ZERO,
                kind,
            };
            if let Some(segment) = self.reports.event(&event, self.now) {
                assert_eq!(segment.report_id, "report-1");
                self.sent
                    .push(serde_json::from_slice(&segment.body).unwrap());
            }
        }

        fn talk(&mut self, seconds: u64) {
            for second in 0..seconds {
                self.now += Duration::from_secs(1);
                let mut statistics = Statistics::default();
                statistics.outbound.packets_sent = 50 * (second + 1);
                statistics.inbound.packets_received = 49 * (second + 1);
                self.tell(
                    "desk",
                    EventKind::Quality(Box::new(Quality::of(&statistics, None))),
                );
            }
        }

        fn end(&mut self) {
            self.tell(
                "desk",
                EventKind::Ended(Box::new(Ended {
                    by: crate::ended::EndedBy::Local,
                    cause: Cause::NORMAL_CLEARING,
                    reason: EndReason::HungUp,
                    answered: true,
                    answered_elsewhere: false,
                    headers: Vec::new(),
                    client_state: None,
                    sip: SipEnd::default(),
                    talk: Duration::from_secs(3),
                    quality: None,
                    recording: None,
                })),
            );
        }
    }

    #[test]
    fn a_short_call_is_one_report_at_its_end() {
        let mut world = World::new();
        let number = "9196".to_owned();
        let direction = Direction::Outbound;
        world.tell(
            "desk",
            EventKind::Invite {
                number,
                direction,
                caller_number: None,
            },
        );
        world.tell("desk", EventKind::Answered(Said::default()));
        world.talk(3);
        assert_eq!(world.sent, [] as [Value; 0]);
        world.end();
        let report = &world.sent[0];
        assert_eq!(report["summary"]["callId"], "call-1");
        assert_eq!(report["summary"]["direction"], "outbound");
        assert_eq!(report["summary"]["destinationNumber"], "9196");
        assert_eq!(report["summary"]["callerNumber"], "desk-1", "the account");
        assert_eq!(report["summary"]["durationSeconds"], 3.0);
        let stats = report["stats"].as_array().unwrap();
        assert_eq!(stats.len(), 3);
        assert_eq!(stats[2]["audio"]["outbound"]["packetsSent"], 150);
        assert_eq!(stats[0]["intervalEndUtc"], stats[1]["intervalStartUtc"]);
        assert_eq!(report.get("segment"), None, "the only one has no number");
        let logged = report["logs"].as_array().unwrap();
        assert_eq!(logged.last().unwrap()["message"], "ended: NORMAL_CLEARING");
        let servers = &report["summary"]["clientSummary"]["media"]["iceServers"];
        assert_eq!(servers[0]["hasCredential"], true);
    }

    #[test]
    fn long_calls_and_lost_connections_are_reported_in_parts() {
        let mut world = World::new();
        world.talk(200);
        assert_eq!(world.sent.len(), 1, "every three minutes");
        assert_eq!(world.sent[0]["flushReason"]["type"], "buffer-limit");
        world.tell("desk", EventKind::Recovering { on: true });
        assert_eq!(world.sent[1]["flushReason"]["type"], "socket-close");
        assert_eq!(world.sent[1]["segment"], 1);
        world.end();
        assert_eq!(world.sent[2]["segment"], 2);
        assert_eq!(world.sent[2].get("flushReason"), None);
        assert!(world.reports.calls.is_empty());
    }

    #[test]
    fn figures_stand_for_as_much_of_a_call_and_wait_as_long_as_is_wanted() {
        let mut world = World::at(ReportPace {
            interval: Duration::from_secs(5),
            flush: Duration::from_secs(30),
        });
        world.tell("desk", EventKind::Answered(Said::default()));
        // Seconds are never quite even.
        world.now += Duration::from_millis(40);
        world.talk(72);
        world.end();
        let shown = |part: &Value| -> Vec<(u64, f64)> {
            let stats = part["stats"].as_array().unwrap().iter();
            let packets = |interval: &Value| interval["audio"]["outbound"]["packetsSent"].as_u64();
            let second = |interval: &Value, end: &str| {
                let at = interval[end].as_str().unwrap();
                at[17..at.len() - 1].parse::<f64>().unwrap()
            };
            stats
                .map(|interval| {
                    let (start, end) = (
                        second(interval, "intervalStartUtc"),
                        second(interval, "intervalEndUtc"),
                    );
                    (packets(interval).unwrap(), (end - start).rem_euclid(60.0))
                })
                .collect()
        };
        let parts: Vec<_> = world.sent.iter().map(shown).collect();
        let packets: Vec<Vec<u64>> = parts
            .iter()
            .map(|part| part.iter().map(|(packets, _)| *packets).collect())
            .collect();
        assert_eq!(
            packets,
            [
                vec![250, 500, 750, 1000, 1250, 1500],
                vec![1750, 2000, 2250, 2500, 2750, 3000],
                // What is left of it at the end is told too.
                vec![3250, 3500, 3600],
            ]
        );
        let whole = parts[0].iter().chain(&parts[1]);
        assert!(
            whole
                .clone()
                .all(|(_, seconds)| (seconds - 5.0).abs() < 0.1),
            "{parts:?}"
        );
    }

    #[test]
    fn both_numbers_are_told_both_ways() {
        let numbers = |kind| {
            let mut world = World::new();
            world.tell("desk", kind);
            world.end();
            let summary = &world.sent[0]["summary"];
            ["callerNumber", "destinationNumber"].map(|name| summary[name].clone())
        };
        let incoming = EventKind::Incoming {
            number: "77".to_owned(),
            name: None,
            headers: Vec::new(),
            client_state: None,
            replaces: None,
        };
        assert_eq!(numbers(incoming), ["77", "desk-1"]);
        let invite = EventKind::Invite {
            number: "9196".to_owned(),
            direction: Direction::Outbound,
            caller_number: Some("+15550100".to_owned()),
        };
        assert_eq!(numbers(invite), ["+15550100", "9196"]);
    }

    #[test]
    fn a_log_of_800_lines_is_sent_at_once_and_none_is_lost() {
        let mut world = World::new();
        for line in 1..=1700 {
            world.tell("desk", EventKind::Held { on: line % 2 == 0 });
            assert_eq!(world.sent.len(), line / 800, "after {line}");
        }
        assert_eq!(world.sent[0]["flushReason"]["type"], "buffer-limit");
        world.end();
        let lines = |part: &Value| part["logs"].as_array().unwrap().len();
        let lines: Vec<usize> = world.sent.iter().map(lines).collect();
        assert_eq!(lines, [800, 800, 101]);
    }

    #[test]
    fn no_secret_of_a_description_is_in_a_report() {
        let mut world = World::new();
        let sdp =
            "a=ice-pwd:hunter2-ice\r\na=fingerprint:sha-256 AA:BB\r\na=crypto:1 hunter2-key\r\n";
        for kind in [
            EventKind::AudioFault {
                reason: sdp.to_owned(),
            },
            EventKind::RequestFailed {
                reason: sdp.to_owned(),
                remedy: Some(sdp.to_owned()),
            },
            EventKind::IceServerFailed {
                server: "turn:user:hunter2@turn.example".to_owned(),
                reason: sdp.to_owned(),
            },
            EventKind::Message {
                from: offhook_signaling::event::Party::default(),
                text: "hunter2".to_owned(),
            },
        ] {
            world.tell("desk", kind);
        }
        world.talk(2);
        world.end();
        let text = world.sent[0].to_string();
        for secret in ["hunter2", "ice-pwd", "AA:BB"] {
            assert!(!text.contains(secret), "{text}");
        }
    }

    #[test]
    fn accounts_that_did_not_ask_for_it_are_not_reported() {
        let mut world = World::new();
        world.tell("other", EventKind::Answered(Said::default()));
        world.tell("other", EventKind::Recovering { on: true });
        assert_eq!(world.sent, [] as [Value; 0]);
        assert!(world.reports.calls.is_empty());
    }
}
