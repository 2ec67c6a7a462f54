//! What a server's refusals mean to whoever runs it: the setting behind each of its texts.

/// A setting of the server, or a fact about the call, that decides about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerSetting {
    /// The methods that a user may call (FreeSWITCH).
    AllowedMethods,
    /// The commands that a user may run (FreeSWITCH).
    AllowedCommands,
    /// The event channels that a user may use (FreeSWITCH).
    AllowedChannels,
    /// The commands that there are (FreeSWITCH).
    Modules,
    /// The domain that a user belongs to (FreeSWITCH).
    Domain,
    /// The users that there are (FreeSWITCH).
    Directory,
    /// Codecs, and the addresses that media may go to (FreeSWITCH).
    Media,
    /// Nobody is at the far end who could be transferred.
    Bridge,
}

impl ServerSetting {
    /// What to do about it, one sentence.
    pub const fn text(self) -> &'static str {
        match self {
            Self::AllowedMethods => {
                "let the server's operator allow it to this user: `jsonrpc-allowed-methods` in the user's directory entry (`verto` \
                 covers calls)"
            }
            Self::AllowedCommands => {
                "let the server's operator allow the command to this user: `jsonrpc-allowed-jsapi` or `jsonrpc-allowed-fsapi` in \
                 the user's directory entry"
            }
            Self::AllowedChannels => {
                "let the server's operator allow the channel to this user: `jsonrpc-allowed-event-channels` in the user's directory entry"
            }
            Self::Modules => "check the command's name, and that the server has loaded its module",
            Self::Domain => {
                "log in as user@domain, or let the server's operator set `force-register-domain` in the profile of mod_verto"
            }
            Self::Directory => {
                "check the user's name and domain: the server's directory has no such user"
            }
            Self::Media => {
                "let the server's operator look at the profile in `verto.conf.xml`: `inbound-codec-string` and `outbound-codec-string`, \
                 and `apply-candidate-acl`, without which private addresses are refused"
            }
            Self::Bridge => {
                "transfer a call that has somebody at its far end: an announcement or a conference cannot be sent on"
            }
        }
    }
}

/// A refusal that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownRefusal {
    /// Its code; `None` for any.
    pub code: Option<i64>,
    /// Words in its text.
    pub words: &'static str,
    /// What decides about it.
    pub setting: ServerSetting,
}

/// The first that fits.
pub(crate) fn setting(
    known: &[KnownRefusal],
    code: Option<i64>,
    words: &str,
) -> Option<ServerSetting> {
    let mut fitting = known
        .iter()
        .filter(|row| row.code.is_none() || row.code == code)
        .filter(|row| words.contains(row.words));
    fitting.next().map(|row| row.setting)
}

#[cfg(feature = "freeswitch")]
const fn row(code: Option<i64>, words: &'static str, setting: ServerSetting) -> KnownRefusal {
    KnownRefusal {
        code,
        words,
        setting,
    }
}

/// Those of `mod_verto`.
#[cfg(feature = "freeswitch")]
pub(crate) const FREESWITCH: &[KnownRefusal] = &[
    row(Some(-32601), "", ServerSetting::AllowedMethods),
    row(
        Some(-32602),
        "Permission Denied",
        ServerSetting::AllowedCommands,
    ),
    row(
        Some(-32002),
        "Permission Denied",
        ServerSetting::AllowedChannels,
    ),
    row(None, "INVALID CALL", ServerSetting::Modules),
    row(
        None,
        "Missing or improper credentials",
        ServerSetting::Domain,
    ),
    row(None, "Login Incorrect", ServerSetting::Directory),
    row(None, "CODEC", ServerSetting::Media),
    row(None, "MEDIA ERROR", ServerSetting::Media),
    row(None, "call is not bridged", ServerSetting::Bridge),
    row(None, "invalid transfer leg", ServerSetting::Bridge),
];

#[cfg(all(test, feature = "freeswitch"))]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_of_a_freeswitch_names_its_setting() {
        for (code, words, named) in [
            (
                Some(-32601),
                "Invalid Method, Missing Method or Permission Denied",
                "jsonrpc-allowed-methods",
            ),
            (Some(-32602), "Permission Denied", "jsonrpc-allowed-jsapi"),
            (
                Some(-32002),
                "Permission Denied",
                "jsonrpc-allowed-event-channels",
            ),
            (
                Some(-32001),
                "Missing or improper credentials",
                "force-register-domain",
            ),
            (Some(-32001), "Login Incorrect", "directory"),
            (
                Some(-32002),
                "CODEC NEGOTIATION ERROR",
                "apply-candidate-acl",
            ),
            (Some(-32002), "call is not bridged", "far end"),
        ] {
            let setting = setting(FREESWITCH, code, words).map_or("", ServerSetting::text);
            assert!(setting.contains(named), "{words}: {setting:?}");
        }
        assert_eq!(
            setting(FREESWITCH, Some(-32001), "Authentication Failure"),
            None
        );
        assert_eq!(setting(&[], Some(-32601), "anything"), None);
    }
}
