//! Stories of a SIP user agent in virtual time.

mod called;
mod calling;
mod calls;
mod flows;
mod pair;
mod registration;
mod torture;
mod world;
