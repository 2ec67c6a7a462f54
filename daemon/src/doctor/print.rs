//! Prints a report: text for people, nothing when nothing was found; one JSON object for scripts.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::control::replies::ms;
use crate::doctor::code::Severity;
use crate::doctor::finding::{Finding, Place};
use crate::doctor::report::{Report, Stage};

/// The report for a person; empty when nothing was found.
pub(crate) fn text(report: &Report) -> String {
    let mut text = String::new();
    for finding in report.findings() {
        // Writing into a text cannot fail.
        let _ = write!(text, "{}", of_finding(finding));
    }
    if text.is_empty() {
        return text;
    }
    if !report.stages().is_empty() {
        text.push_str("stages:\n");
    }
    for stage in report.stages() {
        text.push_str(&of_stage(stage));
    }
    let count = |severity: Severity| {
        let number = report.count(severity);
        format!(
            "{number} {}{}",
            severity.word(),
            if number == 1 { "" } else { "s" }
        )
    };
    let _ = writeln!(
        text,
        "{}, {}",
        count(Severity::Error),
        count(Severity::Warning)
    );
    text
}

/// The report for a script.
pub(crate) fn json(report: &Report) -> Value {
    let findings: Vec<Value> = report
        .findings()
        .iter()
        .map(|finding| {
            json!({
                "code": finding.code.name(),
                "severity": finding.code.severity().word(),
                "where": finding.place,
                "what": finding.what,
                "why": finding.code.why(),
                "remedy": finding.remedy,
            })
        })
        .collect();
    let stages: Vec<Value> = report
        .stages()
        .iter()
        .map(|stage| {
            let mut value = json!({ "stage": stage.name, "took_ms": ms(stage.took) });
            if let Value::Object(fields) = &mut value {
                let texts = [("account", &stage.account), ("detail", &stage.detail)];
                for (name, text) in texts {
                    if let Some(text) = text {
                        fields.insert(name.to_owned(), text.as_str().into());
                    }
                }
            }
            value
        })
        .collect();
    json!({ "findings": findings, "stages": stages })
}

fn of_finding(finding: &Finding) -> String {
    let Finding {
        code,
        place,
        what,
        remedy,
    } = finding;
    let word = code.severity().word();
    let mut text = format!("{word}: {code}\n");
    for (label, words) in [
        ("where", of_place(place).as_str()),
        ("what", what),
        ("why", code.why()),
        ("what to do", remedy),
    ] {
        if !words.is_empty() {
            let _ = writeln!(text, "  {label}: {}", plain(words));
        }
    }
    text.push('\n');
    text
}

fn of_place(place: &Place) -> String {
    let mut parts = Vec::new();
    if let Some(file) = &place.file {
        parts.push(file.display().to_string());
    }
    if let Some(line) = place.line {
        parts.push(format!("line {line}"));
    }
    if let Some(account) = &place.account {
        parts.push(format!("account `{account}`"));
    }
    if let Some(server) = &place.server {
        parts.push(server.clone());
    }
    parts.join(", ")
}

fn of_stage(stage: &Stage) -> String {
    let mut text = format!("  {}", stage.name);
    if let Some(account) = &stage.account {
        let _ = write!(text, " of `{}`", plain(account));
    }
    let _ = write!(text, ": {}", span(stage.took));
    if let Some(detail) = &stage.detail {
        let _ = write!(text, " ({})", plain(detail));
    }
    text.push('\n');
    text
}

fn span(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1e3)
}

/// Nothing that a server or a file said may steer the terminal.
fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::doctor::code::Code;

    fn report() -> Report {
        let mut report = Report::default();
        let place = Place::line(Path::new("/etc/offhookd.toml"), Some(7)).of_account("desk");
        report.add(Finding::new(
            Code::PasswordInProduction,
            place,
            "it\nis so",
            "do that",
        ));
        report.took(Stage {
            account: Some("desk".to_owned()),
            name: "dns",
            took: Duration::from_micros(1500),
            detail: None,
        });
        report
    }

    #[test]
    fn a_finding_says_where_what_why_and_what_to_do() {
        let said = text(&report());
        for line in [
            "warning: password_in_production",
            "  where: /etc/offhookd.toml, line 7, account `desk`",
            "  what: it is so",
            "  why: a password stays",
            "  what to do: do that",
            "  dns of `desk`: 1.5 ms",
            "0 errors, 1 warning",
        ] {
            assert!(
                said.lines().any(|found| found.starts_with(line)),
                "no {line:?} in {said}"
            );
        }
        let value = json(&report());
        assert_eq!(
            value["findings"][0]["where"],
            json!({ "file": "/etc/offhookd.toml", "line": 7, "account": "desk" })
        );
        assert_eq!(
            value["stages"][0],
            json!({ "stage": "dns", "took_ms": 1.5, "account": "desk" })
        );
    }

    #[test]
    fn nothing_found_is_nothing_printed() {
        let mut report = report();
        report.allow(&[Code::PasswordInProduction]);
        assert_eq!(text(&report), "");
        assert_eq!(json(&report)["findings"], json!([]));
    }
}
