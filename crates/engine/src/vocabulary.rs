//! The types of the floors below that users of the engine name: who logs in where, names of calls and causes, sound.

pub use offhook_media::device::error::EndpointError;
pub use offhook_media::device::spec::{SinkSpec, SourceSpec, SpecError};
pub use offhook_media::driver::interfaces::{InterfaceChoice, InterfacePattern, NoPattern};
pub use offhook_media::graph::ringback::RingbackTone;
pub use offhook_media::ice::gathering::config::CandidatePolicy;
pub use offhook_media::ice::gathering::probe;
pub use offhook_media::ice::server::{IceServer, RelayCredentials, ServerProtocol, ServerUrlError};
pub use offhook_media::program::AudioCodec;
pub use offhook_media::quality::statistics::Statistics;
pub use offhook_media::sdp::extras::{Extras, Readiness};
pub use offhook_media::sdp::refusal::SdesRefused;
pub use offhook_media::session::policy::{Certificates, MediaPolicy};
pub use offhook_signaling::auth::jwt::{Lifetime, Malformed, subject};
pub use offhook_signaling::auth::login::{Login, LoginKind};
pub use offhook_signaling::backoff::Backoff;
pub use offhook_signaling::call_id::CallId;
pub use offhook_signaling::cause::Cause;
pub use offhook_signaling::command::{InfoItem, ReplacesDialog};
pub use offhook_signaling::event::{
    AssistantEvent, ConferenceChange, Member, Party, PlatformIds, RefusedChannel, SipEnd,
};
pub use offhook_signaling::secret::Secret;
#[cfg(feature = "sip")]
pub use offhook_signaling::sip::config::{DtmfInfo, FlowBackoff, Push, Reliable, SocketToken};
pub use offhook_signaling::transport::connect::ConnectTimings;
pub use offhook_signaling::transport::error::{ConnectError, Fault as ConnectFault, Stage};
pub use offhook_signaling::transport::fingerprint::CertificateFingerprint;
pub use offhook_signaling::transport::identity::{ClientIdentity, IdentityFault};
pub use offhook_signaling::transport::no_proxy::NoProxy;
pub use offhook_signaling::transport::options::ConnectOptions;
pub use offhook_signaling::transport::proxy::Proxy;
pub use offhook_signaling::transport::tls::Trust;
pub use offhook_signaling::variable::Variable;
pub use offhook_signaling::verto::dialect::differences::Dialect;
#[cfg(feature = "freeswitch")]
pub use offhook_signaling::verto::dialect::freeswitch::FREESWITCH;
#[cfg(feature = "telnyx")]
pub use offhook_signaling::verto::dialect::telnyx::TELNYX;
pub use offhook_signaling::verto::session::config::ProxyTarget;
