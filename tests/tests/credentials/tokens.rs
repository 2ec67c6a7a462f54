//! Tokens at the gateway: fresh, good, expired, of a deleted credential.

use serde_json::{Value, json};

use crate::world::{World, eventually};

fn refused(answer: &Value) -> bool {
    answer["error"]["code"] == -32001
}

fn logged_in(answer: &Value) -> bool {
    answer["result"]["message"] == "logged in"
}

#[test]
fn the_printed_token_logs_in_at_once_and_a_fresh_one_a_moment_later() {
    let world = World::new(&["--fresh-delay", "2"]);
    world.succeed(&world.create(1, ""));
    let id = world.users().users[0].credential_id.clone();
    let fresh = world.succeed(&format!("token {id} --freshness 0s"));
    assert!(refused(&world.log_in_with(fresh.trim())));
    eventually("the gateway to know the token", || {
        logged_in(&world.log_in_with(fresh.trim()))
    });
    let ripe = world.succeed(&format!("token {id} --freshness 3s"));
    assert!(logged_in(&world.log_in_with(ripe.trim())));
}

#[test]
fn users_that_create_has_made_can_be_used_when_it_ends() {
    let world = World::new(&[]);
    world.succeed(&world.create_usable(2, ""));
    for user in world.users().users {
        let password = user.sip_password.expect("a password");
        let answer = world.log_in(json!({
            "login": user.sip_username, "passwd": password.expose(), "User-Agent": {},
        }));
        assert!(logged_in(&answer), "{answer}");
    }
}

#[test]
fn a_token_really_expires() {
    let world = World::new(&["--fresh-delay", "0", "--token-life", "3"]);
    world.succeed(&world.create(1, ""));
    let id = world.users().users[0].credential_id.clone();
    let token = world.succeed(&format!("token {id} --freshness 0s"));
    assert!(logged_in(&world.log_in_with(token.trim())));
    eventually("the token to expire", || {
        refused(&world.log_in_with(token.trim()))
    });
}

#[test]
fn a_deleted_credential_takes_its_tokens_with_it() {
    let world = World::new(&["--fresh-delay", "0"]);
    world.succeed(&world.create(1, ""));
    let id = world.users().users[0].credential_id.clone();
    let token = world.succeed(&format!("token {id} --freshness 0s"));
    assert!(logged_in(&world.log_in_with(token.trim())));
    world.succeed("users delete --in users.toml --freshness 0s");
    assert!(refused(&world.log_in_with(token.trim())));
}

#[test]
fn tokens_from_elsewhere_are_taken_unless_only_signed_ones_are_wanted() {
    let foreign = "e30.eyJzdWIiOiJkZW1vLTEifQ.c2ln";
    assert!(logged_in(&World::new(&[]).log_in_with(foreign)));
    let strict = World::new(&["--signed-tokens-only"]);
    assert!(refused(&strict.log_in_with(foreign)));
}

#[test]
fn the_status_of_a_user_follows_the_gateway() {
    let world = World::new(&["--fresh-delay", "0"]);
    world.succeed(&world.create(1, ""));
    let user = world.users().users.remove(0);
    let line = format!("users status {}", user.sip_username);
    assert_eq!(world.succeed(&line).trim(), "unknown");
}
