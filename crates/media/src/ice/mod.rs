//! Interactive Connectivity Establishment (RFC 8445): candidates, credentials, servers, and the agent that finds a path.

pub(crate) mod agent;
pub mod candidate;
mod consent;
pub mod credentials;
mod fingerprint;
pub mod gathering;
pub(crate) mod generations;
mod listening;
pub mod mdns;
pub mod server;
mod translation;

#[cfg(test)]
mod moves;
#[cfg(test)]
mod rfc5769;
#[cfg(test)]
mod tests;
