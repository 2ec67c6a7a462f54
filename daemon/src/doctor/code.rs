//! The kinds of findings: a stable name each, how bad it is, and why it matters.

use std::fmt;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Nothing is wrong: something could not be looked at. It does not count for the exit code.
    Note,
    /// It works today.
    Warning,
    /// Something does not work, or a secret is open.
    Error,
}

impl Severity {
    /// Its name in what is printed.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $name:literal $severity:ident $why:literal;)+) => {
        /// One kind of finding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Code {
            $($(#[$doc])* $variant,)+
        }

        impl Code {
            /// All of them, in the order of the documentation.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable name.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// How bad it is.
            pub(crate) const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)+ }
            }

            /// Why it matters.
            pub(crate) const fn why(self) -> &'static str {
                match self { $(Self::$variant => $why,)+ }
            }
        }
    };
}

codes! {
    /// The file cannot be read.
    ConfigUnreadable "config_unreadable" Error "the daemon cannot start without it";
    /// The config check refuses something.
    ConfigRefused "config_refused" Error "the daemon refuses to start with it";
    /// A password in a production profile.
    PasswordInProduction "password_in_production" Warning
        "a password stays on the machine for good: whoever copies it registers in this account's place until it is changed";
    /// A login that anybody on the way can read.
    LoginInClear "login_in_clear" Warning "whoever is on the way reads it, and registers in this account's place";
    /// No place for the name of the session.
    SessionForgotten "session_forgotten" Warning
        "a FreeSWITCH server knows a client again by that name alone: after a restart it does not get its calls back, and the old \
         registration rings on until its socket is found dead";
    /// One credential, two clients.
    SharedCredential "shared_credential" Error
        "a server keeps the newest registration of a credential: the other client is no longer called, and nobody tells it";
    /// A token that nothing replaces.
    TokenWithoutSource "token_without_source" Warning
        "tokens live a day at most: when this one ends and nobody has replaced the file, the account logs out";
    /// A token whose time is over.
    TokenExpired "token_expired" Error "the server refuses it, and the account cannot log in";
    /// A token whose time has not come.
    TokenNotYetValid "token_not_yet_valid" Error "the server refuses it until then";
    /// What should be a token is none.
    TokenMalformed "token_malformed" Error "the server refuses it, and the account cannot log in";
    /// An API key in place of a token.
    ApiKeyAsToken "api_key_as_token" Error
        "no gateway takes it, and whoever reads it may do everything with the whole account at the provider";
    /// An API key within reach of a client.
    ApiKeyAtClient "api_key_at_client" Error
        "whoever gets hold of this machine may do everything with the whole account at the provider: make users, place calls, pay";
    /// A secret written into the configuration.
    SecretInConfig "secret_in_config" Error
        "a configuration is copied, shown and kept in version control, and the secret with it";
    /// A secret file that others may read.
    SecretReadable "secret_readable" Error "every user and program of this machine can log in with it";
    /// A secret file that cannot be used.
    SecretUnusable "secret_unusable" Error "the account cannot log in without it";
    /// Too few file descriptors.
    DescriptorLimit "descriptor_limit" Warning
        "when it is reached, connections and calls fail although nothing is wrong with them";
    /// Input or output that cannot be opened.
    SoundUnavailable "sound_unavailable" Error "calls are silent, or are not recorded";
    /// A clock that is wrong.
    ClockOff "clock_off" Error
        "tokens are judged by the clock: they are refreshed too late or refused, and certificates may be refused as well";
    /// The server's name does not resolve.
    DnsFailed "dns_failed" Error "without an address there is no connection";
    /// The region's host cannot be reached, the server itself can.
    RegionUnreachable "region_unreachable" Warning
        "each connection tries it first and comes later, and calls go by another region than the one wanted";
    /// No TCP connection.
    TcpFailed "tcp_failed" Error "nothing comes through to the server: no calls in either direction";
    /// The proxy does not let us through.
    ProxyFailed "proxy_failed" Error "the server is only asked through the proxy that the account names";
    /// An authority that is not trusted.
    CertificateUnknownCa "certificate_unknown_ca" Error "whoever it is could read passwords and calls; no connection is made";
    /// A certificate for other names.
    CertificateWrongName "certificate_wrong_name" Error "it may be another server altogether; no connection is made";
    /// A certificate whose time is over.
    CertificateExpired "certificate_expired" Error "an expired certificate proves nothing; no connection is made";
    /// A certificate whose time has not come.
    CertificateNotYetValid "certificate_not_yet_valid" Error "no connection is made; most often this machine's clock is wrong";
    /// A certificate without the fingerprint that the configuration names.
    CertificateNotPinned "certificate_not_pinned" Error
        "either the server has a new certificate, or somebody is in between; no connection is made";
    /// A certificate that no chain can hold.
    CertificateOld "certificate_old" Error "a certificate of X.509 version 1 has no names that could be checked; no connection is made";
    /// TLS fails in another way.
    TlsFailed "tls_failed" Error "without TLS no connection is made";
    /// No WebSocket.
    WebsocketRefused "websocket_refused" Error "something answers there, but no server that takes this account: no login, no calls";
    /// The token's source brings none.
    TokenSourceFailed "token_source_failed" Error "without a token the account cannot log in, and does not outlive the one it has";
    /// The server refuses the login.
    LoginRefused "login_refused" Error "the account can neither call nor be called";
    /// The login is taken, the registration is not.
    NotRegistered "not_registered" Error "the account is logged in and still can neither call nor be called";
    /// Not ready for another reason.
    NotReady "not_ready" Error "the account can neither call nor be called";
    /// The running daemon has other accounts.
    DaemonDiffers "daemon_differs" Warning "what is written in the configuration is not what runs";
    /// Somebody else has the registration.
    RegistrationConflict "registration_conflict" Error
        "callers reach another client that uses the same credential, and this one is never told";
    /// A call to itself came to nothing.
    SelfCallFailed "self_call_failed" Warning "whether calls arrive here could not be tried";
    /// An account whose own number nobody knows.
    OwnNumberUnknown "own_number_unknown" Note
        "a registration that somebody else has taken over shows in nothing but a call to itself that does not arrive";
    /// The call to the given number failed.
    TestCallFailed "test_call_failed" Error "other calls will fail the same way";
    /// The server names an address that cannot be reached from here.
    PrivateMediaAddress "private_media_address" Error
        "calls are answered and stay silent: sound is sent to an address that exists only in the server's own network";
    /// No sound.
    NoMedia "no_media" Error "calls are answered and stay silent";
    /// Nothing comes through over UDP.
    UdpBlocked "udp_blocked" Error "media of calls is UDP: without it, or a TURN server over TCP, calls stay silent";
    /// A STUN server does not answer.
    StunUnreachable "stun_unreachable" Warning "behind a NAT, calls need one server that tells this machine's outer address";
    /// A TURN server does not answer.
    TurnUnreachable "turn_unreachable" Warning "where no direct path exists, calls through this server stay silent";
    /// A TURN server does not relay for us.
    TurnRefused "turn_refused" Error "where no direct path exists, calls stay silent";
    /// A NAT that only a relay gets through.
    NatSymmetric "nat_symmetric" Warning "media comes through only with servers that answer to where packets come from, or over a TURN server";
}

impl Code {
    /// Reads a name as it stands on the command line.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|code| code.name() == text);
        known.copied().ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|code| code.name()).collect();
            format!("there are {}", names.join(", "))
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_in_the_documentation_with_its_severity() {
        let documentation = include_str!("../../../docs/doctor.md");
        for code in Code::ALL {
            let row = documentation
                .lines()
                .find(|line| line.starts_with('|') && line.contains(&format!("`{code}`")))
                .unwrap_or_else(|| panic!("{code} is missing"));
            let letter = match code.severity() {
                Severity::Error => "| E |",
                Severity::Warning => "| W |",
                Severity::Note => "| N |",
            };
            assert!(row.contains(letter), "{row}");
            assert_eq!(Code::parse(code.name()), Ok(*code));
        }
        assert!(
            Code::parse("nonsense")
                .unwrap_err()
                .contains("turn_refused")
        );
    }
}
