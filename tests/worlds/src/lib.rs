//! Seeded worlds in virtual time: a machine of ours, a simulated far side, random faults, and a reference model.
//!
//! A world is a pure function of its seed. Its hash covers every choice, frame and event, so a seed that failed once
//! fails again in the same way, and two runs of one seed are compared by one number. Worlds with media come close to that
//! only: see [`media`].

pub mod crowd;
pub mod media;
pub mod sip;
pub mod trace;
pub mod verto;
