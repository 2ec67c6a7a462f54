//! The methods of Verto, and how a dialect spells them.

use std::fmt;

/// A method, whatever its prefix. What is not here is ignored when a server sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Method {
    /// Client: log in by password or token. Never prefixed.
    Login,
    /// Client: log in without identity. Never prefixed.
    AnonymousLogin,
    /// Server: calls may be made, these were kept.
    ClientReady,
    /// Both: state of the registration behind the Telnyx gateway.
    GatewayState,
    /// Both: place a call.
    Invite,
    /// Server: the far side rings (Telnyx).
    Ringing,
    /// Server: early media.
    Media,
    /// Both: the call is taken.
    Answer,
    /// Both: the server offers a call again; the client answers it.
    Attach,
    /// Client: after a push wake-up, offer me my calls (Telnyx).
    AttachCalls,
    /// Client: hold, resume, transfer, new media.
    Modify,
    /// Both: end of a call.
    Bye,
    /// Both: DTMF, chat.
    Info,
    /// Server: show the far side differently.
    Display,
    /// Both: a trickled ICE candidate (Telnyx).
    Candidate,
    /// Both: no more candidates (Telnyx).
    EndOfCandidates,
    /// Server: something on an event channel.
    Event,
    /// Client: listen to event channels.
    Subscribe,
    /// Client: stop listening.
    Unsubscribe,
    /// Client: say something on an event channel.
    Broadcast,
    /// Server: ask the user for digits or text (FreeSWITCH).
    Prompt,
    /// Both: are you there?
    Ping,
    /// Server: another client took this session over.
    Punt,
    /// Client: stop push notifications (Telnyx).
    DisablePushNotification,
    /// Server: the operator says something to everybody (FreeSWITCH).
    Announce,
    /// Client: a JSON command of the server (FreeSWITCH). Never prefixed.
    JsApi,
    /// Client: a text command of the server (FreeSWITCH). Never prefixed.
    FsApi,
    /// Both: talk with an assistant (Telnyx). Never prefixed.
    Conversation,
    /// Client: gives its params back. Never prefixed.
    Echo,
}

const NAMES: &[(Method, &str)] = &[
    (Method::Login, "login"),
    (Method::AnonymousLogin, "anonymous_login"),
    (Method::ClientReady, "clientReady"),
    (Method::GatewayState, "gatewayState"),
    (Method::Invite, "invite"),
    (Method::Ringing, "ringing"),
    (Method::Media, "media"),
    (Method::Answer, "answer"),
    (Method::Attach, "attach"),
    (Method::AttachCalls, "attachCalls"),
    (Method::Modify, "modify"),
    (Method::Bye, "bye"),
    (Method::Info, "info"),
    (Method::Display, "display"),
    (Method::Candidate, "candidate"),
    (Method::EndOfCandidates, "endOfCandidates"),
    (Method::Event, "event"),
    (Method::Subscribe, "subscribe"),
    (Method::Unsubscribe, "unsubscribe"),
    (Method::Broadcast, "broadcast"),
    (Method::Prompt, "prompt"),
    (Method::Ping, "ping"),
    (Method::Punt, "punt"),
    (Method::DisablePushNotification, "disable_push_notification"),
    (Method::Announce, "announce"),
    (Method::JsApi, "jsapi"),
    (Method::FsApi, "fsapi"),
    (Method::Conversation, "ai_conversation"),
    (Method::Echo, "echo"),
];

impl Method {
    /// Its name without prefix, as it stands in messages to a person.
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(method, _)| *method == self)
            .map_or("", |(_, name)| name)
    }

    /// Its name on the wire, in the dialect with that prefix (`telnyx_rtc.`, `verto.`).
    pub fn on_wire(self, prefix: &str) -> String {
        if self.is_bare() {
            self.name().to_owned()
        } else {
            format!("{prefix}{}", self.name())
        }
    }

    /// Reads a name from the wire; `None` for one that is unknown or has another prefix.
    pub fn read(text: &str, prefix: &str) -> Option<Self> {
        let find = |name: &str| {
            NAMES
                .iter()
                .find(|(_, known)| *known == name)
                .map(|(method, _)| *method)
        };
        match text.strip_prefix(prefix) {
            Some(name) => find(name).filter(|method| !method.is_bare()),
            None => find(text).filter(|method| method.is_bare()),
        }
    }

    fn is_bare(self) -> bool {
        match self {
            Self::Login | Self::AnonymousLogin | Self::Echo => true,
            Self::JsApi | Self::FsApi | Self::Conversation => true,
            Self::ClientReady | Self::GatewayState | Self::Invite | Self::Ringing => false,
            Self::Media | Self::Answer | Self::Attach | Self::AttachCalls => false,
            Self::Modify | Self::Bye | Self::Info | Self::Display | Self::Candidate => false,
            Self::EndOfCandidates | Self::Event | Self::Subscribe | Self::Unsubscribe => false,
            Self::Broadcast | Self::Prompt | Self::Ping | Self::Punt => false,
            Self::DisablePushNotification | Self::Announce => false,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::{Method, NAMES};

    #[test]
    fn every_method_is_read_as_it_is_written() {
        for prefix in ["verto.", "telnyx_rtc."] {
            for (method, _) in NAMES {
                assert_eq!(Method::read(&method.on_wire(prefix), prefix), Some(*method));
            }
        }
        assert_eq!(Method::read("verto.login", "verto."), None);
        assert_eq!(Method::read("invite", "verto."), None);
        assert_eq!(Method::read("verto.invite", "telnyx_rtc."), None);
    }
}
