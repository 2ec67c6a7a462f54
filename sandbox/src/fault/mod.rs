//! What the sandbox is to do wrong, as its operator wishes: words of a fault plan, and what they mean.

pub(crate) mod file;
pub(crate) mod gateway;
pub(crate) mod order;
pub(crate) mod plan;
pub(crate) mod rest;
