//! Users are made, listed, deleted; interrupted and gone on with; nobody is left unknown.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;

use nix::sys::signal::Signal;

use crate::world::{LIMIT, World, eventually, written};

#[test]
fn users_are_made_listed_and_deleted_until_none_is_left() {
    let world = World::new(&["--fresh-delay", "0"]);
    let said = world.succeed(&world.create(60, ""));
    assert!(said.contains("60 users"), "{said}");
    world.agree(60);
    let users = world.users();
    let names: BTreeSet<&str> = users.users.iter().map(|user| user.name.as_str()).collect();
    assert!(names.contains("load-0001") && names.contains("load-0060"));
    let secrets: BTreeSet<&str> = users
        .users
        .iter()
        .map(|user| user.token_secret.as_ref().expect("one each").expose())
        .collect();
    assert_eq!(secrets.len(), 60);
    let mode = std::fs::metadata(world.path("users.toml"))
        .expect("the file")
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let listed = world.succeed("users list --json");
    assert_eq!(listed.lines().count(), 60);
    let user = &users.users[0];
    let password = user.sip_password.as_ref().expect("a password");
    assert!(!listed.contains(password.expose()));
    let label = users.wanted.label(&user.name);
    let one = world.succeed(&format!("users list --name {label}"));
    assert!(
        one.contains(&user.sip_username) && one.lines().count() == 1,
        "{one}"
    );

    let again = world.succeed(&world.create(60, ""));
    assert!(again.contains(" 0 made"), "{again}");
    let deleted = world.succeed("users delete --in users.toml --freshness 0s");
    assert!(
        deleted.contains("60 credentials deleted, 0 left"),
        "{deleted}"
    );
    assert_eq!(world.credentials().len(), 0);
    assert!(!world.path("users.toml").exists());
}

#[test]
fn a_thousand_users_killed_at_three_hundred_go_on_and_nobody_is_unknown() {
    let world = World::new(&["--fault", "rest-slow=4"]);
    let create = world.create(1000, "--parallel 8");
    let mut program = world.start(&create);
    let file = world.path("users.toml");
    eventually("300 users", || written(&file) >= 300);
    program.signal(Signal::SIGKILL);
    program.wait(LIMIT);
    let left = written(&file);
    assert!((300..1000).contains(&left), "{left}");

    let said = world.succeed(&create);
    assert!(said.contains("1000 users"), "{said}");
    world.agree(1000);
    let deleted = world.succeed("users delete --in users.toml --parallel 8");
    assert!(deleted.contains("1000 credentials deleted"), "{deleted}");
    assert_eq!(world.credentials().len(), 0);
}

#[test]
fn a_wish_for_an_end_finishes_what_is_on_its_way_and_says_how_to_go_on() {
    let world = World::new(&["--fault", "rest-slow=50"]);
    let create = world.create(200, "");
    let mut program = world.start(&create);
    let file = world.path("users.toml");
    eventually("a few users", || written(&file) >= 5);
    program.signal(Signal::SIGTERM);
    let status = program.wait(LIMIT);
    assert_eq!(status.code(), Some(130));
    assert!(program.stderr().contains("the same command goes on"));
    let left = written(&file);
    world.agree(left);

    let other = create.replace("load-", "other-");
    let refused = world.run(&other);
    assert_eq!(refused.code, Some(1));
    assert!(refused.complaint.contains("--prefix"), "{refused:?}");
    world.succeed("users delete --in users.toml --freshness 0s");
    assert_eq!(world.credentials().len(), 0);
}

#[test]
fn what_has_the_files_tag_without_being_in_it_is_taken_in_or_away() {
    let world = World::new(&["--fresh-delay", "0"]);
    world.succeed(&world.create(3, ""));
    let wanted = world.users().wanted;
    let stray = |name: &str| {
        let new = offhook_credentials::api::credential::NewCredential {
            connection_id: world.connection.clone(),
            name: wanted.label(name),
            tag: wanted.tag(0),
            expires_at: None,
        };
        world.client.create_credential(&new).expect("a stray").id
    };
    let twin = stray("load-0002");
    let unwanted = stray("load-0099");
    world.succeed(&world.create(3, ""));
    world.agree(3);
    let ids: Vec<String> = world.credentials().into_iter().map(|c| c.id).collect();
    assert!(!ids.contains(&twin) && !ids.contains(&unwanted));
}

#[test]
fn a_connection_is_made_once_with_a_login_that_only_its_owner_can_read() {
    let world = World::new(&[]);
    let line = "connections create --name kiosks --out kiosks.toml --sip-calling internal --json";
    let made: serde_json::Value =
        serde_json::from_str(&world.succeed(line)).expect("one JSON object");
    assert_eq!(made["connection_name"], "kiosks");
    assert_eq!(made["sip_uri_calling_preference"], "internal");
    let file = world.path("kiosks.toml");
    let text = std::fs::read_to_string(&file).expect("the login");
    assert_eq!(std::fs::metadata(&file).expect("it").mode() & 0o777, 0o600);
    let id = made["id"].as_str().expect("an id");
    assert!(
        text.contains(id) && text.contains("password"),
        "its id is kept"
    );
    let again = world.run(line);
    assert!(again.complaint.contains(id), "{again:?}");

    // As if the first run had been killed before the answer: the file without its id.
    let without: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("id"))
        .collect();
    world.file("kiosks.toml", &without.join("\n"));
    let found: serde_json::Value =
        serde_json::from_str(&world.succeed(line)).expect("one JSON object");
    assert_eq!(found["id"], made["id"]);
    let listed = world.succeed("connections list --name kiosks");
    assert_eq!(listed.lines().count(), 1, "{listed}");
    let shown = world.succeed(&format!("connections show {id}"));
    assert!(shown.contains("Not Registered"), "{shown}");
    world.succeed(&format!("connections delete {id}"));
    let gone = world.run(&format!("connections delete {id}"));
    assert!(
        gone.code == Some(1) && gone.complaint.contains(id),
        "{gone:?}"
    );
}
