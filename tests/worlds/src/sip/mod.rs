//! Worlds of SIP user agents: registrations, calls, forks, crossing offers and lost connections.

mod acts;
mod asked;
mod far;
mod happening;
mod hears;
mod legs;
mod listens;
mod message;
mod model;
mod name;
mod network;
mod notifier;
mod pace;
mod registrar;
mod server;
mod talks;
mod transactions;
mod user;
mod watch;
mod within;
pub mod world;
