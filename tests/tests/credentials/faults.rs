//! A server that is slow, refuses, fails, or loses its answers makes nobody twice.

use crate::world::World;

#[test]
fn slow_refusing_and_failing_answers_are_lived_with() {
    let world = World::new(&[
        "--fresh-delay",
        "0",
        "--fault",
        "rest-slow=10",
        "--fault",
        "rest-429=7",
        "--fault",
        "rest-500=11",
    ]);
    world.succeed(&world.create(30, ""));
    world.agree(30);
    world.succeed("users delete --in users.toml --freshness 0s");
    assert_eq!(world.credentials().len(), 0);
}

#[test]
fn lost_answers_are_looked_up_and_nothing_is_made_twice() {
    let world = World::new(&["--fresh-delay", "0", "--fault", "rest-lost=3"]);
    world.succeed(&world.create(20, ""));
    world.agree(20);
}

#[test]
fn a_server_that_answers_too_late_is_said_so_and_a_later_run_goes_on() {
    let world = World::new(&["--fresh-delay", "0", "--fault", "rest-slow=300"]);
    let said = world.run(&world.create(1, "--request-limit 200ms"));
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.complaint.contains("does not answer"), "{said:?}");
    world.succeed(&world.create(1, ""));
    world.agree(1);
}

#[test]
fn a_rate_limit_is_waited_for() {
    let world = World::new(&["--fresh-delay", "0", "--rest-rate", "10/2"]);
    world.succeed(&world.create(25, "--parallel 4"));
    world.agree(25);
}

#[test]
fn refusals_are_one_sentence_that_names_the_field() {
    let world = World::new(&[]);
    let line = world.create(1, "").replace(&world.connection, "123");
    let said = world.run(&line);
    assert_eq!(said.code, Some(1));
    for word in ["/connection_id", "422", "10015"] {
        assert!(said.complaint.contains(word), "{said:?}");
    }
    let gone = world.run("token 5b0a7e1c-6f1d-4a0e-9a51-0d6c0c5e7f10");
    assert!(gone.complaint.contains("404"), "{gone:?}");
}
