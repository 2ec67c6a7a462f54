//! What an account at a SIP server has of its own (RFC 7118, RFC 5626).

use std::time::Duration;

use offhook_signaling::sip::config::{DtmfInfo, FlowBackoff, Push, Reliable, SocketToken};

/// The SIP part of an account. Its server, login and names stand in
/// [`AccountConfig`](crate::config::AccountConfig) like those of any other.
#[derive(Debug, Clone)]
pub struct SipAccount {
    /// Address of record, `user@domain` or `sip:user@domain`; `None`: the login's user. Without a domain, the host of the
    /// server is meant.
    pub address: Option<String>,
    /// User name for digest access (RFC 8760), where it is not that of the address.
    pub auth_user: Option<String>,
    /// WebSocket URLs of further edge proxies: a flow is kept to each (RFC 5626, section 4.2).
    pub further_servers: Vec<String>,
    /// Route of what goes out, in order, until the registrar names one (RFC 3608).
    pub routes: Vec<String>,
    /// `urn:uuid:...` of this device (RFC 5626, section 4.1). `None`: one is made, and kept in the state file if there is one.
    pub instance: Option<String>,
    /// Register, so that calls reach us.
    pub registers: bool,
    /// How long a registration is asked for.
    pub expires: Duration,
    /// Pauses between attempts (RFC 5626, section 4.5).
    pub backoff: FlowBackoff,
    /// Reliable provisional answers (RFC 3262).
    pub reliable: Reliable,
    /// The session interval that is asked for (RFC 4028); `None`: none is.
    pub session_expires: Option<Duration>,
    /// P-Asserted-Identity of this server is believed (RFC 3325).
    pub trusts_identity: bool,
    /// This server says whether early media comes through (RFC 5009): until it does, callers hear the local tone.
    pub early_media: bool,
    /// Keep-alives by CRLF also where the server did not agree to them (RFC 5626, section 3.5.1).
    pub crlf_keep_alive: bool,
    /// Push parameters of the Contact (RFC 8599).
    pub push: Option<Push>,
    /// Authorization servers whose tokens may be shown (RFC 8898).
    pub trusted_authz: Vec<String>,
    /// Where the token goes when a socket is opened; `None`: SIP alone carries it.
    pub socket_token: Option<SocketToken>,
    /// How a digit is written into an INFO.
    pub dtmf_info: DtmfInfo,
    /// INFO packages that are taken and told (RFC 6086).
    pub info_packages: Vec<String>,
    /// Further feature tags of the registered Contact, each with or without a value (RFC 3840, section 9).
    pub feature_tags: Vec<(String, Option<String>)>,
    /// A wish to call somebody that comes outside of any call is told as well (RFC 3515); else it is refused. Nobody follows it
    /// unasked.
    pub refer_out_of_dialog: bool,
}

impl Default for SipAccount {
    fn default() -> Self {
        Self {
            address: None,
            auth_user: None,
            further_servers: Vec::new(),
            routes: Vec::new(),
            instance: None,
            registers: true,
            expires: Duration::from_secs(600),
            backoff: FlowBackoff::default(),
            reliable: Reliable::default(),
            session_expires: Some(Duration::from_secs(1800)),
            trusts_identity: false,
            early_media: false,
            crlf_keep_alive: false,
            push: None,
            trusted_authz: Vec::new(),
            socket_token: None,
            dtmf_info: DtmfInfo::default(),
            info_packages: Vec::new(),
            feature_tags: Vec::new(),
            refer_out_of_dialog: false,
        }
    }
}
