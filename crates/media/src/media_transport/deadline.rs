//! The deadlines of a transport, by name.

/// Which deadline asked to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Deadline {
    /// The next connectivity check, keepalive or their repeat (RFC 8445, section 14; RFC 7675): 20 ms to 3 s.
    IceCheck,
    /// No pair works: `TransportLimits::ice` after `set_remote`, or after the path was lost.
    IceGiveUp,
    /// Repeat of an unanswered DTLS flight (RFC 6347, section 4.2.4): `TransportLimits::dtls_retransmit`.
    DtlsRetransmit,
    /// DTLS is not done: `TransportLimits::dtls` after the first working pair.
    DtlsGiveUp,
}
