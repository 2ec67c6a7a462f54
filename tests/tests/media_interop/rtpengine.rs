//! Two ends of ours with rtpengine between them, which takes RTCP apart on one side: the caller multiplexes it, the callee
//! is offered a component for RTP and another for RTCP, each with ICE and DTLS of its own.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "what stands around the tests is part of them"
)]

use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use offhook_media::audio::program::AudioProgram;
use offhook_media::codec::settings::OpusSettings;
use offhook_media::driver::bind::Bind;
use offhook_media::driver::event::CallEvent;
use offhook_media::driver::worker::{Worker, WorkerConfig};
use offhook_media::dtls::certificate::Certificate;
use offhook_media::graph::sink::Sink;
use offhook_media::graph::source::Source;
use offhook_media::program::CallKey;
use offhook_media::session::config::SessionConfig;
use offhook_media::session::event::MediaEvent;
use offhook_media::session::media_session::Renewal;
use offhook_tests::program::Program;
use offhook_tests::skip;

const LIMIT: Duration = Duration::from_secs(30);
const CALLER: CallKey = CallKey(1);
const CALLEE: CallKey = CallKey(2);

/// A running rtpengine and the way to its control port.
struct Rtpengine {
    _program: Program,
    socket: UdpSocket,
    asked: u32,
}

impl Rtpengine {
    fn start() -> Self {
        let free = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free().local_addr().unwrap().port();
        let mut command = Command::new("rtpengine");
        command
            .args([
                "--config-file=none",
                "--foreground",
                "--log-stderr",
                "--table=-1",
            ])
            .args(["--interface=127.0.0.1", "--num-threads=2", "--no-fallback"])
            .arg(format!("--listen-ng=127.0.0.1:{port}"));
        let program = Program::spawn("rtpengine", command);
        let socket = free();
        socket.connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        let mut rtpengine = Self {
            _program: program,
            socket,
            asked: 0,
        };
        let begun = Instant::now();
        while rtpengine.ask("d7:command4:pinge").is_none() {
            assert!(begun.elapsed() < LIMIT, "rtpengine does not answer");
        }
        rtpengine
    }

    /// One question in bencoding, and the answer to it.
    fn ask(&mut self, question: &str) -> Option<String> {
        self.asked += 1;
        let cookie = format!("q{} ", self.asked);
        // Nobody listens yet: asked again.
        let _ = self.socket.send(format!("{cookie}{question}").as_bytes());
        let mut buffer = vec![0; 65_535];
        let length = self.socket.recv(&mut buffer).ok()?;
        let answer = String::from_utf8(buffer[..length].to_vec()).unwrap();
        Some(answer.strip_prefix(&cookie)?.to_owned())
    }

    /// Hands a description over, and says what becomes of it on the other side.
    fn through(&mut self, command: &str, sdp: &str, rest: &str) -> String {
        let text = |text: &str| format!("{}:{text}", text.len());
        let tag = if command == "offer" {
            ""
        } else {
            "6:to-tag6:callee"
        };
        let question = format!(
            "d7:call-id4:call7:command{}8:from-tag6:caller3:sdp{}{tag}{rest}e",
            text(command),
            text(sdp)
        );
        let answer = self.ask(&question).expect("an answer of rtpengine");
        assert!(answer.contains("6:result2:ok"), "{answer}");
        let (_, behind) = answer.split_once("3:sdp").unwrap();
        let (length, behind) = behind.split_once(':').unwrap();
        behind[..length.parse().unwrap()].to_owned()
    }
}

/// What a worker told of a call.
fn next(events: &Receiver<(CallKey, CallEvent)>, of: CallKey) -> CallEvent {
    let asked = Instant::now();
    loop {
        let (call, event) = events
            .recv_timeout(LIMIT.saturating_sub(asked.elapsed()))
            .expect("an event in time");
        if let CallEvent::Refused(refusal) = &event {
            panic!("{call:?} was refused: {refusal}");
        }
        let is_media = matches!(event, CallEvent::Media(_));
        if call == of && !is_media {
            return event;
        }
    }
}

#[test]
fn rtcp_apart_goes_through_rtpengine_both_ways() {
    if !skip::have(&["rtpengine"]) {
        return;
    }
    let mut rtpengine = Rtpengine::start();
    let (sender, events) = channel();
    let worker = Worker::spawn(WorkerConfig::default(), move |call, event| {
        let _ = sender.send((call, event));
    })
    .unwrap();
    let handle = worker.handle();
    let certificate = Arc::new(Certificate::generate().unwrap());
    for call in [CALLER, CALLEE] {
        let tone = Source::tone(440.0);
        let program = AudioProgram::new(OpusSettings::default(), tone, Sink::discard());
        let bind = Bind::Addresses(vec![Ipv4Addr::LOCALHOST.into()]);
        let config = SessionConfig::new(Arc::clone(&certificate));
        handle.open(call, config, Box::new(program), bind).unwrap();
    }
    handle.create_offer(CALLER).unwrap();
    let CallEvent::LocalOffer { sdp } = next(&events, CALLER) else {
        panic!("no offer")
    };
    let offer = rtpengine.through(
        "offer",
        &sdp,
        "3:ICE5:force8:rtcp-muxl5:demuxe18:transport-protocol17:UDP/TLS/RTP/SAVPF",
    );
    assert!(
        !offer.contains("a=rtcp-mux") && offer.contains(" 2 UDP "),
        "{offer}"
    );
    handle.accept_offer(CALLEE, offer, Renewal::Change).unwrap();
    let CallEvent::LocalAnswer { sdp } = next(&events, CALLEE) else {
        panic!("no answer")
    };
    assert!(
        sdp.contains(" 2 udp ") && !sdp.contains("a=rtcp-mux"),
        "{sdp}"
    );
    let answer = rtpengine.through("answer", &sdp, "");
    handle.accept_answer(CALLER, answer).unwrap();

    // Reports of both, and round trips measured by them, over either way.
    let mut measured = [false; 2];
    let asked = Instant::now();
    while measured != [true; 2] {
        let (call, event) = events
            .recv_timeout(LIMIT.saturating_sub(asked.elapsed()))
            .expect("reports of both ends in time");
        let side = usize::from(call == CALLEE);
        match event {
            CallEvent::Media(MediaEvent::Statistics(statistics)) => {
                let reports = statistics.remote_inbound;
                measured[side] |= statistics.inbound.packets_received > 50
                    && reports.is_some_and(|it| it.round_trip_time_measurements > 1);
            }
            CallEvent::Media(MediaEvent::Failed(error)) => panic!("{call:?}: {error}"),
            _ => {}
        }
    }
}
