//! What the measuring programs share.

pub mod clip;
pub mod ends;
pub mod figures;
pub mod machine;
pub mod network;
