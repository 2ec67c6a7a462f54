//! Calls through the daemon and the sandbox: what each number does.

mod numbers;
mod reports;
