//! What the person sees while the demo runs: one line a step, with milliseconds, coloured and alive on a terminal.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is the demo's screen"
)]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use offhook_control::notice::Event;
use offhook_control::reply::Quality;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::Error;

/// Set by Ctrl-C, SIGTERM and a closed terminal.
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    pub(crate) fn listen() -> Self {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let _ = signal_hook::flag::register(signal, Arc::clone(&flag));
        }
        Self(flag)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.0.load(Ordering::Relaxed) {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    }
}

/// One step that was reached.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) detail: String,
    pub(crate) at_ms: f64,
}

/// The screen.
pub(crate) struct Screen {
    live: bool,
    /// A progress line stands and must be wiped before the next one.
    progress: bool,
}

impl Screen {
    pub(crate) fn new(plain: bool) -> Self {
        Self {
            live: !plain && std::io::stdout().is_terminal(),
            progress: false,
        }
    }

    pub(crate) fn title(&mut self, text: &str) {
        self.wipe();
        if self.live {
            println!("\n\x1b[1m{text}\x1b[0m")
        } else {
            println!("\n{text}")
        }
    }

    pub(crate) fn line(&mut self, text: &str) {
        self.wipe();
        println!("  {text}");
    }

    pub(crate) fn step(&mut self, step: &Step) {
        self.wipe();
        let Step {
            name,
            detail,
            at_ms,
        } = step;
        if self.live {
            println!("  \x1b[32m●\x1b[0m {name:<12}\x1b[36m{at_ms:>9.1} ms\x1b[0m  {detail}");
        } else {
            println!("  {name:<12}{at_ms:>9.1} ms  {detail}");
        }
    }

    /// Speaking: a bar that moves with the newest figures; nothing when not on a terminal.
    pub(crate) fn progress(&mut self, done: f64, quality: Option<&Quality>) {
        if !self.live {
            return;
        }
        let cells = 30;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 30"
        )]
        let full = (done.clamp(0.0, 1.0) * f64::from(cells)) as usize;
        let bar: String = (0..30)
            .map(|cell| if cell < full { '█' } else { '░' })
            .collect();
        let figures = quality.map_or_else(String::new, |quality| {
            let mos = quality
                .mos
                .map_or_else(String::new, |mos| format!(", MOS {mos:.2}"));
            format!(
                "  jitter {:.1} ms, lost {}{mos}",
                quality.jitter_ms, quality.packets_lost
            )
        });
        print!(
            "\r\x1b[2K  {bar} {:>3.0} %{figures}",
            done.clamp(0.0, 1.0) * 100.0
        );
        let _ = std::io::stdout().flush();
        self.progress = true;
    }

    fn wipe(&mut self) {
        if std::mem::take(&mut self.progress) {
            print!("\r\x1b[2K");
        }
    }

    pub(crate) fn verdict(&mut self, good: bool, text: &str) {
        self.wipe();
        match (self.live, good) {
            (true, true) => println!("\n\x1b[1;32m{text}\x1b[0m"),
            (true, false) => println!("\n\x1b[1;31m{text}\x1b[0m"),
            (false, _) => println!("\n{text}"),
        }
    }
}

/// The step that a notice stands for, if it is one of the time line.
pub(crate) fn step(event: &Event, at_ms: f64) -> Option<Step> {
    let (name, detail) = match event {
        Event::Socket { dns_ms, tcp_ms } => (
            "socket",
            format!("TCP stands (name {dns_ms:.1}, connect {tcp_ms:.1})"),
        ),
        Event::Tls { tls_ms } => (
            "TLS",
            format!("certificate checked (handshake {tls_ms:.1})"),
        ),
        Event::Login => ("login", "accepted".to_owned()),
        Event::Ready => ("ready", "calls can be made".to_owned()),
        Event::Invite { number, .. } => ("invite", format!("to {number}")),
        Event::Incoming { number, .. } => ("incoming", format!("from {number}")),
        Event::Ringing(_) => ("ringing", String::new()),
        Event::Early(_) => ("early media", String::new()),
        Event::Answered(_) => ("answered", String::new()),
        Event::Ice { local, remote } => ("ICE pair", format!("{local} <-> {remote}")),
        Event::Dtls { profile } => ("DTLS", profile.clone()),
        Event::FirstRtpSent => ("first RTP out", String::new()),
        Event::FirstRtpReceived => ("first RTP in", String::new()),
        _ => return None,
    };
    Some(Step {
        name,
        detail,
        at_ms,
    })
}

/// The last words of a demo that could not be carried out.
pub(crate) fn say_error(error: &Error) {
    eprintln!("\ndemo: {error}");
}
