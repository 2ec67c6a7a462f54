//! SIP over WebSocket (RFC 7118): user agent, transactions, dialogs, registrations.

pub mod agent;
pub mod auth;
pub mod call;
pub mod config;
pub mod deadline;
pub mod dialog;
pub mod flow_id;
pub mod message;
mod publication;
mod random;
pub mod referral;
pub mod registration;
pub mod session;
pub mod subscription;
pub mod transaction;
