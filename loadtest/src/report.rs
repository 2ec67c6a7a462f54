//! The table at the end, the line meanwhile, and both as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::figures::Figures;
use crate::limits_met::{Machine, limits_met};
use crate::samples::{Distribution, Samples};

/// What a run came to.
pub(crate) struct Report<'a> {
    pub(crate) figures: &'a Figures,
    pub(crate) took: Duration,
    /// Server and dialect, for whoever reads it later.
    pub(crate) server: &'a str,
    pub(crate) dialect: &'a str,
    pub(crate) machine: Machine,
}

/// One line on how things stand.
pub(crate) fn line(figures: &Figures, elapsed: Duration) -> String {
    format!(
        "{:>5.0} s  ready {}/{}  calls {}  answered {}  good {}  failed {}  users failed {}",
        elapsed.as_secs_f64(),
        figures.ready,
        figures.users,
        figures.in_call,
        figures.answered,
        figures.good,
        figures.call_failures.count,
        figures.user_failures.count
    )
}

/// A figure's name, unit, decimals, and what was measured.
struct Row {
    name: &'static str,
    unit: &'static str,
    decimals: usize,
    values: Option<Distribution>,
}

impl Report<'_> {
    fn steps(&self) -> [Row; 10] {
        let (logins, calls) = (&self.figures.logins, &self.figures.calls);
        let row = |name, samples: &Samples| Row {
            name,
            unit: "ms",
            decimals: 1,
            values: samples.distribution(),
        };
        [
            row("our queue", &logins.queue),
            row("socket", &logins.socket),
            row("TLS", &logins.tls),
            row("login", &logins.login),
            row("ready", &logins.ready),
            row("first ring", &calls.ringing),
            row("answer", &calls.answer),
            row("ICE", &calls.ice),
            row("DTLS", &calls.dtls),
            row("first RTP", &calls.first_rtp),
        ]
    }

    fn media(&self) -> [Row; 5] {
        let media = &self.figures.media;
        let row = |name, unit, decimals, values| Row {
            name,
            unit,
            decimals,
            values,
        };
        [
            row("loss in", "%", 2, media.loss_in.distribution()),
            row("loss out", "%", 2, media.loss_out.distribution()),
            row("jitter", "ms", 2, media.jitter.distribution()),
            row("round trip", "ms", 2, media.round_trip.distribution()),
            row("MOS", "", 2, media.mos.distribution_downwards()),
        ]
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let figures = self.figures;
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "{} ({}), {:.1} s",
            self.server,
            self.dialect,
            self.took.as_secs_f64()
        );
        let _ = writeln!(
            text,
            "users {}, ready {}, failed {}",
            figures.users, figures.ready, figures.user_failures.count
        );
        let _ = writeln!(
            text,
            "calls {} = good {} + stopped {} + failed {}; answered {}",
            figures.placed,
            figures.good,
            figures.stopped,
            figures.call_failures.count,
            figures.answered
        );
        let (losers, losses) = figures.connections_lost();
        if losses > 0 {
            let _ = writeln!(text, "connections lost: {losses}, of {losers} users");
        }
        let _ = writeln!(
            text,
            "\n{:<18}{:>8}{:>10}{:>10}{:>10}{:>10}",
            "", "count", "p50", "p95", "p99", "max"
        );
        let _ = writeln!(
            text,
            "login: each step from the one before, ready from after our queue; call: from its beginning"
        );
        for row in self.steps() {
            row.write(&mut text);
        }
        let _ = writeln!(
            text,
            "media: a value a call; sent {} packets, received {}; the worst MOS stands last",
            figures.media.packets_sent, figures.media.packets_received
        );
        for row in self.media() {
            row.write(&mut text);
        }
        let ours = &figures.ours;
        let _ = writeln!(
            text,
            "this machine: slots late (> 5 ms) {}, skipped {}, send errors {}, dropped unread {}, events lost {}",
            ours.slots_late,
            ours.slots_skipped,
            ours.send_errors,
            ours.receive_drops,
            ours.events_lost
        );
        for limit in limits_met(figures, self.machine) {
            let _ = writeln!(text, "limit met: {limit}");
        }
        for (what, failures) in [
            ("calls", &figures.call_failures),
            ("users", &figures.user_failures),
        ] {
            if failures.count > 0 {
                let _ = writeln!(text, "failed {what}:");
            }
            for (kind, count) in failures.kinds() {
                let _ = writeln!(text, "{count:>8}  {kind}");
            }
        }
        text
    }

    /// For programs: times in milliseconds, losses in percent.
    pub(crate) fn json(&self) -> Value {
        let figures = self.figures;
        let (losers, losses) = figures.connections_lost();
        let table = |rows: &[Row]| -> Value {
            let entry = |row: &Row| (row.name.to_lowercase().replace(' ', "_"), json!(row.values));
            rows.iter()
                .map(entry)
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        json!({
            "server": self.server,
            "dialect": self.dialect,
            "seconds": self.took.as_secs_f64(),
            "users": figures.users,
            "ready": figures.ready,
            "users_failed": figures.user_failures.count,
            "calls": figures.placed,
            "answered": figures.answered,
            "good": figures.good,
            "stopped": figures.stopped,
            "failed": figures.call_failures.count,
            "failures": figures.call_failures.kinds().collect::<BTreeMap<_, _>>(),
            "user_failures": figures.user_failures.kinds().collect::<BTreeMap<_, _>>(),
            "connections_lost": { "users": losers, "times": losses },
            "set_up_ms": table(&self.steps()),
            "media": table(&self.media()),
            "packets_sent": figures.media.packets_sent,
            "packets_received": figures.media.packets_received,
            "this_machine": {
                "threads": self.machine.threads,
                "cores": self.machine.cores,
                "slots_late": figures.ours.slots_late,
                "slots_skipped": figures.ours.slots_skipped,
                "send_errors": figures.ours.send_errors,
                "receive_drops": figures.ours.receive_drops,
                "events_lost": figures.ours.events_lost,
            },
            "limits_met": limits_met(figures, self.machine),
        })
    }
}

impl Row {
    fn write(&self, text: &mut String) {
        let name = match self.unit {
            "" => self.name.to_owned(),
            unit => format!("{} ({unit})", self.name),
        };
        let _ = match self.values {
            Some(of) => writeln!(
                text,
                "  {name:<16}{:>8}{:>10.places$}{:>10.places$}{:>10.places$}{:>10.places$}",
                of.count,
                of.p50,
                of.p95,
                of.p99,
                of.max,
                places = self.decimals
            ),
            None => writeln!(text, "  {name:<16}{:>8}", 0),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;

    #[test]
    fn a_run_without_a_measured_value_has_a_table_all_the_same() {
        let mut figures = Figures::of(3);
        let refused = Kind::theirs("login refused: wrong password");
        figures.user_failures.add(refused);
        figures.placed = 1;
        figures.call_failures.add(Kind::ours("no file left"));
        figures.connection_lost(1);
        let report = Report {
            figures: &figures,
            took: Duration::from_secs(2),
            server: "ws://127.0.0.1:1",
            dialect: "sip",
            machine: Machine {
                threads: 2,
                cores: 2,
            },
        };
        let text = report.text();
        for part in [
            "users 3, ready 0, failed 1",
            "calls 1 = good 0 + stopped 0 + failed 1; answered 0",
            "failed calls:\n       1  our own limit",
            "failed users:\n       1  login refused",
            "connections lost: 1, of 1 users",
            "limit met: failures: no file left (1)",
            "our queue",
            "first ring",
            "MOS",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        let json = report.json();
        assert_eq!(json["set_up_ms"]["first_rtp"], Value::Null);
        assert_eq!(
            (&json["failed"], &json["users_failed"]),
            (&1.into(), &1.into())
        );
        assert_eq!(json["failures"]["our own limit: no file left"], 1);
        assert_eq!(json["user_failures"]["login refused: wrong password"], 1);
        assert_eq!(json["connections_lost"]["times"], 1);
        assert_eq!(json["limits_met"][0], "failures: no file left (1)");
    }
}
