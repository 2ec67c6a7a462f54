//! What a test does when something that it needs is not on this machine.
#![expect(clippy::print_stderr, reason = "a skip must be seen")]

use std::io::Write;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, unshare};

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
    missing.is_empty() || skip(&missing.join(", "), "`make test` installs it")
}

/// True when this device is there; as for programs otherwise.
///
/// # Panics
/// With `CI` set, when it is not.
pub fn have_device(path: &str) -> bool {
    Path::new(path).exists() || skip(path, "the kernel's module makes it")
}

/// The Python that has the packages of `python/requirements.txt`; as for programs otherwise.
///
/// # Panics
/// With `CI` set, when it is missing.
pub fn python() -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/venv/bin/python");
    let there = python.is_file() || skip("the packages of PyPI", "`make test` installs them");
    there.then_some(python)
}

/// The far end by str0m; as for programs otherwise.
///
/// # Panics
/// With `CI` set, when it was not built.
pub fn str0m_end() -> Option<PathBuf> {
    let program =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/peers/target/debug/str0m_end");
    let there = program.is_file() || skip("the far end by str0m", "`make test` builds it");
    there.then_some(program)
}

/// True when this process may make network namespaces; as for programs otherwise.
///
/// # Panics
/// With `CI` set, when it may not.
pub fn may_make_networks() -> bool {
    // Only the thread that asks for one is put into it.
    let asked =
        std::thread::spawn(|| unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).is_ok());
    let may = asked.join().unwrap_or_default();
    may || skip("the right to make network namespaces", "root has it")
}

/// Notes the skip; always false.
fn skip(missing: &str, remedy: &str) -> bool {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let note = format!("{test}: missing {missing}; {remedy}");
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
    let extra = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(extra)
        .any(|directory| directory.join(program).is_file())
}
