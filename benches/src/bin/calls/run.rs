//! One run: sets the calls up, a few at a time, lets them talk, and counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use offhook_media::driver::bind::Bind;
use offhook_media::driver::event::{CallEvent, OpenError};
use offhook_media::driver::handle::CommandError;
use offhook_media::driver::worker::{WorkerConfig, Workers};
use offhook_media::dtls::certificate::{Certificate, CertificateError};
use offhook_media::ice::gathering::config::GatheringConfig;
use offhook_media::program::CallKey;
use offhook_media::quality::statistics::Statistics;
use offhook_media::session::config::SessionConfig;
use offhook_media::session::error::{MediaError, Refusal};
use offhook_media::session::event::MediaEvent;
use offhook_media::session::media_session::Renewal;
use offhook_media::srtp::profile::SrtpProfile;

use crate::clip::{Clip, Shared};
use crate::network;
use offhook_benches::figures::Figures;
use offhook_benches::machine::{self, Withheld, cpu_time, resident_kib};

/// How long all calls settle before the measurement: each tells its statistics once in this time.
const SETTLE: Duration = Duration::from_millis(1500);
/// What is still on its way arrives within this time.
const DRAIN: Duration = Duration::from_millis(300);
/// Nothing happened for this long: the run is stuck.
const STUCK: Duration = Duration::from_secs(30);

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) pairs: usize,
    pub(crate) span: Duration,
    pub(crate) inflight: usize,
    pub(crate) threads: usize,
    pub(crate) real_time: Option<u8>,
    pub(crate) profiles: Vec<SrtpProfile>,
    /// Where there is a relay.
    pub(crate) gathering: Option<GatheringConfig>,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Machine(#[from] machine::Failure),
    #[error(transparent)]
    Network(#[from] network::Failure),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("cannot start a media worker: {0}")]
    Worker(std::io::Error),
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("end {0} was refused: {1}")]
    Refused(u64, Refusal),
    #[error("end {0} failed: {1}")]
    Media(u64, MediaError),
    #[error("nothing happened for {} s while {waiting} ends were waited for", STUCK.as_secs())]
    Stuck { waiting: usize },
}

/// What the main thread has to react to; all else is counted where it happens.
enum News {
    Call(CallKey, CallEvent),
    Connected(CallKey, Instant),
}

struct Run<'a> {
    plan: &'a Plan,
    workers: Workers,
    news: Receiver<News>,
    shared: Arc<Shared>,
    certificate: Arc<Certificate>,
}

pub(crate) fn run(plan: &Plan) -> Result<Figures, Failure> {
    let ends = plan.pairs * 2;
    let shared = Arc::new(Shared::default());
    let late: Arc<[AtomicU64]> = (0..ends).map(|_| AtomicU64::new(0)).collect();
    let (sender, news) = sync_channel(ends * 4 + 1024);
    let config = WorkerConfig {
        real_time: plan.real_time,
        ..WorkerConfig::default()
    };
    let workers = Workers::spawn(&config, plan.threads, |_| {
        sink(sender.clone(), Arc::clone(&late))
    })
    .map_err(Failure::Worker)?;
    let certificate = Arc::new(Certificate::generate()?);
    let run = Run {
        plan,
        workers,
        news,
        shared: Arc::clone(&shared),
        certificate,
    };

    let rss_before = resident_kib()?;
    let cpu_before = cpu_time()?;
    let mut setups = run.set_up()?;
    let setup_cpu = cpu_time()? - cpu_before;

    // A measurement lasts as long as it was asked to: nothing is waited for here.
    std::thread::sleep(SETTLE);
    let sum_late = || {
        late.iter()
            .map(|late| late.load(Ordering::Relaxed))
            .sum::<u64>()
    };
    let (late_in_setup, frames_before) = (sum_late(), shared.frames.load(Ordering::Relaxed));
    let (cpu_before, begun) = (cpu_time()?, Instant::now());
    let withheld_before = Withheld::so_far();
    // The span that is measured.
    std::thread::sleep(plan.span);
    let withheld = Withheld::so_far().since(withheld_before);
    let frames = shared.frames.load(Ordering::Relaxed) - frames_before;
    let (cpu, span) = (cpu_time()? - cpu_before, begun.elapsed());
    let rss = resident_kib()?.saturating_sub(rss_before);

    shared.quiet.store(true, Ordering::Relaxed);
    // Packets still under way are no loss.
    std::thread::sleep(DRAIN);
    let last = run.hang_up()?;

    setups.sort_unstable();
    let percentile = |part: f64| {
        let index = ((setups.len() as f64 - 1.0) * part).round() as usize;
        setups
            .get(index)
            .map_or(0.0, |setup| setup.as_secs_f64() * 1e3)
    };
    let sum = |figure: &dyn Fn(&Statistics) -> u64| last.iter().map(figure).sum::<u64>();
    let sent = sum(&|statistics| statistics.outbound.packets_sent);
    let received = sum(&|statistics| statistics.inbound.packets_received);
    Ok(Figures {
        calls: ends,
        seconds: span.as_secs_f64(),
        packets: frames,
        lost: sent.cast_signed() - received.cast_signed(),
        late: sum(&|statistics| statistics.local.slots_late + statistics.local.slots_skipped)
            - late_in_setup,
        late_in_setup,
        run_delay_ms: withheld.queued.as_secs_f64() * 1e3,
        steal_ms: withheld.stolen.as_secs_f64() * 1e3,
        send_errors: sum(&|statistics| statistics.local.send_errors),
        cpu_us_per_frame: cpu.as_secs_f64() * 1e6 / frames.max(1) as f64,
        cpu_percent: cpu.as_secs_f64() / span.as_secs_f64() * 100.0,
        rss_kib_per_call: rss as f64 / ends as f64,
        setup_p50_ms: percentile(0.5),
        setup_p99_ms: percentile(0.99),
        setups_per_cpu_second: ends as f64 / setup_cpu.as_secs_f64().max(1e-9),
    })
}

/// Runs on the worker's thread: counts, and passes on what the main thread waits for.
fn sink(news: SyncSender<News>, late: Arc<[AtomicU64]>) -> impl FnMut(CallKey, CallEvent) + Send {
    move |call, event| {
        if let CallEvent::Media(MediaEvent::Statistics(statistics)) = &event {
            let index = usize::try_from(call.0).unwrap_or(usize::MAX);
            if let Some(late) = late.get(index) {
                late.store(
                    statistics.local.slots_late + statistics.local.slots_skipped,
                    Ordering::Relaxed,
                );
            }
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

impl Run<'_> {
    /// Sets all pairs up; returns how long each end took.
    fn set_up(&self) -> Result<Vec<Duration>, Failure> {
        let ends = self.plan.pairs * 2;
        let mut begun = vec![None; self.plan.pairs];
        let mut connected = vec![0_u8; self.plan.pairs];
        let mut setups = Vec::with_capacity(ends);
        let mut next = 0;
        while next < self.plan.pairs.min(self.plan.inflight) {
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
                        if *connected == 2 && next < self.plan.pairs {
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
                profiles: self.plan.profiles.clone(),
                gathering: self.plan.gathering.clone().unwrap_or_default(),
                ..SessionConfig::new(Arc::clone(&self.certificate))
            };
            let clip = Box::new(Clip::new(Arc::clone(&self.shared)));
            let bind = Bind::Addresses(vec![std::net::Ipv4Addr::LOCALHOST.into()]);
            self.workers.of(call).open(call, config, clip, bind)?;
        }
        if let Some(begun) = begun.get_mut(pair) {
            *begun = Some(Instant::now());
        }
        Ok(self.workers.of(offerer).create_offer(offerer)?)
    }

    /// Ends all calls; returns their last figures.
    fn hang_up(&self) -> Result<Vec<Statistics>, Failure> {
        let ends = self.plan.pairs * 2;
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

    fn wait(&self, waiting: usize) -> Result<News, Failure> {
        self.news.recv_timeout(STUCK).map_err(|error| match error {
            RecvTimeoutError::Timeout => Failure::Stuck { waiting },
            RecvTimeoutError::Disconnected => Failure::Command(CommandError::Gone),
        })
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
