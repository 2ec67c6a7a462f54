//! The media of a test client: numbered packets out, and whatever comes back.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
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

const CALL: CallKey = CallKey(1);
/// Nothing here takes longer, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// One call's media.
pub(crate) struct Phone {
    worker: Worker,
    events: Receiver<CallEvent>,
    heard: Receiver<Vec<u8>>,
}

impl Phone {
    /// A phone whose packets carry its name.
    pub(crate) fn new(name: u8) -> Self {
        let (to_events, events) = sync_channel(10_000);
        let (to_heard, heard) = sync_channel(10_000);
        let sink = move |_: CallKey, event: CallEvent| {
            // What does not fit is missed by whoever waits for it.
            let _ = to_events.try_send(event);
        };
        let worker = Worker::spawn(WorkerConfig::default(), sink).expect("a worker");
        let certificate = Arc::new(Certificate::generate().expect("a certificate"));
        let config = SessionConfig::new(certificate);
        let program = Named {
            name,
            codec: None,
            sent: 0,
            heard: to_heard,
        };
        let bind = Bind::Addresses(vec![Ipv4Addr::LOCALHOST.into()]);
        worker
            .handle()
            .open(CALL, config, Box::new(program), bind)
            .expect("a call");
        Self {
            worker,
            events,
            heard,
        }
    }

    pub(crate) fn offer(&self) -> String {
        self.worker.handle().create_offer(CALL).expect("a worker");
        self.event(|event| match event {
            CallEvent::LocalOffer { sdp } => Some(sdp),
            _ => None,
        })
    }

    pub(crate) fn take_answer(&self, sdp: &str) {
        let handle = self.worker.handle();
        handle
            .accept_answer(CALL, sdp.to_owned())
            .expect("a worker");
        self.event(|event| match event {
            CallEvent::AnswerAccepted => Some(()),
            CallEvent::Refused(refusal) => panic!("{refusal}"),
            _ => None,
        });
    }

    pub(crate) fn answer(&self, sdp: &str) -> String {
        let handle = self.worker.handle();
        handle
            .accept_offer(CALL, sdp.to_owned(), Renewal::Change)
            .expect("a worker");
        self.event(|event| match event {
            CallEvent::LocalAnswer { sdp } => Some(sdp),
            CallEvent::Refused(refusal) => panic!("{refusal}"),
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
        while self.packet().first_chunk() != Some(&[b'#', name]) {}
    }

    /// Waits for a packet that no phone sent.
    pub(crate) fn hears_the_sandbox(&self) {
        while self.heard.try_recv().is_ok() {}
        while self.packet().first() == Some(&b'#') {}
    }

    fn packet(&self) -> Vec<u8> {
        self.heard.recv_timeout(PATIENCE).expect("a packet")
    }
}

/// Sends `#` and its name in each packet.
struct Named {
    name: u8,
    codec: Option<AudioCodec>,
    sent: u32,
    heard: SyncSender<Vec<u8>>,
}

impl Program for Named {
    fn negotiated(&mut self, format: &AudioFormat, _now: Instant) {
        self.codec = Some(format.codec);
    }

    fn packet(&mut self, packet: &AudioPacket<'_>, _now: Instant, _out: &mut Outgoing) {
        let _ = self.heard.try_send(packet.payload.to_vec());
    }

    fn slot(&mut self, _now: Instant, out: &mut Outgoing) {
        let Some(codec) = self.codec else { return };
        let mut payload = [0; 160];
        payload[..2].copy_from_slice(&[b'#', self.name]);
        let timestamp = self.sent.wrapping_mul(codec.ticks_per_slot());
        let first = self.sent == 0;
        self.sent += 1;
        out.send(PayloadKind::Audio(codec), first, timestamp, &payload);
    }

    fn command(&mut self, _command: ProgramCommand, _now: Instant) {}
}
