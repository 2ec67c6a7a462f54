//! The configuration as it is written: every key optional, every value as text, each with its place.

use serde::Deserialize;
use toml::Spanned;

use crate::config::duration::RawDuration;

/// A text value that remembers where it stands.
pub(crate) type Text = Spanned<String>;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawConfig {
    pub(crate) control: Option<RawControl>,
    #[serde(default)]
    pub(crate) account: Vec<Spanned<RawAccount>>,
    pub(crate) audio: Option<RawAudio>,
    pub(crate) media: Option<RawMedia>,
    pub(crate) log: Option<RawLog>,
}

/// `[control]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawControl {
    pub(crate) socket: Option<Text>,
}

/// `[[account]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAccount {
    pub(crate) name: Option<Text>,
    pub(crate) dialect: Option<Text>,
    pub(crate) server: Option<Text>,
    pub(crate) login: Option<Text>,
    pub(crate) password_file: Option<Text>,
    pub(crate) token_file: Option<Text>,
    pub(crate) anonymous: Option<Spanned<RawAnonymous>>,
    pub(crate) ca_file: Option<Text>,
    pub(crate) proxy: Option<Text>,
    pub(crate) proxy_credentials_file: Option<Text>,
    #[serde(default)]
    pub(crate) no_proxy: Vec<String>,
    pub(crate) caller_name: Option<Text>,
    pub(crate) caller_number: Option<Text>,
    pub(crate) backoff_base: Option<Spanned<RawDuration>>,
    pub(crate) backoff_max: Option<Spanned<RawDuration>>,
}

/// `anonymous = {..}`: the target of a login without credentials.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAnonymous {
    pub(crate) target_type: Option<Text>,
    pub(crate) target_id: Option<Text>,
    pub(crate) target_version_id: Option<Text>,
    pub(crate) conversation_id: Option<Text>,
}

/// `[audio]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAudio {
    pub(crate) input: Option<Text>,
    pub(crate) output: Option<Text>,
}

/// `[media]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawMedia {
    pub(crate) media_timeout: Option<Spanned<RawDuration>>,
    pub(crate) no_media: Option<Spanned<RawDuration>>,
    pub(crate) codecs: Option<Vec<Text>>,
    pub(crate) addresses: Option<Vec<Text>>,
    pub(crate) loopback: Option<bool>,
    pub(crate) dtmf: Option<Text>,
    pub(crate) real_time: Option<Spanned<i64>>,
}

/// `[log]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLog {
    pub(crate) level: Option<Text>,
}
