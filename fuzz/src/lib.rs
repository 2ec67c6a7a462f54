//! Fuzz targets: everything that reads what strangers send, as functions of the bytes.
//!
//! Each module has one `run(data)`, which must neither panic nor grow without bound, whatever the bytes. The thin binaries in
//! `fuzz_targets/` give it to libFuzzer (`cargo +nightly fuzz run TARGET`), or, built without it, read the files that they are
//! given (`cargo run -p offhook-fuzz --bin TARGET -- FILE`: what a crash did). The test of this package runs it on the committed
//! corpus and on mutations of it.

pub mod control_line;
pub mod dtls;
mod instructions;
pub mod media_transport;
pub mod rest_replies;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod sip_headers;
pub mod sip_message;
pub mod sip_session;
pub mod srtp;
pub mod stun_demux;
pub mod turn_client;
pub mod verto_json;
pub mod verto_session;

/// A target: its name, which is also that of its corpus folder, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 15] = [
    ("control_line", control_line::run),
    ("dtls", dtls::run),
    ("media_transport", media_transport::run),
    ("rest_replies", rest_replies::run),
    ("rtcp", rtcp::run),
    ("rtp", rtp::run),
    ("sdp", sdp::run),
    ("sip_headers", sip_headers::run),
    ("sip_message", sip_message::run),
    ("sip_session", sip_session::run),
    ("srtp", srtp::run),
    ("stun_demux", stun_demux::run),
    ("turn_client", turn_client::run),
    ("verto_json", verto_json::run),
    ("verto_session", verto_session::run),
];

/// Runs a target once on each file that the command line names.
///
/// # Errors
/// When a file cannot be read.
pub fn replay(target: fn(&[u8])) -> std::io::Result<()> {
    for path in std::env::args_os().skip(1) {
        target(&std::fs::read(path)?);
    }
    Ok(())
}
