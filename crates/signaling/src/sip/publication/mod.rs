//! What others are shown of ourselves (RFC 3903): our own presence.

pub(in crate::sip) mod machine;
