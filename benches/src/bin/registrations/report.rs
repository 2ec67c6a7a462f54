//! Prints the figures: a table for a person, a line of JSON for a program.

use serde::Serialize;

use crate::run::Failure;

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    /// Accounts, each with a WebSocket of its own.
    pub(crate) accounts: usize,
    /// Whether over TLS.
    pub(crate) tls: bool,
    /// Seconds until all of them were registered, from nothing.
    pub(crate) up_s: f64,
    /// Processor time of this process for each of them until then.
    pub(crate) up_cpu_us: f64,
    /// Growth of resident memory, when all were registered and at rest.
    pub(crate) rss_kib_per_account: f64,
    /// The same after the refreshes.
    pub(crate) rss_kib_per_account_after: f64,
    /// Registrations granted again.
    pub(crate) refreshes: u64,
    /// As fast as the sandbox and we went together.
    pub(crate) refreshes_per_second: f64,
    /// Processor time of this process for each.
    pub(crate) cpu_us_per_refresh: f64,
    /// Processor time of the sandbox for each.
    pub(crate) sandbox_cpu_us_per_refresh: f64,
    /// Accounts that were ready when all was over.
    pub(crate) ready_at_the_end: usize,
}

#[expect(
    clippy::print_stdout,
    reason = "the figures are what this program is for"
)]
pub(crate) fn show(figures: &Figures, json: bool) {
    if json {
        match serde_json::to_string(figures) {
            Ok(line) => println!("{line}"),
            Err(error) => println!("{{\"error\":\"{error}\"}}"),
        }
        return;
    }
    let kind = if figures.tls { "wss" } else { "ws" };
    println!(
        "accounts               {:>10}   over {kind}, ready at the end: {}",
        figures.accounts, figures.ready_at_the_end
    );
    println!(
        "all registered after   {:>10.2} s   ({:.0} us of CPU each)",
        figures.up_s, figures.up_cpu_us
    );
    println!(
        "memory per account     {:>10.1} KiB at rest, {:.1} KiB after the refreshes{}",
        figures.rss_kib_per_account,
        figures.rss_kib_per_account_after,
        if figures.tls {
            ""
        } else {
            "   (aim 16, at most 40)"
        }
    );
    println!(
        "REGISTER refreshes     {:>10.0} a second, of {}",
        figures.refreshes_per_second, figures.refreshes
    );
    println!(
        "CPU per refresh        {:>10.1} us   (the sandbox's: {:.1} us)",
        figures.cpu_us_per_refresh, figures.sandbox_cpu_us_per_refresh
    );
}

#[expect(
    clippy::print_stderr,
    reason = "a person reads why there are no figures"
)]
pub(crate) fn complain(failure: &Failure) {
    eprintln!("registrations: {failure}");
}
