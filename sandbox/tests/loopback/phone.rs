//! The media of a test client: numbered packets out, and whatever comes back.

use std::net::Ipv4Addr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use offhook_media::driver::bind::Bind;
use offhook_media::driver::event::CallEvent;
use offhook_media::driver::worker::{Worker, WorkerConfig};
use offhook_media::dtls::certificate::Certificate;
use offhook_media::program::{
    AudioCodec, AudioFormat, AudioPacket, CallKey, Outgoing, PayloadKind, Program, ProgramCommand,
};
use offhook_media::session::config::SessionConfig;
use offhook_media::session::event::MediaEvent;
use offhook_media::session::media_session::Renewal;
use offhook_media::srtp::profile::SrtpProfile;

const CALL: CallKey = CallKey(1);
/// Nothing here takes longer, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// One call's media.
pub(crate) struct Phone {
    worker: Worker,
    events: Receiver<CallEvent>,
    heard: Receiver<(Vec<u8>, Instant)>,
    sent: Arc<Mutex<Vec<Instant>>>,
    name: u8,
}

impl Phone {
    /// A phone whose packets carry its name.
    pub(crate) fn new(name: u8) -> Self {
        Self::with_codecs(
            name,
            &[AudioCodec::Opus, AudioCodec::Pcmu, AudioCodec::Pcma],
        )
    }

    pub(crate) fn with_codecs(name: u8, codecs: &[AudioCodec]) -> Self {
        let (to_events, events) = sync_channel(10_000);
        let (to_heard, heard) = sync_channel(10_000);
        let sink = move |_: CallKey, event: CallEvent| {
            let _ = to_events.try_send(event);
        };
        let worker = Worker::spawn(WorkerConfig::default(), sink).unwrap();
        let certificate = Arc::new(Certificate::generate().unwrap());
        let mut config = SessionConfig::new(certificate);
        config.codecs = codecs.to_vec();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let program = Numbered {
            name,
            codec: None,
            sent: Arc::clone(&sent),
            heard: to_heard,
        };
        let bind = Bind::Addresses(vec![Ipv4Addr::LOCALHOST.into()]);
        worker
            .handle()
            .open(CALL, config, Box::new(program), bind)
            .unwrap();
        Self {
            worker,
            events,
            heard,
            sent,
            name,
        }
    }

    pub(crate) fn offer(&self) -> String {
        self.worker.handle().create_offer(CALL).unwrap();
        self.local_offer()
    }

    /// An offer with new ICE credentials.
    pub(crate) fn restart(&self) -> String {
        self.worker.handle().restart_ice(CALL).unwrap();
        self.local_offer()
    }

    fn local_offer(&self) -> String {
        self.event(|event| match event {
            CallEvent::LocalOffer { sdp } => Some(sdp),
            _ => None,
        })
    }

    pub(crate) fn take_answer(&self, sdp: &str) {
        self.worker
            .handle()
            .accept_answer(CALL, sdp.to_owned())
            .unwrap();
        self.event(|event| match event {
            CallEvent::AnswerAccepted => Some(()),
            CallEvent::Refused(refusal) => panic!("{refusal}"),
            _ => None,
        });
    }

    /// Answers an offer; `afresh` when the far end lost its media.
    pub(crate) fn answer(&self, sdp: &str, renewal: Renewal) -> String {
        self.worker
            .handle()
            .accept_offer(CALL, sdp.to_owned(), renewal)
            .unwrap();
        self.event(|event| match event {
            CallEvent::LocalAnswer { sdp } => Some(sdp),
            CallEvent::Refused(refusal) => panic!("{refusal}"),
            _ => None,
        })
    }

    /// Waits for the encrypted connection.
    pub(crate) fn connected(&self) -> SrtpProfile {
        self.event(|event| match event {
            CallEvent::Media(MediaEvent::DtlsConnected { profile }) => Some(profile),
            CallEvent::Media(MediaEvent::Failed(error)) => panic!("{error}"),
            _ => None,
        })
    }

    /// Waits for a key of the far end.
    pub(crate) fn digit(&self) -> char {
        self.event(|event| match event {
            CallEvent::Media(MediaEvent::Dtmf { digit }) => Some(digit),
            _ => None,
        })
    }

    fn event<T>(&self, mut wanted: impl FnMut(CallEvent) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left).expect("a media event");
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    }

    /// Waits for a packet that a phone of this name sent after this call began.
    pub(crate) fn hears(&self, name: u8) {
        while self.heard.try_recv().is_ok() {}
        loop {
            if self.packet().0.first_chunk() == Some(&[b'#', name]) {
                return;
            }
        }
    }

    /// The next packet.
    pub(crate) fn packet(&self) -> (Vec<u8>, Instant) {
        self.heard.recv_timeout(PATIENCE).expect("a packet")
    }

    /// Waits for a packet of its own to come back; how long that took.
    pub(crate) fn echo(&self) -> Duration {
        while self.heard.try_recv().is_ok() {}
        loop {
            let (payload, at) = self.packet();
            if let Some((&[b'#', name, a, b, c, d], _)) = payload.split_first_chunk()
                && name == self.name
            {
                let number = u32::from_be_bytes([a, b, c, d]) as usize;
                return at - self.sent.lock().unwrap()[number];
            }
        }
    }
}

/// Sends `#`, its name and a number in each packet.
struct Numbered {
    name: u8,
    codec: Option<AudioCodec>,
    sent: Arc<Mutex<Vec<Instant>>>,
    heard: SyncSender<(Vec<u8>, Instant)>,
}

impl Program for Numbered {
    fn negotiated(&mut self, format: &AudioFormat, _now: Instant) {
        self.codec = Some(format.codec);
    }

    fn packet(&mut self, packet: &AudioPacket<'_>, now: Instant, _out: &mut Outgoing) {
        let _ = self.heard.try_send((packet.payload.to_vec(), now));
    }

    fn slot(&mut self, now: Instant, out: &mut Outgoing) {
        let Some(codec) = self.codec else { return };
        let mut sent = self.sent.lock().unwrap();
        let number = sent.len() as u32;
        sent.push(now);
        let mut payload = [0; 160];
        payload[..2].copy_from_slice(&[b'#', self.name]);
        payload[2..6].copy_from_slice(&number.to_be_bytes());
        let timestamp = number * codec.ticks_per_slot();
        out.send(PayloadKind::Audio(codec), number == 0, timestamp, &payload);
    }

    fn command(&mut self, _command: ProgramCommand, _now: Instant) {}
}
