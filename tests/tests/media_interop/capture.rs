//! What Wireshark's `tshark` makes of a whole call: nothing of it is malformed, neither as it was on the wire nor once libsrtp has opened its
//! packets with the keys that the handshake yielded.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use offhook_media::program::AudioCodec;
use offhook_media::sdp::extras::{Extras, Readiness};
use offhook_media::session::config::{Hold, SessionConfig};
use offhook_media::srtp::profile::SrtpProfile;
use offhook_tests::skip;

use crate::wiretap::{Captured, Kind, Tapped};

const SECOND: Duration = Duration::from_secs(1);

/// Everything there is; reports of reduced size beside Opus only, so that both forms are seen.
fn with_extras(config: &mut SessionConfig, codec: AudioCodec) {
    config.codecs = vec![codec];
    config.extras = Extras {
        voip_metrics: Readiness::Offered,
        reduced_size: match codec {
            AudioCodec::Opus => Readiness::Offered,
            AudioCodec::Pcmu | AudioCodec::Pcma | AudioCodec::G722 => Readiness::Never,
        },
        redundancy: Readiness::Offered,
        comfort_noise: Readiness::Offered,
        audio_level: Readiness::Offered,
    };
}

/// Talk, digits both ways, a hold in which one end only listens, and the goodbye.
fn whole_call(profile: SrtpProfile, codec: AudioCodec) -> Tapped {
    let mut call = Tapped::new(profile, |config| with_extras(config, codec));
    call.negotiate();
    call.run(5 * SECOND);
    call.dial(0, "5");
    call.dial(1, "#");
    call.run(3 * SECOND);
    call.hold(Hold::SendOnly);
    call.run(8 * SECOND);
    call.hold(Hold::Off);
    call.run(3 * SECOND);
    call.close(0);
    call.run(SECOND);
    call.close(1);
    call.run(SECOND);
    call
}

/// A capture file of IPv4 packets (link type 101).
fn write_pcap(path: &Path, packets: &[Captured]) {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101] {
        file.extend_from_slice(&word.to_ne_bytes());
    }
    for packet in packets {
        let datagram = ipv4(packet);
        let length = u32::try_from(datagram.len()).expect("a datagram");
        let seconds = u32::try_from(packet.at.as_secs()).expect("a short call");
        for word in [seconds, packet.at.subsec_micros(), length, length] {
            file.extend_from_slice(&word.to_ne_bytes());
        }
        file.extend_from_slice(&datagram);
    }
    std::fs::write(path, file).expect("a capture file");
}

/// The packet with its headers of IPv4 and UDP; checksums of 0 say that there is none.
fn ipv4(packet: &Captured) -> Vec<u8> {
    let octets = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => ip.octets(),
        IpAddr::V6(ip) => panic!("{ip}: this call is over IPv4"),
    };
    let length = u16::try_from(packet.bytes.len()).expect("a datagram");
    let mut bytes = vec![0x45, 0];
    bytes.extend_from_slice(&(length + 28).to_be_bytes());
    bytes.extend_from_slice(&[0, 0, 0x40, 0, 64, 17, 0, 0]);
    bytes.extend_from_slice(&octets(packet.from));
    bytes.extend_from_slice(&octets(packet.to));
    bytes.extend_from_slice(&packet.from.port().to_be_bytes());
    bytes.extend_from_slice(&packet.to.port().to_be_bytes());
    bytes.extend_from_slice(&(length + 8).to_be_bytes());
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(&packet.bytes);
    bytes
}

/// A frame's values of the fields that were asked for, by name.
type Frame = BTreeMap<&'static str, Vec<String>>;

/// What `tshark` reads in these packets.
fn dissect(packets: &[Captured], options: &[&str], fields: &[&'static str]) -> Vec<Frame> {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let file = folder.path().join("call.pcap");
    write_pcap(&file, packets);
    let mut command = Command::new("tshark");
    // A home of its own: the preferences of whoever runs the tests stay out.
    command.env("HOME", folder.path()).arg("-r").arg(&file);
    command.args(options).args(["-T", "fields"]);
    command.args(["-E", "separator=/t", "-E", "aggregator=;"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark is installed");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}");
    let text = String::from_utf8(output.stdout).expect("text");
    let frames: Vec<Frame> = text
        .lines()
        .map(|line| {
            let values = line.split('\t').map(|value| {
                let values = value.split(';').filter(|value| !value.is_empty());
                values.map(str::to_owned).collect()
            });
            fields.iter().copied().zip(values).collect()
        })
        .collect();
    assert_eq!(frames.len(), packets.len());
    frames
}

/// What says that something is wrong with a frame.
const EXPERT: [&str; 3] = ["_ws.malformed", "_ws.expert.severity", "_ws.expert.message"];

/// `PI_WARN` of Wireshark; below stand comments, chats and notes.
const WARNING: u32 = 0x0060_0000;

fn assert_well_formed(frame: &Frame, packet: &Captured) {
    let severities = frame["_ws.expert.severity"].iter();
    let worst = severities.filter_map(|word| word.parse().ok()).max();
    assert!(
        frame["_ws.malformed"].is_empty() && worst.unwrap_or(0) < WARNING,
        "{:?}: {frame:?} in {:02x?}",
        packet.at,
        packet.bytes
    );
}

/// Opened by libsrtp; panics when it refuses one.
fn opened(python: &Path, call: &Tapped, end: usize, profile: SrtpProfile) -> Vec<Captured> {
    let wanted = call.capture(end).iter();
    let wanted: Vec<_> = wanted
        .filter(|packet| matches!(Kind::of(&packet.bytes), Kind::Rtp | Kind::Rtcp))
        .collect();
    let mut lines = String::new();
    for packet in &wanted {
        let kind = if Kind::of(&packet.bytes) == Kind::Rtp {
            "rtp"
        } else {
            "rtcp"
        };
        let key = hex(&call.key(end, packet.from));
        lines.push_str(&format!("{key} {kind} {}\n", hex(&packet.bytes)));
    }
    let answers = open(python, profile, lines);
    assert_eq!(answers.len(), wanted.len());
    let open = wanted.iter().zip(answers).map(|(packet, answer)| Captured {
        at: packet.at,
        from: packet.from,
        to: packet.to,
        bytes: bytes(&answer),
    });
    open.collect()
}

fn open(python: &Path, profile: SrtpProfile, lines: String) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/srtp_open.py");
    let mut command = Command::new(python);
    command.arg(script).arg(profile.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("Python starts");
    let mut stdin = child.stdin.take().expect("piped");
    // By another thread: both pipes are smaller than this.
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    let written = writer.join().expect("no panic");
    assert!(written.is_ok() && output.status.success());
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(str::to_owned).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let all: Option<Vec<u8>> = pairs.map(byte).collect();
    all.unwrap_or_else(|| panic!("libsrtp: {hex}"))
}

#[test]
fn nothing_is_malformed_on_the_wire_nor_once_opened() {
    let Some(python) = skip::python() else { return };
    if !skip::have(&["tshark"]) {
        return;
    }
    // The wires of both ends look alike, but for who is the client of DTLS.
    for (profile, codec, end) in [
        (SrtpProfile::AeadAes128Gcm, AudioCodec::Opus, 0),
        (SrtpProfile::AeadAes256Gcm, AudioCodec::Pcmu, 1),
        (SrtpProfile::Aes128CmHmacSha1_80, AudioCodec::Opus, 1),
        (SrtpProfile::Aes128CmHmacSha1_32, AudioCodec::Pcmu, 0),
    ] {
        let call = whole_call(profile, codec);
        on_the_wire(call.capture(end));
        let opened = opened(&python, &call, end, profile);
        once_opened(&opened, codec);
        assert_forgery_is_refused(&python, &call, end, profile);
    }
}

fn on_the_wire(packets: &[Captured]) {
    let fields = [&["frame.protocols"], &EXPERT[..]].concat();
    let frames = dissect(packets, &["--enable-heuristic", "rtp_udp"], &fields);
    let mut seen = BTreeMap::new();
    for (frame, packet) in frames.iter().zip(packets) {
        let kind = Kind::of(&packet.bytes);
        *seen.entry(kind).or_insert(0) += 1;
        let expected = match kind {
            Kind::Stun => ":stun",
            Kind::Dtls => ":dtls",
            Kind::Rtp => ":rtp",
            // Without our signalling it takes SRTCP for RTCP, and reads what is encrypted.
            Kind::Rtcp => continue,
        };
        assert!(frame["frame.protocols"][0].contains(expected), "{frame:?}");
        assert_well_formed(frame, packet);
    }
    assert!(seen[&Kind::Stun] >= 4 && seen[&Kind::Dtls] >= 5, "{seen:?}");
    assert!(
        seen[&Kind::Rtp] > 1000 && seen[&Kind::Rtcp] > 10,
        "{seen:?}"
    );
}

fn once_opened(packets: &[Captured], codec: AudioCodec) {
    let fields = [
        &[
            "frame.protocols",
            "rtp.ext.rfc5285.id",
            "rtpevent.event_id",
            "rtcp.pt",
            "rtcp.length_check",
            "rtcp.sdes.type",
            "rtcp.xr.bt",
        ],
        &EXPERT[..],
    ]
    .concat();
    // What our descriptions say of numbers.
    let numbers = [
        "udp.port==4000,rtp",
        "rtp.pt==111,opus",
        "rtp.pt==63,rtp_rfc2198",
        "rtp.pt==110,rtpevent",
        "rtp.pt==126,rtpevent",
    ];
    let options: Vec<_> = numbers.iter().flat_map(|it| ["-d", *it]).collect();
    let frames = dissect(packets, &options, &fields);
    let mut seen: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let mut keys: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (frame, packet) in frames.iter().zip(packets) {
        assert_well_formed(frame, packet);
        let protocols = &frame["frame.protocols"][0];
        if Kind::of(&packet.bytes) == Kind::Rtcp {
            assert!(protocols.ends_with(":rtcp"), "{frame:?}");
            assert_eq!(frame["rtcp.length_check"], ["1"], "{frame:?}");
        } else if frame["rtpevent.event_id"].is_empty() {
            let audio = match codec {
                AudioCodec::Opus => ":opus",
                AudioCodec::Pcmu | AudioCodec::Pcma | AudioCodec::G722 => ":rtp",
            };
            assert!(protocols.ends_with(audio), "{frame:?}");
        }
        for (field, values) in frame {
            seen.entry(*field).or_default().extend(values.clone());
        }
        let pressed = frame["rtpevent.event_id"].clone();
        keys.entry(packet.from).or_default().extend(pressed);
    }
    let seen = |field: &str| -> Vec<&str> { seen[field].iter().map(String::as_str).collect() };
    // SR, RR, SDES, BYE, XR.
    assert_eq!(seen("rtcp.pt"), ["200", "201", "202", "203", "207"]);
    // CNAME, MID, and the end of the list.
    assert_eq!(seen("rtcp.sdes.type"), ["0", "1", "15"]);
    // Receiver's clock, answers to it, VoIP metrics.
    assert_eq!(seen("rtcp.xr.bt"), ["4", "5", "7"]);
    // Audio level and MID.
    assert_eq!(seen("rtp.ext.rfc5285.id"), ["1", "4"]);
    let keys: Vec<_> = keys.into_values().collect();
    // `#` is event 11 (RFC 4733 section 3.2).
    assert_eq!(keys, [["5".to_owned()].into(), ["11".to_owned()].into()]);
}

/// libsrtp does look: the same packets with one bit turned are all refused.
fn assert_forgery_is_refused(python: &Path, call: &Tapped, end: usize, profile: SrtpProfile) {
    let packets = call.capture(end).iter();
    let of_kind = |kind| {
        let mut packets = packets.clone();
        packets
            .find(|packet| Kind::of(&packet.bytes) == kind)
            .expect("one")
    };
    let mut lines = String::new();
    for (kind, name) in [(Kind::Rtp, "rtp"), (Kind::Rtcp, "rtcp")] {
        let packet = of_kind(kind);
        let key = hex(&call.key(end, packet.from));
        let mut forged = packet.bytes.clone();
        forged[12] ^= 1;
        lines.push_str(&format!("{key} {name} {}\n", hex(&forged)));
    }
    for answer in open(python, profile, lines) {
        assert!(answer.starts_with("refused"), "{answer}");
    }
}
