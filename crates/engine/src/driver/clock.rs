//! The clocks and the chance that the core is given.

use std::time::{Instant, SystemTime};

/// The runtime's clock, which tests can stop.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// This machine's clock, right or wrong.
#[expect(
    clippy::disallowed_methods,
    reason = "the driver is where clocks are read"
)]
pub(crate) fn time_of_day() -> SystemTime {
    SystemTime::now()
}

/// A seed that nobody can guess.
#[expect(
    clippy::disallowed_methods,
    reason = "the driver is where the core's chance comes from"
)]
pub(crate) fn seed() -> Result<[u8; 32], getrandom::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(seed)
}
