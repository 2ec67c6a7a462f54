//! What the operator chooses about the REST API, above all where nothing is documented.

use std::str::FromStr;
use std::time::Duration;

use crate::fault::rest::RestFaults;

/// Life of a token as the documents state it.
pub(crate) const TOKEN_LIFE: Duration = Duration::from_secs(86_400);
/// How long a new credential or token is not known to the gateway yet, as documented.
pub(crate) const FRESH_DELAY: Duration = Duration::from_secs(5);
/// Most credentials of one tag, as documented.
const TAG_LIMIT: usize = 1000;

/// All settings of the REST API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RestSettings {
    /// The API key. The same with `-readonly` behind it may only read.
    pub(crate) key: String,
    /// How long the gateway refuses what is new.
    pub(crate) fresh_delay: Duration,
    /// How long a token is good.
    pub(crate) token_life: Duration,
    /// The gateway takes no tokens but those made here.
    pub(crate) signed_tokens_only: bool,
    /// Requests for each endpoint; without it none is refused.
    pub(crate) rate: Option<Rate>,
    /// Where the real service's behaviour is not known.
    pub(crate) choices: Choices,
    /// What goes wrong on purpose.
    pub(crate) faults: RestFaults,
}

impl Default for RestSettings {
    fn default() -> Self {
        Self {
            key: "sandbox".to_owned(),
            fresh_delay: FRESH_DELAY,
            token_life: TOKEN_LIFE,
            signed_tokens_only: false,
            rate: None,
            choices: Choices::default(),
            faults: RestFaults::default(),
        }
    }
}

/// So many requests for an endpoint in each window; windows are aligned to the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Requests in a window.
    pub(crate) requests: u32,
    /// Seconds of a window.
    pub(crate) seconds: u32,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("{text:?} is no rate; write REQUESTS/SECONDS, such as 40/60");
        let (requests, seconds) = text.split_once('/').ok_or_else(form)?;
        let requests = requests.parse().map_err(|_| form())?;
        let seconds = seconds.parse().map_err(|_| form())?;
        if seconds == 0 {
            return Err(form());
        }
        Ok(Self { requests, seconds })
    }
}

/// The sandbox's own choices, each can be changed with `--rest-choice NAME=VALUE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choices {
    /// `page-size`: above 250 it is lowered (`cap`) or refused (`refuse`).
    pub(crate) cap_page_size: bool,
    /// `connection-in-use`: deleting a connection with live credentials is refused (`refuse`) or takes them with it
    /// (`cascade`).
    pub(crate) connection_in_use_refused: bool,
    /// `unknown-connection`: a credential for it is refused (`refuse`) or made (`accept`).
    pub(crate) unknown_connection_refused: bool,
    /// `past-expiry`: an `expires_at` in the past is refused (`refuse`) or taken (`accept`).
    pub(crate) past_expiry_refused: bool,
    /// `tag-limit`: most credentials of one tag.
    pub(crate) tag_limit: usize,
    /// `expired-status`: what a change of, and a token for, an expired credential answers, 422 or another status.
    pub(crate) expired_status: u16,
    /// `token-material`: the endpoint is there (`on`) or not (`off`).
    pub(crate) token_material: bool,
    /// `list-lag`: milliseconds for which lists do not show a new credential.
    pub(crate) list_lag: Duration,
    /// `filters`: those of a list of credentials are applied (`apply`) or passed over without a word (`drop`).
    pub(crate) filters_dropped: bool,
    /// `retry-after`: 429 carries the header (`on`) or not (`off`), as seen.
    pub(crate) retry_after: bool,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            cap_page_size: true,
            connection_in_use_refused: true,
            unknown_connection_refused: true,
            past_expiry_refused: true,
            tag_limit: TAG_LIMIT,
            expired_status: 422,
            token_material: true,
            list_lag: Duration::ZERO,
            filters_dropped: false,
            retry_after: false,
        }
    }
}

/// One choice, as `--rest-choice` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    name: String,
    value: String,
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| format!("{text:?} is no choice; write NAME=VALUE"))?;
        let choice = Self {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        Choices::default().with(&choice)?;
        Ok(choice)
    }
}

impl Choices {
    /// The same with one choice changed.
    pub(crate) fn with(mut self, choice: &Choice) -> Result<Self, String> {
        let value = choice.value.as_str();
        let one_of = |yes: &str, no: &str| match value {
            _ if value == yes => Ok(true),
            _ if value == no => Ok(false),
            _ => Err(format!("{} is {yes} or {no}", choice.name)),
        };
        let number = |_| format!("{} wants a number", choice.name);
        match choice.name.as_str() {
            "page-size" => self.cap_page_size = one_of("cap", "refuse")?,
            "connection-in-use" => self.connection_in_use_refused = one_of("refuse", "cascade")?,
            "unknown-connection" => self.unknown_connection_refused = one_of("refuse", "accept")?,
            "past-expiry" => self.past_expiry_refused = one_of("refuse", "accept")?,
            "tag-limit" => self.tag_limit = value.parse().map_err(number)?,
            "expired-status" => {
                self.expired_status = value.parse().map_err(number)?;
                if !(400..600).contains(&self.expired_status) {
                    return Err("expired-status is a status of 400 to 599".to_owned());
                }
            }
            "token-material" => self.token_material = one_of("on", "off")?,
            "list-lag" => self.list_lag = Duration::from_millis(value.parse().map_err(number)?),
            "filters" => self.filters_dropped = one_of("drop", "apply")?,
            "retry-after" => self.retry_after = one_of("on", "off")?,
            other => return Err(format!("there is no choice {other:?}")),
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_and_rates_name_what_is_wrong_with_them() {
        let choice: Choice = "tag-limit=5".parse().unwrap();
        assert_eq!(Choices::default().with(&choice).unwrap().tag_limit, 5);
        for wrong in ["tag-limit", "tag-limit=x", "page-size=yes", "nonsense=1"] {
            assert!(wrong.parse::<Choice>().is_err(), "{wrong}");
        }
        assert_eq!(
            "40/60".parse(),
            Ok(Rate {
                requests: 40,
                seconds: 60
            })
        );
        for wrong in ["40", "40/0", "x/1", ""] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }
}
