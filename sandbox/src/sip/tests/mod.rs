//! The SIP side in virtual time, and thrown at with everything that RFC 4475 and RFC 5118 have.

mod calls;
mod faults;
mod phone;
mod register;
mod reliable;
mod texts;
mod torture;
// The user agent's table of the same messages has the same wishes.
#[path = "../../../../crates/signaling/tests/sip/torture_wanted.rs"]
mod torture_wanted;
mod transfers;
mod watching;
mod world;
