//! Runs the programs behind an assistant's tools, some at a time; nobody waits for them.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::command_line::{CommandError, CommandLine};
use crate::driver::command;
use crate::output::AccountKey;
use crate::tool::{LONGEST_OUTPUT, Tool, ToolCall, ToolFailure};

/// Programs that run at a time.
const AT_A_TIME: usize = 8;
/// Tool calls that run or wait for their turn; one more fails at once.
const MOST: usize = 64;

/// A tool call that is done with.
pub(crate) type Finished = (AccountKey, ToolCall, Result<String, ToolFailure>);

pub(crate) struct Tools {
    /// Programs by the tool's name, in the order of accounts.
    programs: Vec<HashMap<String, CommandLine>>,
    turns: Arc<Semaphore>,
    running: FuturesUnordered<BoxFuture<'static, Finished>>,
}

impl Tools {
    pub(crate) fn new<'a>(accounts: impl Iterator<Item = &'a [Tool]>) -> Self {
        let programs = accounts.map(|tools| {
            let program = |tool: &Tool| (tool.name.clone(), tool.command.clone());
            tools.iter().map(program).collect()
        });
        Self {
            programs: programs.collect(),
            turns: Arc::new(Semaphore::new(AT_A_TIME)),
            running: FuturesUnordered::new(),
        }
    }

    /// Runs the tool's program in its turn; [`next`](Self::next) brings its outcome.
    pub(crate) fn start(&mut self, account: AccountKey, account_name: &str, call: ToolCall) {
        let programs = self.programs.get(account.0);
        let Some(program) = programs.and_then(|programs| programs.get(&call.name)) else {
            return;
        };
        if self.running.len() >= MOST {
            let failure = ToolFailure {
                plain: "too many tools are running",
                reason: format!(
                    "the tool `{}` was not run: {MOST} tool calls run or wait already",
                    call.name
                ),
            };
            let finished = (account, call, Err(failure));
            return self.running.push(async move { finished }.boxed());
        }
        let (program, input) = (program.clone(), input(account_name, &call));
        let turns = Arc::clone(&self.turns);
        let run = async move {
            // The semaphore is never closed; without a turn the program would merely be run at once.
            let _turn = turns.acquire_owned().await.ok();
            let outcome = command::run(&program, Some(input), LONGEST_OUTPUT).await;
            let outcome = outcome
                .map(|output| output.trim_end().to_owned())
                .map_err(|error| failure(&call.name, &error));
            (account, call, outcome)
        };
        self.running.push(run.boxed());
    }

    /// The next tool call that is done with; `None` while none runs.
    pub(crate) async fn next(&mut self) -> Option<Finished> {
        self.running.next().await
    }
}

/// What the program reads: one JSON object on one line.
fn input(account: &str, call: &ToolCall) -> String {
    let arguments = serde_json::from_str(&call.arguments)
        .unwrap_or_else(|_| Value::String(call.arguments.clone()));
    let object = json!({
        "account": account,
        "call": call.call.as_ref().map(ToString::to_string),
        "tool_call": call.tool_call,
        "name": call.name,
        "arguments": arguments,
    });
    format!("{object}\n")
}

fn failure(name: &str, error: &CommandError) -> ToolFailure {
    let plain = match error {
        CommandError::Start { .. } => "the tool is not available",
        CommandError::TimeLimit { .. } => "the tool took too long",
        CommandError::Status { .. } => "the tool failed",
        CommandError::TooLong { .. } | CommandError::NotText { .. } => {
            "the tool answered something that cannot be used"
        }
    };
    ToolFailure {
        plain,
        reason: format!("the tool `{name}` failed: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tools(script: &str) -> Tools {
        let tool = Tool {
            name: "t".to_owned(),
            command: CommandLine {
                argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
                time_limit: Duration::from_secs(20),
            },
        };
        Tools::new([&[tool][..]].into_iter())
    }

    fn call(number: usize, arguments: &str) -> ToolCall {
        ToolCall {
            call: None,
            tool_call: format!("t-{number}"),
            name: "t".to_owned(),
            arguments: arguments.to_owned(),
        }
    }

    #[tokio::test]
    async fn a_program_reads_the_call_and_what_it_prints_is_the_answer() {
        let mut tools = tools("cat; echo");
        for (arguments, read) in [
            (r#"{"city":"Oslo"}"#, json!({"city": "Oslo"})),
            ("not JSON", json!("not JSON")),
        ] {
            tools.start(AccountKey(0), "lobby", call(1, arguments));
            let (_, _, outcome) = tools.next().await.unwrap();
            let output: Value = serde_json::from_str(&outcome.unwrap()).unwrap();
            let wanted = json!({"account": "lobby", "call": null, "tool_call": "t-1", "name": "t", "arguments": read});
            assert_eq!(output, wanted);
        }
    }

    #[tokio::test]
    async fn several_run_at_once_and_too_many_fail_at_once() {
        let folder = tempfile::tempdir().unwrap();
        // Each waits until all of a turn have begun: one after the other they would never end.
        let script = format!(
            "cd {}; mktemp r.XXXXXX >/dev/null; while [ $(ls | wc -l) -lt {AT_A_TIME} ]; do sleep 0.01; done",
            folder.path().display()
        );
        let mut tools = tools(&script);
        for number in 0..MOST + 1 {
            tools.start(AccountKey(0), "lobby", call(number, "{}"));
        }
        let (_, refused, outcome) = tools.next().await.unwrap();
        assert_eq!(refused.tool_call, format!("t-{MOST}"));
        assert!(outcome.unwrap_err().reason.contains("64 tool calls"));
        for _ in 0..MOST {
            let (_, _, outcome) = tools.next().await.unwrap();
            assert_eq!(outcome, Ok(String::new()));
        }
        assert!(tools.next().await.is_none());
    }
}
