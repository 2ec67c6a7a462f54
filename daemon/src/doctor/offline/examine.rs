//! Looks at a configuration with every offline check.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::config::checked::read_raw;
use crate::doctor::code::Code;
use crate::doctor::finding::{Finding, Place};
use crate::doctor::offline::scene::Scene;
use crate::doctor::offline::{
    api_keys, connection, descriptors, literals, profile, refusals, secret_files, shared, sound,
    tokens, users,
};
use crate::doctor::report::Report;

/// What is looked at.
pub(crate) struct Wish<'a> {
    /// The configuration.
    pub(crate) file: &'a Path,
    /// A users file that its accounts come from.
    pub(crate) users: Option<&'a Path>,
    /// `$CREDENTIALS_DIRECTORY`.
    pub(crate) credentials: Option<PathBuf>,
    /// An API key stands in the environment (`OFFHOOK_API_KEY`).
    pub(crate) api_key: bool,
    /// Whether the service has a folder for its state (`$STATE_DIRECTORY`).
    pub(crate) state_directory: bool,
    /// This machine's clock.
    pub(crate) now: SystemTime,
    /// How many files the daemon may open, where that is known.
    pub(crate) descriptors: Option<u64>,
}

/// Everything that the files show.
pub(crate) fn examine(wish: Wish<'_>, report: &mut Report) {
    let text = match std::fs::read_to_string(wish.file) {
        Ok(text) => text,
        Err(error) => {
            return report.add(Finding::new(
                Code::ConfigUnreadable,
                Place::line(wish.file, None),
                &format!("the configuration cannot be read ({error})"),
                "check the path and the rights of the file",
            ));
        }
    };
    let scene = Scene {
        file: wish.file,
        text: &text,
        raw: read_raw(&text).ok(),
        credentials: wish.credentials,
        api_key: wish.api_key,
        now: wish.now,
    };
    report.extend(literals::check(&scene));
    report.extend(secret_files::check(&scene));
    report.extend(api_keys::check(&scene));
    report.extend(profile::check(&scene));
    report.extend(connection::in_clear(&scene));
    report.extend(connection::forgotten(&scene, wish.state_directory));
    report.extend(shared::check(&scene));
    report.extend(tokens::check(&scene));
    report.extend(sound::check(&scene));
    if let Some(file) = wish.users {
        report.extend(users::check(file, &scene));
    }
    report.extend(descriptors::check(
        scene.accounts().len(),
        wish.descriptors.or_else(descriptors::own_limit),
        Place::line(wish.file, None),
    ));
    // Last: what the checks above have told in their own words is not told twice.
    report.extend(refusals::check(&scene));
}
