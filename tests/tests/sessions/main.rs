//! Sessions over time: tokens that end, calls that outlive the daemon, calls beside each other.

mod beside;
mod recovery;
mod tokens;
