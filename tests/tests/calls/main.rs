//! Calls through the daemon and the sandbox: what each number does, and what was recorded.

mod numbers;
mod recorded;
