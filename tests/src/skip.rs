//! What a test does when something that it needs is not on this machine.
#![expect(clippy::print_stderr, reason = "a skip must be seen")]

use std::io::Write;

/// True when all programs are there. Otherwise the test must return: the skip is noted for the closing lines of `make test`. In CI
/// a skipped test is a failed test.
///
/// # Panics
/// With `CI` set, when a program is missing.
pub fn have(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs
        .iter()
        .filter(|program| !on_path(program))
        .copied()
        .collect();
    if missing.is_empty() {
        return true;
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let note = format!(
        "{test}: missing {}; `make test` installs it",
        missing.join(", ")
    );
    assert!(std::env::var_os("CI").is_none(), "{note}");
    eprintln!("skipped {note}");
    if let Some(path) = std::env::var_os("OFFHOOK_SKIPS")
        && let Ok(mut file) = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
    {
        let _ = writeln!(file, "{note}");
    }
    false
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(std::path::PathBuf::from);
    std::env::split_paths(&path)
        .chain(extra)
        .any(|directory| directory.join(program).is_file())
}
