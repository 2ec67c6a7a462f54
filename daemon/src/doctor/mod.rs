//! `offhookd doctor`: looks for what is wrong with a configuration and the way to its servers; findings are data.
//!
//! [`offline`] reads files and asks nobody, [`live`] goes to the servers; both add to a [`report::Report`], and only `print`
//! knows how that looks. No secret stands in a finding: what came from outside is cleaned on its way in.

pub(crate) mod code;
pub(crate) mod finding;
pub(crate) mod live;
pub(crate) mod offline;
pub(crate) mod print;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod span;
