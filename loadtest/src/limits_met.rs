//! Which limits of this machine a run met, and what to do about each: none of them is to be taken for the far end's.

use crate::figures::Figures;

/// What carried the media.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    /// Threads that carried media.
    pub(crate) threads: u16,
    /// Cores that this process may use.
    pub(crate) cores: u16,
}

impl Machine {
    /// A machine that is not fast enough for what it was asked.
    fn advice(self) -> String {
        match self {
            Self { threads, cores } if threads < cores => format!("try --threads {cores}"),
            Self { cores, .. } => {
                format!("all {cores} cores are used: fewer calls, or the rest from another machine")
            }
        }
    }
}

/// A sentence each; none: no limit of ours was met. `rate`: the one that was wanted.
pub(crate) fn limits_met(figures: &Figures, machine: Machine, rate: f64) -> Vec<String> {
    let ours = &figures.ours;
    let mut met = Vec::new();
    if ours.slots_late + ours.slots_skipped > 0 {
        let slots = figures.media.packets_sent + ours.slots_skipped;
        met.push(format!(
            "media threads: of {slots} slots {} late by more than 5 ms and {} skipped; {}",
            ours.slots_late,
            ours.slots_skipped,
            machine.advice()
        ));
    }
    if ours.receive_drops > 0 {
        met.push(format!(
            "sockets: {} datagrams dropped because they were not read in time; {}",
            ours.receive_drops,
            machine.advice()
        ));
    }
    if ours.send_errors > 0 {
        met.push(format!(
            "sockets: the kernel had no room for {} datagrams that were to be sent; fewer calls, or a faster network card",
            ours.send_errors
        ));
    }
    if ours.events_lost > 0 {
        met.push(format!(
            "events: {} lost because they were not read in time; a lower --rate",
            ours.events_lost
        ));
    }
    let left_out = figures.rate.left_out(rate);
    if left_out > 0 {
        met.push(format!(
            "rate: {left_out} calls fewer began than --rate {rate} asks for, since this program was busy; a lower --rate, or the rest \
             from another machine"
        ));
    }
    let failures = figures.call_failures.ours();
    let failures = failures.chain(figures.user_failures.ours());
    met.extend(failures.map(|(kind, count)| {
        let what = kind.strip_prefix("our own limit: ").unwrap_or(kind);
        format!("failures: {what} ({count})")
    }));
    met
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::kind::Kind;

    #[test]
    fn each_limit_is_named_with_what_to_do() {
        let machine = Machine {
            threads: 1,
            cores: 4,
        };
        let mut figures = Figures::of(1);
        assert!(limits_met(&figures, machine, 10.0).is_empty());
        figures.media.packets_sent = 998;
        figures.ours.slots_late = 7;
        figures.ours.slots_skipped = 2;
        figures.ours.receive_drops = 3;
        figures.rate.behind = Duration::from_millis(560);
        figures.call_failures.add(Kind::ours("no file left"));
        figures.user_failures.add(Kind::ours("no port left"));
        figures
            .call_failures
            .add(Kind::theirs("the far end hung up early"));
        let met = limits_met(&figures, machine, 10.0);
        assert_eq!(
            met[0],
            "media threads: of 1000 slots 7 late by more than 5 ms and 2 skipped; try --threads 4"
        );
        assert!(
            met[1].starts_with("sockets: 3 datagrams dropped"),
            "{met:?}"
        );
        assert!(met[2].starts_with("rate: 5 calls fewer began"), "{met:?}");
        let failures = ["failures: no file left (1)", "failures: no port left (1)"];
        assert_eq!(met[3..], failures);
        let machine = Machine {
            threads: 4,
            cores: 4,
        };
        assert!(limits_met(&figures, machine, 10.0)[0].ends_with("another machine"));
    }
}
