//! The story: start both programs, call the echo, be called, compare, report.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use offhook_control::notice::{Ended, Event, Notice};
use offhook_control::reply::{ConnectSteps, Quality};

use crate::args::Args;
use crate::compare::{self, Comparison};
use crate::control::{self, Subscription};
use crate::error::Error;
use crate::processes::{Daemon, Folder, Sandbox, cli};
use crate::report;
use crate::timeline::{self, Interrupt, Screen, Step};

/// What the demo found.
pub(crate) enum Verdict {
    /// The speech came back, both times.
    Heard,
    /// It did not; the screen says what failed.
    NotHeard,
}

/// The correlation from which on the speech counts as having come back.
pub(crate) const ENOUGH: f64 = 0.9;

/// How long the recording goes on after the speech has ended, so that its end comes back too.
const TAIL: Duration = Duration::from_millis(700);

/// One call, as it was seen and heard.
pub(crate) struct CallStory {
    pub(crate) title: &'static str,
    pub(crate) steps: Vec<Step>,
    pub(crate) seconds: Vec<Second>,
    pub(crate) recording: PathBuf,
    pub(crate) quality: Quality,
    pub(crate) comparison: Option<Comparison>,
}

/// Figures of one second.
pub(crate) struct Second {
    pub(crate) at_s: f64,
    pub(crate) jitter_ms: f64,
    pub(crate) lost: i64,
}

pub(crate) fn run(args: &Args) -> Result<Verdict, Error> {
    let interrupt = Interrupt::listen();
    let mut screen = Screen::new(args.plain);
    screen.title("offhook demo: two real calls on this machine; nothing leaves it");
    let folder = Folder::make(&args.out)?;
    // Dropped in reverse: the daemon hangs up and unregisters before its server goes.
    let mut sandbox = Sandbox::start(args, &folder, &interrupt)?;
    let mut daemon = Daemon::start(args, &folder, &sandbox)?;
    screen.line(&format!(
        "sandbox  {} ({} dialect)",
        sandbox.url(),
        args.dialect.as_str()
    ));
    screen.line(&format!(
        "daemon   offhookd, control socket {}",
        folder.socket().display()
    ));

    let subscription = control::subscribe(&folder.socket(), &mut daemon, &interrupt)?;
    let mut stage = Stage {
        screen,
        interrupt,
        folder,
        notices: subscription,
    };
    stage.screen.title("To the server");
    let connect = stage.wait_until_ready(&mut daemon)?;

    stage.screen.title("A call out: offhook call 9196 --wait");
    let mut outbound = stage.call_the_echo()?;
    stage.screen.title("A call in: offhook answer");
    sandbox.call("demo-1")?;
    let mut inbound = stage.be_called()?;

    let Stage {
        mut screen, folder, ..
    } = stage;
    drop(daemon);
    drop(sandbox);

    let mut heard = true;
    for story in [&mut outbound, &mut inbound] {
        heard &= judge(&mut screen, story, &folder.speech(), args.silence);
    }
    let page = folder.out.join("report.html");
    report::write(&page, &connect, &[&outbound, &inbound], &folder.speech())?;
    screen.title("Files");
    screen.line(&format!("played   {}", folder.speech().display()));
    screen.line(&format!(
        "heard    {} (call out)",
        outbound.recording.display()
    ));
    screen.line(&format!(
        "heard    {} (call in)",
        inbound.recording.display()
    ));
    screen.line(&format!("report   {}", page.display()));
    if heard {
        screen.verdict(true, "The speech came back in both calls.");
        return Ok(Verdict::Heard);
    }
    Ok(Verdict::NotHeard)
}

struct Stage {
    screen: Screen,
    interrupt: Interrupt,
    folder: Folder,
    notices: Subscription,
}

impl Stage {
    fn wait_until_ready(&mut self, daemon: &mut Daemon) -> Result<Vec<Step>, Error> {
        let mut steps = Vec::new();
        let known = self
            .notices
            .snapshot
            .accounts
            .first()
            .and_then(|account| account.steps.clone());
        for step in known.iter().flat_map(steps_of) {
            self.screen.step(&step);
            steps.push(step);
        }
        while !steps.iter().any(|step| step.name == "ready") {
            daemon.check()?;
            let notice = self.next("the login", Duration::from_secs(20))?;
            if let Event::Account {
                reason: Some(reason),
                ..
            } = &notice.event
            {
                self.screen.line(reason);
            }
            let step = notice
                .call
                .is_none()
                .then(|| timeline::step(&notice.event, notice.at_ms.unwrap_or_default()));
            if let Some(step) = step.flatten() {
                self.screen.step(&step);
                steps.push(step);
            }
        }
        Ok(steps)
    }

    fn call_the_echo(&mut self) -> Result<CallStory, Error> {
        // The real command line program waits for the answer while the notices draw the time line.
        let socket = self.folder.socket();
        let (sender, answered) = channel();
        std::thread::spawn(move || {
            let _ = sender.send(cli(&socket, &["call", "9196", "--wait"]));
        });
        self.follow_call("Call out, to the echo", Vec::new(), Some(&answered))
    }

    fn be_called(&mut self) -> Result<CallStory, Error> {
        let mut early = Vec::new();
        loop {
            let notice = self.next("the inbound call", Duration::from_secs(10))?;
            let incoming = matches!(notice.event, Event::Incoming { .. });
            early.push(notice);
            if incoming {
                break;
            }
        }
        cli(&self.folder.socket(), &["answer"])?;
        self.follow_call("Call in, from the echo", early, None)
    }

    /// Follows one call: draws its steps, lets the speech play, hangs up, and collects what was told.
    fn follow_call(
        &mut self,
        title: &'static str,
        early: Vec<Notice>,
        command: Option<&Receiver<Result<String, Error>>>,
    ) -> Result<CallStory, Error> {
        let speech = compare::duration(&self.folder.speech())?;
        let mut story = CallStory {
            title,
            steps: Vec::new(),
            seconds: Vec::new(),
            recording: PathBuf::new(),
            quality: Quality::default(),
            comparison: None,
        };
        let mut early = early.into_iter();
        let mut media_since: Option<Instant> = None;
        let mut hung_up = false;
        loop {
            let notice = match early.next() {
                Some(notice) => Some(notice),
                None => self.poll(Duration::from_millis(100))?,
            };
            if let Some(notice) = notice.filter(|notice| notice.call.is_some())
                && let Some(ended) = self.follow(&mut story, &mut media_since, notice)
            {
                if !hung_up {
                    return Err(Error::CallEnded(ended.reason));
                }
                return Ok(story);
            }
            if let Some(Err(failed)) = command.and_then(|command| command.try_recv().ok()) {
                return Err(failed);
            }
            let Some(since) = media_since else { continue };
            let whole = speech + TAIL;
            self.screen.progress(
                since.elapsed().div_duration_f64(whole),
                Some(&story.quality),
            );
            if since.elapsed() > whole && !hung_up {
                hung_up = true;
                cli(&self.folder.socket(), &["hangup"])?;
            }
            if since.elapsed() > whole + Duration::from_secs(10) {
                let logs = self.folder.out.clone();
                return Err(Error::TooLate {
                    what: "the end of the call",
                    seconds: 10,
                    logs,
                });
            }
        }
    }

    /// Takes one notice of the call into its story; yields the end when it is that.
    fn follow(
        &mut self,
        story: &mut CallStory,
        media_since: &mut Option<Instant>,
        notice: Notice,
    ) -> Option<Ended> {
        let at_ms = notice.at_ms.unwrap_or_default();
        if let Some(step) = timeline::step(&notice.event, at_ms) {
            self.screen.step(&step);
            story.steps.push(step);
        }
        match notice.event {
            Event::Recording { path } => story.recording = PathBuf::from(path),
            // Speech begins when both ends can hear; the mute of a return path must not make the demo wait for ever.
            Event::Dtls { .. } => *media_since = Some(Instant::now()),
            Event::Quality(quality) => {
                let lost = quality.packets_lost - story.quality.packets_lost;
                story.seconds.push(Second {
                    at_s: at_ms / 1000.0,
                    jitter_ms: quality.jitter_ms,
                    lost,
                });
                story.quality = quality;
            }
            Event::AudioFault { reason, .. } => self.screen.line(&reason),
            Event::NoMedia { silent_ms } => self
                .screen
                .line(&format!("nothing was heard for {silent_ms} ms")),
            Event::Ended(ended) => {
                story.quality = ended
                    .quality
                    .clone()
                    .unwrap_or_else(|| story.quality.clone());
                return Some(ended);
            }
            _ => {}
        }
        None
    }

    fn next(&mut self, what: &'static str, limit: Duration) -> Result<Notice, Error> {
        self.interrupt
            .wait(&self.notices.notices, limit, what, &self.folder)
    }

    fn poll(&mut self, limit: Duration) -> Result<Option<Notice>, Error> {
        self.interrupt.check()?;
        match self.notices.notices.recv_timeout(limit) {
            Ok(notice) => Ok(Some(notice)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                Err(Error::Control("the daemon closed it".to_owned()))
            }
        }
    }
}

/// The steps that were reached before the demo could listen.
fn steps_of(steps: &ConnectSteps) -> Vec<Step> {
    let step = |name, detail: &str, at_ms| Step {
        name,
        detail: detail.to_owned(),
        at_ms,
    };
    let mut reached = vec![step("socket", "TCP stands", steps.socket_ms)];
    reached.extend(
        steps
            .tls_ms
            .map(|at| step("TLS", "certificate checked", at)),
    );
    reached.extend(steps.login_ms.map(|at| step("login", "accepted", at)));
    reached.extend(
        steps
            .ready_ms
            .map(|at| step("ready", "calls can be made", at)),
    );
    reached
}

/// Compares what was heard with what was played, prints the figures, and says whether it came back.
fn judge(screen: &mut Screen, story: &mut CallStory, speech: &Path, silence: bool) -> bool {
    screen.title(story.title);
    let quality = &story.quality;
    let expected = quality
        .packets_received
        .saturating_add_signed(quality.packets_lost);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a packet count of a ten second call"
    )]
    let loss = quality.packets_lost.max(0) as f64 * 100.0 / expected.max(1) as f64;
    screen.line(&format!(
        "loss             {loss:.2} % ({} of {expected} packets)",
        quality.packets_lost
    ));
    screen.line(&format!("jitter           {:.2} ms", quality.jitter_ms));
    screen.line(&match quality.round_trip_ms {
        Some(round_trip) => format!("round trip       {round_trip:.2} ms"),
        None => "round trip       not reported".to_owned(),
    });
    match compare::compare(speech, &story.recording, silence) {
        Ok(comparison) => story.comparison = Some(comparison),
        Err(error) => screen.line(&format!("the recording cannot be compared: {error}")),
    }
    let Some(comparison) = &story.comparison else {
        screen.verdict(false, &format!("{}: no recording to compare.", story.title));
        return false;
    };
    screen.line(&format!("mouth to ear     {:.0} ms", comparison.delay_ms));
    screen.line(&match quality.mos {
        Some(mos) => format!("MOS (E-model)    {mos:.2}"),
        None => "MOS (E-model)    unknown".to_owned(),
    });
    screen.line(&format!(
        "correlation      {:.3} (at least {ENOUGH} counts)",
        comparison.correlation
    ));
    if comparison.correlation >= ENOUGH {
        return true;
    }
    let what = if comparison.played_silence {
        "silence was put in, so nothing can come back"
    } else if comparison.heard_silence {
        "the return path is silent: what came back holds no sound"
    } else {
        "what came back is not what was played"
    };
    screen.verdict(false, &format!("{}: {what}.", story.title));
    false
}
