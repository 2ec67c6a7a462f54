//! `offhook-credentials` against the sandbox's REST API and gateway, all as real processes.

mod endpoint;
mod faults;
mod fleet;
mod http;
mod keys;
mod provisioning;
mod tokens;
mod world;
