//! `offhook-credentials` against the sandbox's REST API and gateway, all as real processes.

mod choices;
mod endpoint;
mod faults;
mod fleet;
mod http;
mod keys;
mod lists;
mod provisioning;
mod renewal;
mod secure;
mod served;
mod tokens;
mod world;
