//! The `o=` line of our descriptions: one session, a version that grows with each change.

/// `o=` of our descriptions: the same session all the time, a version that grows when the description changed (RFC 3264 section 8).
#[derive(Debug, Clone)]
pub struct Origin {
    session_id: u64,
    version: u64,
    last: Option<u64>,
}

impl Origin {
    /// A session of this number, which is kept below 2^63, at its first version.
    #[must_use]
    pub const fn new(session_id: u64, version: u64) -> Self {
        Self {
            session_id: session_id >> 1,
            version: version >> 1,
            last: None,
        }
    }

    /// The session's number.
    #[must_use]
    pub const fn session_id(&self) -> u64 {
        self.session_id
    }

    /// Version of the last description.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Takes note of what the next description says apart from its `o=` line (as a hash): one that says something new gets the next version.
    pub(crate) const fn advance(&mut self, content: u64) {
        match self.last {
            Some(last) if last == content => {}
            Some(_) => self.version += 1,
            None => {}
        }
        self.last = Some(content);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_grows_only_with_a_change() {
        let mut origin = Origin::new(u64::MAX, 14);
        let first = origin.version();
        origin.advance(1);
        assert_eq!(origin.version(), first);
        origin.advance(1);
        assert_eq!(origin.version(), first);
        origin.advance(2);
        assert_eq!(origin.version(), first + 1);
        assert_eq!(origin.session_id(), u64::MAX >> 1);
    }
}
