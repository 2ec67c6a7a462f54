//! Writes our descriptions, in the face that was asked for.

use crate::dtls::fingerprint::Fingerprint;
use crate::dtls::setup::Setup;
use crate::ice::candidate::Candidate;
use crate::ice::credentials::IceCredentials;
use crate::program::AudioCodec;
use crate::sdp::bindings::{Bindings, Encoding};
use crate::sdp::codec;
use crate::sdp::concessions::Concessions;
use crate::sdp::direction::Direction;
use crate::sdp::extmap::{HeaderExtensions, Wanted};
use crate::sdp::extras::{ExtendedReports, Extras};
use crate::sdp::face::Face;
use crate::sdp::origin::Origin;
use crate::sdp::refusal::SdesRefused;
use crate::sdp::sdes::{OFFERED, OFFERED_TAG, OwnMaterial};
use crate::sdp::sections::{RefusedSection, Sections};
use crate::srtp::profile::SrtpProfile;
use std::borrow::Cow;
use std::fmt::{Display, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use zeroize::Zeroizing;

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
    /// The sections of the session, as agreed before.
    pub sections: Sections,
    /// What the numbers of our section stand for, as agreed before.
    pub bindings: Bindings,
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
    /// What our offers name, and the numbers for it; those of the call so far, with what is new in the offer.
    pub(crate) fn offered(&self) -> (Offered, Bindings) {
        let mut bindings = self.bindings.clone();
        let offered =
            Offered {
                codecs: self
                    .codecs
                    .iter()
                    .map(|codec| {
                        let usual = match codec {
                            AudioCodec::Opus => self.face.opus_payload_type,
                            AudioCodec::G722 => 9,
                            AudioCodec::Pcmu => 0,
                            AudioCodec::Pcma => 8,
                        };
                        (
                            *codec,
                            bindings.payload_type(Encoding::Audio(*codec), usual),
                        )
                    })
                    .collect(),
                redundancy: self
                    .offers_redundancy()
                    .then(|| bindings.payload_type(Encoding::Redundancy, REDUNDANCY_PAYLOAD_TYPE)),
                comfort_noise: self.extras.comfort_noise.offers().then(|| {
                    bindings.payload_type(Encoding::ComfortNoise, COMFORT_NOISE_PAYLOAD_TYPE)
                }),
                telephone_events: self
                    .telephone_events()
                    .map(|(usual, clock_rate)| {
                        let encoding = Encoding::TelephoneEvent(clock_rate);
                        (bindings.payload_type(encoding, usual), clock_rate)
                    })
                    .collect(),
                extensions: self.offered_extensions(&mut bindings),
            };
        (offered, bindings)
    }

    /// RED stands in our offers.
    fn offers_redundancy(&self) -> bool {
        self.extras.redundancy.offers() && self.codecs.contains(&AudioCodec::Opus)
    }

    /// The header extensions of our offers. A section in a bundle names itself in its packets (RFC 9143 section 15.2).
    fn offered_extensions(&self, bindings: &mut Bindings) -> HeaderExtensions {
        let wanted = Wanted {
            audio_level: self.extras.audio_level.offers(),
            mid: self.face.mid && self.face.group,
        };
        HeaderExtensions::offered(wanted, bindings)
    }

    /// The telephone events of our offers: usual payload type and clock. One per clock of the codecs; 8000 always, since gateways use it
    /// beside Opus too.
    fn telephone_events(&self) -> impl Iterator<Item = (u8, u32)> {
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

/// What an offer of ours names, under its numbers.
#[derive(Debug)]
pub(crate) struct Offered {
    pub(crate) codecs: Vec<(AudioCodec, u8)>,
    pub(crate) redundancy: Option<u8>,
    pub(crate) comfort_noise: Option<u8>,
    /// Payload type and clock.
    pub(crate) telephone_events: Vec<(u8, u32)>,
    pub(crate) extensions: HeaderExtensions,
}

impl Offered {
    pub(crate) fn payload_type(&self, codec: AudioCodec) -> Option<u8> {
        let known = self.codecs.iter().find(|(known, _)| *known == codec);
        known.map(|(_, number)| *number)
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

    /// Our section in its place among those that are refused.
    pub(crate) fn sections(
        &mut self,
        local: &LocalDescription,
        sections: &Sections,
        ours: &Section<'_>,
    ) {
        for refused in &sections.before {
            self.refused_section(local, refused);
        }
        self.section(local, ours);
        for refused in &sections.after {
            self.refused_section(local, refused);
        }
    }

    fn section(&mut self, local: &LocalDescription, section: &Section<'_>) {
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
            let options = match (local.face.ice2, !local.complete) {
                (true, true) => Some("ice2 trickle"),
                (true, false) => Some("ice2"),
                (false, true) => Some("trickle"),
                (false, false) => None,
            };
            if let Some(options) = options {
                self.line("a=ice-options:", options);
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

    fn refused_section(&mut self, local: &LocalDescription, section: &RefusedSection) {
        self.line(
            "m=",
            format_args!("{} 0 {} {}", section.kind, section.protocol, section.format),
        );
        self.line("c=", "IN IP4 0.0.0.0");
        let mid = section.mid.as_ref().filter(|_| local.face.echo_mid);
        if let Some(mid) = mid {
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
pub(crate) fn offered_section<'a>(local: &'a LocalDescription, mid: &'a str) -> Section<'a> {
    let (offered, _) = local.offered();
    let mut formats: Vec<_> = offered
        .codecs
        .iter()
        .map(|(codec, number)| Format::audio(&local.face, *codec, *number))
        .collect();
    let opus = offered.payload_type(AudioCodec::Opus);
    if let (Some(number), Some(of)) = (offered.redundancy, opus) {
        formats.insert(0, Format::redundancy(number, of));
    }
    formats.extend(offered.comfort_noise.map(Format::comfort_noise));
    let events = offered.telephone_events.iter();
    formats
        .extend(events.map(|(number, clock_rate)| Format::telephone_event(*number, *clock_rate)));
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
        mid: local.face.mid.then_some(mid),
        setup: encrypted.then_some(Setup::ActPass),
        crypto: crypto.map(|material| material.line(OFFERED_TAG, OFFERED)),
        // Servers of old do not know it, and without it every change says the same.
        tls_id: None,
        direction: local.direction,
        rtcp_mux: true,
        rtcp_reduced_size: local.extras.reduced_size.offers(),
        extended_reports: local.extras.voip_metrics.offers(),
        extensions: offered.extensions,
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
