//! The digits of a command, whatever the protocol that carries them.

use crate::error::Error;

/// Most digits of one command.
const MOST_DIGITS: usize = 64;

/// Refuses a command without digits, or with too many.
pub(crate) fn check_length(digits: &str) -> Result<(), Error> {
    let count = digits.chars().count();
    if count == 0 || count > MOST_DIGITS {
        return Err(Error::DtmfLength(count));
    }
    Ok(())
}

/// Refuses what is neither a digit (RFC 4733, 3.2) nor a pause; `flash`: nor a hook flash.
pub(crate) fn check_digits(digits: &str, flash: bool) -> Result<(), Error> {
    let is_digit = |digit: &char| match digit {
        '0'..='9' | '*' | '#' | 'A'..='D' | 'a'..='d' | 'w' | 'W' => true,
        'F' => flash,
        _ => false,
    };
    digits
        .chars()
        .find(|digit| !is_digit(digit))
        .map_or(Ok(()), |fault| Err(Error::NotDtmf(fault)))
}
