//! Figures of the token endpoint in Prometheus' text format; nothing in them names anybody.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// All figures.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    pub(super) given: AtomicU64,
    pub(super) cached: AtomicU64,
    pub(super) minted: AtomicU64,
    pub(super) made: AtomicU64,
    pub(super) unauthorized: AtomicU64,
    pub(super) limited: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) upstream_failures: AtomicU64,
}

/// Counts one.
pub(super) fn count(figure: &AtomicU64) {
    figure.fetch_add(1, Ordering::Relaxed);
}

impl Metrics {
    pub(super) fn text(&self, callers: usize) -> String {
        let mut text = String::new();
        let figures = [
            ("tokens_given", "Tokens handed out", &self.given),
            (
                "tokens_cached",
                "Tokens handed out from the cache",
                &self.cached,
            ),
            ("tokens_minted", "Tokens asked of the API", &self.minted),
            (
                "credentials_made",
                "Credentials made at the first request",
                &self.made,
            ),
            (
                "requests_unauthorized",
                "Requests of nobody known",
                &self.unauthorized,
            ),
            (
                "requests_limited",
                "Requests above a caller's rate",
                &self.limited,
            ),
            (
                "requests_failed",
                "Requests without a token for want of the API",
                &self.failed,
            ),
            (
                "upstream_failures",
                "Failed requests to the API",
                &self.upstream_failures,
            ),
        ];
        for (name, help, figure) in figures {
            let name = format!("offhook_credentials_{name}_total");
            let value = figure.load(Ordering::Relaxed);
            let _ = writeln!(
                text,
                "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}"
            );
        }
        let name = "offhook_credentials_callers";
        let _ = writeln!(
            text,
            "# HELP {name} Known callers\n# TYPE {name} gauge\n{name} {callers}"
        );
        text
    }
}
