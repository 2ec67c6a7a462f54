//! RTP and RTCP (RFC 3550) with what telephony adds to them: packets, reports, statistics of both directions, telephone events.

pub mod clock;
pub mod packet;
pub mod receiver;
pub mod rtcp;
pub mod schedule;
pub mod sender;
pub mod telephone_event;
