//! What the peers of the calls bench share: the load, the driver of those without I/O of their own, the figures.
//!
//! The load is the one of `calls`: both ends of every call in one process, loopback, a socket per end, 50 packets of 80 bytes
//! a second each way, slots spread over the 20 ms.

pub mod arguments;
pub mod driver;
/// The figures of the `calls` bench itself.
#[path = "../../../src/figures.rs"]
pub mod figures;
/// How they are taken.
#[path = "../../../src/machine.rs"]
pub mod machine;
pub mod meter;
