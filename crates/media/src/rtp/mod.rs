//! RTP and RTCP (RFC 3550) with what telephony adds to them: packets, reports, statistics of both directions, telephone events.

pub mod audio_level;
pub mod bursts;
pub mod clock;
pub mod extended_report;
pub mod packet;
pub mod receiver;
pub mod redundancy;
pub mod rtcp;
pub mod schedule;
pub mod sender;
pub mod telephone_event;
