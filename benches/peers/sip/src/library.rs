//! What is asked of each library.

/// Writes one message that it holds.
pub(crate) type Writer = Box<dyn Fn() -> String>;

/// One library.
pub(crate) struct Library {
    pub(crate) name: &'static str,
    /// Reads a message, by its own entrance.
    pub(crate) read: fn(&str),
    /// The same with what a user agent needs of every message: Via, From, To, Call-ID, CSeq as types.
    pub(crate) read_ids: fn(&str),
    /// What writes that message again.
    pub(crate) writer: fn(&str) -> Writer,
}
