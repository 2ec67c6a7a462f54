//! What a program that carries calls measures and prints; others that are compared with it use this file too.

use serde::{Deserialize, Serialize};

/// What was measured. Every figure is of one end.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Ends that were in a call.
    pub calls: usize,
    /// Seconds of media measured.
    pub seconds: f64,
    /// RTP packets sent in that time.
    pub packets: u64,
    /// RTP packets sent and not received, from the first to the last of the run.
    pub lost: i64,
    /// Slots run more than 5 ms after they were due, or left out, in the time measured.
    pub late: u64,
    /// The same while calls were set up.
    pub late_in_setup: u64,
    /// How long our threads were ready to run while others had their core: what is late for this is the machine's doing.
    pub run_delay_ms: f64,
    /// How long the host of this virtual machine kept its cores from it, all together.
    pub steal_ms: f64,
    /// Datagrams that the kernel refused.
    pub send_errors: u64,
    /// Processor time of the process for each packet sent: make, protect, send, receive, open.
    pub cpu_us_per_frame: f64,
    /// Share of one core.
    pub cpu_percent: f64,
    /// Growth of resident memory.
    pub rss_kib_per_call: f64,
    /// From the command to make an offer to the end of the DTLS handshake.
    pub setup_p50_ms: f64,
    /// The same, of the slowest in a hundred.
    pub setup_p99_ms: f64,
    /// Ends set up in a second of processor time.
    pub setups_per_cpu_second: f64,
}

/// Prints them: a table for a person, a line of JSON for a program.
#[expect(
    clippy::print_stdout,
    reason = "the figures are what such a program is for"
)]
pub fn show(figures: &Figures, json: bool) {
    if json {
        match serde_json::to_string(figures) {
            Ok(line) => println!("{line}"),
            Err(error) => println!("{{\"error\":\"{error}\"}}"),
        }
        return;
    }
    println!("ends of calls          {:>10}", figures.calls);
    println!(
        "measured               {:>10.1} s, {} packets",
        figures.seconds, figures.packets
    );
    println!("lost                   {:>10}", figures.lost);
    println!(
        "late (> 5 ms)          {:>10}   (while setting up: {})",
        figures.late, figures.late_in_setup
    );
    println!(
        "kept from a core       {:>10.1} ms by others here, {:.0} ms by the host",
        figures.run_delay_ms, figures.steal_ms
    );
    println!("refused by the kernel  {:>10}", figures.send_errors);
    println!(
        "CPU per frame          {:>10.2} us   ({:.1} % of a core)",
        figures.cpu_us_per_frame, figures.cpu_percent
    );
    println!(
        "memory per end         {:>10.1} KiB",
        figures.rss_kib_per_call
    );
    println!(
        "set-up p50 / p99       {:>10.2} / {:.2} ms",
        figures.setup_p50_ms, figures.setup_p99_ms
    );
    println!(
        "set-ups per CPU second {:>10.0}",
        figures.setups_per_cpu_second
    );
}
