//! The log on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::args::LogLevel;

/// Whose words are logged. Other crates are not heard at any level: the ICE library writes passwords into its log.
const OURS: [&str; 3] = ["offhook_sandbox", "offhook_signaling", "offhook_media"];

/// Logs from now on what is at least of this level.
pub(crate) fn start(level: LogLevel) {
    let level = level
        .filter()
        .map_or(LevelFilter::OFF, LevelFilter::from_level);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(lines)
        .with(Targets::new().with_targets(OURS.map(|target| (target, level))))
        .init();
}
