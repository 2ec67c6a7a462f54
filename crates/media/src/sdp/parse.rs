//! Reads a description tolerantly: telephony's odd shapes pass, and what could hurt us is bounded before anything is allocated.

use crate::dtls::fingerprint::{Fingerprint, FingerprintError};
use crate::dtls::setup::Setup;
use crate::ice::candidate::{Candidate, CandidateError, Ignorable};
use crate::ice::mdns::NamedCandidate;
use crate::sdp::codec;
use crate::sdp::direction::Direction;
use crate::sdp::extmap::{ExtMap, MAX_EXTENSIONS};
use crate::sdp::refusal::Refusal;
use crate::sdp::sdes::{CryptoLine, MAX_LINES as MAX_CRYPTO_LINES};
use std::net::{IpAddr, SocketAddr};

/// Longest description that is read, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;
/// Most lines.
pub const MAX_LINES: usize = 2048;
/// Most media sections.
pub const MAX_SECTIONS: usize = 32;
/// Most candidates of one section that are kept; the rest is left aside.
pub const MAX_CANDIDATES: usize = 64;
/// Most formats of one section, and lines about them; the rest is left aside.
pub const MAX_FORMATS: usize = 64;
/// Most fingerprints of one section that are kept; the rest is left aside.
const MAX_FINGERPRINTS: usize = 8;

/// A description, borrowed from its text.
#[derive(Debug)]
pub struct Description<'a> {
    /// Attributes before the first section, which hold for all that do not say otherwise.
    pub session: Attributes<'a>,
    /// The media sections in order.
    pub media: Vec<Media<'a>>,
    /// `a=group:BUNDLE` values: the mids of each group, as they stand.
    pub bundles: Vec<&'a str>,
}

/// One media section.
#[derive(Debug)]
pub struct Media<'a> {
    /// `audio`, `video`, ...
    pub kind: &'a str,
    /// 0 = refused or, with `bundle_only`, shared.
    pub port: u16,
    /// `UDP/TLS/RTP/SAVPF`, ...
    pub protocol: &'a str,
    /// Payload types (or whatever the protocol uses) as they stand.
    pub formats: Vec<&'a str>,
    /// Its own attributes.
    pub attributes: Attributes<'a>,
    /// `a=rtpmap` lines.
    pub rtpmaps: Vec<RtpMap<'a>>,
    /// `a=fmtp` lines: payload type and parameters.
    pub parameters: Vec<(u8, &'a str)>,
    /// `a=mid`.
    pub mid: Option<&'a str>,
    /// `a=bundle-only`.
    pub bundle_only: bool,
    /// `a=rtcp-mux`.
    pub rtcp_mux: bool,
    /// `a=ice-mismatch`: our default address is none of our candidates any more, so ICE is not used here (RFC 8839 section 4.2.5).
    pub ice_mismatch: bool,
    /// `a=rtcp-rsize`.
    pub rtcp_reduced_size: bool,
    /// `a=ptime` in ms.
    pub packet_time_ms: Option<u16>,
    /// Candidates of component 1 that may be paired.
    pub candidates: Vec<Candidate>,
    /// Those of component 1 whose address hides behind a name.
    pub named_candidates: Vec<NamedCandidate>,
    /// `a=rtcp`: port and, where it has one, address (RFC 3605).
    pub rtcp: Option<(u16, Option<IpAddr>)>,
    /// Those of component 2, which a far end that does not multiplex RTCP takes it on.
    pub rtcp_candidates: Vec<Candidate>,
    /// `a=crypto` (SDES) is there.
    pub sdes: bool,
    /// Such lines that can be used, in order.
    pub crypto: Vec<CryptoLine>,
}

/// `a=rtpmap:PAYLOAD_TYPE NAME/CLOCK`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpMap<'a> {
    /// 0 to 127.
    pub payload_type: u8,
    /// Encoding name as it stands.
    pub name: &'a str,
    /// In Hz.
    pub clock_rate: u32,
}

/// What may stand at session level and in a section.
#[derive(Debug, Default)]
pub struct Attributes<'a> {
    /// `a=ice-ufrag`.
    pub ufrag: Option<&'a str>,
    /// `a=ice-pwd`.
    pub pwd: Option<&'a str>,
    /// `a=ice-lite`.
    pub ice_lite: bool,
    /// `a=end-of-candidates`.
    pub end_of_candidates: bool,
    /// Usable `a=fingerprint` lines.
    pub fingerprints: Vec<Fingerprint>,
    /// `a=fingerprint` lines of sha-1, for those who allow it.
    pub sha1_fingerprints: Vec<Fingerprint>,
    /// Names of hashes that cannot be used, sha-1 among them.
    pub weak_hashes: Vec<String>,
    /// `a=setup`.
    pub setup: Option<SetupLine<'a>>,
    /// `a=tls-id` (RFC 8842, section 4).
    pub tls_id: Option<&'a str>,
    /// `a=rtcp-xr` (RFC 3611 section 5.1), as it stands.
    pub extended_reports: Option<&'a str>,
    /// `a=extmap` lines (RFC 8285 section 5).
    pub extensions: Vec<ExtMap<'a>>,
    /// `a=extmap-allow-mixed`: one-byte and two-byte forms may come by turns (RFC 8285 section 4.1.2).
    pub extensions_mixed: bool,
    /// The last direction line.
    pub direction: Option<Direction>,
    /// Address of `c=`, where it is a literal one.
    pub connection: Option<IpAddr>,
}

/// `a=setup` as it stands and as we understand it.
#[derive(Debug, Clone, Copy)]
pub struct SetupLine<'a> {
    /// The value.
    pub value: &'a str,
    /// `None` for `holdconn` and what nobody knows.
    pub setup: Option<Setup>,
}

impl<'a> Description<'a> {
    /// Reads a description. Lines end in CRLF or LF; unknown lines and attributes are passed over.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`], [`Refusal::TooMany`] or [`Refusal::Malformed`].
    pub fn parse(text: &'a str) -> Result<Self, Refusal> {
        if text.len() > MAX_BYTES {
            return Err(Refusal::TooLarge {
                bytes: text.len(),
                limit: MAX_BYTES,
            });
        }
        if text.bytes().filter(|byte| *byte == b'\n').count() >= MAX_LINES {
            return Err(Refusal::TooMany {
                what: "lines",
                limit: MAX_LINES,
            });
        }
        let mut description = Self {
            session: Attributes::default(),
            media: Vec::new(),
            bundles: Vec::new(),
        };
        let mut seen_version = false;
        for (index, line) in text.lines().enumerate() {
            let line = Line {
                number: index + 1,
                text: line.trim(),
            };
            if line.text.is_empty() {
                continue;
            }
            let (kind, value) = line
                .text
                .split_once('=')
                .ok_or_else(|| line.malformed("a line without '='"))?;
            if !seen_version {
                if kind != "v" || value.trim() != "0" {
                    return Err(line.malformed("the first line is not v=0"));
                }
                seen_version = true;
                continue;
            }
            description.line(kind, value.trim_start(), &line)?;
        }
        if !seen_version {
            return Err(Refusal::Malformed {
                line: 1,
                fault: "it is empty",
            });
        }
        description.share_transports();
        Ok(description)
    }

    /// What a bundle's first section says of the transport holds for the others, which may leave it out (RFC 9143 section 7.1.3).
    fn share_transports(&mut self) {
        for bundle in &self.bundles {
            let mut mids = bundle.split_ascii_whitespace();
            let tagged = mids.next();
            let is_tagged = |media: &&Media<'_>| media.mid.is_some() && media.mid == tagged;
            let Some(transport) = self.media.iter().find(is_tagged).map(Transport::of) else {
                continue;
            };
            for media in &mut self.media {
                let is_bundled = mids.clone().any(|mid| media.mid == Some(mid));
                let own = media.attributes.ufrag;
                if is_bundled && (own.is_none() || own == transport.ufrag) {
                    transport.complete(media);
                }
            }
        }
    }

    fn line(&mut self, kind: &str, value: &'a str, line: &Line<'_>) -> Result<(), Refusal> {
        match kind {
            "m" => {
                if self.media.len() >= MAX_SECTIONS {
                    return Err(Refusal::TooMany {
                        what: "media sections",
                        limit: MAX_SECTIONS,
                    });
                }
                self.media.push(Media::parse(value, line)?);
                Ok(())
            }
            "c" => {
                let attributes = self
                    .media
                    .last_mut()
                    .map_or(&mut self.session, |media| &mut media.attributes);
                attributes.connection = connection_address(value);
                Ok(())
            }
            "a" => {
                let (name, value) = value
                    .split_once(':')
                    .map_or((value, ""), |(name, value)| (name, value.trim()));
                if let Some(media) = self.media.last_mut() {
                    return media.attribute(name, value, line);
                }
                if name == "group" {
                    if let Some(mids) = value.strip_prefix("BUNDLE") {
                        self.bundles.push(mids.trim_start());
                    }
                    return Ok(());
                }
                self.session.attribute(name, value, line)
            }
            _ => Ok(()),
        }
    }

    /// Whether the section of this mid is in a bundle group.
    #[must_use]
    pub fn is_bundled(&self, mid: &str) -> bool {
        self.bundles
            .iter()
            .any(|mids| mids.split_ascii_whitespace().any(|other| other == mid))
    }

    /// Credentials of a section, or of the session.
    #[must_use]
    pub fn credentials(&self, media: &Media<'a>) -> Option<(&'a str, &'a str)> {
        let ufrag = media.attributes.ufrag.or(self.session.ufrag)?;
        let pwd = media.attributes.pwd.or(self.session.pwd)?;
        Some((ufrag, pwd))
    }

    /// Direction of a section: its own, the session's, or the default.
    #[must_use]
    pub fn direction(&self, media: &Media<'a>) -> Direction {
        media
            .attributes
            .direction
            .or(self.session.direction)
            .unwrap_or_default()
    }

    /// `a=setup` of a section, or of the session.
    #[must_use]
    pub fn setup(&self, media: &Media<'a>) -> Option<SetupLine<'a>> {
        media.attributes.setup.or(self.session.setup)
    }

    /// `a=tls-id` of a section, or of the session.
    #[must_use]
    pub fn tls_id(&self, media: &Media<'a>) -> Option<&'a str> {
        media.attributes.tls_id.or(self.session.tls_id)
    }

    /// `a=rtcp-xr` of a section, or of the session.
    #[must_use]
    pub fn extended_reports(&self, media: &Media<'a>) -> Option<&'a str> {
        media
            .attributes
            .extended_reports
            .or(self.session.extended_reports)
    }

    /// `a=extmap` lines of a section, else of the session.
    #[must_use]
    pub fn extensions<'d>(&'d self, media: &'d Media<'a>) -> &'d [ExtMap<'a>] {
        if media.attributes.extensions.is_empty() {
            &self.session.extensions
        } else {
            &media.attributes.extensions
        }
    }

    /// Default address of a section, where it is a literal one that can be sent to.
    #[must_use]
    pub fn default_address(&self, media: &Media<'a>) -> Option<SocketAddr> {
        let ip = media.attributes.connection.or(self.session.connection)?;
        (!ip.is_unspecified() && media.port != 0).then(|| SocketAddr::new(ip, media.port))
    }

    /// Whether a section asks without ICE that nothing be sent, as hold was said of old (`c=` with 0.0.0.0, RFC 3264 section 8.4).
    #[must_use]
    pub fn is_nowhere(&self, media: &Media<'a>) -> bool {
        let ip = media.attributes.connection.or(self.session.connection);
        ip.is_some_and(|ip| ip.is_unspecified())
    }

    /// Where RTCP of a section goes without ICE: as `a=rtcp` has it, else one port further than RTP (RFC 3550 section 11).
    #[must_use]
    pub fn rtcp_address(&self, media: &Media<'a>) -> Option<SocketAddr> {
        let rtp = self.default_address(media)?;
        match media.rtcp {
            Some((port, ip)) => Some(SocketAddr::new(ip.unwrap_or_else(|| rtp.ip()), port)),
            None => Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?)),
        }
        .filter(|address| address.port() != 0 && !address.ip().is_unspecified())
    }
}

/// What a section says of its transport (the category TRANSPORT of RFC 8859).
struct Transport<'a> {
    ufrag: Option<&'a str>,
    pwd: Option<&'a str>,
    fingerprints: Vec<Fingerprint>,
    sha1_fingerprints: Vec<Fingerprint>,
    weak_hashes: Vec<String>,
    setup: Option<SetupLine<'a>>,
    tls_id: Option<&'a str>,
    candidates: Vec<Candidate>,
    named_candidates: Vec<NamedCandidate>,
    end_of_candidates: bool,
    rtcp_mux: bool,
}

impl<'a> Transport<'a> {
    fn of(media: &Media<'a>) -> Self {
        let attributes = &media.attributes;
        Self {
            ufrag: attributes.ufrag,
            pwd: attributes.pwd,
            fingerprints: attributes.fingerprints.clone(),
            sha1_fingerprints: attributes.sha1_fingerprints.clone(),
            weak_hashes: attributes.weak_hashes.clone(),
            setup: attributes.setup,
            tls_id: attributes.tls_id,
            candidates: media.candidates.clone(),
            named_candidates: media.named_candidates.clone(),
            end_of_candidates: attributes.end_of_candidates,
            rtcp_mux: media.rtcp_mux,
        }
    }

    /// Says it of a section that says nothing else of ICE.
    fn complete(&self, media: &mut Media<'a>) {
        let attributes = &mut media.attributes;
        attributes.ufrag = self.ufrag;
        attributes.pwd = self.pwd;
        attributes.setup = attributes.setup.or(self.setup);
        attributes.tls_id = attributes.tls_id.or(self.tls_id);
        attributes.end_of_candidates |= self.end_of_candidates;
        if attributes.fingerprints.is_empty() && attributes.weak_hashes.is_empty() {
            attributes.fingerprints.clone_from(&self.fingerprints);
            attributes
                .sha1_fingerprints
                .clone_from(&self.sha1_fingerprints);
            attributes.weak_hashes.clone_from(&self.weak_hashes);
        }
        if media.candidates.is_empty() && media.named_candidates.is_empty() {
            media.candidates.clone_from(&self.candidates);
            media.named_candidates.clone_from(&self.named_candidates);
        }
        media.rtcp_mux |= self.rtcp_mux;
    }
}

/// Value of `a=rtcp` (RFC 3605): a port, and maybe network type, address type and address.
fn rtcp(value: &str) -> Option<(u16, Option<IpAddr>)> {
    let mut words = value.split_ascii_whitespace();
    let port = words.next()?.parse().ok()?;
    Some((port, words.nth(2).and_then(|address| address.parse().ok())))
}

impl<'a> Media<'a> {
    fn parse(value: &'a str, line: &Line<'_>) -> Result<Self, Refusal> {
        let mut fields = value.split_ascii_whitespace();
        let kind = fields
            .next()
            .ok_or_else(|| line.malformed("m= without a kind of media"))?;
        let port = fields
            .next()
            .ok_or_else(|| line.malformed("m= without a port"))?;
        let port = port.split_once('/').map_or(port, |(port, _)| port);
        let port = port
            .parse()
            .map_err(|_| line.malformed("the port of m= is no number up to 65535"))?;
        let protocol = fields
            .next()
            .ok_or_else(|| line.malformed("m= without a protocol"))?;
        Ok(Self {
            kind,
            port,
            protocol,
            formats: fields.take(MAX_FORMATS).collect(),
            attributes: Attributes::default(),
            rtpmaps: Vec::new(),
            parameters: Vec::new(),
            mid: None,
            bundle_only: false,
            rtcp_mux: false,
            ice_mismatch: false,
            rtcp_reduced_size: false,
            packet_time_ms: None,
            candidates: Vec::new(),
            named_candidates: Vec::new(),
            rtcp: None,
            rtcp_candidates: Vec::new(),
            sdes: false,
            crypto: Vec::new(),
        })
    }

    fn attribute(&mut self, name: &'a str, value: &'a str, line: &Line<'_>) -> Result<(), Refusal> {
        match name {
            "rtpmap" if self.rtpmaps.len() < MAX_FORMATS => {
                self.rtpmaps.extend(RtpMap::parse(value))
            }
            "fmtp" if self.parameters.len() < MAX_FORMATS => {
                let line = value
                    .split_once(' ')
                    .and_then(|(kind, rest)| Some((payload_type(kind)?, rest)));
                self.parameters.extend(line);
            }
            "mid" => {
                let fits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
                self.mid = Some(value).filter(|_| fits);
            }
            "bundle-only" => self.bundle_only = true,
            "rtcp-mux" => self.rtcp_mux = true,
            "ice-mismatch" => self.ice_mismatch = true,
            "rtcp" => self.rtcp = rtcp(value),
            "rtcp-rsize" => self.rtcp_reduced_size = true,
            "ptime" => self.packet_time_ms = value.parse().ok().filter(|ms| (1..=200).contains(ms)),
            "crypto" => {
                self.sdes = true;
                if self.crypto.len() < MAX_CRYPTO_LINES {
                    self.crypto.extend(CryptoLine::parse(value));
                }
            }
            // Broken and unusable lines are left aside: the others may do.
            "candidate" => match value.parse::<Candidate>() {
                Ok(candidate) => {
                    let (kept, component) = match candidate.component {
                        2 => (&mut self.rtcp_candidates, 2),
                        _ => (&mut self.candidates, 1),
                    };
                    if kept.len() < MAX_CANDIDATES && candidate.ignorable_as(component).is_none() {
                        kept.push(candidate);
                    }
                }
                Err(CandidateError::Ignorable(Ignorable::HostName))
                    if self.named_candidates.len() < MAX_CANDIDATES =>
                {
                    let named = value.parse::<NamedCandidate>().ok();
                    let usable = |named: &NamedCandidate| named.is_of_component_1();
                    self.named_candidates.extend(named.filter(usable));
                }
                Err(_) => {}
            },
            _ => return self.attributes.attribute(name, value, line),
        }
        Ok(())
    }

    /// Name and clock of a payload type: from its line, or fixed by RFC 3551.
    #[must_use]
    pub fn encoding(&self, payload_type: u8) -> Option<(&'a str, u32)> {
        let line = self
            .rtpmaps
            .iter()
            .find(|line| line.payload_type == payload_type);
        line.map(|line| (line.name, line.clock_rate))
            .or_else(|| codec::static_encoding(payload_type))
    }

    /// The parameters of a payload type.
    #[must_use]
    pub fn parameters_of(&self, payload_type: u8) -> &'a str {
        self.parameters
            .iter()
            .find(|(kind, _)| *kind == payload_type)
            .map_or("", |(_, parameters)| parameters)
    }

    /// The payload types that are numbers, in order.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> + '_ {
        self.formats
            .iter()
            .filter_map(|format| payload_type(format))
    }
}

impl<'a> Attributes<'a> {
    fn attribute(&mut self, name: &str, value: &'a str, line: &Line<'_>) -> Result<(), Refusal> {
        match name {
            "ice-ufrag" => {
                let fits = (4..=256).contains(&value.len()) && value.bytes().all(is_ice_char);
                self.ufrag = Some(value).filter(|_| fits);
                self.ufrag.ok_or_else(|| {
                    line.malformed("ice-ufrag is not 4 to 256 letters, digits, + or /")
                })?;
            }
            "ice-pwd" => {
                let fits = (22..=256).contains(&value.len()) && value.bytes().all(is_ice_char);
                self.pwd = Some(value).filter(|_| fits);
                self.pwd.ok_or_else(|| {
                    line.malformed("ice-pwd is not 22 to 256 letters, digits, + or /")
                })?;
            }
            "ice-lite" => self.ice_lite = true,
            "end-of-candidates" => self.end_of_candidates = true,
            "fingerprint"
                if self.fingerprints.len() + self.weak_hashes.len() < MAX_FINGERPRINTS =>
            {
                match value.parse::<Fingerprint>() {
                    Ok(fingerprint) => self.fingerprints.push(fingerprint),
                    Err(FingerprintError::Weak(name) | FingerprintError::UnknownHash(name)) => {
                        self.sha1_fingerprints.extend(Fingerprint::of_sha1(value));
                        self.weak_hashes.push(name)
                    }
                    Err(FingerprintError::Malformed(_)) => {
                        return Err(line.malformed(
                            "the fingerprint is not a digest in colon-separated hexadecimal",
                        ));
                    }
                }
            }
            "setup" => {
                self.setup = Some(SetupLine {
                    value,
                    setup: value.to_ascii_lowercase().parse().ok(),
                })
            }
            "tls-id" => self.tls_id = Some(value),
            "rtcp-xr" => self.extended_reports = Some(value),
            "extmap" if self.extensions.len() < MAX_EXTENSIONS => {
                self.extensions.extend(ExtMap::parse(value));
            }
            "extmap-allow-mixed" => self.extensions_mixed = true,
            _ => {
                if let Some(direction) = Direction::from_attribute(name) {
                    self.direction = Some(direction);
                }
            }
        }
        Ok(())
    }
}

impl<'a> RtpMap<'a> {
    fn parse(value: &'a str) -> Option<Self> {
        let (kind, encoding) = value.split_once(' ')?;
        let mut parts = encoding.trim().split('/');
        Some(Self {
            payload_type: payload_type(kind)?,
            name: parts.next()?,
            clock_rate: parts.next()?.trim().parse().ok()?,
        })
    }
}

fn payload_type(text: &str) -> Option<u8> {
    text.parse().ok().filter(|number| *number < 128)
}

const fn is_ice_char(byte: u8) -> bool {
    // RFC 8839 allows letters, digits, '+' and '/'; '-' and '_' are seen from agents that use base64url.
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
}

fn connection_address(value: &str) -> Option<IpAddr> {
    let address = value.split_ascii_whitespace().nth(2)?;
    address
        .split_once('/')
        .map_or(address, |(address, _)| address)
        .parse()
        .ok()
}

struct Line<'a> {
    number: usize,
    text: &'a str,
}

impl Line<'_> {
    const fn malformed(&self, fault: &'static str) -> Refusal {
        Refusal::Malformed {
            line: self.number,
            fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";

    #[test]
    fn session_level_lines_hold_for_sections_that_do_not_say_otherwise() {
        let text = format!(
            "{HEAD}c=IN IP4 192.0.2.1\na=inactive\na=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\na=setup:ACTPASS\n\
             m=audio 4000 RTP/SAVPF 0\nm=video 5000 RTP/SAVPF 96\na=sendonly\na=ice-ufrag:efgh\nc=IN IP6 ::1\n"
        );
        let read = Description::parse(&text).unwrap();
        let [audio, video] = &read.media[..] else {
            panic!("{read:?}")
        };
        assert_eq!(read.direction(audio), Direction::Inactive);
        assert_eq!(read.direction(video), Direction::SendOnly);
        assert_eq!(read.credentials(audio).unwrap().0, "abcd");
        assert_eq!(read.credentials(video).unwrap().0, "efgh");
        assert_eq!(
            read.default_address(audio),
            Some("192.0.2.1:4000".parse().unwrap())
        );
        assert_eq!(
            read.default_address(video),
            Some("[::1]:5000".parse().unwrap())
        );
        assert_eq!(read.setup(audio).unwrap().setup, Some(Setup::ActPass));
    }

    #[test]
    fn what_is_malformed_is_named_with_its_line() {
        for (text, line) in [
            ("", 1),
            ("hello", 1),
            ("o=x\nv=0", 1),
            ("v=0\ngarbage", 2),
            ("v=0\nm=audio", 2),
            ("v=0\nm=audio 70000 RTP/SAVPF 0", 2),
            ("v=0\ns=-\nm=audio 1", 3),
            ("v=0\n\nm=audio 1 RTP/SAVPF 0\na=ice-ufrag:abc", 4),
            ("v=0\nm=audio 1 RTP/SAVPF 0\na=ice-pwd:short", 3),
            ("v=0\nm=audio 1 RTP/SAVPF 0\na=fingerprint:sha-256 AB", 3),
        ] {
            let refusal = Description::parse(text).unwrap_err();
            let found = matches!(refusal, Refusal::Malformed { line: found, .. } if found == line);
            assert!(found, "{text:?}: {refusal}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_is_read() {
        let text = "v=0\n".to_owned() + &"x".repeat(MAX_BYTES);
        assert!(matches!(
            Description::parse(&text),
            Err(Refusal::TooLarge { .. })
        ));
        let text = "v=0\n".to_owned() + &"a=x\n".repeat(MAX_LINES);
        assert!(matches!(
            Description::parse(&text),
            Err(Refusal::TooMany { what: "lines", .. })
        ));
        let text = "v=0\n".to_owned() + &"m=audio 1 x 0\n".repeat(MAX_SECTIONS + 1);
        assert!(matches!(
            Description::parse(&text),
            Err(Refusal::TooMany {
                what: "media sections",
                ..
            })
        ));
    }

    #[test]
    fn long_lists_are_cut_and_not_refused() {
        let mut text = "v=0\nm=audio 1 RTP/SAVPF".to_owned() + &" 0".repeat(1000) + "\n";
        for port in 1..500 {
            text += &format!("a=candidate:1 1 udp 1 192.0.2.1 {port} typ host\n");
        }
        let read = Description::parse(&text).unwrap();
        assert_eq!(
            (read.media[0].formats.len(), read.media[0].candidates.len()),
            (MAX_FORMATS, MAX_CANDIDATES)
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC*") {
            let _ = Description::parse(&text);
        }

        #[test]
        fn lines_in_any_order_with_any_values_are_read_without_panic(
            lines in proptest::collection::vec(("(m|c|a|o|b|)", "(=|)", "(audio |candidate:|rtpmap:|fmtp:|extmap:|rtcp-xr:|crypto:|fingerprint:sha-256 |mid:|group:BUNDLE |setup:|ptime:|IN IP4 |)", "[ -~é]{0,40}"), 0..40)
        ) {
            let mut text = "v=0\n".to_owned();
            for (kind, equals, name, value) in lines {
                text += &format!("{kind}{equals}{name}{value}\r\n");
            }
            let _ = Description::parse(&text);
        }
    }
}
