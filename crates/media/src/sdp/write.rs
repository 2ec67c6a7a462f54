//! Writes our descriptions, in the face that was asked for.

use crate::sdp::codec::Codec;
use crate::sdp::description::{Direction, Fingerprint, IceParameters};
use crate::sdp::face::Face;
use std::net::SocketAddr;

/// All that we say of ourselves in an offer or an answer.
#[derive(Debug, Clone)]
pub struct LocalDescription {
    /// How it looks.
    pub face: Face,
    /// Codecs, preferred first.
    pub codecs: Vec<Codec>,
    /// Offer and accept RFC 4733 events.
    pub telephone_event: bool,
    /// What we want to do with the audio.
    pub direction: Direction,
    /// Our ICE credentials.
    pub ice: IceParameters,
    /// Values of `a=candidate` lines, from `candidate:` on (a leading `a=` is taken off).
    pub candidates: Vec<String>,
    /// Address for `c=` and `m=`: that of the default candidate. Without one 0.0.0.0 and port 9 are written (trickle).
    pub default_address: Option<SocketAddr>,
    /// No more candidates follow.
    pub complete: bool,
    /// Of our certificate.
    pub fingerprint: Fingerprint,
    /// Our source.
    pub ssrc: u32,
    /// Its canonical name.
    pub cname: String,
    /// Stream and track names of `a=msid`.
    pub msid: Msid,
}

/// Names of our stream and track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Msid {
    /// Stream.
    pub stream: String,
    /// Track.
    pub track: String,
}
