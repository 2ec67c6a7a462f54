//! Offer and answer (RFC 3264, 8829, 8842): what both sides agreed on, or why not.

use crate::dtls::setup::{DtlsRole, Setup};
use crate::ice::candidate::Candidate;
use crate::ice::credentials::{IceCredentials, LONGEST_FAR_UFRAG};
use crate::ice::mdns::NamedCandidate;
use crate::media_transport::config::RemoteParameters;
use crate::program::{AudioCodec, OpusWishes};
use crate::sdp::bindings::Bindings;
use crate::sdp::codec;
use crate::sdp::concessions::Concessions;
use crate::sdp::direction::Direction;
use crate::sdp::extmap::{HeaderExtensions, Wanted};
use crate::sdp::extras::{ExtendedReports, Redundancy};
use crate::sdp::origin::Origin;
use crate::sdp::parse::{Attributes, Description, Media};
use crate::sdp::refusal::{Refusal, shown, shown_list};
use crate::sdp::sdes::{CryptoLine, OFFERED, OFFERED_TAG, SdesKeys};
use crate::sdp::sections::Sections;
use crate::sdp::write::{Format, LocalDescription, Section, Text, offered_section};
use std::net::SocketAddr;
use zeroize::Zeroizing;

/// Packet length when the far end asks for none.
const DEFAULT_PACKET_TIME_MS: u16 = 20;

/// What a call's two ends agreed on.
#[derive(Debug, Clone)]
pub struct Negotiated {
    /// What the transport has to know of the far end; its `setup` is the role that the far end takes in the end.
    pub remote: RemoteParameters,
    /// Our side of the DTLS handshake.
    pub role: DtlsRole,
    /// No more candidates follow.
    pub end_of_candidates: bool,
    /// Default address of the far end (`c=` and `m=`), where it is a literal one.
    pub default_address: Option<SocketAddr>,
    /// Where a far end without ICE takes RTCP: as `a=rtcp` has it, or one port further (RFC 3605).
    pub rtcp_address: Option<SocketAddr>,
    /// What it lacks of WebRTC.
    pub concessions: Concessions,
    /// The codec to send.
    pub codec: NegotiatedCodec,
    /// All codecs in common, `codec` first: the far end may switch between them at any time.
    pub codecs: Vec<NegotiatedCodec>,
    /// RFC 4733, when both know it: how we send it.
    pub telephone_event: Option<TelephoneEvent>,
    /// Others, of other clocks, that the far end may send as well: a browser takes that of 8000 beside Opus.
    pub further_events: Vec<TelephoneEvent>,
    /// What we may do.
    pub direction: Direction,
    /// Length of packets that the far end asked for, in ms; 20 when it did not.
    pub packet_time_ms: u16,
    /// RTCP comes on the RTP port. Without it RTCP has a component of its own (RFC 5761, section 5.1.1), or no way at all.
    pub rtcp_mux: bool,
    /// Where the far end takes RTCP when it does not come on the RTP port: its candidates of component 2.
    pub rtcp_candidates: Vec<Candidate>,
    /// Its candidates whose address hides behind a name.
    pub named_candidates: Vec<NamedCandidate>,
    /// RTCP without a leading report is welcome (RFC 5506).
    pub rtcp_reduced_size: bool,
    /// Extended reports that the far end wants of us.
    pub extended_reports: ExtendedReports,
    /// Opus with copies of what came before.
    pub redundancy: Option<Redundancy>,
    /// The far end may send comfort noise under this number.
    pub comfort_noise: Option<u8>,
    /// What stands in the headers of packets.
    pub extensions: HeaderExtensions,
    /// Transport protocol as the far end wrote it.
    pub protocol: String,
    /// Mid of the section, where there is one.
    pub mid: Option<String>,
    /// The sections of the session: later offers have the same.
    pub sections: Sections,
    /// What the numbers of the section stand for: later offers mean the same by them.
    pub bindings: Bindings,
}

/// A codec and the numbers that both directions know it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NegotiatedCodec {
    /// Which.
    pub codec: AudioCodec,
    /// We send it under this number: the far end's.
    pub send_payload_type: u8,
    /// We get it under this number: ours.
    pub receive_payload_type: u8,
    /// What the far end wants of Opus; all default for other codecs.
    pub opus: OpusWishes,
}

/// RFC 4733 as agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// We send it under this number.
    pub send_payload_type: u8,
    /// We get it under this number.
    pub receive_payload_type: u8,
    /// Clock of durations in Hz.
    pub clock_rate: u32,
}

/// Our answer and what it means.
#[derive(Debug, Clone)]
pub struct Answer {
    /// To send.
    pub sdp: String,
    /// To act on.
    pub negotiated: Negotiated,
}

/// Writes an offer: the sections of the session in their order, those that were refused still so. `origin` gets a new version when the description differs from the last one written with it.
#[must_use]
pub fn offer(local: &LocalDescription, origin: &mut Origin) -> String {
    let mid = local.sections.own_mid();
    let section = offered_section(local, &mid);
    let mut text = Text::new(local, section.mid.filter(|_| local.face.group));
    text.sections(local, &local.sections, &section);
    text.finish(local, origin)
}

/// Answers an offer, the first or a later one. `established`: our DTLS role in an association that goes on; it is kept where the
/// offer leaves the choice.
///
/// The audio section in use is taken, else the first usable one; all others are refused in place. Codecs are answered in the order of the offer.
///
/// # Errors
/// [`Refusal`] says why no call can be made of it.
pub fn answer(
    offer: &str,
    local: &LocalDescription,
    origin: &mut Origin,
    established: Option<DtlsRole>,
) -> Result<Answer, Refusal> {
    let remote = Description::parse(offer)?;
    let (index, media) =
        choose_audio(&remote, |media| media.port != 0 || media.bundle_only, local)?;
    let lacks = lacks(&remote, media);
    let keys = sdes(&remote, media, local, |_| true)?;
    let by_dtls = keys.is_none() && !lacks.no_encryption;
    let role = if by_dtls {
        answering_role(&remote, media, established)?
    } else {
        DtlsRole::Client
    };
    let mut codecs: Vec<NegotiatedCodec> = Vec::new();
    for (payload_type, codec) in codecs_of(media) {
        if local.codecs.contains(&codec) && codecs.iter().all(|known| known.codec != codec) {
            codecs.push(NegotiatedCodec {
                codec,
                send_payload_type: payload_type,
                receive_payload_type: payload_type,
                opus: wishes(media, codec, payload_type),
            });
        }
    }
    let one = local.face.answer_one_codec;
    if one {
        codecs.truncate(1);
    }
    let codec = *codecs
        .first()
        .ok_or_else(|| nothing_in_common(media, local))?;
    let telephone_event = local
        .telephone_event
        .then(|| telephone_events(media, codec.codec, Some))
        .and_then(|events| events.first().copied());
    let redundancy =
        redundancy(media, &codecs, local).filter(|_| local.extras.redundancy.answers() && !one);
    let comfort_noise =
        comfort_noise(media, codec.codec).filter(|_| local.extras.comfort_noise.answers() && !one);
    let direction = remote.direction(media).answered_with(local.direction);

    let mut formats: Vec<_> = codecs
        .iter()
        .map(|known| Format::audio(&local.face, known.codec, known.send_payload_type))
        .collect();
    let opus = codecs.iter().find(|known| known.codec == AudioCodec::Opus);
    if let (Some(red), Some(opus)) = (redundancy, opus) {
        let of = opus.send_payload_type;
        let preferred = precedes(media, red.send_payload_type, of);
        let at = if preferred { 0 } else { formats.len() };
        formats.insert(at, Format::redundancy(red.receive_payload_type, of));
    }
    formats.extend(comfort_noise.map(Format::comfort_noise));
    formats.extend(
        telephone_event
            .map(|event| Format::telephone_event(event.send_payload_type, event.clock_rate)),
    );
    let mid = media.mid.filter(|_| local.face.echo_mid);
    let bundled = mid.filter(|mid| local.face.group && remote.is_bundled(mid));
    let wanted = Wanted {
        audio_level: local.extras.audio_level.answers() && !one,
        mid: bundled.is_some(),
    };
    let extensions = HeaderExtensions::agreed(remote.extensions(media), wanted);
    let reports = remote.extended_reports(media).map(ExtendedReports::parse);
    let reports = reports.filter(|wanted| {
        let has_a_way = media.rtcp_mux || !local.rtcp_candidates.is_empty();
        local.extras.voip_metrics.answers() && has_a_way && !wanted.is_empty()
    });
    let reduced_size = media.rtcp_reduced_size && local.extras.reduced_size.answers();
    let section = Section {
        protocol: media.protocol,
        formats,
        mid,
        ice: !lacks.no_ice,
        setup: match role {
            _ if !by_dtls => None,
            DtlsRole::Client => Some(Setup::Active),
            DtlsRole::Server => Some(Setup::Passive),
        },
        crypto: keys.as_ref().map(|(line, _)| line.clone()),
        tls_id: remote
            .tls_id(media)
            .filter(|_| by_dtls)
            .map(|_| local.tls_id.as_str()),
        direction,
        rtcp_mux: media.rtcp_mux,
        rtcp_reduced_size: reduced_size,
        extended_reports: reports.is_some(),
        extensions,
        extensions_mixed: extensions != HeaderExtensions::default()
            && (remote.session.extensions_mixed || media.attributes.extensions_mixed),
        component_2: false,
    };
    let sections = Sections::of_offer(&remote.media, index);
    let mut bindings = local.bindings.clone();
    bindings.offered(media, remote.extensions(media));
    let mut text = Text::new(local, bundled);
    text.sections(local, &sections, &section);
    let sdp = text.finish(local, origin);
    let negotiated = agreed(
        &remote,
        media,
        Agreement {
            role,
            keys: keys.map(|(_, keys)| keys),
            codec,
            codecs,
            telephone_event,
            further_events: Vec::new(),
            direction,
            reduced_size,
            extended_reports: reports.unwrap_or_default(),
            redundancy,
            comfort_noise,
            extensions,
            sections,
            bindings,
        },
    )?;
    Ok(Answer { sdp, negotiated })
}

/// Takes in the answer to what [`offer`] wrote for `local`.
///
/// # Errors
/// [`Refusal`] says why no call can be made of it.
pub fn accept_answer(answer: &str, local: &LocalDescription) -> Result<Negotiated, Refusal> {
    let remote = Description::parse(answer)?;
    let (_, media) = choose_audio(&remote, |media| media.port != 0, local)?;
    let keys = sdes(&remote, media, local, |line| {
        line.tag == OFFERED_TAG && line.profile == OFFERED
    })?;
    let in_the_clear = lacks(&remote, media).no_encryption;
    let role = match remote.setup(media).map(|line| (line.setup, line.value)) {
        _ if keys.is_some() || in_the_clear => DtlsRole::Client,
        Some((Some(Setup::Active), _)) => DtlsRole::Server,
        // An answer without a role, or with the offer's actpass, comes from old gateways; they wait for our ClientHello.
        Some((Some(Setup::Passive | Setup::ActPass), _)) | None => DtlsRole::Client,
        Some((None, value)) => {
            return Err(Refusal::SetupConflict {
                theirs: shown(value),
            });
        }
    };
    let (offered, mut bindings) = local.offered();
    bindings.answered(media, remote.extensions(media));
    let mut codecs: Vec<NegotiatedCodec> = Vec::new();
    for (payload_type, codec) in codecs_of(media) {
        if let Some(receive_payload_type) = offered.payload_type(codec)
            && codecs.iter().all(|known| known.codec != codec)
        {
            codecs.push(NegotiatedCodec {
                codec,
                send_payload_type: payload_type,
                receive_payload_type,
                opus: wishes(media, codec, payload_type),
            });
        }
    }
    let codec = *codecs
        .first()
        .ok_or_else(|| nothing_in_common(media, local))?;
    let events = telephone_events(media, codec.codec, |event| {
        let (receive_payload_type, _) = offered
            .telephone_events
            .iter()
            .find(|(_, clock_rate)| *clock_rate == event.clock_rate)?;
        Some(TelephoneEvent {
            receive_payload_type: *receive_payload_type,
            ..event
        })
    });
    let direction = remote.direction(media).answered_with(local.direction);
    let redundancy = redundancy(media, &codecs, local)
        .zip(offered.redundancy)
        .map(|(red, receive_payload_type)| Redundancy {
            receive_payload_type,
            ..red
        });
    let comfort_noise = comfort_noise(media, codec.codec).and(offered.comfort_noise);
    let wanted = Wanted {
        audio_level: offered.extensions.audio_level.is_some(),
        mid: media.mid.is_some_and(|mid| remote.is_bundled(mid)),
    };
    let extensions =
        HeaderExtensions::agreed(remote.extensions(media), wanted).answered(offered.extensions);
    let reports = remote
        .extended_reports(media)
        .filter(|_| local.extras.voip_metrics.offers());
    agreed(
        &remote,
        media,
        Agreement {
            role,
            keys: keys.map(|(_, keys)| keys),
            codec,
            codecs,
            telephone_event: events.first().copied(),
            further_events: events.get(1..).unwrap_or_default().to_vec(),
            direction,
            reduced_size: media.rtcp_reduced_size && local.extras.reduced_size.offers(),
            extended_reports: reports.map(ExtendedReports::parse).unwrap_or_default(),
            redundancy,
            comfort_noise,
            extensions,
            sections: Sections {
                mid: local.face.mid.then(|| local.sections.own_mid()),
                ..local.sections.clone()
            },
            bindings,
        },
    )
}

/// Whether an offer wants RTCP on a port of its own: it does not multiplex, and has a second component, or its candidates
/// are still to come.
pub(crate) fn wants_rtcp_component(offer: &str) -> bool {
    Description::parse(offer).is_ok_and(|remote| {
        let open = |media: &&Media<'_>| media.kind == "audio" && media.port != 0;
        let first = remote.media.iter().find(open);
        first.is_some_and(|media| {
            let to_come = media.candidates.is_empty();
            !media.rtcp_mux && (to_come || !media.rtcp_candidates.is_empty())
        })
    })
}

struct Agreement {
    role: DtlsRole,
    keys: Option<SdesKeys>,
    codec: NegotiatedCodec,
    codecs: Vec<NegotiatedCodec>,
    telephone_event: Option<TelephoneEvent>,
    further_events: Vec<TelephoneEvent>,
    direction: Direction,
    reduced_size: bool,
    extended_reports: ExtendedReports,
    redundancy: Option<Redundancy>,
    comfort_noise: Option<u8>,
    extensions: HeaderExtensions,
    sections: Sections,
    bindings: Bindings,
}

/// The rest of what both agreed on: transport and packets.
fn agreed(
    remote: &Description<'_>,
    media: &Media<'_>,
    agreement: Agreement,
) -> Result<Negotiated, Refusal> {
    let lacks = lacks(remote, media);
    let own = &media.attributes;
    // Those of sha-1 count only where choose_audio let a section without any other pass.
    let fingerprints = [
        &own.fingerprints,
        &remote.session.fingerprints,
        &own.sha1_fingerprints,
        &remote.session.sha1_fingerprints,
    ]
    .into_iter()
    .find(|fingerprints| !fingerprints.is_empty() && agreement.keys.is_none());
    let fingerprints = match (fingerprints, &agreement.keys) {
        (Some(fingerprints), _) => fingerprints.clone(),
        (None, Some(_)) => Vec::new(),
        (None, None) if lacks.no_encryption => Vec::new(),
        (None, None) => return Err(Refusal::NoFingerprint),
    };
    let credentials = remote.credentials(media).filter(|_| !lacks.no_ice);
    let limit = LONGEST_FAR_UFRAG;
    if let Some((ufrag, _)) = credentials.filter(|(ufrag, _)| ufrag.len() > limit) {
        let length = ufrag.len();
        return Err(Refusal::LongUfrag { length, limit });
    }
    Ok(Negotiated {
        remote: RemoteParameters {
            credentials: credentials.map(|(ufrag, pwd)| IceCredentials {
                ufrag: ufrag.to_owned(),
                pwd: pwd.to_owned(),
            }),
            address: remote.default_address(media),
            candidates: match lacks.no_ice {
                true => Vec::new(),
                false => media.candidates.clone(),
            },
            fingerprints,
            keys: agreement.keys,
            unencrypted: lacks.no_encryption,
            setup: match agreement.role {
                DtlsRole::Client => Setup::Passive,
                DtlsRole::Server => Setup::Active,
            },
            tls_id: remote.tls_id(media).map(str::to_owned),
            ice_lite: remote.session.ice_lite || own.ice_lite,
        },
        role: agreement.role,
        end_of_candidates: own.end_of_candidates || remote.session.end_of_candidates,
        default_address: remote.default_address(media),
        rtcp_address: remote.rtcp_address(media),
        concessions: lacks,
        codec: agreement.codec,
        codecs: agreement.codecs,
        telephone_event: agreement.telephone_event,
        further_events: agreement.further_events,
        // Said of old by the address; with ICE that says nothing (RFC 8839 section 4.4.1.1.1).
        direction: match lacks.no_ice && remote.is_nowhere(media) {
            true => Direction::new(false, agreement.direction.receives()),
            false => agreement.direction,
        },
        packet_time_ms: media.packet_time_ms.unwrap_or(DEFAULT_PACKET_TIME_MS),
        rtcp_mux: media.rtcp_mux,
        rtcp_candidates: if media.rtcp_mux {
            Vec::new()
        } else {
            media.rtcp_candidates.clone()
        },
        named_candidates: match lacks.no_ice {
            true => Vec::new(),
            false => media.named_candidates.clone(),
        },
        rtcp_reduced_size: agreement.reduced_size,
        extended_reports: agreement.extended_reports,
        redundancy: agreement.redundancy,
        comfort_noise: agreement.comfort_noise,
        extensions: agreement.extensions,
        protocol: media.protocol.to_owned(),
        mid: media.mid.map(str::to_owned),
        sections: agreement.sections,
        bindings: agreement.bindings,
    })
}

/// The audio section that is open and that we can secure: the one in use, else the first; when there is none, why the first one asked
/// will not do.
fn choose_audio<'d, 'a>(
    remote: &'d Description<'a>,
    open: impl Fn(&Media<'a>) -> bool,
    local: &LocalDescription,
) -> Result<(usize, &'d Media<'a>), Refusal> {
    let mut refusal = None;
    let in_use = local.sections.place();
    let others = (0..remote.media.len()).filter(|index| *index != in_use);
    for index in std::iter::once(in_use).chain(others) {
        let Some(media) = remote.media.get(index) else {
            continue;
        };
        if media.kind != "audio" {
            continue;
        }
        if !open(media) {
            refusal.get_or_insert_with(|| Refusal::AudioRefused {
                ours: codec::list(&local.codecs),
            });
            continue;
        }
        match secured(remote, media, local) {
            Ok(()) => return Ok((index, media)),
            Err(reason) => {
                refusal.get_or_insert(reason);
            }
        }
    }
    Err(refusal.unwrap_or_else(|| Refusal::NoAudio {
        found: shown_list(remote.media.iter().map(|media| media.kind)),
    }))
}

/// Whether a section is DTLS-SRTP over ICE, as WebRTC requires, but for what may be missing.
fn secured(
    remote: &Description<'_>,
    media: &Media<'_>,
    local: &LocalDescription,
) -> Result<(), Refusal> {
    let usable = |attributes: &Attributes<'_>| {
        let weak = attributes.sha1_fingerprints.len();
        attributes.fingerprints.len() + if local.sha1_fingerprints { weak } else { 0 }
    };
    let fingerprints = usable(&media.attributes) + usable(&remote.session);
    let lacks = lacks(remote, media);
    let protocol = media.protocol.to_ascii_uppercase();
    match protocol.as_str() {
        "UDP/TLS/RTP/SAVPF" | "UDP/TLS/RTP/SAVP" | "RTP/SAVPF" | "RTP/SAVP" => {}
        _ if lacks.no_encryption && local.concessions.no_encryption => {}
        _ => {
            return Err(Refusal::NotEncrypted {
                protocol: shown(media.protocol),
            });
        }
    }
    if lacks.no_ice && !local.concessions.no_ice {
        // What is missing beside it is said first, as it weighs more.
        if fingerprints > 0 || lacks.no_encryption || (media.sdes && local.sdes.is_ok()) {
            return Err(match media.ice_mismatch {
                true => Refusal::IceMismatch,
                false => Refusal::NoIce,
            });
        }
    }
    if lacks.no_encryption {
        return Ok(());
    }
    let by_keys = fingerprints == 0 && media.sdes && local.sdes.is_ok();
    if fingerprints == 0 && !by_keys {
        let weak = media
            .attributes
            .weak_hashes
            .iter()
            .chain(&remote.session.weak_hashes);
        return Err(if weak.clone().next().is_some() {
            Refusal::WeakFingerprint {
                found: shown_list(weak),
            }
        } else if let (true, Err(why)) = (media.sdes, &local.sdes) {
            Refusal::SdesOnly(*why)
        } else {
            Refusal::NoFingerprint
        });
    }
    Ok(())
}

/// What a section lacks of WebRTC.
fn lacks(remote: &Description<'_>, media: &Media<'_>) -> Concessions {
    let protocol = media.protocol;
    Concessions {
        no_ice: remote.credentials(media).is_none() || media.ice_mismatch,
        no_encryption: protocol.eq_ignore_ascii_case("RTP/AVP")
            || protocol.eq_ignore_ascii_case("RTP/AVPF"),
    }
}

/// Keys by the first `a=crypto` line that `fits`, and our own line for it; `None` where there is a fingerprint, since DTLS is better.
/// That such keys are accepted at all, [`secured`] has checked.
fn sdes(
    remote: &Description<'_>,
    media: &Media<'_>,
    local: &LocalDescription,
    fits: impl Fn(&CryptoLine) -> bool,
) -> Result<Option<(Zeroizing<String>, SdesKeys)>, Refusal> {
    let Ok(ours) = &local.sdes else {
        return Ok(None);
    };
    if lacks(remote, media).no_encryption {
        return Ok(None);
    }
    let attributes = [&media.attributes, &remote.session];
    let by_dtls = attributes.into_iter().any(|attributes| {
        let weak = local.sha1_fingerprints && !attributes.sha1_fingerprints.is_empty();
        weak || !attributes.fingerprints.is_empty()
    });
    if by_dtls {
        return Ok(None);
    }
    let line = media
        .crypto
        .iter()
        .find(|line| local.profiles.contains(&line.profile) && fits(line))
        .ok_or(Refusal::NoCommonSuite)?;
    let keys = ours.paired_with(line).ok_or(Refusal::NoCommonSuite)?;
    Ok(Some((ours.line(line.tag, line.profile), keys)))
}

/// Our role as the answerer: active, unless the offer or an association that goes on says otherwise (RFC 8842 section 5.3).
fn answering_role(
    remote: &Description<'_>,
    media: &Media<'_>,
    established: Option<DtlsRole>,
) -> Result<DtlsRole, Refusal> {
    match remote.setup(media).map(|line| (line.setup, line.value)) {
        Some((Some(Setup::ActPass), _)) | None => Ok(established.unwrap_or(DtlsRole::Client)),
        Some((Some(Setup::Active), _)) => Ok(DtlsRole::Server),
        Some((Some(Setup::Passive), _)) => Ok(DtlsRole::Client),
        Some((None, value)) => Err(Refusal::SetupConflict {
            theirs: shown(value),
        }),
    }
}

/// The codecs of ours that a section lists, in its order.
fn codecs_of(media: &Media<'_>) -> impl Iterator<Item = (u8, AudioCodec)> {
    media.payload_types().filter_map(|payload_type| {
        let (name, clock_rate) = media.encoding(payload_type)?;
        Some((payload_type, codec::from_rtpmap(name, clock_rate)?))
    })
}

/// The telephone events to use beside a codec, best first: of the same clock, else of 8000, else any; `usable` may say no, and adds
/// our number.
fn telephone_events(
    media: &Media<'_>,
    codec: AudioCodec,
    usable: impl Fn(TelephoneEvent) -> Option<TelephoneEvent>,
) -> Vec<TelephoneEvent> {
    let events = media.payload_types().filter_map(|payload_type| {
        let (name, clock_rate) = media.encoding(payload_type)?;
        let known =
            name.eq_ignore_ascii_case("telephone-event") && (8_000..=48_000).contains(&clock_rate);
        let event = TelephoneEvent {
            send_payload_type: payload_type,
            receive_payload_type: payload_type,
            clock_rate,
        };
        known.then(|| usable(event)).flatten()
    });
    let mut events: Vec<_> = events.collect();
    events.sort_by_key(|event| {
        let same = event.clock_rate == codec.clock_rate();
        (!same, event.clock_rate != 8_000)
    });
    events
}

/// RED that a section lists for its Opus, under its own number both ways.
fn redundancy(
    media: &Media<'_>,
    codecs: &[NegotiatedCodec],
    local: &LocalDescription,
) -> Option<Redundancy> {
    let opus = codecs
        .iter()
        .find(|known| known.codec == AudioCodec::Opus)?;
    let payload_type = media.payload_types().find(|payload_type| {
        let red = media
            .encoding(*payload_type)
            .is_some_and(|(name, clock)| name.eq_ignore_ascii_case("red") && clock == 48_000);
        // Without parameters it stands for any codec.
        red && media
            .parameters_of(*payload_type)
            .split('/')
            .map(str::trim)
            .all(|of| of.is_empty() || of.parse() == Ok(opus.send_payload_type))
    })?;
    Some(Redundancy {
        send_payload_type: payload_type,
        receive_payload_type: payload_type,
        sends: local.extras.redundancy.offers()
            || precedes(media, payload_type, opus.send_payload_type),
    })
}

/// Whether one payload type stands before another in a section.
fn precedes(media: &Media<'_>, one: u8, other: u8) -> bool {
    media
        .payload_types()
        .find(|payload_type| *payload_type == one || *payload_type == other)
        == Some(one)
}

/// Comfort noise at 8 kHz that a section lists beside such a codec.
fn comfort_noise(media: &Media<'_>, codec: AudioCodec) -> Option<u8> {
    if codec.clock_rate() != 8_000 {
        return None;
    }
    media.payload_types().find(|payload_type| {
        media
            .encoding(*payload_type)
            .is_some_and(|(name, clock)| name.eq_ignore_ascii_case("CN") && clock == 8_000)
    })
}

fn wishes(media: &Media<'_>, codec: AudioCodec, payload_type: u8) -> OpusWishes {
    match codec {
        AudioCodec::Opus => codec::opus_wishes(media.parameters_of(payload_type)),
        AudioCodec::G722 | AudioCodec::Pcmu | AudioCodec::Pcma => OpusWishes::default(),
    }
}

fn nothing_in_common(media: &Media<'_>, local: &LocalDescription) -> Refusal {
    let theirs = media
        .payload_types()
        .map(|payload_type| match media.encoding(payload_type) {
            Some((name, clock_rate)) => format!("{name}/{clock_rate}"),
            None => format!("payload type {payload_type}"),
        });
    Refusal::NothingInCommon {
        theirs: shown_list(theirs),
        ours: codec::list(&local.codecs),
    }
}
