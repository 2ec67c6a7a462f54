//! SIP messages read and written by offhook and others: microseconds in one run, and ratios.

mod library;
mod messages;
mod ours;
mod peer_rsip;
mod peer_rsipstack;

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::library::Library;

/// How often each figure is taken; the middle one is told.
const ROUNDS: usize = 9;
/// How long it is taken for each time.
const SPAN: Duration = Duration::from_millis(40);

const LIBRARIES: [Library; 3] = [ours::OURS, peer_rsip::RSIP, peer_rsipstack::RSIPSTACK];

fn main() {
    println!("us a message on one core; behind each: how many times as long as ours");
    println!(
        "{:20} {:>6}  {:22} {:>9} {:>18} {:>18}",
        "", "bytes", "", "offhook", "rsip 0.4", "rsipstack 0.7"
    );
    for (name, text) in messages::all() {
        check(name, &text);
        row(
            name,
            text.len(),
            "read",
            &LIBRARIES.map(|library| {
                let text = text.clone();
                Box::new(move || (library.read)(&text)) as Box<dyn Fn()>
            }),
        );
        row(
            "",
            0,
            "read, with typed ids",
            &LIBRARIES.map(|library| {
                let text = text.clone();
                Box::new(move || (library.read_ids)(&text)) as Box<dyn Fn()>
            }),
        );
        row(
            "",
            0,
            "write",
            &LIBRARIES.map(|library| {
                let writer = (library.writer)(&text);
                Box::new(move || drop(black_box(writer()))) as Box<dyn Fn()>
            }),
        );
    }
}

/// Whoever writes something else than it has read is measured at another task: that is said.
fn check(name: &str, text: &str) {
    let lines = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    for library in LIBRARIES {
        if lines(&(library.writer)(text)()) != lines(text) {
            println!(
                "note: {} does not write the {name} as it read it",
                library.name
            );
        }
    }
}

fn row(name: &str, bytes: usize, what: &str, tasks: &[Box<dyn Fn()>; 3]) {
    let counts = tasks.each_ref().map(|task| count(task));
    let mut figures: [Vec<f64>; 3] = Default::default();
    // In turns, so that what disturbs the machine disturbs all of them.
    for _ in 0..ROUNDS {
        for ((task, count), figures) in tasks.iter().zip(counts).zip(&mut figures) {
            let began = Instant::now();
            for _ in 0..count {
                task();
            }
            figures.push(began.elapsed().as_secs_f64() * 1e6 / f64::from(count));
        }
    }
    let [ours, rsip, rsipstack] = figures.map(|mut figures| {
        figures.sort_by(f64::total_cmp);
        figures[ROUNDS / 2]
    });
    let bytes = if bytes == 0 {
        String::new()
    } else {
        bytes.to_string()
    };
    println!(
        "{name:20} {bytes:>6}  {what:22} {ours:>9.2} {rsip:>9.2} {:>8} {rsipstack:>9.2} {:>8}",
        format!("({:.2})", rsip / ours),
        format!("({:.2})", rsipstack / ours),
    );
}

/// How many times a task is done in the span.
fn count(task: &dyn Fn()) -> u32 {
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < SPAN {
        for _ in 0..16 {
            task();
        }
        count += 16;
    }
    count
}
