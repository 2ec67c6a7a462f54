//! The configuration as it is written: every key optional, every value as text, each with its place.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::config::duration::RawDuration;

/// A text value that remembers where it stands.
pub(crate) type Text = Spanned<String>;

/// Variables, of whatever type they were written.
pub(crate) type RawVariables = BTreeMap<String, Spanned<toml::Value>>;

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
    pub(crate) state: Option<RawState>,
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
    pub(crate) token: Option<Spanned<RawToken>>,
    pub(crate) refresh_before: Option<Spanned<RawDuration>>,
    pub(crate) profile: Option<Text>,
    pub(crate) region: Option<Text>,
    pub(crate) environment: Option<Text>,
    pub(crate) skip_last_voice_sdk_id: Option<Spanned<bool>>,
    pub(crate) rtc_ip: Option<Text>,
    pub(crate) rtc_port: Option<Spanned<i64>>,
    pub(crate) canary: Option<Spanned<bool>>,
    pub(crate) skip_trailing: Option<Spanned<bool>>,
    pub(crate) origin: Option<Text>,
    pub(crate) refused_retry: Option<Spanned<RawDuration>>,
    pub(crate) refused_retry_max: Option<Spanned<RawDuration>>,
    #[serde(default)]
    pub(crate) user_variables: RawVariables,
    #[serde(default)]
    pub(crate) login_params: RawVariables,
    pub(crate) start_muted: Option<bool>,
    pub(crate) watch: Option<Vec<Text>>,
    pub(crate) server_commands: Option<bool>,
    pub(crate) recover_calls: Option<bool>,
    pub(crate) anonymous: Option<Spanned<RawAnonymous>>,
    #[serde(default)]
    pub(crate) tool: Vec<Spanned<RawTool>>,
    pub(crate) ca_file: Option<Text>,
    pub(crate) certificate_sha256: Option<Spanned<RawPins>>,
    pub(crate) client_certificate_file: Option<Text>,
    pub(crate) client_key_file: Option<Text>,
    pub(crate) proxy: Option<Text>,
    pub(crate) proxy_credentials_file: Option<Text>,
    #[serde(default)]
    pub(crate) no_proxy: Vec<String>,
    pub(crate) caller_name: Option<Text>,
    pub(crate) caller_number: Option<Text>,
    pub(crate) backoff_base: Option<Spanned<RawDuration>>,
    pub(crate) backoff_max: Option<Spanned<RawDuration>>,
    pub(crate) reconnect_attempts: Option<Spanned<u32>>,
    pub(crate) ice_servers: Option<Vec<Spanned<RawIceServer>>>,
    pub(crate) ice_policy: Option<Text>,
    pub(crate) trickle_ice: Option<bool>,
    pub(crate) media: Option<Spanned<RawAccountMedia>>,
    pub(crate) call_reports: Option<Spanned<bool>>,
    pub(crate) call_report_interval: Option<Spanned<RawDuration>>,
    pub(crate) call_report_flush_interval: Option<Spanned<RawDuration>>,
    pub(crate) auth_user: Option<Text>,
    pub(crate) further_servers: Option<Vec<Text>>,
    pub(crate) routes: Option<Vec<Text>>,
    pub(crate) instance: Option<Text>,
    pub(crate) register: Option<Spanned<bool>>,
    pub(crate) expires: Option<Spanned<RawDuration>>,
    pub(crate) reliable_provisional: Option<Text>,
    pub(crate) session_expires: Option<Spanned<RawDuration>>,
    pub(crate) trust_identity: Option<Spanned<bool>>,
    pub(crate) early_media: Option<Spanned<bool>>,
    pub(crate) crlf_keep_alive: Option<Spanned<bool>>,
    pub(crate) push: Option<Spanned<RawPush>>,
    pub(crate) trusted_authz: Option<Vec<Text>>,
    pub(crate) transfers: Option<Text>,
    pub(crate) socket_token: Option<Text>,
    pub(crate) dtmf_info: Option<Text>,
    pub(crate) info_packages: Option<Vec<Text>>,
    pub(crate) feature_tags: Option<Vec<Text>>,
    pub(crate) refer_out_of_dialog: Option<Spanned<bool>>,
    #[serde(default)]
    pub(crate) socket_headers: BTreeMap<String, Spanned<RawHeader>>,
}

/// `media = {..}`: what the media of an account's calls may do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAccountMedia {
    pub(crate) voip_metrics: Option<Text>,
    pub(crate) reduced_size: Option<Text>,
    pub(crate) redundancy: Option<Text>,
    pub(crate) comfort_noise: Option<Text>,
    pub(crate) audio_level: Option<Text>,
    pub(crate) short_tags: Option<bool>,
    pub(crate) sha1_fingerprints: Option<bool>,
    pub(crate) minimum_rsa_bits: Option<Spanned<i64>>,
    pub(crate) certificate: Option<Text>,
    pub(crate) sdes: Option<bool>,
    pub(crate) without_ice: Option<bool>,
    pub(crate) unencrypted: Option<bool>,
    pub(crate) latching: Option<Spanned<bool>>,
    pub(crate) mdns: Option<bool>,
}

/// `push = {..}`: push parameters of a SIP account's Contact.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPush {
    pub(crate) provider: Option<Text>,
    pub(crate) prid: Option<Text>,
    pub(crate) param: Option<Text>,
}

/// One of `ice_servers`: a URL by itself, or with credentials.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "write a URL such as \"stun:stun.example.com\", or { url = .., username = .., password_file = .. }"
)]
pub(crate) enum RawIceServer {
    Url(String),
    Relay(RawRelay),
}

/// A TURN server with its credentials.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRelay {
    pub(crate) url: String,
    pub(crate) username: Option<String>,
    pub(crate) password_file: Option<String>,
}

/// `certificate_sha256`: one fingerprint, or several while certificates are replaced.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "write a fingerprint such as \"AB:CD:...\", or a list of them"
)]
pub(crate) enum RawPins {
    One(String),
    Several(Vec<String>),
}

/// `anonymous = {..}`: the target of a login without credentials.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAnonymous {
    pub(crate) target_type: Option<Text>,
    pub(crate) target_id: Option<Text>,
    pub(crate) target_version_id: Option<Text>,
    pub(crate) conversation_id: Option<Text>,
    #[serde(default)]
    pub(crate) target_params: RawVariables,
}

/// `[[account.tool]]`: the program that answers one tool of an assistant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTool {
    pub(crate) name: Option<Text>,
    pub(crate) command: Option<Spanned<Vec<String>>>,
    pub(crate) time_limit: Option<Spanned<RawDuration>>,
}

/// `token = {..}`: a program or a web service.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawToken {
    pub(crate) command: Option<Spanned<Vec<String>>>,
    pub(crate) url: Option<Text>,
    pub(crate) method: Option<Text>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Spanned<RawHeader>>,
    pub(crate) pointer: Option<Text>,
    pub(crate) ca_file: Option<Text>,
    pub(crate) time_limit: Option<Spanned<RawDuration>>,
}

/// The value of one header field of a token endpoint.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawHeader {
    pub(crate) prefix: Option<String>,
    pub(crate) file: Text,
}

/// `[state]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawState {
    pub(crate) file: Option<Text>,
}

/// `[audio]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAudio {
    pub(crate) input: Option<Text>,
    pub(crate) output: Option<Text>,
    pub(crate) ringback: Option<Text>,
}

/// `[media]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawMedia {
    pub(crate) media_timeout: Option<Spanned<RawDuration>>,
    pub(crate) no_media: Option<Spanned<RawDuration>>,
    pub(crate) codecs: Option<Vec<Text>>,
    pub(crate) addresses: Option<Vec<Text>>,
    pub(crate) interfaces: Option<Spanned<RawInterfaces>>,
    pub(crate) loopback: Option<bool>,
    pub(crate) dtmf: Option<Text>,
    pub(crate) ports: Option<Text>,
    pub(crate) real_time: Option<Spanned<i64>>,
}

/// `interfaces` of `[media]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawInterfaces {
    pub(crate) allow: Vec<Text>,
    pub(crate) deny: Vec<Text>,
    pub(crate) prefer: Vec<Text>,
}

/// `[log]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLog {
    pub(crate) level: Option<Text>,
}
