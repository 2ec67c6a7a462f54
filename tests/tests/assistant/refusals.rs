//! What a login without credentials cannot do, and how that is said.

use offhook_control::error::Code;
use offhook_control::notice::Event;
use offhook_control::request::{Answer, Reject, Request};
use offhook_tests::sandbox::Sandbox;

use crate::world::{PATIENCE, World, target};

fn assert_refused(told: &str, what: &str) {
    let sentence = format!("{what} is not possible with an anonymous login");
    assert!(told.contains(&sentence), "{sentence:?} is not: {told}");
    assert!(
        told.contains("use an account with a token or a password"),
        "{told}"
    );
}

#[test]
fn what_the_server_denies_is_told_and_the_call_goes_on() {
    let sandbox = Sandbox::start(&[]);
    let mut world = World::ready(&sandbox, &target(""));
    let call = world.call();
    world.order(&["hold"]);
    assert_refused(&world.failure(), "hold");
    world.order(&["transfer", "--to", "9196"]);
    assert_refused(&world.failure(), "transfer");
    // Digits are allowed here.
    world.order(&["dtmf", &call, "12#"]);
    assert_eq!(world.ask("hello"), "You said: hello");
    let failures = |event: &&&Event| matches!(event, Event::RequestFailed { .. });
    let events = world.control.events();
    assert_eq!(events.iter().filter(failures).count(), 2, "{events:?}");
}

#[test]
fn a_call_needs_no_number_and_any_number_is_the_assistants() {
    let sandbox = Sandbox::start(&[]);
    let mut world = World::ready(&sandbox, &target(""));
    world.order(&["call", "--wait"]);
    assert_eq!(world.ask("hello"), "You said: hello");
    world.order(&["hangup"]);
    world.order(&["call", "99017", "--wait"]);
    assert_eq!(world.ask("again"), "You said: again");
}

#[test]
fn what_the_server_allows_is_done() {
    let sandbox = Sandbox::start(&["--assistant-denies", "dtmf"]);
    let mut world = World::ready(&sandbox, &target(""));
    let call = world.call();
    world.order(&["dtmf", &call, "1"]);
    assert_refused(&world.failure(), "DTMF");
    for (order, wanted) in [("hold", true), ("resume", false)] {
        world.order(&[order]);
        world.control.wait("hold", PATIENCE, |notice| {
            matches!(notice.event, Event::Held { on } if on == wanted).then_some(())
        });
    }
}

#[test]
fn there_is_nothing_to_answer_and_nobody_calls() {
    let mut sandbox = Sandbox::start(&["--log", "info"]);
    let mut world = World::ready(&sandbox, &target(""));
    let refused = |world: &mut World, request: &Request| {
        let error = world
            .control
            .try_ask::<serde_json::Value>(request)
            .unwrap_err();
        assert_eq!(error.code, Code::NotAllowed as i32, "{error:?}");
        let told = format!("{}; {}", error.message, error.remedy().unwrap_or_default());
        for part in ["`lobby`", "anonymously", "nobody can call it", "a token"] {
            assert!(told.contains(part), "{part:?} is missing in: {told}");
        }
    };
    refused(&mut world, &Request::Answer(Answer::default()));
    refused(&mut world, &Request::Reject(Reject::default()));
    let call = world.call();
    let answer = Answer {
        call: Some(call),
        ..Answer::default()
    };
    refused(&mut world, &Request::Answer(answer));
    let (code, _, complained) = world.daemon.cli(&["answer"]);
    assert_eq!(code, Some(1));
    assert!(complained.contains("nothing to answer"), "{complained}");
    sandbox.call("anonymous");
    sandbox.program.wait_for_stderr("rings=0", PATIENCE);
}
