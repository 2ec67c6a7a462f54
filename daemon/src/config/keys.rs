//! Finds keys that no table knows, with their line and the nearest known name.

use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::forward_to_deserialize_any;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::error::Fault;
use crate::config::raw::{
    RawAccount, RawAccountMedia, RawAnonymous, RawAudio, RawConfig, RawControl, RawInterfaces,
    RawLog, RawMedia, RawPush, RawRelay, RawState, RawToken, RawTool,
};

/// An unknown key and where it stands (a byte offset into the text).
#[derive(Debug)]
pub(crate) struct Unknown {
    pub(crate) offset: usize,
    pub(crate) fault: Fault,
}

/// The first key of `root` that the raw types do not know.
pub(crate) fn first_unknown(root: &DeTable<'_>) -> Option<Unknown> {
    let mut found: Vec<Unknown> = Vec::new();
    check::<RawConfig>(root, "the top level", &mut found);
    for (key, value) in root {
        match key.get_ref().as_ref() {
            "control" => table::<RawControl>(value, "[control]", &mut found),
            "audio" => table::<RawAudio>(value, "[audio]", &mut found),
            "media" => media(value, &mut found),
            "log" => table::<RawLog>(value, "[log]", &mut found),
            "state" => table::<RawState>(value, "[state]", &mut found),
            "account" => accounts(value, &mut found),
            _ => {}
        }
    }
    found.into_iter().min_by_key(|unknown| unknown.offset)
}

fn media(value: &Spanned<DeValue<'_>>, found: &mut Vec<Unknown>) {
    table::<RawMedia>(value, "[media]", found);
    if let Some(interfaces) = value
        .get_ref()
        .as_table()
        .and_then(|keys| keys.get("interfaces"))
    {
        table::<RawInterfaces>(interfaces, "`interfaces`", found);
    }
}

fn accounts(value: &Spanned<DeValue<'_>>, found: &mut Vec<Unknown>) {
    let Some(list) = value.get_ref().as_array() else {
        return;
    };
    for account in list {
        table::<RawAccount>(account, "[[account]]", found);
        if let Some(anonymous) = account
            .get_ref()
            .as_table()
            .and_then(|keys| keys.get("anonymous"))
        {
            table::<RawAnonymous>(anonymous, "`anonymous`", found);
        }
        let servers = account
            .get_ref()
            .as_table()
            .and_then(|keys| keys.get("ice_servers"))
            .and_then(|servers| servers.get_ref().as_array());
        for server in servers.into_iter().flatten() {
            table::<RawRelay>(server, "`ice_servers`", found);
        }
        if let Some(media) = account
            .get_ref()
            .as_table()
            .and_then(|keys| keys.get("media"))
        {
            table::<RawAccountMedia>(media, "`media` of an account", found);
        }
        if let Some(token) = account
            .get_ref()
            .as_table()
            .and_then(|keys| keys.get("token"))
        {
            table::<RawToken>(token, "`token`", found);
        }
        if let Some(push) = account
            .get_ref()
            .as_table()
            .and_then(|keys| keys.get("push"))
        {
            table::<RawPush>(push, "`push`", found);
        }
        let tools = account
            .get_ref()
            .as_table()
            .and_then(|keys| keys.get("tool")?.get_ref().as_array());
        for tool in tools.into_iter().flatten() {
            table::<RawTool>(tool, "[[account.tool]]", found);
        }
    }
}

fn table<T: Names>(value: &Spanned<DeValue<'_>>, name: &'static str, found: &mut Vec<Unknown>) {
    if let Some(keys) = value.get_ref().as_table() {
        check::<T>(keys, name, found);
    }
}

fn check<T: Names>(keys: &DeTable<'_>, table: &'static str, found: &mut Vec<Unknown>) {
    let known = T::names();
    for (key, _) in keys {
        let name = key.get_ref().as_ref();
        if !known.contains(&name) {
            let fault = Fault::UnknownKey {
                key: name.to_owned(),
                table,
                nearest: nearest(name, known),
                known,
            };
            found.push(Unknown {
                offset: key.span().start,
                fault,
            });
        }
    }
}

/// The known name that looks most like `written`, if any looks like it at all.
pub(crate) fn nearest(written: &str, known: &[&'static str]) -> Option<&'static str> {
    known
        .iter()
        .map(|name| (strsim::jaro_winkler(written, name), *name))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// The field names of a raw table, asked of its derived `Deserialize`, so that no second list can go stale.
trait Names {
    fn names() -> &'static [&'static str];
}

impl<T> Names for T
where
    T: for<'de> Deserialize<'de>,
{
    fn names() -> &'static [&'static str] {
        let mut names: &'static [&'static str] = &[];
        // Always an error: the probe ends as soon as it was told the names.
        let _ = T::deserialize(Probe {
            names: &mut names,
            lifetime: PhantomData,
        });
        names
    }
}

/// A deserializer that only listens which fields a struct asks for.
struct Probe<'a, 'de> {
    names: &'a mut &'static [&'static str],
    lifetime: PhantomData<&'de ()>,
}

impl<'de> Deserializer<'de> for Probe<'_, 'de> {
    type Error = de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("no struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.names = fields;
        Err(de::Error::custom("names taken"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::RawHeader;

    #[test]
    fn every_key_stands_in_the_documentation() {
        let documentation = include_str!("../../../docs/configuration.md");
        let tables = [
            RawControl::names(),
            RawAccount::names(),
            RawAccountMedia::names(),
            RawToken::names(),
            RawHeader::names(),
            RawAnonymous::names(),
            RawRelay::names(),
            RawPush::names(),
            RawTool::names(),
            RawAudio::names(),
            RawMedia::names(),
            RawLog::names(),
            RawState::names(),
        ];
        for key in tables.into_iter().flatten() {
            let quoted = documentation.contains(&format!("`{key}`"));
            // Of what stands within another value.
            let within = documentation.contains(&format!(" {key} ="))
                || documentation.contains(&format!(" {key},"));
            let last = documentation.contains(&format!(" {key} }}"));
            assert!(quoted || within || last, "{key} is missing");
        }
    }
}
