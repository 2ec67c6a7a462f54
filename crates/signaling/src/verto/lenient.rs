//! Readers for fields whose JSON type servers do not keep: a number as text, null for absent, rubbish for absent.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::secret::Secret;

/// Text, or a number or boolean as text; anything else counts as absent.
///
/// # Errors
/// Only those of the underlying reader.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    })
}

/// A whole number, also as text or with a fraction of zero; anything else counts as absent.
///
/// # Errors
/// Only those of the underlying reader.
pub fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64()?;
            (float.abs() < 9e15).then_some(float as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    })
}

/// Like [`whole`], for what must fit 16 bits.
///
/// # Errors
/// Only those of the underlying reader.
pub fn code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    Ok(whole(deserializer)?.and_then(|number| u16::try_from(number).ok()))
}

/// A boolean, also as text; anything else counts as absent.
///
/// # Errors
/// Only those of the underlying reader.
pub fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Bool(yes) => Some(yes),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    })
}

/// A list of texts; items of other types are left out, anything but a list counts as empty.
///
/// # Errors
/// Only those of the underlying reader.
pub fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let Value::Array(items) = Value::deserialize(deserializer)? else {
        return Ok(Vec::new());
    };
    Ok(items
        .into_iter()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect())
}

/// A value of any readable type, or absent when it has another shape than expected.
///
/// # Errors
/// Only those of the underlying reader.
pub fn maybe<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: serde::de::DeserializeOwned,
    D: Deserializer<'de>,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

/// A secret text. Absent when it has another type.
///
/// # Errors
/// Only those of the underlying reader.
pub fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(text(deserializer)?.map(Secret::new))
}

/// Puts a secret on the wire: the one place where it becomes JSON.
///
/// # Errors
/// Only those of the underlying writer.
pub fn write_secret<S: serde::Serializer>(
    secret: &Option<Secret>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => serializer.serialize_some(secret.expose()),
        None => serializer.serialize_none(),
    }
}
