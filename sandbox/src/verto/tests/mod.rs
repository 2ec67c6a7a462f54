//! Stories about the gateway in virtual time, with scripted clients and a media side that agrees to everything.

mod assistant;
mod attach;
mod call;
mod features;
mod login;
mod mishaps;
mod push;
mod rest;
mod world;
