//! Ends of calls in this process: workers that carry them, set up in pairs a few at a time, hung up all together.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use offhook_media::driver::bind::Bind;
use offhook_media::driver::event::{CallEvent, OpenError};
use offhook_media::driver::handle::CommandError;
use offhook_media::driver::worker::{WorkerConfig, Workers};
use offhook_media::dtls::certificate::{Certificate, CertificateError};
use offhook_media::ice::gathering::config::GatheringConfig;
use offhook_media::program::{CallKey, Program};
use offhook_media::quality::statistics::Statistics;
use offhook_media::session::config::SessionConfig;
use offhook_media::session::error::{MediaError, Refusal};
use offhook_media::session::event::MediaEvent;
use offhook_media::session::media_session::Renewal;
use offhook_media::srtp::profile::SrtpProfile;

/// Nothing happened for this long: the run is stuck.
const STUCK: Duration = Duration::from_secs(30);

/// How the ends are made.
#[derive(Debug, Clone)]
pub struct EndsConfig {
    /// Pairs of ends.
    pub pairs: usize,
    /// Calls set up at a time.
    pub inflight: usize,
    /// Worker threads.
    pub threads: usize,
    /// Their real-time priority.
    pub real_time: Option<u8>,
    /// SRTP profiles that are offered and taken.
    pub profiles: Vec<SrtpProfile>,
    /// Where there is a relay.
    pub gathering: Option<GatheringConfig>,
}

/// Why there are no ends, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// No worker.
    #[error("cannot start a media worker: {0}")]
    Worker(std::io::Error),
    /// A worker takes no commands.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// No sockets for an end.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// An end took no offer or answer.
    #[error("end {0} was refused: {1}")]
    Refused(u64, Refusal),
    /// An end failed.
    #[error("end {0} failed: {1}")]
    Media(u64, MediaError),
    /// Nothing happens any more.
    #[error("nothing happened for {} s while {waiting} ends were waited for", STUCK.as_secs())]
    Stuck {
        /// How many have not come.
        waiting: usize,
    },
}

/// What the main thread has to react to; all else is counted where it happens.
enum News {
    Call(CallKey, CallEvent),
    Connected(CallKey, Instant),
}

/// The ends; pair `n` has the calls `2n`, which offers, and `2n + 1`.
pub struct Ends {
    config: EndsConfig,
    workers: Workers,
    news: Receiver<News>,
    certificate: Arc<Certificate>,
    program: Box<dyn Fn(CallKey) -> Box<dyn Program>>,
}

impl std::fmt::Debug for Ends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ends")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Ends {
    /// Starts the workers. `program` makes what an end says; `watch` is told each end's figures every second, on the
    /// worker's thread.
    ///
    /// # Errors
    /// [`Failure`], where there is no thread or certificate.
    pub fn start(
        config: EndsConfig,
        program: impl Fn(CallKey) -> Box<dyn Program> + 'static,
        watch: impl Fn(CallKey, &Statistics) + Clone + Send + 'static,
    ) -> Result<Self, Failure> {
        let (sender, news) = sync_channel(config.pairs * 8 + 1024);
        let worker = WorkerConfig {
            real_time: config.real_time,
            max_calls: config.pairs * 2,
            ..WorkerConfig::default()
        };
        let workers = Workers::spawn(&worker, config.threads, |_| {
            sink(sender.clone(), watch.clone())
        })
        .map_err(Failure::Worker)?;
        Ok(Self {
            config,
            workers,
            news,
            certificate: Arc::new(Certificate::generate()?),
            program: Box::new(program),
        })
    }

    /// Sets all pairs up; returns how long each end took.
    ///
    /// # Errors
    /// [`Failure`] of the first end that has one.
    pub fn set_up(&self) -> Result<Vec<Duration>, Failure> {
        let ends = self.config.pairs * 2;
        let mut begun = vec![None; self.config.pairs];
        let mut connected = vec![0_u8; self.config.pairs];
        let mut setups = Vec::with_capacity(ends);
        let mut next = 0;
        while next < self.config.pairs.min(self.config.inflight) {
            self.begin(next, &mut begun)?;
            next += 1;
        }
        while setups.len() < ends {
            match self.wait(ends - setups.len())? {
                News::Call(call, CallEvent::LocalOffer { sdp }) => {
                    let peer = CallKey(call.0 + 1);
                    self.workers
                        .of(peer)
                        .accept_offer(peer, sdp, Renewal::Change)?;
                }
                News::Call(call, CallEvent::LocalAnswer { sdp }) => {
                    let peer = CallKey(call.0 - 1);
                    self.workers.of(peer).accept_answer(peer, sdp)?;
                }
                News::Connected(call, at) => {
                    let pair = pair_of(call);
                    setups.extend(begun.get(pair).copied().flatten().map(|begun| at - begun));
                    if let Some(connected) = connected.get_mut(pair) {
                        *connected += 1;
                        if *connected == 2 && next < self.config.pairs {
                            self.begin(next, &mut begun)?;
                            next += 1;
                        }
                    }
                }
                News::Call(call, event) => check(call, event)?,
            }
        }
        Ok(setups)
    }

    fn begin(&self, pair: usize, begun: &mut [Option<Instant>]) -> Result<(), Failure> {
        let offerer = CallKey(pair as u64 * 2);
        for call in [offerer, CallKey(offerer.0 + 1)] {
            let config = SessionConfig {
                profiles: self.config.profiles.clone(),
                gathering: self.config.gathering.clone().unwrap_or_default(),
                ..SessionConfig::new(Arc::clone(&self.certificate))
            };
            let program = (self.program)(call);
            let bind = Bind::Addresses(vec![std::net::Ipv4Addr::LOCALHOST.into()]);
            self.workers.of(call).open(call, config, program, bind)?;
        }
        if let Some(begun) = begun.get_mut(pair) {
            *begun = Some(Instant::now());
        }
        Ok(self.workers.of(offerer).create_offer(offerer)?)
    }

    /// Ends all calls; returns their last figures.
    ///
    /// # Errors
    /// [`Failure`] of the first end that has one.
    pub fn hang_up(&self) -> Result<Vec<Statistics>, Failure> {
        let ends = self.config.pairs * 2;
        let mut last = Vec::with_capacity(ends);
        // Fewer at a time than the command queue holds.
        for calls in (0..ends as u64).collect::<Vec<_>>().chunks(256) {
            for call in calls.iter().copied().map(CallKey) {
                self.workers.of(call).close(call)?;
            }
            let expected = last.len() + calls.len();
            while last.len() < expected {
                match self.wait(expected - last.len())? {
                    News::Call(
                        _,
                        CallEvent::Closed {
                            error: None,
                            statistics,
                        },
                    ) => last.push(*statistics),
                    News::Call(call, event) => check(call, event)?,
                    News::Connected(..) => {}
                }
            }
        }
        Ok(last)
    }

    /// What went wrong since the ends were set up.
    ///
    /// # Errors
    /// [`Failure`] of the first end that has one.
    pub fn check(&self) -> Result<(), Failure> {
        while let Ok(news) = self.news.try_recv() {
            if let News::Call(call, event) = news {
                check(call, event)?;
            }
        }
        Ok(())
    }

    fn wait(&self, waiting: usize) -> Result<News, Failure> {
        self.news.recv_timeout(STUCK).map_err(|error| match error {
            RecvTimeoutError::Timeout => Failure::Stuck { waiting },
            RecvTimeoutError::Disconnected => Failure::Command(CommandError::Gone),
        })
    }
}

/// Runs on the worker's thread: hands figures to who watches, and passes on what the main thread waits for.
fn sink(
    news: SyncSender<News>,
    watch: impl Fn(CallKey, &Statistics) + Send,
) -> impl FnMut(CallKey, CallEvent) + Send {
    move |call, event| {
        if let CallEvent::Media(MediaEvent::Statistics(statistics)) = &event {
            watch(call, statistics);
            return;
        }
        let told = if let CallEvent::Media(event) = event {
            if !matches!(event, MediaEvent::DtlsConnected { .. }) {
                return;
            }
            News::Connected(call, Instant::now())
        } else {
            News::Call(call, event)
        };
        // The queue holds all that the ends can say; if it were full, the main thread would be gone.
        let _ = news.try_send(told);
    }
}

/// Whatever is a failure ends the run.
fn check(call: CallKey, event: CallEvent) -> Result<(), Failure> {
    if let CallEvent::OpenFailed(error) = event {
        return Err(error.into());
    }
    if let CallEvent::Refused(refusal) = event {
        return Err(Failure::Refused(call.0, refusal));
    }
    if let CallEvent::Closed {
        error: Some(error), ..
    } = event
    {
        return Err(Failure::Media(call.0, error));
    }
    Ok(())
}

fn pair_of(call: CallKey) -> usize {
    usize::try_from(call.0 / 2).unwrap_or(usize::MAX)
}
