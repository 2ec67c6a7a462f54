//! What the config check refuses is a finding too, with its place.

use offhook_engine::error::SecretFileError;

use crate::config::checked::load;
use crate::config::error::{ConfigError, Fault, SecretFault};
use crate::doctor::code::Code;
use crate::doctor::finding::{Finding, Place};
use crate::doctor::offline::scene::Scene;

/// The first thing that the check refuses, if any.
pub(crate) fn check(scene: &Scene<'_>) -> Option<Finding> {
    let error = load(scene.file, scene.credentials.as_deref()).err()?;
    Some(finding(&error, scene))
}

fn finding(error: &ConfigError, scene: &Scene<'_>) -> Finding {
    let place = Place::line(scene.file, error.line);
    let (code, account, remedy) = meaning(&error.fault);
    let place = match account {
        Some(account) => place.of_account(account),
        None => place,
    };
    Finding::new(code, place, &error.fault.to_string(), remedy)
}

fn meaning(fault: &Fault) -> (Code, Option<&str>, &'static str) {
    const CORRECT: &str =
        "correct this line; `offhookd --config FILE --check` tells when it is right";
    match fault {
        Fault::Unreadable(_) => (
            Code::ConfigUnreadable,
            None,
            "check the path and the rights of the file",
        ),
        Fault::SharedCredential { second, .. } => (
            Code::SharedCredential,
            Some(second),
            "give each account its own credential",
        ),
        Fault::Secret { account, fault, .. } => {
            let (code, remedy) = of_secret(fault);
            (code, Some(account), remedy)
        }
        Fault::TokenChoice { account, .. }
        | Fault::LoginChoice { account, .. }
        | Fault::AnonymousInbound { account, .. }
        | Fault::DuplicateTool { account, .. }
        | Fault::NoAssistants { account, .. }
        | Fault::Identity { account, .. }
        | Fault::LoginUnsupported { account, .. } => (Code::ConfigRefused, Some(account), CORRECT),
        Fault::Syntax { .. }
        | Fault::UnknownKey { .. }
        | Fault::Missing { .. }
        | Fault::Value { .. }
        | Fault::DuplicateAccount(_)
        | Fault::NoAccount
        | Fault::NamedFile { .. }
        | Fault::Together { .. }
        | Fault::Audio { .. } => (Code::ConfigRefused, None, CORRECT),
    }
}

/// What a secret's fault is called, and what to do about it.
pub(crate) fn of_secret(fault: &SecretFault) -> (Code, &'static str) {
    match fault {
        SecretFault::File(SecretFileError::WorldReadable { .. }) => (
            Code::SecretReadable,
            "take the rights of others away (`chmod o-rwx FILE`), and replace the secret: it may have been read",
        ),
        SecretFault::File(_) => (
            Code::SecretUnusable,
            "put the secret into the file that this line names, and nothing else",
        ),
        SecretFault::NoCredentialsDirectory(_) | SecretFault::CredentialName(_) => (
            Code::SecretUnusable,
            "run doctor as the service does (`systemd-run -p LoadCredential=...`), or name a file",
        ),
    }
}
