//! The table for a terminal.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table is what this program is for"
)]

use crate::runs::{Outcome, Sweep};

pub(crate) fn complain(text: &str) {
    eprintln!("table: {text}");
}

pub(crate) fn show(sweep: &Sweep) {
    println!(
        "{:>5} {:<10} {:>9} {:>7} {:>7} {:>7} {:>8} {:>9} {:>9} {:>13} {:>9} {:>9}",
        "ends",
        "stack",
        "us/frame",
        "ours/it",
        "core %",
        "lost",
        "late",
        "KiB/end",
        "ours/it",
        "setup p50/p99",
        "setups/s",
        "queued ms"
    );
    for (index, ends) in sweep.ends.iter().enumerate() {
        let ours = sweep.ours(index);
        for row in &sweep.rows {
            let name = &row.name;
            match row.outcomes.get(index) {
                Some(Outcome::Ran(figures)) => {
                    let of = |our: Option<f64>, its: f64| {
                        our.map_or_else(|| "-".to_owned(), |our| format!("{:.2}", our / its))
                    };
                    println!(
                        "{ends:>5} {name:<10} {:>9.2} {:>7} {:>7.1} {:>7} {:>8} {:>9.1} {:>9} {:>13} {:>9.0} {:>9.0}",
                        figures.cpu_us_per_frame,
                        of(
                            ours.map(|ours| ours.cpu_us_per_frame),
                            figures.cpu_us_per_frame
                        ),
                        figures.cpu_percent,
                        figures.lost,
                        figures.late,
                        figures.rss_kib_per_call,
                        of(
                            ours.map(|ours| ours.rss_kib_per_call),
                            figures.rss_kib_per_call
                        ),
                        format!("{:.1}/{:.1}", figures.setup_p50_ms, figures.setup_p99_ms),
                        figures.setups_per_cpu_second,
                        figures.run_delay_ms,
                    );
                }
                Some(Outcome::Failed(why)) => println!("{ends:>5} {name:<10} failed: {why}"),
                Some(Outcome::Overloaded) => {
                    println!("{ends:>5} {name:<10} not run: fewer were too many");
                }
                None => {}
            }
        }
    }
    println!();
    for row in &sweep.rows {
        let carried = sweep.carried(row);
        let carried = carried.map_or_else(|| "none".to_owned(), |ends| ends.to_string());
        println!(
            "{:<10} carried {carried:>5} ends on one core without a lost or late packet",
            row.name
        );
    }
}
