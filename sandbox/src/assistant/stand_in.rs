//! The assistant itself: an echo that can be asked for its memory, its name of the conversation, and a tool call.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use crate::assistant::message::{self, Said};

/// Most conversations that are remembered; the oldest are forgotten first.
const MAX_CONVERSATIONS: usize = 4096;
/// Most texts of one conversation that are remembered.
const MAX_TEXTS: usize = 64;
/// Longest text that is remembered whole, in characters.
const MAX_TEXT: usize = 1000;
/// Most tool calls of one conversation that may wait for their outputs.
const MAX_TOOL_CALLS: usize = 32;

/// Every conversation with every assistant.
#[derive(Debug, Default)]
pub(crate) struct Assistants {
    conversations: BTreeMap<String, Conversation>,
    /// Their names, oldest first.
    ages: VecDeque<String>,
    serial: u64,
}

#[derive(Debug)]
struct Conversation {
    /// The assistant that it is with.
    target: String,
    /// What the user said.
    texts: VecDeque<String>,
    /// Tool calls that wait for their outputs: names of tools by `call_id`.
    tool_calls: BTreeMap<String, String>,
    /// The client wants the events of the assistant's audio.
    listens: bool,
}

impl Assistants {
    /// Whether this conversation exists and is with this assistant.
    pub(crate) fn knows(&self, conversation: &str, target: &str) -> bool {
        self.conversations
            .get(conversation)
            .is_some_and(|known| known.target == target)
    }

    /// Begins a conversation.
    pub(crate) fn begin(&mut self, conversation: String, target: &str) {
        if self.ages.len() >= MAX_CONVERSATIONS
            && let Some(oldest) = self.ages.pop_front()
        {
            self.conversations.remove(&oldest);
        }
        let new = Conversation {
            target: target.to_owned(),
            texts: VecDeque::new(),
            tool_calls: BTreeMap::new(),
            listens: false,
        };
        self.ages.push_back(conversation.clone());
        self.conversations.insert(conversation, new);
    }

    /// Hears what the user says; gives back what the assistant says to it, in order.
    pub(crate) fn hear(&mut self, conversation: &str, said: Said) -> Vec<Value> {
        let Some(known) = self.conversations.get_mut(conversation) else {
            return vec![message::no_conversation()];
        };
        match said {
            Said::Text { item, text, images } => {
                let answer = known.answer(conversation, &text, &images);
                if known.texts.len() >= MAX_TEXTS {
                    known.texts.pop_front();
                }
                known.texts.push_back(text.chars().take(MAX_TEXT).collect());
                let mut told = vec![message::text_item(&item, "user", &text)];
                told.extend(match answer {
                    Answer::Words(words) => self.say(conversation, &words),
                    Answer::Tool { name, arguments } => {
                        self.call_tool(conversation, name, &arguments)
                    }
                });
                told
            }
            Said::ToolOutput { call_id, output } => match known.tool_calls.remove(&call_id) {
                Some(name) => self.say(conversation, &format!("{name} says: {output}")),
                // Answered twice, or never asked for: it is not spoken of.
                None => Vec::new(),
            },
            Said::SubscribeAudio => {
                known.listens = true;
                vec![message::audio("subscribed", &self.name("item"))]
            }
        }
    }

    /// A text in pieces, then whole.
    fn say(&mut self, conversation: &str, words: &str) -> Vec<Value> {
        let listens = self
            .conversations
            .get(conversation)
            .is_some_and(|known| known.listens);
        let (item, response) = (self.name("item"), self.name("response"));
        let audio = |event| listens.then(|| message::audio(event, &item));
        let pieces = words
            .split_inclusive(' ')
            .map(|piece| message::delta(&item, &response, piece));
        let whole = message::text_item(&item, "assistant", words);
        audio("started")
            .into_iter()
            .chain(pieces)
            .chain([whole])
            .chain(audio("done"))
            .collect()
    }

    fn call_tool(&mut self, conversation: &str, name: String, arguments: &str) -> Vec<Value> {
        let (item, call_id) = (self.name("item"), self.name("call"));
        let told = message::tool_call(&item, &call_id, &name, arguments);
        match self.conversations.get_mut(conversation) {
            Some(known) if known.tool_calls.len() < MAX_TOOL_CALLS => {
                known.tool_calls.insert(call_id, name);
                vec![told]
            }
            Some(_) | None => self.say(conversation, "Too many tools have not answered yet."),
        }
    }

    fn name(&mut self, kind: &str) -> String {
        self.serial += 1;
        format!("{kind}-{}", self.serial)
    }
}

/// What the assistant makes of a text.
enum Answer {
    Words(String),
    Tool { name: String, arguments: String },
}

impl Conversation {
    fn answer(&self, name: &str, text: &str, images: &[String]) -> Answer {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match (word, rest) {
            ("conversation", "") => Answer::Words(format!("This is conversation {name}")),
            ("remember", "") if self.texts.is_empty() => {
                Answer::Words("You have said nothing yet".to_owned())
            }
            ("remember", "") => {
                let texts: Vec<&str> = self.texts.iter().map(String::as_str).collect();
                Answer::Words(format!("Before, you said: {}", texts.join("; ")))
            }
            ("tool", wanted) if !wanted.is_empty() => {
                let (tool, arguments) = wanted.split_once(' ').unwrap_or((wanted, "{}"));
                Answer::Tool {
                    name: tool.to_owned(),
                    arguments: arguments.to_owned(),
                }
            }
            _ if images.is_empty() => Answer::Words(format!("You said: {text}")),
            _ => Answer::Words(format!("You said: {text} and showed {}", images.join(" "))),
        }
    }
}
