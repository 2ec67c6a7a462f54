//! What the measuring programs share.

pub mod figures;
pub mod machine;
