//! A password where the configuration says production.

use toml::Spanned;

use crate::doctor::code::Code;
use crate::doctor::finding::Finding;
use crate::doctor::offline::scene::Scene;

pub(crate) fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let accounts = scene.accounts().iter().map(Spanned::get_ref);
    accounts
        .filter_map(|account| {
            let profile = account.profile.as_ref()?;
            let password = account.password_file.as_ref()?;
            if profile.get_ref() != "production" {
                return None;
            }
            Some(Finding::new(
                Code::PasswordInProduction,
                scene.value(password, account),
                "the account is marked `profile = \"production\"` and logs in with a password",
                "let it log in with tokens that a backend hands out: `token = { url = \"https://...\" }` in place of \
                 `login` and `password_file` (`offhook-credentials serve` is such a backend)",
            ))
        })
        .collect()
}
