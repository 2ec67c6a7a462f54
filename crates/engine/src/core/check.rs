//! Looks at what users ask before anything of it happens.

use crate::call::dialog::Call;
use crate::error::Error;
use crate::ice::MOST_SERVERS;
use crate::request::Header;
use offhook_media::ice::server::IceServer;
use offhook_signaling::variable::Variable;

/// Longest number that is sent to a server.
const LONGEST_NUMBER: usize = 256;
/// Most digits in one request.
const MOST_DIGITS: usize = 64;
/// Longest text of a message.
const LONGEST_TEXT: usize = 32 * 1024;
/// Most header fields of one request.
const MOST_HEADERS: usize = 32;

pub(super) fn check_headers(headers: &[Header]) -> Result<(), Error> {
    let fault = |why: String| {
        Err(Error::Unsendable {
            what: "a header field",
            why,
        })
    };
    if headers.len() > MOST_HEADERS {
        return fault(format!("there are more than {MOST_HEADERS}"));
    }
    for (name, value) in headers {
        let token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > 128 || !name.chars().all(token) {
            let shown: String = name.chars().take(40).collect();
            return fault(format!("`{shown}` is no name of one, such as X-Site"));
        }
        if value.len() > 1024 || value.chars().any(char::is_control) {
            return fault(format!(
                "the value of {name} is too long or holds a control character"
            ));
        }
    }
    Ok(())
}

/// Longest client state.
const LONGEST_STATE: usize = 4096;

pub(super) fn check_state(state: Option<&str>) -> Result<(), Error> {
    match state {
        Some(state) if state.len() > LONGEST_STATE || state.chars().any(char::is_control) => {
            Err(Error::Unsendable {
                what: "the client state",
                why: format!(
                    "it is longer than {LONGEST_STATE} bytes or holds a control character"
                ),
            })
        }
        Some(_) | None => Ok(()),
    }
}

pub(super) fn check_variables(variables: &[(String, Variable)]) -> Result<(), Error> {
    let fault = |why: String| {
        Err(Error::Unsendable {
            what: "a variable",
            why,
        })
    };
    if variables.len() > MOST_HEADERS {
        return fault(format!("there are more than {MOST_HEADERS}"));
    }
    for (name, value) in variables {
        let token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > 128 || !name.chars().all(token) {
            let shown: String = name.chars().take(40).collect();
            return fault(format!("`{shown}` is no name of one"));
        }
        if let Variable::Text(text) = value
            && (text.len() > 1024 || text.chars().any(char::is_control))
        {
            return fault(format!(
                "the value of {name} is too long or holds a control character"
            ));
        }
    }
    Ok(())
}

pub(super) fn check_ice_servers(servers: Option<&[IceServer]>) -> Result<(), Error> {
    let fault = |why: String| Err(Error::IceServers { why });
    let servers = servers.unwrap_or_default();
    if servers.len() > MOST_SERVERS {
        return fault(format!("there are more than {MOST_SERVERS}"));
    }
    for server in servers {
        match (&server.credentials, server.protocol.relays()) {
            (Some(credentials), true) => {
                if let Err(error) = credentials.check() {
                    return fault(format!("{server}: {error}"));
                }
            }
            (None, false) => {}
            (None, true) => return fault(format!("{server} wants a user name and a password")),
            (Some(_), false) => {
                return fault(format!("{server} takes no user name and no password"));
            }
        }
    }
    Ok(())
}

pub(super) fn check_sip_status(code: Option<u16>) -> Result<(), Error> {
    match code {
        None | Some(400..=699) => Ok(()),
        Some(code) => Err(Error::Unsendable {
            what: "the SIP status",
            why: format!("{code} is none that refuses or ends a call (400 to 699)"),
        }),
    }
}

pub(super) fn check_text(text: &str) -> Result<(), Error> {
    let why = if text.is_empty() {
        "it is empty".to_owned()
    } else if text.len() > LONGEST_TEXT {
        format!("it is longer than {LONGEST_TEXT} bytes")
    } else {
        return Ok(());
    };
    Err(Error::Unsendable {
        what: "the text",
        why,
    })
}

pub(super) fn wrong_state(call: &Call, wanted: &'static str) -> Error {
    Error::WrongState {
        call: call.id().clone(),
        wanted,
        state: call.state().word(),
    }
}

pub(super) fn check_number(number: &str) -> Result<(), Error> {
    let why = if number.is_empty() {
        "it is empty"
    } else if number.len() > LONGEST_NUMBER {
        "it is too long"
    } else if number.chars().any(|c| c.is_control() || c.is_whitespace()) {
        "it holds a space or a control character"
    } else {
        return Ok(());
    };
    Err(Error::Number {
        number: number.chars().take(40).collect(),
        why,
    })
}

/// `timed`: flashes, groups and their lengths are for the server to read.
pub(super) fn read_digits(digits: &str, timed: bool) -> Result<String, Error> {
    if digits.is_empty() || digits.len() > MOST_DIGITS {
        return Err(Error::DigitCount { limit: MOST_DIGITS });
    }
    digits
        .chars()
        .map(|digit| match digit {
            '0'..='9' | '*' | '#' | 'A'..='D' | 'w' | 'W' => Ok(digit),
            'a'..='d' => Ok(digit.to_ascii_uppercase()),
            'F' | 'f' if timed => Ok('F'),
            '@' | '+' if timed => Ok(digit),
            _ => Err(Error::Digit(digit)),
        })
        .collect()
}
