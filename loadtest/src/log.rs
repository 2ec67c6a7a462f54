//! The log: what the engine says, on standard error. No library is able to fill it, or to print what it sees.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, registry};

/// Starts it for this process.
pub(crate) fn start(verbose: bool) {
    let level = if verbose {
        LevelFilter::INFO
    } else {
        LevelFilter::ERROR
    };
    let lines = fmt::layer().with_writer(io::stderr);
    // A second start (only tests could try) leaves the first log in place.
    let _ = registry().with(targets(level)).with(lines).try_init();
}

/// Our own targets as asked; libraries at `warn` at most: some have a line at `info` for each packet, written by the threads whose
/// punctuality is measured here.
fn targets(level: LevelFilter) -> Targets {
    Targets::new()
        .with_target("offhook", level)
        .with_default(level.min(LevelFilter::WARN))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn what_the_engine_says_is_not_buried_under_a_line_for_each_packet() {
        let verbose = targets(LevelFilter::INFO);
        assert!(verbose.would_enable("offhook_engine::driver", &Level::INFO));
        for library in ["turn_client_proto::protocol", "stun_proto", "rustls"] {
            assert!(!verbose.would_enable(library, &Level::INFO), "{library}");
            assert!(verbose.would_enable(library, &Level::WARN), "{library}");
        }
        let quiet = targets(LevelFilter::ERROR);
        for target in ["offhook_media", "rustls"] {
            assert!(!quiet.would_enable(target, &Level::WARN), "{target}");
        }
    }
}
