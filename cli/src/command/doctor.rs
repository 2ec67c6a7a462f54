//! `offhook doctor`: runs `offhookd doctor` in this program's place.

use crate::error::Error;
use std::{
    env,
    ffi::OsString,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

const PROGRAM: &str = "offhookd";

/// Becomes that program; only returns when there is none.
pub(crate) fn run(arguments: &[OsString], json: bool) -> Error {
    let beside = env::current_exe().ok();
    let program = beside
        .as_deref()
        .and_then(Path::parent)
        .map(|folder| folder.join(PROGRAM))
        .filter(|program| program.is_file())
        .unwrap_or_else(|| PathBuf::from(PROGRAM));
    let mut command = Command::new(&program);
    command.arg("doctor").args(arguments);
    // Said before the command's own name, it is meant for it all the same.
    if json {
        command.arg("--json");
    }
    let source = command.exec();
    Error::NoProgram { program, source }
}
