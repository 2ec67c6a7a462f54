//! What of WebRTC a far end may lack, where an account allows it, and what one lacks in a call.

/// Parts that are missing. Nothing is, as a rule: a description without them is refused by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Concessions {
    /// No ICE: media goes to the address of the description, unasked, and comes from there.
    pub no_ice: bool,
    /// No encryption (`RTP/AVP`): anybody on the way hears the call, and can speak in it.
    pub no_encryption: bool,
}
