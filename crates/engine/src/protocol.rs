//! What an account's server speaks, and what follows from that for users.

use offhook_signaling::auth::login::LoginKind;
use offhook_signaling::verto::dialect::differences::Dialect;

use crate::account::{Carries, Trickle};
use crate::request::Dtmf;

/// The protocol of an account.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Protocol {
    /// Verto, in one of its dialects.
    Verto(Dialect),
    /// SIP over WebSocket (RFC 7118); what else it needs stands in [`SipAccount`](crate::sip::SipAccount).
    #[cfg(feature = "sip")]
    Sip,
}

/// What becomes of a far end's wish that we call somebody else (REFER, RFC 3515), told by the event `Referred`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Transfers {
    /// Within a call it is followed, as a server follows the transfers of its own clients.
    #[default]
    Follow,
    /// A user says what becomes of it, within half a minute.
    Ask,
    /// It is refused.
    Refuse,
}

impl From<Dialect> for Protocol {
    fn from(dialect: Dialect) -> Self {
        Self::Verto(dialect)
    }
}

impl Protocol {
    /// Name in configuration and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verto(dialect) => dialect.name,
            #[cfg(feature = "sip")]
            Self::Sip => "sip",
        }
    }

    /// The dialect of Verto, where it is that.
    #[must_use]
    pub const fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Verto(dialect) => Some(dialect),
            #[cfg(feature = "sip")]
            Self::Sip => None,
        }
    }

    /// Whether it is SIP.
    #[must_use]
    pub const fn is_sip(self) -> bool {
        self.dialect().is_none()
    }

    /// The logins that the server knows.
    #[must_use]
    pub const fn logins(self) -> &'static [LoginKind] {
        match self {
            Self::Verto(dialect) => dialect.logins,
            #[cfg(feature = "sip")]
            Self::Sip => &[LoginKind::Password, LoginKind::Token, LoginKind::Anonymous],
        }
    }

    /// Whether the server is a Telnyx gateway, with regions, instances and call reports.
    #[must_use]
    pub const fn has_gateway(self) -> bool {
        matches!(self, Self::Verto(dialect) if dialect.gateway_fields)
    }

    /// Whether there are assistants to talk with.
    #[must_use]
    pub const fn has_assistants(self) -> bool {
        matches!(self, Self::Verto(dialect) if dialect.assistants)
    }

    /// What the server carries beside calls.
    #[must_use]
    pub const fn carries(self) -> Carries {
        match self {
            Self::Verto(dialect) => Carries {
                headers: dialect.headers,
                late_offer: false,
                client_state: dialect.headers,
                variables: true,
                sip_status: dialect.gateway_fields,
                number_variables: dialect.number_variables,
                trickle: if dialect.trickle {
                    Trickle::OfCall
                } else {
                    Trickle::Never
                },
                echo: dialect.commands,
                push: dialect.gateway_fields,
            },
            #[cfg(feature = "sip")]
            Self::Sip => Carries {
                headers: true,
                late_offer: true,
                client_state: false,
                variables: false,
                sip_status: true,
                number_variables: false,
                trickle: Trickle::OfAccount,
                echo: false,
                push: false,
            },
        }
    }

    /// Whether the server says that a far end rings.
    pub(crate) const fn tells_ringing(self) -> bool {
        match self {
            Self::Verto(dialect) => dialect.tells_ringing,
            #[cfg(feature = "sip")]
            Self::Sip => true,
        }
    }

    /// Whether a description that comes before the answer says nothing yet of sound to be heard, so that a far end may ring beside it
    /// (RFC 3960, section 3.2). Verto's `media` is sent by servers that play something.
    pub(crate) const fn rings_beside_early_media(self) -> bool {
        self.is_sip()
    }

    /// Whether a far end from which nothing comes has lost its way.
    pub(crate) const fn silence_means_loss(self) -> bool {
        matches!(self, Self::Verto(dialect) if dialect.silence_means_loss)
    }

    /// Whether the server hangs up a call that offers new media before its first media is secured.
    pub(crate) const fn answered_when_secured(self) -> bool {
        matches!(self, Self::Verto(dialect) if dialect.answered_when_secured)
    }

    /// How digits go, where nothing else is asked for.
    pub(crate) const fn dtmf(self) -> Dtmf {
        match self {
            Self::Verto(_) => Dtmf::Info,
            #[cfg(feature = "sip")]
            Self::Sip => Dtmf::Rfc4733,
        }
    }
}
