//! `offhook-load` against the sandbox: users that call, and what keeps it from calling.

mod refusals;
mod runs;
mod world;
