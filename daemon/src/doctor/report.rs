//! All that was found, and how long each stage on the way took.

use std::process::ExitCode;
use std::time::Duration;

use crate::doctor::code::{Code, Severity};
use crate::doctor::finding::Finding;

/// At least one finding is an error.
const ERRORS: u8 = 1;
/// The configuration cannot be read at all, as with wrong usage.
const UNREADABLE: u8 = 2;
/// Warnings and no error.
const WARNINGS: u8 = 4;

/// One step on the way to a server, and how long it took.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stage {
    /// The account that it was gone for; `None`: a server that no account names.
    pub(crate) account: Option<String>,
    /// `dns`, `tcp`, `proxy`, `tls`, `websocket`, `token`, `login`, `registration`, `self_call`, `test_call`, `stun`, `turn`, `nat`.
    pub(crate) name: &'static str,
    /// How long it took; of a stage that failed, until that was clear.
    pub(crate) took: Duration,
    /// What was learnt, if more than that it works.
    pub(crate) detail: Option<String>,
}

/// What a run of the doctor brought.
#[derive(Debug, Default)]
pub(crate) struct Report {
    findings: Vec<Finding>,
    stages: Vec<Stage>,
}

impl Report {
    /// Adds a finding, unless the same was found already.
    pub(crate) fn add(&mut self, finding: Finding) {
        let known = self.findings.iter().any(|known| {
            known.code == finding.code
                && known.place == finding.place
                && (known.place.line.is_some() || known.what == finding.what)
        });
        if !known {
            self.findings.push(finding);
        }
    }

    /// Adds several.
    pub(crate) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            self.add(finding);
        }
    }

    /// Adds how long something took.
    pub(crate) fn took(&mut self, stage: Stage) {
        self.stages.push(stage);
    }

    /// Leaves out what the operator knows.
    pub(crate) fn allow(&mut self, codes: &[Code]) {
        self.findings
            .retain(|finding| !codes.contains(&finding.code));
    }

    /// Errors first, each kind in the order of the files.
    pub(crate) fn sort(&mut self) {
        self.findings.sort_by(|one, other| {
            let key = |finding: &Finding| std::cmp::Reverse(finding.code.severity());
            key(one)
                .cmp(&key(other))
                .then_with(|| one.place.cmp(&other.place))
        });
    }

    /// All that was found.
    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How long the stages took, in their order.
    pub(crate) fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// How many findings are this bad.
    pub(crate) fn count(&self, severity: Severity) -> usize {
        let bad = |finding: &&Finding| finding.code.severity() == severity;
        self.findings.iter().filter(bad).count()
    }

    /// The worst of it, for a script.
    pub(crate) fn exit_code(&self) -> ExitCode {
        let unreadable = |finding: &Finding| finding.code == Code::ConfigUnreadable;
        ExitCode::from(if self.findings.iter().any(unreadable) {
            UNREADABLE
        } else if self.count(Severity::Error) > 0 {
            ERRORS
        } else if self.count(Severity::Warning) > 0 {
            WARNINGS
        } else {
            0
        })
    }
}
