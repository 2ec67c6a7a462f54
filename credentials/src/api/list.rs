//! Lists: page after page until the last.

use serde::Deserialize;

/// One page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Page<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) meta: Meta,
}

/// Its figures. The server may give fewer on a page than asked for; only these are trusted.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Meta {
    #[serde(default)]
    pub(super) page_number: u64,
    #[serde(default)]
    pub(super) total_pages: u64,
}

impl<T> Page<T> {
    /// Whether nothing follows.
    pub(super) fn is_last(&self) -> bool {
        self.data.is_empty() || self.meta.page_number >= self.meta.total_pages
    }
}
