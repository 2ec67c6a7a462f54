//! Lists that are behind, and lists whose filters are passed over: nobody is made twice, left, or taken from another file.

use nix::sys::signal::Signal;

use crate::world::{LIMIT, World, eventually, written};

#[test]
fn a_list_that_is_behind_makes_no_twins_and_leaves_nobody() {
    let world = World::new(&[
        "--fresh-delay",
        "0",
        "--rest-choice",
        "list-lag=1500",
        "--fault",
        "rest-lost=7",
        "--fault",
        "rest-slow=20",
    ]);
    let create = world.create_usable(40, "--freshness 3s");
    let mut program = world.start(&create);
    let file = world.path("users.toml");
    eventually("some users", || written(&file) >= 12);
    program.signal(Signal::SIGKILL);
    program.wait(LIMIT);
    // At once, when the list shows none of the last.
    world.succeed(&create);
    world.agree(40);
    let deleted = world.succeed("users delete --in users.toml --freshness 3s");
    assert!(deleted.contains("40 credentials deleted"), "{deleted}");
    assert_eq!(world.credentials().len(), 0);
}

#[test]
fn a_deletion_right_after_a_kill_leaves_nobody() {
    let world = World::new(&[
        "--fresh-delay",
        "0",
        "--rest-choice",
        "list-lag=1500",
        "--fault",
        "rest-slow=40",
    ]);
    let mut program = world.start(&world.create(200, "--parallel 8"));
    let file = world.path("users.toml");
    eventually("some users", || written(&file) >= 10);
    program.signal(Signal::SIGKILL);
    program.wait(LIMIT);
    world.succeed("users delete --in users.toml --freshness 3s");
    assert_eq!(world.credentials().len(), 0);
}

#[test]
fn another_file_with_the_same_prefix_is_never_touched() {
    let world = World::new(&["--fresh-delay", "0", "--rest-choice", "filters=drop"]);
    let other = world.create(3, "").replace("users.toml", "other.toml");
    world.succeed(&other);
    let theirs = world.credentials().len();
    world.succeed(&world.create(2, ""));
    world.succeed(&world.create(2, ""));
    world.succeed(&other);
    assert_eq!((theirs, world.credentials().len()), (3, 5));
    let deleted = world.succeed("users delete --in users.toml --freshness 0s");
    assert!(deleted.contains("2 credentials deleted"), "{deleted}");
    assert_eq!(world.credentials().len(), 3);
}
