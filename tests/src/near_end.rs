//! Our end of a call: a media worker that says a tone and records what it hears, without any signalling of its own.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use offhook_media::audio::program::AudioProgram;
use offhook_media::codec::settings::OpusSettings;
use offhook_media::device::disk::{Disk, DiskConfig};
use offhook_media::device::open::RecordingNames;
use offhook_media::driver::bind::Bind;
use offhook_media::driver::event::CallEvent;
use offhook_media::driver::handle::WorkerHandle;
use offhook_media::driver::worker::{Worker, WorkerConfig};
use offhook_media::dtls::certificate::Certificate;
use offhook_media::graph::source::Source;
use offhook_media::ice::candidate::CandidateType;
use offhook_media::ice::gathering::failure::ServerFailure;
use offhook_media::program::CallKey;
use offhook_media::session::config::SessionConfig;
use offhook_media::session::error::MediaError;
use offhook_media::session::event::MediaEvent;
use offhook_media::session::media_session::Renewal;

use crate::sound;

/// Nothing here takes longer, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// The one call of the worker.
const CALL: CallKey = CallKey(1);

static CERTIFICATE: LazyLock<Arc<Certificate>> =
    LazyLock::new(|| Arc::new(Certificate::generate().expect("a certificate")));

/// One end of one call.
#[derive(Debug)]
pub struct NearEnd {
    worker: Worker,
    events: Receiver<CallEvent>,
    recording: PathBuf,
    _folder: tempfile::TempDir,
    paths: usize,
    /// Kinds of our candidate and of the far end's, of the path in use.
    pub path: Option<(CandidateType, CandidateType)>,
    /// Our candidates that the far end has to be told of, one by one.
    pub candidates: Vec<String>,
    /// Why servers gave no candidate.
    pub server_failures: Vec<ServerFailure>,
    goodbye: bool,
}

impl NearEnd {
    /// Opens it: it says a tone of `hertz` once connected.
    ///
    /// # Panics
    /// When the system gives no thread, socket or file.
    pub fn open(hertz: f64, configure: impl FnOnce(&mut SessionConfig)) -> Self {
        Self::open_at(Ipv4Addr::LOCALHOST, hertz, configure)
    }

    /// The same at another address of this machine.
    ///
    /// # Panics
    /// As [`NearEnd::open`].
    pub fn open_at(
        address: Ipv4Addr,
        hertz: f64,
        configure: impl FnOnce(&mut SessionConfig),
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let recording = folder.path().join("heard.wav");
        let disk = Disk::start(DiskConfig::default()).expect("a thread");
        let names = RecordingNames { call: "", time: "" };
        let sink = disk.record(&recording, names).expect("a recording");
        let settings = OpusSettings::default();
        let program = AudioProgram::new(settings, Source::tone(hertz), sink);
        let mut config = SessionConfig::new(Arc::clone(&CERTIFICATE));
        configure(&mut config);
        let (sender, events) = channel();
        let sink = move |_: CallKey, event: CallEvent| {
            let _ = sender.send(event);
        };
        let worker = Worker::spawn(WorkerConfig::default(), sink).expect("a worker");
        let bind = Bind::Addresses(vec![address.into()]);
        let opened = worker.handle().open(CALL, config, Box::new(program), bind);
        opened.expect("a call");
        Self {
            worker,
            events,
            recording,
            _folder: folder,
            paths: 0,
            path: None,
            candidates: Vec::new(),
            server_failures: Vec::new(),
            goodbye: false,
        }
    }

    fn handle(&self) -> WorkerHandle {
        self.worker.handle()
    }

    /// Our offer, the first one or a later one.
    ///
    /// # Panics
    /// When there is none in time, as everywhere here.
    pub fn offer(&mut self) -> String {
        self.handle().create_offer(CALL).expect("the worker runs");
        self.description()
    }

    /// Why there is no offer: the call has ended by that.
    pub fn fails_to_offer(&mut self) -> MediaError {
        self.handle().create_offer(CALL).expect("the worker runs");
        self.wait("failure", |event| match event {
            CallEvent::Closed { error, .. } => error.clone(),
            _ => None,
        })
    }

    /// An offer with new ICE credentials.
    pub fn restart_ice(&mut self) -> String {
        self.handle().restart_ice(CALL).expect("the worker runs");
        self.description()
    }

    /// Our answer.
    pub fn answer(&mut self, offer: String) -> String {
        let given = self.handle().accept_offer(CALL, offer, Renewal::Change);
        given.expect("the worker runs");
        self.description()
    }

    /// Takes the far end's answer.
    pub fn accept(&mut self, answer: String) {
        let given = self.handle().accept_answer(CALL, answer);
        given.expect("the worker runs");
        self.wait("acceptance", |event| {
            matches!(event, CallEvent::AnswerAccepted).then_some(())
        });
    }

    /// Takes a candidate that the far end found later.
    pub fn add_candidate(&self, candidate: String) {
        let given = self.handle().add_remote_candidate(CALL, candidate);
        given.expect("the worker runs");
    }

    fn description(&mut self) -> String {
        self.wait("description", |event| match event {
            CallEvent::LocalOffer { sdp } | CallEvent::LocalAnswer { sdp } => Some(sdp.clone()),
            _ => None,
        })
    }

    /// Takes note of what was told up to now.
    pub fn catch_up(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.note(&event);
        }
    }

    /// How many paths were found, one after the other.
    pub fn paths(&mut self) -> usize {
        self.catch_up();
        self.paths
    }

    fn note(&mut self, event: &CallEvent) {
        match event {
            CallEvent::LocalCandidate { candidate } => self.candidates.push(candidate.clone()),
            CallEvent::Media(MediaEvent::IcePair {
                local_kind,
                remote_kind,
                ..
            }) => {
                self.paths += 1;
                self.path = Some((*local_kind, *remote_kind));
            }
            CallEvent::Media(MediaEvent::Goodbye { .. }) => self.goodbye = true,
            CallEvent::Refused(refusal) => panic!("the far end's description: {refusal}"),
            CallEvent::OpenFailed(error) => panic!("{error}"),
            CallEvent::Media(MediaEvent::Failed(error)) => panic!("the media failed: {error}"),
            CallEvent::Media(MediaEvent::PathLost { .. }) => self.path = None,
            CallEvent::IceServerFailed { failure, .. } => {
                self.server_failures.push(failure.clone());
            }
            _ => {}
        }
    }

    /// Waits for the first event that the test wants.
    ///
    /// # Panics
    /// When it does not come in time, or something fails.
    pub fn wait<T>(&mut self, what: &str, mut wanted: impl FnMut(&CallEvent) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            let Ok(event) = self.events.recv_timeout(rest) else {
                panic!("no {what} within {PATIENCE:?}; path {:?}", self.path);
            };
            self.note(&event);
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }

    /// Waits until this tone is heard, from now on.
    pub fn hears(&self, hertz: f64) {
        sound::wait_for_tone(&self.recording, hertz, PATIENCE);
    }

    /// Waits until it is told that the path is lost.
    pub fn loses_path(&mut self) {
        self.wait("loss of the path", |event| {
            matches!(event, CallEvent::Media(MediaEvent::PathLost { .. })).then_some(())
        });
    }

    /// Waits until the far end has told by RTCP how it hears us, and what it has sent.
    pub fn gets_reports(&mut self) {
        self.wait("reports", |event| match event {
            CallEvent::Media(MediaEvent::Statistics(figures)) => (figures.remote_inbound.is_some()
                && figures.remote_outbound.is_some())
            .then_some(()),
            _ => None,
        });
    }

    /// Waits until the far end has said goodbye by RTCP.
    pub fn gets_goodbye(&mut self) {
        if !self.goodbye {
            self.wait("goodbye", |event| {
                matches!(event, CallEvent::Media(MediaEvent::Goodbye { .. })).then_some(())
            });
        }
    }

    /// Ends the call; every packet of it was authentic.
    ///
    /// # Panics
    /// When one was not.
    pub fn close_with_nothing_forged(&mut self) {
        self.handle().close(CALL).expect("the worker runs");
        let figures = self.wait("end", |event| match event {
            CallEvent::Closed { statistics, .. } => Some((**statistics).clone()),
            _ => None,
        });
        let refused = &figures.transport;
        assert_eq!(
            (refused.refused_forged, refused.refused_replayed),
            (0, 0),
            "{figures:?}"
        );
    }
}
