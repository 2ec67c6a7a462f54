//! What may be said on a call's channel: digits, typed text, commands.

use crate::command::InfoItem;
use crate::dtmf::{check_digits, check_length};
use crate::error::Error;
use crate::verto::session::errands::{check_data, check_size};
use crate::verto::session::machine::Session;

/// How long a digit may last, in FreeSWITCH.
const DIGIT_MS: std::ops::RangeInclusive<u32> = 50..=24_000;

impl Session {
    pub(super) fn check_digits(&self, digits: &str) -> Result<(), Error> {
        check_length(digits)?;
        if !self.config.dialect.timed_digits {
            return check_group(digits, false);
        }
        digits
            .split('+')
            .try_for_each(|group| check_group(group, true))
    }

    pub(super) fn check_info(&self, command: &'static str, item: &InfoItem) -> Result<(), Error> {
        if !self.config.dialect.commands {
            let dialect = self.config.dialect.name;
            return Err(Error::NotInDialect { dialect, command });
        }
        match item {
            InfoItem::Text(text) => check_size(command, text.len()),
            InfoItem::Command(data) => check_data(command, data, 0),
            InfoItem::Package { .. } => Err(Error::NotInDialect {
                dialect: self.config.dialect.name,
                command: "INFO package",
            }),
        }
    }
}

/// Digits of one group, such as `12` or, where `timed`, `12@250`. A server skips what it cannot read and says that all is
/// well, so it is read here.
fn check_group(group: &str, timed: bool) -> Result<(), Error> {
    let (digits, length) = match group.split_once('@') {
        Some((digits, length)) if timed => (digits, Some(length)),
        Some(_) | None => (group, None),
    };
    check_digits(digits, timed)?;
    let length = length.map(|length| length.parse().is_ok_and(|ms: u32| DIGIT_MS.contains(&ms)));
    if digits.is_empty() || length == Some(false) {
        return Err(Error::Unsayable {
            command: "DTMF",
            fault: "a group needs digits, and a length from 50 to 24000 ms if one is given, as in 12@250+3",
        });
    }
    Ok(())
}
