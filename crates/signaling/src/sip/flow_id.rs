//! Names one of the connections that a user agent keeps (RFC 5626: a flow).

use std::fmt;

/// One connection to one edge proxy; its `reg-id` is one more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u8);

impl FlowId {
    /// `reg-id` of its registration (RFC 5626, 4.2.1): the same after a restart.
    pub fn reg_id(self) -> u32 {
        u32::from(self.0) + 1
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "flow {}", self.reg_id())
    }
}
