//! A variable of a call or of a login, as servers take them: text, yes or no, or a number.

use serde_json::{Number, Value};

/// One value. FreeSWITCH takes no numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// Text.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(Number),
}

impl Variable {
    /// Reads JSON; `None` for what is no single value.
    pub fn from_json(value: Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::Text(text)),
            Value::Bool(flag) => Some(Self::Flag(flag)),
            Value::Number(number) => Some(Self::Number(number)),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl From<Variable> for Value {
    fn from(variable: Variable) -> Self {
        match variable {
            Variable::Text(text) => Self::String(text),
            Variable::Flag(flag) => Self::Bool(flag),
            Variable::Number(number) => Self::Number(number),
        }
    }
}

impl From<&str> for Variable {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Variable {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Variable {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<i64> for Variable {
    fn from(number: i64) -> Self {
        Self::Number(number.into())
    }
}
