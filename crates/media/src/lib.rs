//! Sound from here to there: ICE, DTLS, SRTP, RTP, codecs, jitter buffer, devices, and the session that joins them.

pub mod program;
