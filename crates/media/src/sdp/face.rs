//! How our own SDP looks: values of differences between a browser's and a media server's way of writing it.

use std::net::{IpAddr, Ipv4Addr};

/// A way of writing SDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Face {
    /// User name in `o=`.
    pub origin_user: &'static str,
    /// `s=`.
    pub session_name: &'static str,
    /// Transport protocol in our offers; answers repeat the offered one.
    pub protocol: &'static str,
    /// `a=mid:0` in offers.
    pub mid: bool,
    /// `a=group:BUNDLE 0` in offers.
    pub group: bool,
    /// Answers repeat mid and group of the offer.
    pub echo_mid: bool,
    /// `a=msid-semantic: WMS` and the stream it names.
    pub msid_semantic: Option<&'static str>,
    /// `a=msid`.
    pub msid: bool,
    /// Candidates of component 2 at the same address in offers.
    pub component_2: bool,
    /// `a=ice-options:ice2`, which an agent of RFC 8445 says of itself (RFC 8839 section 6.1).
    pub ice2: bool,
    /// `a=end-of-candidates` in offers.
    pub end_of_candidates: bool,
    /// `a=silenceSupp:off - - - -`.
    pub silence_suppression: bool,
    /// The four old `a=ssrc` lines (cname, msid, mslabel, label) in place of cname only.
    pub long_ssrc: bool,
    /// Payload type of Opus in offers.
    pub opus_payload_type: u8,
    /// `a=fmtp` of Opus.
    pub opus_parameters: &'static str,
    /// Payload type of telephone-event/48000 in offers.
    pub event_48000: Option<u8>,
    /// Payload type of telephone-event/8000 in offers.
    pub event_8000: Option<u8>,
    /// Answers name the one codec in use, not all in common.
    pub answer_one_codec: bool,
    /// `o=` names the default address; otherwise 127.0.0.1, which says nothing of us.
    pub origin_names_address: bool,
}

impl Face {
    /// As a browser writes it: what every gateway for browsers is tested with. The default.
    pub const BROWSER: Self = Self {
        origin_user: "-",
        session_name: "-",
        protocol: "UDP/TLS/RTP/SAVPF",
        mid: true,
        group: true,
        echo_mid: true,
        msid_semantic: None,
        msid: true,
        component_2: false,
        ice2: true,
        end_of_candidates: true,
        silence_suppression: false,
        long_ssrc: false,
        opus_payload_type: 111,
        opus_parameters: "minptime=10;useinbandfec=1",
        event_48000: Some(110),
        event_8000: Some(126),
        answer_one_codec: false,
        origin_names_address: false,
    };

    /// As FreeSWITCH writes it in verto.
    pub const FREESWITCH: Self = Self {
        origin_user: "FreeSWITCH",
        session_name: "FreeSWITCH",
        protocol: "RTP/SAVPF",
        mid: false,
        group: false,
        echo_mid: false,
        msid_semantic: Some("WMS"),
        msid: false,
        component_2: true,
        ice2: false,
        end_of_candidates: false,
        silence_suppression: true,
        long_ssrc: true,
        opus_payload_type: 102,
        opus_parameters: "useinbandfec=1",
        event_48000: None,
        event_8000: None,
        answer_one_codec: true,
        origin_names_address: true,
    };

    /// As the Telnyx gateway writes it: FreeSWITCH's form with a mid and an end of candidates, still without a group.
    pub const TELNYX: Self = Self {
        mid: true,
        echo_mid: true,
        end_of_candidates: true,
        event_8000: Some(101),
        ..Self::FREESWITCH
    };

    pub(crate) fn origin_address(&self, default: Option<IpAddr>) -> IpAddr {
        default
            .filter(|_| self.origin_names_address)
            .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }
}

impl Default for Face {
    fn default() -> Self {
        Self::BROWSER
    }
}
