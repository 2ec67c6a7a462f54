//! Tool calls of assistants: who is told, who answers.

use std::mem;
use std::time::Instant;

use offhook_signaling::command::{Command, ConversationItem};
use serde_json::json;

use crate::core::machine::Core;
use crate::event::EventKind;
use crate::output::{AccountKey, Output};
use crate::tool::{ToolCall, ToolFailure};

/// Outputs of an account that wait for its connection; of more, the oldest are dropped.
const MOST_OUTPUTS: usize = 64;

impl Core {
    /// Tells of a tool call, and has it answered where a program is there for it.
    pub(super) fn on_tool_call(&mut self, account: AccountKey, call: ToolCall, now: Instant) {
        let handled = self
            .accounts
            .get(account.0)
            .is_some_and(|entry| entry.profile.tools.contains(&call.name));
        let told = EventKind::ToolCall {
            tool_call: call.tool_call.clone(),
            name: call.name.clone(),
            arguments: call.arguments.clone(),
            handled,
        };
        if self.tell_about(account, &call, told, now) && handled {
            self.outbox.push_back(Output::RunTool(account, call));
        }
    }

    /// What the program of a tool brought, or why it brought nothing.
    pub fn tool_finished(
        &mut self,
        account: AccountKey,
        call: ToolCall,
        outcome: Result<String, ToolFailure>,
        now: Instant,
    ) {
        let output = match outcome {
            Ok(output) => output,
            Err(ToolFailure { plain, reason }) => {
                let told = EventKind::ToolFailed {
                    tool_call: call.tool_call.clone(),
                    name: call.name.clone(),
                    reason,
                };
                if !self.tell_about(account, &call, told.clone(), now) {
                    self.tell(account, vec![told], now);
                }
                json!({ "error": plain }).to_string()
            }
        };
        let Some(entry) = self.accounts.get_mut(account.0) else {
            return;
        };
        if entry.outputs.len() >= MOST_OUTPUTS {
            entry.outputs.pop_front();
        }
        entry.outputs.push_back((call, output));
        if entry.is_ready() {
            self.give_outputs(account);
        }
    }

    /// Gives the assistant what its tools brought while there was a connection, or none.
    pub(super) fn give_outputs(&mut self, account: AccountKey) {
        let entry = self.accounts.get_mut(account.0);
        let outputs = entry.map(|entry| mem::take(&mut entry.outputs));
        for (call, output) in outputs.unwrap_or_default() {
            // A call that is over took its assistant with it.
            if call.call.is_some() && self.key_of(account, call.call.as_ref()).is_none() {
                continue;
            }
            let item = ConversationItem::ToolOutput {
                tool_call: call.tool_call,
                output,
            };
            let command = Command::Converse {
                call: call.call,
                item,
            };
            self.outbox.push_back(Output::Signaling(account, command));
        }
    }

    /// Tells it of the call that it belongs to, or of the account; not when that call is over. Says whether it did.
    fn tell_about(
        &mut self,
        account: AccountKey,
        about: &ToolCall,
        kind: EventKind,
        now: Instant,
    ) -> bool {
        if about.call.is_none() {
            self.tell(account, vec![kind], now);
            return true;
        }
        let Some(key) = self.key_of(account, about.call.as_ref()) else {
            return false;
        };
        self.with_call(key, now, |call, fx| call.tell(kind, fx))
            .is_some()
    }
}
