//! Prints results and errors, for people or for scripts.

use crate::{error::Error, table::plain};
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    process::ExitCode,
};

/// How to print.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints `value` for a script, or `text` for a person.
    pub(crate) fn print(&self, value: &Value, text: impl FnOnce() -> String) -> Result<(), Error> {
        write_line(if self.json { value.to_string() } else { text() })
    }

    /// Prints `value` for a script, and nothing for a person.
    pub(crate) fn print_for_scripts(&self, value: &Value) -> Result<(), Error> {
        if self.json {
            write_line(value.to_string())
        } else {
            Ok(())
        }
    }

    /// Says on standard error what went wrong, and yields the exit code for it.
    pub(crate) fn fail(&self, error: &Error) -> ExitCode {
        // A reader that has seen enough, as in `offhook events | head`, is no error.
        if matches!(error, Error::CannotPrint(source) if source.kind() == io::ErrorKind::BrokenPipe)
        {
            return ExitCode::SUCCESS;
        }
        let text = if self.json {
            let object = json!({
                "kind": error.kind(), "message": error.to_string(), "remedy": error.remedy(), "code": error.code(),
            });
            json!({ "error": object }).to_string()
        } else {
            let mut text = format!("offhook: {}", plain(&error.to_string()));
            if let Some(remedy) = error.remedy() {
                text.push_str(&format!("\n  what to do: {}", plain(remedy)));
            }
            text
        };
        // Nobody is left to be told when this fails.
        let _ = writeln!(io::stderr().lock(), "{text}");
        ExitCode::from(error.exit_code())
    }
}

fn write_line(mut line: String) -> Result<(), Error> {
    if !line.ends_with('\n') {
        line.push('\n');
    }
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.flush()?;
    Ok(())
}
