//! Tokens and keys that stand in the configuration itself, comments included.

use std::ops::Range;

use crate::config::literal_secret::{Kind, find};
use crate::doctor::code::Code;
use crate::doctor::finding::Finding;
use crate::doctor::offline::scene::Scene;

pub(crate) fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let commands = commands(scene);
    let found = find(scene.text).into_iter();
    found
        .map(|(range, kind)| {
            let place = scene.within(range.start);
            let in_command = commands.iter().any(|span| span.contains(&range.start));
            if in_command && kind == Kind::ApiKey {
                return Finding::new(
                    Code::ApiKeyAtClient,
                    place,
                    "an API key stands in the token command, where every user of the machine sees it (`ps`)",
                    "withdraw the key; let a backend that holds the new one hand out tokens: `token = { url = ... }`",
                );
            }
            let what = format!("{} stands literally in the configuration", kind.name());
            let remedy = match kind {
                Kind::Token => {
                    "put it into a file of mode 0600 and name that as `token_file`, or better name its source: \
                     `token = { url = ... }`"
                }
                Kind::ApiKey => {
                    "withdraw the key, and keep the new one on the backend that hands out tokens; no client needs it"
                }
            };
            Finding::new(Code::SecretInConfig, place, &what, remedy)
        })
        .collect()
}

/// Where the token commands stand.
fn commands(scene: &Scene<'_>) -> Vec<Range<usize>> {
    let tokens = scene.accounts().iter();
    tokens
        .filter_map(|account| account.get_ref().token.as_ref())
        .filter_map(|token| token.get_ref().command.as_ref())
        .map(|command| command.span())
        .collect()
}
