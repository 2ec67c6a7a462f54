//! The runs: each program at each number of ends, one at a time on one core.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use offhook_benches::figures::Figures;

/// A program that was overloaded this much is not asked to carry more: the share of its packets that was lost or late.
const OVERLOADED: f64 = 0.05;

/// What is run.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    path: PathBuf,
}

impl Program {
    /// Reads `NAME=PATH`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (name, path) = text
            .split_once('=')
            .ok_or_else(|| format!("{text:?} is not NAME=PATH"))?;
        Ok(Self {
            name: name.to_owned(),
            path: path.into(),
        })
    }

    fn run(&self, ends: u32, seconds: u32, core: usize) -> Outcome {
        let output = Command::new(&self.path)
            .args(["--calls", &ends.to_string()])
            .args(["--seconds", &seconds.to_string()])
            .args(["--core", &core.to_string(), "--json"])
            .stdin(Stdio::null())
            .output();
        let output = match output {
            Ok(output) => output,
            Err(error) => return Outcome::Failed(format!("{}: {error}", self.path.display())),
        };
        let told = String::from_utf8_lossy(&output.stdout);
        match serde_json::from_str(told.trim()) {
            Ok(figures) if output.status.success() => Outcome::Ran(figures),
            _ => {
                let complaint = String::from_utf8_lossy(&output.stderr);
                let last = complaint.lines().last().unwrap_or("it said nothing");
                Outcome::Failed(last.to_owned())
            }
        }
    }
}

/// Every packet arrived and went in time.
fn is_clean(figures: &Figures) -> bool {
    figures.lost <= 0 && figures.late == 0
}

fn is_overloaded(figures: &Figures) -> bool {
    let bad = figures.lost.max(0).unsigned_abs() + figures.late;
    bad as f64 > OVERLOADED * figures.packets.max(1) as f64
}

/// What came of one run.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Ran(Figures),
    Failed(String),
    /// Not run: fewer ends were too many.
    Overloaded,
}

impl Outcome {
    pub(crate) const fn figures(&self) -> Option<&Figures> {
        match self {
            Self::Ran(figures) => Some(figures),
            Self::Failed(_) | Self::Overloaded => None,
        }
    }
}

/// All runs of a program, in the order of the ends.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) outcomes: Vec<Outcome>,
}

/// All runs of all programs.
#[derive(Clone, Debug)]
pub(crate) struct Sweep {
    pub(crate) ends: Vec<u32>,
    pub(crate) seconds: u32,
    pub(crate) rows: Vec<Row>,
}

impl Sweep {
    pub(crate) fn run(programs: &[Program], ends: &[u32], seconds: u32, core: usize) -> Self {
        let mut rows: Vec<Row> = programs
            .iter()
            .map(|program| Row {
                name: program.name.clone(),
                outcomes: Vec::new(),
            })
            .collect();
        // Number by number, so that what is compared is run in the same minutes.
        for &ends in ends {
            for (program, row) in programs.iter().zip(&mut rows) {
                let overloaded = match row.outcomes.last() {
                    Some(Outcome::Ran(figures)) => is_overloaded(figures),
                    Some(Outcome::Overloaded | Outcome::Failed(_)) => true,
                    None => false,
                };
                row.outcomes.push(if overloaded {
                    Outcome::Overloaded
                } else {
                    program.run(ends, seconds, core)
                });
            }
        }
        Self {
            ends: ends.to_vec(),
            seconds,
            rows,
        }
    }

    /// Our own figures at the same number of ends.
    pub(crate) fn ours(&self, index: usize) -> Option<&Figures> {
        self.rows.first()?.outcomes.get(index)?.figures()
    }

    /// The greatest number of ends that a program carried without a lost or late packet.
    pub(crate) fn carried(&self, row: &Row) -> Option<u32> {
        let clean = row.outcomes.iter().zip(&self.ends);
        let clean = clean.filter(|(outcome, _)| outcome.figures().is_some_and(is_clean));
        clean.map(|(_, ends)| *ends).max()
    }

    /// Whether a program could not be run at all, or ours broke.
    pub(crate) fn failed(&self) -> bool {
        let broke = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_));
        let none = |row: &Row| row.outcomes.first().is_some_and(broke);
        self.rows.iter().any(none)
            || self
                .rows
                .first()
                .is_some_and(|ours| ours.outcomes.iter().any(broke))
    }
}
