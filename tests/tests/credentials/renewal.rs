//! `serve` behind a slow, refusing or failing API: who waits, who does not, and what becomes of credentials.

use std::io::Write;
use std::net::TcpStream;

use crate::served::Endpoint;
use crate::world::{LIMIT, World, eventually};

const MINTED: &str = "offhook_credentials_tokens_minted_total";
const MADE: &str = "offhook_credentials_credentials_made_total";
const FAILURES: &str = "offhook_credentials_upstream_failures_total";
const SECRET: &str = "0123456789abcdef-kiosk";

/// A caller without a credential.
fn kiosk(world: &World) {
    world.file(
        "callers.toml",
        &format!("[[caller]]\nname = \"kiosk-1\"\nsecret = {SECRET:?}\n"),
    );
}

fn secret_of_user(world: &World, number: usize) -> String {
    let user = world.users().users.swap_remove(number);
    user.token_secret.expect("a secret").expose().to_owned()
}

#[test]
fn a_caller_that_hangs_up_does_not_end_the_fetch() {
    let mut world = World::new(&["--fresh-delay", "0", "--log", "debug"]);
    world.succeed(&world.create(1, ""));
    let secret = secret_of_user(&world, 0);
    let endpoint = Endpoint::start(&world, "--users users.toml --freshness 0s");
    world.sandbox.fault("rest-slow=1500");
    world.sandbox.settled();
    let mut stream = TcpStream::connect(&endpoint.address).expect("a connection");
    let request = format!(
        "POST /token HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {secret}\r\ncontent-length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("it is sent");
    stream.flush().expect("it is sent");
    // The fetch that it led to has begun, and takes its time.
    let asked = "POST /telephony_credentials/{id}/token";
    world.sandbox.program.wait_for_stderr(asked, LIMIT);
    assert_eq!(endpoint.figure(MINTED), 0);
    drop(stream);
    eventually("the token", || endpoint.figure(MINTED) == 1);
    endpoint.token(&secret).token();
    assert_eq!(
        endpoint.figure(MINTED),
        1,
        "the one that was fetched before"
    );
}

#[test]
fn a_token_that_is_still_good_is_given_at_once_while_a_slow_api_renews_it() {
    let mut world = World::new(&["--fresh-delay", "0", "--token-life", "12"]);
    world.succeed(&world.create(1, ""));
    let secret = secret_of_user(&world, 0);
    let endpoint = Endpoint::start(
        &world,
        "--users users.toml --freshness 0s --per-minute 60000",
    );
    let first = endpoint.token(&secret).token();
    world.sandbox.fault("rest-slow=2000");
    let mut meanwhile = 0;
    let mut given = first.clone();
    eventually("a new token", || {
        given = endpoint.token(&secret).token();
        // What came while no second one was there can only be the first.
        if endpoint.figure(MINTED) == 1 {
            meanwhile += 1;
            assert_eq!(given, first);
        }
        given != first
    });
    assert!(
        meanwhile > 20,
        "asked until half of its life and while it was renewed"
    );
    assert_eq!(endpoint.figure(MINTED), 2, "one fetch for all who asked");
}

#[test]
fn renewals_that_fail_are_tried_again_behind_and_the_old_token_is_given() {
    let mut world = World::new(&["--fresh-delay", "0", "--token-life", "4"]);
    world.succeed(&world.create(1, ""));
    let secret = secret_of_user(&world, 0);
    let endpoint = Endpoint::start(&world, "--users users.toml --freshness 0s --per-minute 600");
    let first = endpoint.token(&secret).token();
    world.sandbox.fault("rest-422=1");
    eventually("a failed renewal", || {
        assert_eq!(endpoint.token(&secret).token(), first);
        endpoint.figure(FAILURES) == 1
    });
    assert_eq!(endpoint.token(&secret).token(), first, "still good");
    assert_eq!(endpoint.figure(FAILURES), 1, "not asked at each request");
    eventually("its end", || endpoint.token(&secret).status == 502);
    world.sandbox.fault("none");
    eventually("another", || endpoint.token(&secret).status == 200);
}

#[test]
fn rates_and_failures_of_the_api_are_waited_for() {
    let world = World::new(&[
        "--fresh-delay",
        "0",
        "--rest-rate",
        "3/2",
        "--fault",
        "rest-500=5",
        "--fault",
        "rest-429=7",
    ]);
    world.succeed(&world.create(6, ""));
    let endpoint = Endpoint::start(&world, "--users users.toml --freshness 0s");
    for number in 0..6 {
        endpoint.token(&secret_of_user(&world, number)).token();
    }
    assert_eq!(endpoint.figure(MINTED), 6);
}

#[test]
fn a_refusal_is_no_proof_that_a_credential_is_gone() {
    let mut world = World::new(&["--fresh-delay", "0"]);
    kiosk(&world);
    let line = format!(
        "--callers callers.toml --create-on {} --freshness 0s",
        world.connection
    );
    let endpoint = Endpoint::start(&world, &line);
    // Its second POST, which asks for the token.
    world.sandbox.fault("rest-422=2");
    world.sandbox.settled();
    assert_eq!(endpoint.token(SECRET).status, 502);
    let made = world.credentials();
    world.sandbox.fault("none");
    world.sandbox.settled();
    endpoint.token(SECRET).token();
    let there = world.credentials();
    assert_eq!((made.len(), there.len()), (1, 1));
    assert_eq!(made[0].id, there[0].id);
    assert_eq!(endpoint.figure(MADE), 1);
}

#[test]
fn an_expired_credential_is_replaced_whatever_its_refusal_and_leaves_nothing_also_after_a_restart()
{
    for status in ["422", "403"] {
        let choice = format!("expired-status={status}");
        let world = World::new(&["--fresh-delay", "0", "--rest-choice", &choice]);
        kiosk(&world);
        let line = format!(
            "--callers callers.toml --create-on {} --create-for 2s --freshness 0s --per-minute 600",
            world.connection
        );
        let endpoint = Endpoint::start(&world, &line);
        endpoint.token(SECRET).token();
        let first = world.credentials().remove(0).id;
        eventually("the next credential", || {
            endpoint.token(SECRET);
            let there = world.credentials();
            assert!(there.len() <= 2, "{status}: {there:?}");
            there.len() == 1 && there[0].id != first
        });
        drop(endpoint);
        eventually("its end", || {
            world.credentials().iter().all(|known| known.expired)
        });
        let endpoint = Endpoint::start(&world, &line);
        endpoint.token(SECRET).token();
        let there = world.credentials();
        assert_eq!(there.len(), 1, "{status}: {there:?}");
        assert!(!there[0].expired);
    }
}

#[test]
fn a_revoked_credential_takes_the_tokens_that_were_kept_with_it() {
    let world = World::new(&["--fresh-delay", "0", "--token-life", "6"]);
    world.succeed(&world.create(1, ""));
    let secret = secret_of_user(&world, 0);
    let endpoint = Endpoint::start(&world, "--users users.toml --freshness 0s --per-minute 600");
    endpoint.token(&secret).token();
    let id = world.users().users.remove(0).credential_id;
    world.client.delete_credential(&id).expect("it is there");
    // At the next renewal, before the token's own end.
    eventually("the refusal", || endpoint.token(&secret).status == 404);
}
