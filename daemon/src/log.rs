//! The log: one line an event on standard error, its level changeable while running, no library able to print a secret.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

/// The names a level may have, quiet to talkative.
pub(crate) const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Reads a level by its name.
pub(crate) fn level(name: &str) -> Option<LevelFilter> {
    match name {
        "off" => Some(LevelFilter::OFF),
        "error" => Some(LevelFilter::ERROR),
        "warn" => Some(LevelFilter::WARN),
        "info" => Some(LevelFilter::INFO),
        "debug" => Some(LevelFilter::DEBUG),
        "trace" => Some(LevelFilter::TRACE),
        _ => None,
    }
}

/// Changes the level of the running log.
#[derive(Clone)]
pub(crate) struct LogLevel {
    filter: reload::Handle<Targets, Registry>,
}

impl LogLevel {
    /// Sets it; says whether the log is still there.
    pub(crate) fn set(&self, level: LevelFilter) -> bool {
        self.filter.reload(targets(level)).is_ok()
    }
}

/// Starts the log for this process.
pub(crate) fn start(level: LevelFilter) -> LogLevel {
    let (filter, handle) = reload::Layer::new(targets(level));
    let lines = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    // A second start (only tests could try) leaves the first log in place.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init();
    LogLevel { filter: handle }
}

/// Libraries of STUN and TURN messages, which say at `info` what is a developer's business.
const WORDY: [&str; 3] = ["turn_types", "stun_proto", "stun_types"];

/// Our own targets as asked; everybody else's at most at `info`, the wordy ones at `warn`.
///
/// Libraries below us see whole frames and key material and print them at `debug` and `trace`, passwords included. Ours
/// never do, so the talkative levels are ours alone.
fn targets(level: LevelFilter) -> Targets {
    Targets::new()
        .with_target("offhook", level)
        .with_targets(WORDY.map(|library| (library, level.min(LevelFilter::WARN))))
        .with_default(level.min(LevelFilter::INFO))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn full_trace_is_ours_alone() {
        let all = targets(LevelFilter::TRACE);
        assert!(all.would_enable("offhook_signaling::verto", &Level::TRACE));
        assert!(all.would_enable("offhookd::run", &Level::TRACE));
        for library in [
            "tungstenite::protocol",
            "tokio_tungstenite",
            "rustls::client",
            "rtc_dtls",
            "is::agent",
        ] {
            assert!(!all.would_enable(library, &Level::DEBUG), "{library}");
            assert!(all.would_enable(library, &Level::INFO), "{library}");
        }
    }

    /// Their spans and events of one message each would fill the log.
    #[test]
    fn a_relayed_call_fills_no_log() {
        for level in [LevelFilter::INFO, LevelFilter::TRACE] {
            let all = targets(level);
            for library in ["turn_types::channel", "stun_proto::auth"] {
                assert!(!all.would_enable(library, &Level::INFO), "{library}");
                assert!(all.would_enable(library, &Level::WARN), "{library}");
            }
        }
        let quiet = targets(LevelFilter::ERROR);
        assert!(!quiet.would_enable("stun_types::message", &Level::WARN));
    }

    #[test]
    fn a_quiet_level_quiets_libraries_too() {
        let quiet = targets(LevelFilter::ERROR);
        assert!(!quiet.would_enable("rustls", &Level::WARN));
        assert!(!quiet.would_enable("offhook_engine", &Level::WARN));
    }

    #[test]
    fn every_named_level_is_read() {
        assert!(LEVELS.iter().all(|name| level(name).is_some()));
        assert_eq!(level("loud"), None);
    }
}
