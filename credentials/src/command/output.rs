//! Standard output and standard error, line by line.

use std::io::{self, Write};

use serde_json::Value;

use crate::failure::Failure;

/// Writes a line on standard output.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    writeln!(output, "{text}")?;
    output.flush()?;
    Ok(())
}

/// Writes an object as one line.
pub(super) fn json(value: &Value) -> Result<(), Failure> {
    line(&value.to_string())
}

/// Says what happened, beside the output proper.
pub(super) fn remark(text: &str) {
    // Nobody listens: nothing to be done.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Says why it failed.
pub(crate) fn complain(failure: &Failure) {
    let _ = writeln!(io::stderr().lock(), "error: {failure}");
}
