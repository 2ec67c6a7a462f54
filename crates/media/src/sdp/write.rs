//! Writes our descriptions, in the face that was asked for.

use crate::dtls::fingerprint::Fingerprint;
use crate::dtls::setup::Setup;
use crate::ice::candidate::Candidate;
use crate::ice::credentials::IceCredentials;
use crate::program::AudioCodec;
use crate::sdp::codec;
use crate::sdp::concessions::Concessions;
use crate::sdp::direction::Direction;
use crate::sdp::extmap::{HeaderExtensions, Wanted};
use crate::sdp::extras::{ExtendedReports, Extras};
use crate::sdp::face::Face;
use crate::sdp::origin::Origin;
use crate::sdp::refusal::SdesRefused;
use crate::sdp::sdes::{OFFERED, OFFERED_TAG, OwnMaterial};
use crate::srtp::profile::SrtpProfile;
use std::borrow::Cow;
use std::fmt::{Display, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use zeroize::Zeroizing;

/// Mid of our section when the far end named none.
const DEFAULT_MID: &str = "0";
/// Payload type of RED in our offers, as browsers have it.
pub(crate) const REDUNDANCY_PAYLOAD_TYPE: u8 = 63;
/// Payload type of comfort noise at 8 kHz (RFC 3551 table 4).
pub(crate) const COMFORT_NOISE_PAYLOAD_TYPE: u8 = 13;
/// Length of our packets, and of those we want.
const PACKET_TIME_MS: u16 = 20;

/// All that we say of ourselves in an offer or an answer.
#[derive(Debug, Clone)]
pub struct LocalDescription {
    /// How it looks.
    pub face: Face,
    /// Codecs, preferred first.
    pub codecs: Vec<AudioCodec>,
    /// Offer and accept RFC 4733 events.
    pub telephone_event: bool,
    /// What we are ready to agree on beyond that.
    pub extras: Extras,
    /// What we want to do with the audio.
    pub direction: Direction,
    /// Our ICE credentials.
    pub credentials: IceCredentials,
    /// Our candidates of component 1.
    pub candidates: Vec<Candidate>,
    /// Our candidates of component 2, for a far end that wants RTCP on a port of its own; mostly none.
    pub rtcp_candidates: Vec<Candidate>,
    /// Address for `c=` and `m=`: that of the default candidate. Without one 0.0.0.0 and port 9 are written, which some
    /// gateways take for hold: gather first.
    pub default_address: Option<SocketAddr>,
    /// The same for a far end without ICE: one that needs no relay.
    pub direct_address: Option<SocketAddr>,
    /// What a far end may lack of WebRTC.
    pub concessions: Concessions,
    /// What it lacks, as agreed before: later offers are made for it.
    pub lacks: Concessions,
    /// No more candidates follow; otherwise trickle is announced.
    pub complete: bool,
    /// Of our certificate.
    pub fingerprint: Fingerprint,
    /// A far end that has nothing better than a fingerprint of sha-1 is accepted.
    pub sha1_fingerprints: bool,
    /// What our key inside of a description is made of, where such are accepted; or why not (SDES, RFC 4568).
    pub sdes: Result<OwnMaterial, SdesRefused>,
    /// SRTP profiles for that, preferred first.
    pub profiles: Vec<SrtpProfile>,
    /// Name of our DTLS association, 20 to 255 characters (RFC 8842, section 4): answered where the offer has one.
    pub tls_id: String,
    /// Our source.
    pub ssrc: u32,
    /// Its canonical name, and with [`Msid`] the names of what we send.
    pub cname: String,
    /// Names of our stream and track.
    pub msid: Msid,
    /// Mid of our section in an offer after the first: what was agreed on. `None` = "0".
    pub mid: Option<String>,
}

/// Names of our stream and track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Msid {
    /// Stream.
    pub stream: String,
    /// Track.
    pub track: String,
}

impl LocalDescription {
    /// The payload type that our offers give a codec.
    pub(crate) fn payload_type(&self, codec: AudioCodec) -> u8 {
        match codec {
            AudioCodec::Opus => self.face.opus_payload_type,
            AudioCodec::G722 => 9,
            AudioCodec::Pcmu => 0,
            AudioCodec::Pcma => 8,
        }
    }

    /// RED stands in our offers.
    pub(crate) fn offers_redundancy(&self) -> bool {
        self.extras.redundancy.offers() && self.codecs.contains(&AudioCodec::Opus)
    }

    /// The header extensions of our offers. A section in a bundle names itself in its packets (RFC 9143 section 15.2).
    pub(crate) fn offered_extensions(&self) -> HeaderExtensions {
        HeaderExtensions::offered(Wanted {
            audio_level: self.extras.audio_level.offers(),
            mid: self.face.mid && self.face.group,
        })
    }

    /// The telephone events of our offers: payload type and clock. One per clock of the codecs; 8000 always, since gateways use it
    /// beside Opus too.
    pub(crate) fn telephone_events(&self) -> impl Iterator<Item = (u8, u32)> {
        let wide = self
            .face
            .event_48000
            .filter(|_| self.codecs.contains(&AudioCodec::Opus));
        let narrow = self.face.event_8000;
        let both = [
            wide.map(|kind| (kind, 48_000)),
            narrow.map(|kind| (kind, 8_000)),
        ];
        both.into_iter().flatten().filter(|_| self.telephone_event)
    }
}

/// One payload type of a section.
#[derive(Debug, Clone)]
pub(crate) struct Format {
    pub(crate) payload_type: u8,
    pub(crate) rtpmap: String,
    pub(crate) parameters: Option<Cow<'static, str>>,
}

impl Format {
    pub(crate) fn audio(face: &Face, codec: AudioCodec, payload_type: u8) -> Self {
        let parameters = match codec {
            AudioCodec::Opus => Some(Cow::Borrowed(face.opus_parameters)),
            AudioCodec::G722 | AudioCodec::Pcmu | AudioCodec::Pcma => None,
        };
        Self {
            payload_type,
            rtpmap: codec::rtpmap(codec).to_owned(),
            parameters,
        }
    }

    pub(crate) fn telephone_event(payload_type: u8, clock_rate: u32) -> Self {
        Self {
            payload_type,
            rtpmap: format!("telephone-event/{clock_rate}"),
            parameters: Some(Cow::Borrowed("0-15")),
        }
    }

    /// RED with one level of redundancy (RFC 2198 section 5).
    pub(crate) fn redundancy(payload_type: u8, of: u8) -> Self {
        Self {
            payload_type,
            rtpmap: "red/48000/2".to_owned(),
            parameters: Some(Cow::Owned(format!("{of}/{of}"))),
        }
    }

    pub(crate) fn comfort_noise(payload_type: u8) -> Self {
        Self {
            payload_type,
            rtpmap: "CN/8000".to_owned(),
            parameters: None,
        }
    }
}

/// What differs between an offer and an answer in our section.
pub(crate) struct Section<'a> {
    pub(crate) protocol: &'a str,
    pub(crate) formats: Vec<Format>,
    pub(crate) mid: Option<&'a str>,
    /// ICE's lines stand in it.
    pub(crate) ice: bool,
    /// `None`: keys stand in the description, or there are none, and there is no DTLS.
    pub(crate) setup: Option<Setup>,
    /// Value of `a=crypto`.
    pub(crate) crypto: Option<Zeroizing<String>>,
    /// Ours, where the far end said its own.
    pub(crate) tls_id: Option<&'a str>,
    pub(crate) direction: Direction,
    pub(crate) rtcp_mux: bool,
    pub(crate) rtcp_reduced_size: bool,
    pub(crate) extended_reports: bool,
    pub(crate) extensions: HeaderExtensions,
    pub(crate) extensions_mixed: bool,
    /// List component 2 at the same address.
    pub(crate) component_2: bool,
}

/// A section that is refused, as it stands in the offer.
pub(crate) struct RefusedSection<'a> {
    pub(crate) kind: &'a str,
    pub(crate) protocol: &'a str,
    pub(crate) format: &'a str,
    pub(crate) mid: Option<&'a str>,
}

/// Text of a description, line by line.
pub(crate) struct Text(String);

impl Text {
    /// Everything but `v=` and `o=`, which [`Text::finish`] puts in front.
    pub(crate) fn new(local: &LocalDescription, bundled_mid: Option<&str>) -> Self {
        let mut text = Self(String::with_capacity(1536));
        text.line("s=", local.face.session_name);
        text.line("t=", "0 0");
        if let Some(mid) = bundled_mid {
            text.line("a=group:BUNDLE ", mid);
        }
        if let Some(semantic) = local.face.msid_semantic {
            text.line(
                "a=msid-semantic: ",
                format_args!("{semantic} {}", local.msid.stream),
            );
        }
        text
    }

    pub(crate) fn section(&mut self, local: &LocalDescription, section: &Section<'_>) {
        let address = if section.ice {
            local.default_address
        } else {
            local.direct_address
        };
        let address = address.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 9)));
        let connection = connection(address.ip());
        let mut formats = String::new();
        for format in &section.formats {
            // Writing into a String cannot fail.
            let _ = write!(formats, " {}", format.payload_type);
        }
        self.line(
            "m=audio ",
            format_args!("{} {}{formats}", address.port(), section.protocol),
        );
        self.line("c=", &connection);
        let rtcp = local.rtcp_candidates.first().map(|first| first.addr);
        let rtcp = rtcp.filter(|_| !section.rtcp_mux).unwrap_or(address);
        let port = rtcp.port();
        self.line(
            "a=rtcp:",
            format_args!("{port} {}", self::connection(rtcp.ip())),
        );
        for format in &section.formats {
            self.line(
                "a=rtpmap:",
                format_args!("{} {}", format.payload_type, format.rtpmap),
            );
            if let Some(parameters) = &format.parameters {
                self.line(
                    "a=fmtp:",
                    format_args!("{} {parameters}", format.payload_type),
                );
            }
        }
        if local.face.silence_suppression {
            self.line("a=silenceSupp:", "off - - - -");
        }
        self.line("a=ptime:", PACKET_TIME_MS);
        self.line("a=", section.direction);
        if let Some(mid) = section.mid {
            self.line("a=mid:", mid);
        }
        if section.ice {
            self.line("a=ice-ufrag:", &local.credentials.ufrag);
            self.line("a=ice-pwd:", &local.credentials.pwd);
            if !local.complete {
                self.line("a=ice-options:", "trickle");
            }
        }
        if let Some(setup) = section.setup {
            self.line("a=fingerprint:", &local.fingerprint);
            self.line("a=setup:", setup);
        }
        if let Some(crypto) = &section.crypto {
            self.line("a=crypto:", crypto.as_str());
        }
        if let Some(tls_id) = section.tls_id {
            self.line("a=tls-id:", tls_id);
        }
        if section.rtcp_mux {
            self.line("a=rtcp-mux", "");
        }
        if section.rtcp_reduced_size {
            self.line("a=rtcp-rsize", "");
        }
        if section.extended_reports {
            self.line("a=rtcp-xr:", ExtendedReports::WANTED);
        }
        for extension in section.extensions.lines() {
            self.line("a=extmap:", extension);
        }
        if section.extensions_mixed {
            self.line("a=extmap-allow-mixed", "");
        }
        self.source(local);
        if section.ice {
            self.candidates(local, section.component_2);
        }
    }

    fn source(&mut self, local: &LocalDescription) {
        let LocalDescription {
            face,
            ssrc,
            cname,
            msid: Msid { stream, track },
            ..
        } = local;
        if face.msid {
            self.line("a=msid:", format_args!("{stream} {track}"));
        }
        self.line("a=ssrc:", format_args!("{ssrc} cname:{cname}"));
        if face.long_ssrc {
            self.line("a=ssrc:", format_args!("{ssrc} msid:{stream} {track}"));
            self.line("a=ssrc:", format_args!("{ssrc} mslabel:{stream}"));
            self.line("a=ssrc:", format_args!("{ssrc} label:{track}"));
        }
    }

    fn candidates(&mut self, local: &LocalDescription, component_2: bool) {
        let apart = !local.rtcp_candidates.is_empty();
        for candidate in local.candidates.iter().chain(&local.rtcp_candidates) {
            self.line("a=candidate:", format_args!("{candidate} generation 0"));
            if component_2 && !apart {
                let second = Candidate {
                    component: 2,
                    priority: candidate.priority.saturating_sub(1),
                    ..candidate.clone()
                };
                self.line("a=candidate:", format_args!("{second} generation 0"));
            }
        }
        if local.complete && local.face.end_of_candidates {
            self.line("a=end-of-candidates", "");
        }
    }

    pub(crate) fn refused_section(&mut self, section: &RefusedSection<'_>) {
        self.line(
            "m=",
            format_args!("{} 0 {} {}", section.kind, section.protocol, section.format),
        );
        self.line("c=", "IN IP4 0.0.0.0");
        if let Some(mid) = section.mid {
            self.line("a=mid:", mid);
        }
        self.line("a=", Direction::Inactive);
    }

    /// Puts `v=` and `o=` in front; the version grows when the rest differs from that of the last description.
    pub(crate) fn finish(self, local: &LocalDescription, origin: &mut Origin) -> String {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        origin.advance(hasher.finish());
        let address = local
            .face
            .origin_address(local.default_address.map(|address| address.ip()));
        let (user, id, version) = (
            local.face.origin_user,
            origin.session_id(),
            origin.version(),
        );
        format!(
            "v=0\r\no={user} {id} {version} {}\r\n{}",
            connection(address),
            self.0
        )
    }

    fn line(&mut self, name: &str, value: impl Display) {
        // Writing into a String cannot fail.
        let _ = write!(self.0, "{name}{value}\r\n");
    }
}

/// Our offer's section.
pub(crate) fn offered_section(local: &LocalDescription) -> Section<'_> {
    let mut formats: Vec<_> = local
        .codecs
        .iter()
        .map(|codec| Format::audio(&local.face, *codec, local.payload_type(*codec)))
        .collect();
    if local.offers_redundancy() {
        let of = local.payload_type(AudioCodec::Opus);
        formats.insert(0, Format::redundancy(REDUNDANCY_PAYLOAD_TYPE, of));
    }
    if local.extras.comfort_noise.offers() {
        formats.push(Format::comfort_noise(COMFORT_NOISE_PAYLOAD_TYPE));
    }
    formats.extend(
        local
            .telephone_events()
            .map(|(kind, clock_rate)| Format::telephone_event(kind, clock_rate)),
    );
    let encrypted = !local.lacks.no_encryption;
    let crypto = local.sdes.as_ref().ok().filter(|_| encrypted);
    Section {
        protocol: match crypto {
            _ if !encrypted => "RTP/AVP",
            // Who has no DTLS does not know the name of its protocol.
            Some(_) => "RTP/SAVPF",
            None => local.face.protocol,
        },
        ice: !local.lacks.no_ice,
        formats,
        mid: local
            .face
            .mid
            .then(|| local.mid.as_deref().unwrap_or(DEFAULT_MID)),
        setup: encrypted.then_some(Setup::ActPass),
        crypto: crypto.map(|material| material.line(OFFERED_TAG, OFFERED)),
        // Servers of old do not know it, and without it every change says the same.
        tls_id: None,
        direction: local.direction,
        rtcp_mux: true,
        rtcp_reduced_size: local.extras.reduced_size.offers(),
        extended_reports: local.extras.voip_metrics.offers(),
        extensions: local.offered_extensions(),
        extensions_mixed: false,
        component_2: local.face.component_2,
    }
}

fn connection(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => format!("IN IP4 {ip}"),
        IpAddr::V6(ip) => format!("IN IP6 {ip}"),
    }
}
