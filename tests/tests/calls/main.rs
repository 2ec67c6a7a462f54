//! Calls through the daemon and the sandbox: what each number does.

mod codecs;
mod numbers;
mod reports;
