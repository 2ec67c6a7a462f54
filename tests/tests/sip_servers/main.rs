//! Signalling against a real Kamailio: every kind of user and every number that needs no media.

mod numbers;
mod registrations;
mod world;
