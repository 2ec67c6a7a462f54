//! Accounts that log in anonymously: tool calls and what is not possible; in virtual time.

use std::time::Duration;

use offhook_engine::error::Error;
use offhook_engine::event::EventKind;
use offhook_engine::output::{AccountKey, Output};
use offhook_engine::request::{AnswerOptions, CallRequest, EndOptions};
use offhook_engine::tool::{ToolCall, ToolFailure};
use offhook_signaling::call_id::CallId;
use offhook_signaling::command::{Command, ConversationItem};
use offhook_signaling::deadlines::Deadline;
use offhook_signaling::event::{AssistantEvent, DisconnectCause, Event};

use crate::world::World;

/// The assistant calls a tool; what is run for it, and whether that was told.
fn calls(world: &mut World, call: Option<CallId>, name: &str) -> (Vec<ToolCall>, Vec<bool>) {
    let event = AssistantEvent::ToolCall {
        tool_call: "t-1".into(),
        name: name.into(),
        arguments: "{}".into(),
    };
    let _ = world.kinds();
    world.events.clear();
    world
        .core
        .on_signaling(AccountKey(0), Event::Assistant { call, event }, world.now);
    let (mut run, mut told) = (Vec::new(), Vec::new());
    loop {
        match world.core.poll() {
            Output::RunTool(_, call) => run.push(call),
            Output::Event(event) => {
                if let EventKind::ToolCall { handled, .. } = event.kind {
                    told.push(handled);
                }
            }
            Output::Wait(_) => return (run, told),
            _ => {}
        }
    }
}

fn output_of(call: Option<CallId>, output: &str) -> Command {
    Command::Converse {
        call,
        item: ConversationItem::ToolOutput {
            tool_call: "t-1".into(),
            output: output.into(),
        },
    }
}

#[test]
fn a_tool_with_a_program_is_run_and_others_are_only_told() {
    let mut world = World::ready();
    let call = world.answered();
    let (run, told) = calls(&mut world, Some(call.clone()), "get_weather");
    assert_eq!((run.len(), &told[..]), (1, &[true][..]));
    assert_eq!(run[0].call, Some(call.clone()));
    world
        .core
        .tool_finished(AccountKey(0), run[0].clone(), Ok("rain".into()), world.now);
    assert_eq!(world.commands(), [output_of(Some(call), "rain")]);
    // Also without a call that the server names.
    let (run, told) = calls(&mut world, None, "open_door");
    assert_eq!((run.len(), &told[..]), (0, &[false][..]));
    let (run, _) = calls(&mut world, None, "get_weather");
    assert_eq!(run.len(), 1);
    // And not about a call that nobody here knows.
    let (run, told) = calls(&mut world, Some(World::name("elsewhere")), "get_weather");
    assert_eq!((run.len(), told.len()), (0, 0));
}

#[test]
fn a_failure_is_told_in_full_here_and_plainly_to_the_assistant() {
    let mut world = World::ready();
    let call = world.answered();
    let (run, _) = calls(&mut world, Some(call.clone()), "get_weather");
    let failure = ToolFailure {
        plain: "the tool failed",
        reason: "exit status: 3, saying: no such key".into(),
    };
    world.core.tool_finished(
        AccountKey(0),
        run[0].clone(),
        Err(failure.clone()),
        world.now,
    );
    let said = output_of(Some(call.clone()), r#"{"error":"the tool failed"}"#);
    assert_eq!(world.commands(), [said]);
    let told = world.events.last().unwrap();
    assert_eq!(told.call, Some(call));
    let EventKind::ToolFailed { reason, .. } = &told.kind else {
        panic!("{told:?}")
    };
    assert!(reason.contains("no such key"));
    // When the call is over nobody is told but us.
    let late = ToolCall {
        call: Some(World::name("over")),
        ..run[0].clone()
    };
    world
        .core
        .tool_finished(AccountKey(0), late, Err(failure), world.now);
    assert_eq!(world.commands(), []);
    assert_eq!(world.events.last().unwrap().call, None);
}

#[test]
fn there_is_nothing_to_answer_for_an_anonymous_account() {
    let mut world = World::anonymous();
    let told = |outcome: Result<CallId, Error>| {
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::Anonymous { .. }), "{error:?}");
        format!("{error}: {}", error.remedy().unwrap())
    };
    let now = world.now;
    let answer = told(world.core.answer(None, AnswerOptions::default(), now));
    assert!(
        answer.contains("nothing to answer") && answer.contains("a token or a password"),
        "{answer}"
    );
    told(world.core.reject(None, EndOptions::default(), now));
    let call = world.answered();
    told(
        world
            .core
            .answer(Some(&call), AnswerOptions::default(), world.now),
    );
    told(
        world
            .core
            .reject(Some(&call), EndOptions::default(), world.now),
    );
    assert_eq!(world.kinds().last(), Some(&"answered"));
}

#[test]
fn an_answer_waits_for_the_connection_and_not_for_a_call_that_is_over() {
    let mut world = World::ready();
    let call = world.answered();
    let (run, _) = calls(&mut world, Some(call.clone()), "get_weather");
    let closed = Event::Disconnected {
        cause: DisconnectCause::Silent(Deadline::ProbeReply),
        retry_in: Some(Duration::from_secs(1)),
    };
    world.signal(closed);
    let over = ToolCall {
        call: Some(World::name("over")),
        ..run[0].clone()
    };
    for call in [run[0].clone(), over] {
        world
            .core
            .tool_finished(AccountKey(0), call, Ok("rain".into()), world.now);
    }
    assert_eq!(world.commands(), []);
    world.make_ready();
    assert_eq!(world.commands(), [output_of(Some(call), "rain")]);
    world.make_ready();
    assert_eq!(world.commands(), []);
}

#[test]
fn only_an_anonymous_account_calls_without_a_number() {
    let request = CallRequest::default();
    let mut world = World::anonymous();
    world.core.call(&request, world.now).unwrap();
    let mut world = World::ready();
    let refused = world.core.call(&request, world.now);
    assert!(matches!(refused, Err(Error::Number { .. })), "{refused:?}");
}
