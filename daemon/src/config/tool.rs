//! Reads `[[account.tool]]`: the programs that answer an assistant's tool calls.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use offhook_engine::command_line::CommandLine;
use offhook_engine::protocol::Protocol;
use offhook_engine::tool::{TIME_LIMIT, Tool};
use toml::Spanned;

use crate::config::account::Blame;
use crate::config::checked::{duration, value};
use crate::config::error::Fault;
use crate::config::raw::RawTool;

/// Longest time that a tool may take: an assistant is waiting.
const LONGEST: Duration = Duration::from_secs(300);
/// Longest name of a tool.
const LONGEST_NAME: usize = 128;

pub(crate) fn read_all(
    entries: &[Spanned<RawTool>],
    account: &str,
    protocol: Protocol,
) -> Result<Vec<Tool>, Blame> {
    if let Some(first) = entries.first()
        && !protocol.has_assistants()
    {
        let fault = Fault::NoAssistants {
            account: account.to_owned(),
            dialect: protocol.name(),
        };
        return Err((Some(first.span().start), fault));
    }
    let mut names = HashSet::new();
    let mut tools = Vec::new();
    for entry in entries {
        let tool = read(entry, account)?;
        if !names.insert(tool.name.clone()) {
            let fault = Fault::DuplicateTool {
                account: account.to_owned(),
                tool: tool.name,
            };
            return Err((Some(entry.span().start), fault));
        }
        tools.push(tool);
    }
    Ok(tools)
}

fn read(entry: &Spanned<RawTool>, account: &str) -> Result<Tool, Blame> {
    let raw = entry.get_ref();
    let start = entry.span().start;
    let missing = |key, meaning| {
        let fault = Fault::Missing {
            key,
            table: format!("a tool of account `{account}`"),
            meaning,
        };
        (Some(start), fault)
    };
    let name = raw
        .name
        .as_ref()
        .ok_or_else(|| missing("name", "the tool, as the assistant calls it"))?;
    let written = name.get_ref();
    if written.is_empty()
        || written.len() > LONGEST_NAME
        || written.chars().any(|c| c.is_control() || c.is_whitespace())
    {
        let fault = value(
            "name",
            written,
            "no assistant calls a tool so".to_owned(),
            "a name such as \"get_weather\"",
        );
        return Err((Some(name.span().start), fault));
    }
    let command = raw
        .command
        .as_ref()
        .ok_or_else(|| missing("command", "the program that answers, with its arguments"))?;
    let argv = command.get_ref().clone();
    let program = argv.first().map_or("", String::as_str);
    if program.is_empty() {
        let fault = value(
            "command",
            "[]",
            "it names no program".to_owned(),
            "a list such as [\"/usr/local/bin/weather\"]",
        );
        return Err((Some(command.span().start), fault));
    }
    // Others are looked for along the PATH when they run.
    if Path::new(program).is_absolute()
        && let Err(error) = std::fs::metadata(program)
    {
        let fault = Fault::NamedFile {
            key: "command",
            path: program.into(),
            error,
        };
        return Err((Some(command.span().start), fault));
    }
    let time_limit = match &raw.time_limit {
        None => TIME_LIMIT,
        Some(limit) => match duration("time_limit", limit)? {
            short if short.is_zero() || short > LONGEST => {
                let fault = value(
                    "time_limit",
                    &limit.get_ref().written(),
                    "a tool takes more than nothing and at most 5 minutes".to_owned(),
                    "a duration such as \"5s\"",
                );
                return Err((Some(limit.span().start), fault));
            }
            limit => limit,
        },
    };
    Ok(Tool {
        name: written.clone(),
        command: CommandLine { argv, time_limit },
    })
}
