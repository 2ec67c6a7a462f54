//! The table at the end, the line meanwhile, and both as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::figures::Figures;
use crate::limits_met::{Machine, limits_met};
use crate::samples::{Distribution, LowDistribution, Samples};

/// What a run came to.
pub(crate) struct Report<'a> {
    pub(crate) figures: &'a Figures,
    pub(crate) took: Duration,
    /// Server and dialect, for whoever reads it later.
    pub(crate) server: &'a str,
    pub(crate) dialect: &'a str,
    /// Calls that were to begin in a second.
    pub(crate) rate: f64,
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
    values: Option<Values>,
}

/// What was measured, with the bad end of it.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
enum Values {
    High(Distribution),
    Low(LowDistribution),
}

/// The columns of each kind of values.
const HIGH: [&str; 5] = ["count", "p50", "p95", "p99", "max"];
const LOW: [&str; 5] = ["count", "p50", "p5", "p1", "min"];

impl Report<'_> {
    fn steps(&self) -> [Row; 10] {
        let (logins, calls) = (&self.figures.logins, &self.figures.calls);
        let row = |name, samples: &Samples| Row {
            name,
            unit: "ms",
            decimals: 1,
            values: samples.distribution().map(Values::High),
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
        let row = |name, unit, samples: &Samples| Row {
            name,
            unit,
            decimals: 2,
            values: samples.distribution().map(Values::High),
        };
        let mos = Row {
            values: media.mos.low_distribution().map(Values::Low),
            ..row("MOS", "", &media.mos)
        };
        [
            row("loss in", "%", &media.loss_in),
            row("loss out", "%", &media.loss_out),
            row("jitter", "ms", &media.jitter),
            row("round trip", "ms", &media.round_trip),
            mos,
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
        if let Some(reached) = figures.rate.reached() {
            let _ = writeln!(
                text,
                "rate {} calls a second wanted, {reached:.1} reached",
                self.rate
            );
        }
        let (losers, losses) = figures.connections_lost();
        if losses > 0 {
            let _ = writeln!(text, "connections lost: {losses}, of {losers} users");
        }
        let _ = writeln!(text, "\n{}", header(HIGH));
        let _ = writeln!(
            text,
            "login: each step from the one before, ready from after our queue; call: from its beginning"
        );
        for row in self.steps() {
            row.write(&mut text);
        }
        let _ = writeln!(
            text,
            "media: a value a call; sent {} packets, received {}",
            figures.media.packets_sent, figures.media.packets_received
        );
        let [loss_in, loss_out, jitter, round_trip, mos] = self.media();
        for row in [loss_in, loss_out, jitter, round_trip] {
            row.write(&mut text);
        }
        let _ = writeln!(text, "{}", header(LOW));
        mos.write(&mut text);
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
        for limit in limits_met(figures, self.machine, self.rate) {
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
            "rate": { "wanted": self.rate, "reached": figures.rate.reached() },
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
                "calls_left_out": figures.rate.left_out(self.rate),
            },
            "limits_met": limits_met(figures, self.machine, self.rate),
        })
    }
}

impl Row {
    fn write(&self, text: &mut String) {
        let name = match self.unit {
            "" => self.name.to_owned(),
            unit => format!("{} ({unit})", self.name),
        };
        let (count, values) = match self.values {
            Some(Values::High(of)) => (of.count, [of.p50, of.p95, of.p99, of.max]),
            Some(Values::Low(of)) => (of.count, [of.p50, of.p5, of.p1, of.min]),
            None => {
                let _ = writeln!(text, "  {name:<16}{:>8}", 0);
                return;
            }
        };
        let _ = write!(text, "  {name:<16}{count:>8}");
        for value in values {
            let _ = write!(text, "{value:>10.places$}", places = self.decimals);
        }
        text.push('\n');
    }
}

fn header([count, columns @ ..]: [&str; 5]) -> String {
    let columns = columns.map(|column| format!("{column:>10}")).concat();
    format!("{:<18}{count:>8}{columns}", "")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::kind::Kind;

    fn report(figures: &Figures) -> Report<'_> {
        Report {
            figures,
            took: Duration::from_secs(2),
            server: "ws://127.0.0.1:1",
            dialect: "sip",
            rate: 2.5,
            machine: Machine {
                threads: 2,
                cores: 2,
            },
        }
    }

    #[test]
    fn each_column_holds_what_it_is_called() {
        let mut figures = Figures::of(1);
        for value in 1..=100 {
            figures.media.mos.add(f64::from(value) / 20.0);
            figures.media.jitter.add(f64::from(value));
        }
        let report = report(&figures);
        let media = &report.json()["media"];
        let jitter = json!({ "count": 100, "p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0 });
        assert_eq!(media["jitter"], jitter);
        let mos = json!({ "count": 100, "p50": 2.5, "p5": 0.25, "p1": 0.05, "min": 0.05 });
        assert_eq!(media["mos"], mos);
        let text = report.text();
        let columns: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        let mos = columns
            .iter()
            .position(|line| line[..] == ["MOS", "100", "2.50", "0.25", "0.05", "0.05"]);
        let mos = mos.unwrap_or_else(|| panic!("{text}"));
        assert_eq!(columns[mos - 1], LOW);
    }

    #[test]
    fn a_run_without_a_measured_value_has_a_table_all_the_same() {
        let mut figures = Figures::of(3);
        let refused = Kind::theirs("login refused: wrong password");
        figures.user_failures.add(refused);
        figures.placed = 1;
        let began = Instant::now();
        figures.rate.call_began(began);
        figures.rate.call_began(began + Duration::from_secs(2));
        figures.rate.behind = Duration::from_secs(2);
        figures.call_failures.add(Kind::ours("no file left"));
        figures.connection_lost(1);
        let report = report(&figures);
        let text = report.text();
        for part in [
            "users 3, ready 0, failed 1",
            "calls 1 = good 0 + stopped 0 + failed 1; answered 0",
            "rate 2.5 calls a second wanted, 0.5 reached",
            "limit met: rate: 5 calls fewer",
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
        assert_eq!(json["rate"], json!({ "wanted": 2.5, "reached": 0.5 }));
        assert_eq!(json["this_machine"]["calls_left_out"], 5);
        assert_eq!(json["limits_met"][1], "failures: no file left (1)");
    }
}
