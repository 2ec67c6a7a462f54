//! What a test has measured, for whoever reads its output.

use std::io::Write as _;

/// Shows lines even of a test that passes: those that it prints are kept from the reader then.
pub fn show(lines: &str) {
    // Figures that nobody can be shown are no fault of what was measured.
    let _ = writeln!(std::io::stderr(), "{}", lines.trim_end());
}
