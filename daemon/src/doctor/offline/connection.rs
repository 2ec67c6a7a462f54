//! What the way to a server gives away, and what a server needs to know a client again.

use toml::Spanned;

use crate::config::trust::leaves_in_clear;
use crate::doctor::code::Code;
use crate::doctor::finding::Finding;
use crate::doctor::offline::scene::Scene;

/// Secrets on an unencrypted way.
pub(crate) fn in_clear(scene: &Scene<'_>) -> Vec<Finding> {
    let accounts = scene.accounts().iter().map(Spanned::get_ref);
    accounts
        .filter(|account| account.anonymous.is_none())
        .filter_map(|account| {
            let server = account.server.as_ref().filter(|url| leaves_in_clear(url.get_ref()))?;
            let dialect = account.dialect.as_ref().map(|dialect| dialect.get_ref().as_str());
            let by_digest = dialect == Some("sip") && account.password_file.is_some();
            let what = if by_digest {
                "the account speaks SIP over `ws://` to another machine: who calls whom, and what protects the sound, goes there unencrypted"
            } else {
                "the account logs in over `ws://` at another machine: its password or token goes there unencrypted"
            };
            Some(Finding::new(
                Code::LoginInClear,
                scene.value(server, account),
                what,
                "use `wss://` (port 8082 of a stock FreeSWITCH, `wss-binding` in its `verto.conf.xml`); a certificate that it made \
                 itself is trusted by `certificate_sha256`",
            ))
        })
        .collect()
}

/// Accounts whose server cannot know them again after a restart. `state_directory`: the service has a folder for its state.
pub(crate) fn forgotten(scene: &Scene<'_>, state_directory: bool) -> Vec<Finding> {
    let kept = scene.raw.as_ref().is_some_and(|raw| {
        let state = raw.state.as_ref();
        state.is_some_and(|state| state.file.is_some())
    });
    if kept || state_directory {
        return Vec::new();
    }
    let accounts = scene.accounts().iter().map(Spanned::get_ref);
    accounts
        .filter_map(|account| {
            let dialect = account.dialect.as_ref()?;
            if dialect.get_ref() != "freeswitch" {
                return None;
            }
            Some(Finding::new(
                Code::SessionForgotten,
                scene.value(dialect, account),
                "nothing keeps the account's session name (`sessid`) over a restart of the daemon",
                "name a file that only the daemon writes: `[state]` with `file = \"/var/lib/offhook/state.json\"`, one per device; or \
                 set `StateDirectory=` in the systemd unit. Without it the registration of an earlier run rings on beside this one, \
                 with `recover_calls = false` too",
            ))
        })
        .collect()
}
