//! Tools that an assistant may call, and the programs that answer in their place.

use std::time::Duration;

use offhook_signaling::call_id::CallId;

use crate::command_line::CommandLine;

/// How long a tool may take by default.
pub const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Most bytes that a tool may answer.
pub const LONGEST_OUTPUT: usize = 32 * 1024;

/// A tool that a program answers. It gets one JSON object on its standard input (`account`, `call`, `tool_call`, `name`,
/// `arguments`), and what it prints, JSON or text, goes back to the assistant. When it fails, the assistant is told so, and
/// subscribers why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// As the assistant calls it.
    pub name: String,
    /// The program.
    pub command: CommandLine,
}

/// One call of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// The call in which the assistant asked, if it is known.
    pub call: Option<CallId>,
    /// The assistant's name for this use.
    pub tool_call: String,
    /// The tool.
    pub name: String,
    /// JSON as text, usually.
    pub arguments: String,
}

/// Why a tool brought no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolFailure {
    /// For the assistant, which needs not know what runs here.
    pub plain: &'static str,
    /// For whoever runs the program.
    pub reason: String,
}
