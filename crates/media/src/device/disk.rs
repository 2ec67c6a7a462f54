//! One thread that reads and writes the sound files of all calls, so that no media worker ever waits for a disk.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel,
};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ringbuf::traits::{Producer, Split};
use ringbuf::{HeapProd, HeapRb};

use crate::device::error::EndpointError;
use crate::device::open::RecordingNames;
use crate::device::wav::names;
use crate::device::wav::reader::WavReader;
use crate::device::wav::writer::WavWriter;
use crate::graph::event::{EVENT_RING, EndpointEvent, EndpointFault};
use crate::graph::frame::SAMPLE_RATE;
use crate::graph::ring::{RingReader, RingWriter, sample_ring};
use crate::graph::sink::Sink;
use crate::graph::source::Source;

/// How often rings are filled and emptied.
const TICK: Duration = Duration::from_millis(25);
/// How often the header of a recording is brought up to date.
const HEADER_EVERY: Duration = Duration::from_secs(1);
/// Sound read ahead, and sound that may wait to be written: two seconds.
const RING_SAMPLES: usize = 2 * SAMPLE_RATE as usize;
/// Samples written at a time.
const PIECE: usize = 9_600;
/// Orders that may wait for the thread.
const QUEUE: usize = 64;

/// Limits of the disk thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskConfig {
    /// A recording goes on in a new file before the sound of one exceeds so many bytes.
    pub part_bytes: u64,
    /// Files that may be open at a time.
    pub most_files: usize,
}

impl Default for DiskConfig {
    /// 2 GiB a part, 256 files.
    fn default() -> Self {
        Self {
            part_bytes: 2 << 30,
            most_files: 256,
        }
    }
}

/// Handle of the disk thread; the thread ends after the last handle and the last file are gone.
#[derive(Debug, Clone)]
pub struct Disk {
    config: DiskConfig,
    orders: SyncSender<Job>,
    open: Arc<OpenFiles>,
}

/// Counts the files in use; waiting for the recordings among them is possible.
#[derive(Debug, Default)]
struct OpenFiles {
    all: AtomicUsize,
    recordings: Mutex<usize>,
    closed: Condvar,
}

enum Job {
    Play(Box<Play>),
    Record(Box<Record>),
}

impl Disk {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(config: DiskConfig) -> io::Result<Self> {
        let (orders, received) = sync_channel(QUEUE);
        let open = Arc::new(OpenFiles::default());
        thread::Builder::new()
            .name("offhook-disk".to_owned())
            .spawn(move || run(&received))?;
        Ok(Self {
            config,
            orders,
            open,
        })
    }

    /// Opens a WAV file as a source; its first second is read before this returns.
    ///
    /// # Errors
    /// [`EndpointError`] when the file is missing, unreadable, no WAV or of an unsupported format, or too many are open.
    pub fn play(&self, path: &Path) -> Result<Source, EndpointError> {
        let permit = self.permit()?;
        let reader = WavReader::open(path)?;
        let (ring, samples) = sample_ring(RING_SAMPLES + reader.most_per_read());
        let (events, event_reader) = HeapRb::new(EVENT_RING).split();
        let mut play = Play {
            reader,
            ring,
            events,
            at_end: false,
            _permit: permit,
        };
        play.fill();
        self.order(Job::Play(Box::new(play)))?;
        Ok(Source::ring(samples, event_reader))
    }

    /// Makes a new recording at the path that `pattern` and `names` give; see [`names`] for the rules.
    ///
    /// # Errors
    /// [`EndpointError`] when the file cannot be made, or too many are open.
    pub fn record(&self, pattern: &Path, given: RecordingNames<'_>) -> Result<Sink, EndpointError> {
        let permit = self.permit()?.recording();
        let wanted = names::fill(pattern, given.call, given.time);
        let (path, file) = names::create_new(&wanted)?;
        let create = |error: io::Error| EndpointError::Create {
            path: path.clone(),
            kind: error.kind(),
        };
        let writer = WavWriter::new(file).map_err(create)?;
        let (samples, ring) = sample_ring(RING_SAMPLES);
        let (mut events, event_reader) = HeapRb::new(EVENT_RING).split();
        tell(
            &mut events,
            EndpointEvent::RecordingTo { path: path.clone() },
        );
        let record = Record {
            writer,
            path,
            wanted,
            part_bytes: self.config.part_bytes,
            ring,
            events,
            scratch: vec![0.0; PIECE],
            header_due: now() + HEADER_EVERY,
            lost: 0,
            _permit: permit,
        };
        self.order(Job::Record(Box::new(record)))?;
        Ok(Sink::ring(samples, event_reader))
    }

    /// Waits until no recording is open any more (its sink was dropped and its file is complete); false when that
    /// took longer than `within`.
    pub fn wait_for_recordings(&self, within: Duration) -> bool {
        let recordings = self
            .open
            .recordings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .open
            .closed
            .wait_timeout_while(recordings, within, |open| *open > 0);
        let (open, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *open == 0
    }

    fn permit(&self) -> Result<Permit, EndpointError> {
        let before = self.open.all.fetch_add(1, Ordering::Relaxed);
        let permit = Permit {
            open: Arc::clone(&self.open),
            recording: false,
        };
        if before >= self.config.most_files {
            Err(EndpointError::Busy { open: before })
        } else {
            Ok(permit)
        }
    }

    fn order(&self, job: Job) -> Result<(), EndpointError> {
        self.orders.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => EndpointError::Busy {
                open: self.open.all.load(Ordering::Relaxed),
            },
            TrySendError::Disconnected(_) => EndpointError::DiskEnded,
        })
    }
}

/// One open file; gives its place back when dropped.
#[derive(Debug)]
struct Permit {
    open: Arc<OpenFiles>,
    recording: bool,
}

impl Permit {
    fn recording(mut self) -> Self {
        self.recording = true;
        *self
            .open
            .recordings
            .lock()
            .unwrap_or_else(PoisonError::into_inner) += 1;
        self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.open.all.fetch_sub(1, Ordering::Relaxed);
        if self.recording {
            *self
                .open
                .recordings
                .lock()
                .unwrap_or_else(PoisonError::into_inner) -= 1;
            self.open.closed.notify_all();
        }
    }
}

fn run(orders: &Receiver<Job>) {
    let mut jobs: Vec<Job> = Vec::new();
    let mut connected = true;
    loop {
        if jobs.is_empty() {
            if !connected {
                return;
            }
            match orders.recv() {
                Ok(job) => jobs.push(job),
                Err(_) => return,
            }
        }
        loop {
            match orders.try_recv() {
                Ok(job) => jobs.push(job),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    connected = false;
                    break;
                }
            }
        }
        jobs.retain_mut(|job| match job {
            Job::Play(play) => play.step(),
            Job::Record(record) => record.step(),
        });
        if connected {
            match orders.recv_timeout(TICK) {
                Ok(job) => jobs.push(job),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        } else {
            pause();
        }
    }
}

struct Play {
    reader: WavReader,
    ring: RingWriter,
    events: HeapProd<EndpointEvent>,
    at_end: bool,
    _permit: Permit,
}

impl Play {
    /// False when there is nothing left to do.
    fn step(&mut self) -> bool {
        if self.ring.is_abandoned() {
            return false;
        }
        self.fill();
        if self.at_end && self.ring.occupied() == 0 {
            tell(&mut self.events, EndpointEvent::InputEnded);
            return false;
        }
        true
    }

    fn fill(&mut self) {
        let most = self.reader.most_per_read();
        while !self.at_end && self.ring.vacant() >= most {
            let ring = &mut self.ring;
            match self.reader.read(|piece| ring.write(piece)) {
                Ok(true) => {}
                Ok(false) => self.end(),
                Err(error) => {
                    let path = self.reader.path().to_owned();
                    let fault = EndpointFault::Read {
                        path,
                        kind: error.kind(),
                    };
                    tell(&mut self.events, EndpointEvent::InputFailed(fault));
                    self.end();
                }
            }
        }
    }

    fn end(&mut self) {
        self.at_end = true;
        self.ring.end();
    }
}

struct Record {
    writer: WavWriter<File>,
    path: PathBuf,
    wanted: PathBuf,
    part_bytes: u64,
    ring: RingReader,
    events: HeapProd<EndpointEvent>,
    scratch: Vec<f32>,
    header_due: Instant,
    lost: u64,
    _permit: Permit,
}

impl Record {
    /// False when there is nothing left to do.
    fn step(&mut self) -> bool {
        // Asked before reading: what comes between the two is read next time.
        let last = self.ring.is_abandoned();
        if let Err(fault) = self.drain() {
            // The header's place is on the disk already, so this works also on a full one.
            let _first_error_counts = self.writer.update_header();
            tell(&mut self.events, EndpointEvent::OutputFailed(fault));
            return false;
        }
        let lost = self.ring.lost();
        if lost > self.lost {
            let lost_ms = (lost - self.lost) / u64::from(SAMPLE_RATE / 1000);
            tracing::warn!(path = %self.path.display(), lost_ms, "the disk is too slow for this recording");
            self.lost = lost;
        }
        let now = now();
        if last || now >= self.header_due {
            self.header_due = now + HEADER_EVERY;
            if let Err(error) = self.writer.update_header() {
                let fault = self.fault(&error);
                tell(&mut self.events, EndpointEvent::OutputFailed(fault));
                return false;
            }
        }
        !last
    }

    fn drain(&mut self) -> Result<(), EndpointFault> {
        loop {
            let count = self.ring.read(&mut self.scratch);
            let mut samples = self.scratch.get(..count).unwrap_or_default();
            if samples.is_empty() {
                return Ok(());
            }
            while !samples.is_empty() {
                let room = self.part_bytes.saturating_sub(self.writer.data_bytes()) / 2;
                let (now, later) = samples.split_at(
                    samples
                        .len()
                        .min(usize::try_from(room).unwrap_or(usize::MAX)),
                );
                self.writer.write(now).map_err(|error| self.fault(&error))?;
                samples = later;
                if !later.is_empty() {
                    self.writer
                        .update_header()
                        .map_err(|error| self.fault(&error))?;
                    let (writer, path) = next_part(&self.wanted)?;
                    self.writer = writer;
                    tell(
                        &mut self.events,
                        EndpointEvent::RecordingTo { path: path.clone() },
                    );
                    self.path = path;
                }
            }
        }
    }

    fn fault(&self, error: &io::Error) -> EndpointFault {
        fault(&self.path, error.kind())
    }
}

fn next_part(wanted: &Path) -> Result<(WavWriter<File>, PathBuf), EndpointFault> {
    let (path, file) = names::create_new(wanted).map_err(|error| {
        let kind = if let EndpointError::Create { kind, .. } = error {
            kind
        } else {
            io::ErrorKind::AlreadyExists
        };
        fault(wanted, kind)
    })?;
    let writer = WavWriter::new(file).map_err(|error| fault(&path, error.kind()))?;
    Ok((writer, path))
}

fn fault(path: &Path, kind: io::ErrorKind) -> EndpointFault {
    let path = path.to_owned();
    if matches!(
        kind,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::WriteZero
    ) {
        EndpointFault::DiskFull { path }
    } else {
        EndpointFault::Write { path, kind }
    }
}

/// A reader that does not look loses the newest events, never the thread's time.
fn tell(events: &mut HeapProd<EndpointEvent>, event: EndpointEvent) {
    let _lost_when_full = events.try_push(event);
}

#[expect(
    clippy::disallowed_methods,
    reason = "the edge to the disk paces itself by the clock"
)]
fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a thread of its own, without a channel left to wait on"
)]
fn pause() {
    thread::sleep(TICK);
}
