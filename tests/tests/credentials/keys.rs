//! The API key: where it may come from, and where it never shows.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use offhook_tests::program::path_of;

use crate::world::{World, run};

#[test]
fn a_key_that_others_may_read_is_refused_by_name() {
    let world = World::new(&[]);
    let key = world.path("api.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("its mode");
    let said = world.run("connections list");
    assert_eq!(said.code, Some(1));
    assert!(
        said.complaint.contains("api.key") && said.complaint.contains("chmod"),
        "{said:?}"
    );
}

#[test]
fn the_key_comes_from_the_environment_or_from_systemd() {
    let world = World::new(&[]);
    let list = |configure: &dyn Fn(&mut Command)| {
        let mut command = Command::new(path_of("offhook-credentials"));
        command
            .env_remove("OFFHOOK_API_KEY")
            .env_remove("CREDENTIALS_DIRECTORY");
        command.args(["--api-url", &world.sandbox.ready.api, "connections", "list"]);
        configure(&mut command);
        run(command)
    };
    let none = list(&|_| {});
    assert!(none.complaint.contains("OFFHOOK_API_KEY"), "{none:?}");
    let variable = list(&|command| {
        command.env("OFFHOOK_API_KEY", "sandbox");
    });
    assert_eq!(variable.code, Some(0), "{variable:?}");
    world.file("offhook-api-key", "sandbox");
    let systemd = list(&|command| {
        command.env("CREDENTIALS_DIRECTORY", world.path(""));
    });
    assert_eq!(systemd.code, Some(0), "{systemd:?}");
    let wrong = list(&|command| {
        command.env("OFFHOOK_API_KEY", "KEY-wrong-and-secret");
    });
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.complaint.contains("check the API key"), "{wrong:?}");
    assert!(!wrong.complaint.contains("wrong-and-secret"), "{wrong:?}");
}

#[test]
fn a_private_authority_is_trusted_by_its_file_only() {
    let world = World::new(&["--tls"]);
    let api = world.sandbox.ready.api_tls.as_deref().expect("with --tls");
    let ca = world.sandbox.ready.ca.as_deref().expect("with --tls");
    let list = |ca: Option<&std::path::Path>| {
        let mut command = Command::new(path_of("offhook-credentials"));
        command
            .env("OFFHOOK_API_KEY", "sandbox")
            .args(["--api-url", api]);
        command.args(["connections", "list"]);
        // Nothing on the way to loopback.
        command
            .env("NO_PROXY", "127.0.0.1")
            .env("no_proxy", "127.0.0.1");
        if let Some(ca) = ca {
            command.arg("--ca-file").arg(ca);
        }
        run(command)
    };
    let trusted = list(Some(ca));
    assert_eq!(trusted.code, Some(0), "{trusted:?}");
    assert!(trusted.output.contains("test connection"));
    let unknown = list(None);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.complaint.contains("certificate"), "{unknown:?}");
}
