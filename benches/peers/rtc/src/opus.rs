//! What both stacks of this family are told of the load: Opus, and a track of it.

use rtc::interceptor::Registry;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MediaEngine};
use rtc::rtp::header::Header;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RtpCodecKind,
};
use rtc::shared::error::Error;

const PAYLOAD_TYPE: u8 = 111;

fn codec() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.to_owned(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
        rtcp_feedback: vec![],
    }
}

/// The one codec, and the interceptors that the stack has by default.
///
/// # Errors
/// What the stack says.
pub fn media() -> Result<(MediaEngine, Registry), Error> {
    let mut media = MediaEngine::default();
    let parameters = RTCRtpCodecParameters {
        rtp_codec: codec(),
        payload_type: PAYLOAD_TYPE,
    };
    media.register_codec(parameters, RtpCodecKind::Audio)?;
    let registry = register_default_interceptors(Registry::new(), &mut media)?;
    Ok((media, registry))
}

/// A track with that source.
pub fn track(ssrc: u32) -> MediaStreamTrack {
    let coding = RTCRtpCodingParameters {
        ssrc: Some(ssrc),
        ..Default::default()
    };
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: coding,
        codec: codec(),
        ..Default::default()
    };
    let name = format!("end-{ssrc}");
    let (stream, track) = (name.clone(), name.clone());
    MediaStreamTrack::new(stream, track, name, RtpCodecKind::Audio, vec![encoding])
}

/// The header of that slot's packet.
pub fn header(ssrc: u32, slot: u64) -> Header {
    Header {
        version: 2,
        marker: slot == 0,
        payload_type: PAYLOAD_TYPE,
        sequence_number: slot as u16,
        timestamp: (slot * 960) as u32,
        ssrc,
        ..Default::default()
    }
}
