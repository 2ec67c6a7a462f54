//! Who was given which id for call reports, and what came under it.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use crate::call_report::post::Report;

/// Most ids that are remembered; the oldest are forgotten first.
const MAX_IDS: usize = 4096;

/// Every id, also of sessions that are gone: the last report may come after its session.
#[derive(Debug, Default)]
pub(crate) struct Book {
    entries: BTreeMap<String, Entry>,
    /// Ids, oldest first.
    ages: VecDeque<String>,
}

#[derive(Debug)]
struct Entry {
    user: String,
    /// The `voice_sdk_id` of the socket that was given the id.
    instance: Option<String>,
    reports: u32,
}

impl Book {
    /// This id was given to a user.
    pub(crate) fn give(&mut self, id: String, user: &str, instance: Option<String>) {
        if self.ages.len() >= MAX_IDS
            && let Some(oldest) = self.ages.pop_front()
        {
            self.entries.remove(&oldest);
        }
        let entry = Entry {
            user: user.to_owned(),
            instance,
            reports: 0,
        };
        self.ages.push_back(id.clone());
        self.entries.insert(id, entry);
    }

    /// Who was given an id.
    pub(crate) fn user(&self, id: &str) -> Option<&str> {
        self.entries.get(id).map(|entry| entry.user.as_str())
    }

    /// Takes a report; says the status to answer with.
    pub(crate) fn take(&mut self, report: &Report) -> u16 {
        tracing::trace!(body = %report.body, "call report as it came");
        let Some(entry) = self.entries.get_mut(&report.id) else {
            tracing::warn!("call report refused: nobody was given its id");
            return 404;
        };
        let named = report
            .body
            .pointer("/summary/callId")
            .and_then(Value::as_str);
        if report.call.is_empty() || named != Some(&report.call) {
            tracing::warn!(
                user = entry.user,
                "call report refused: it names no call, or two"
            );
            return 400;
        }
        entry.reports = entry.reports.saturating_add(1);
        let instance = match &report.instance {
            None => "none",
            named if *named == entry.instance => "ours",
            Some(_) => "another",
        };
        let intervals = report.body["stats"].as_array().map_or(0, Vec::len);
        tracing::info!(
            user = entry.user,
            call = report.call,
            intervals,
            instance,
            reports = entry.reports,
            "call report"
        );
        200
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_ids_that_were_given_are_taken_and_counted() {
        let mut book = Book::default();
        book.give("r-1".to_owned(), "demo-1", None);
        let report = |id: &str, call: &str| Report {
            id: id.to_owned(),
            call: call.to_owned(),
            instance: None,
            body: json!({"summary": {"callId": "c-1"}, "stats": [{}]}),
        };
        assert_eq!(book.take(&report("r-1", "c-1")), 200);
        assert_eq!(book.take(&report("r-1", "c-1")), 200);
        assert_eq!(book.entries["r-1"].reports, 2);
        assert_eq!(book.take(&report("r-2", "c-1")), 404);
        assert_eq!(book.take(&report("r-1", "c-2")), 400);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut book = Book::default();
        for number in 0..=MAX_IDS {
            book.give(number.to_string(), "demo-1", None);
        }
        assert_eq!(book.entries.len(), MAX_IDS);
        assert!(!book.entries.contains_key("0"));
    }
}
