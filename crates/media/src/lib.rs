//! Sound from here to there: ICE, DTLS, SRTP, RTP, codecs, jitter buffer, devices, and the session that joins them.

pub mod audio;
pub mod census;
pub mod codec;
pub mod device;
#[cfg(feature = "driver")]
pub mod driver;
pub mod dtls;
pub mod graph;
pub mod ice;
pub mod jitter;
pub mod media_transport;
pub mod program;
pub mod quality;
pub mod rtp;
pub mod sdp;
pub mod session;
pub mod srtp;
