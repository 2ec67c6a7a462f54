//! The owner's side of a worker: commands into a bounded queue that wakes the worker's thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};

use mio::Waker;

use crate::driver::bind::Bind;
use crate::program::{CallKey, Program, ProgramCommand};
use crate::session::config::{Hold, SessionConfig};
use crate::session::forks::ForkAnswer;
use crate::session::media_session::Renewal;

/// A command could not be given.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The queue is full: the worker is overloaded.
    #[error(
        "the media worker is overloaded: its command queue is full; try again, or use more workers"
    )]
    Overloaded,
    /// The worker has ended.
    #[error("the media worker has ended: start another")]
    Gone,
}

/// One thing for the worker to do.
pub(crate) enum Command {
    Open {
        call: CallKey,
        config: Box<SessionConfig>,
        program: Box<dyn Program>,
        bind: Bind,
    },
    CreateOffer(CallKey),
    AcceptOffer(CallKey, String, Renewal),
    AcceptAnswer(CallKey, String),
    AcceptForkAnswer(CallKey, ForkAnswer),
    AddRemoteCandidate(CallKey, String),
    Program(CallKey, ProgramCommand),
    ReplaceProgram(CallKey, Box<dyn Program>),
    Hold(CallKey, Hold),
    RestartIce(CallKey),
    WithdrawRestart(CallKey),
    SurroundingsChanged,
    Close(CallKey),
}

impl Command {
    /// The call that it is for; `None`: all of them.
    pub(crate) const fn call(&self) -> Option<CallKey> {
        match self {
            Self::Open { call, .. }
            | Self::CreateOffer(call)
            | Self::AcceptOffer(call, ..)
            | Self::AcceptAnswer(call, _)
            | Self::AcceptForkAnswer(call, _)
            | Self::AddRemoteCandidate(call, _)
            | Self::Program(call, _)
            | Self::ReplaceProgram(call, _)
            | Self::Hold(call, _)
            | Self::RestartIce(call)
            | Self::WithdrawRestart(call)
            | Self::Close(call) => Some(*call),
            Self::SurroundingsChanged => None,
        }
    }
}

/// Gives commands to one worker. Cheap to clone; every method returns at once.
///
/// Commands for one call are carried out in the order given. A command for a call that is not open is ignored: it
/// crossed the call's end on the way.
#[derive(Clone)]
pub struct WorkerHandle {
    commands: SyncSender<Command>,
    waker: Arc<Waker>,
    stopping: Arc<AtomicBool>,
}

impl std::fmt::Debug for WorkerHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerHandle").finish_non_exhaustive()
    }
}

impl WorkerHandle {
    pub(crate) fn new(
        commands: SyncSender<Command>,
        waker: Arc<Waker>,
        stopping: Arc<AtomicBool>,
    ) -> Self {
        Self {
            commands,
            waker,
            stopping,
        }
    }

    /// Opens a call: its sockets are bound, its candidates known, nothing is sent yet.
    ///
    /// # Errors
    /// When the worker is overloaded or gone; all else comes as
    /// [`OpenFailed`](crate::driver::event::CallEvent::OpenFailed).
    pub fn open(
        &self,
        call: CallKey,
        config: SessionConfig,
        program: Box<dyn Program>,
        bind: Bind,
    ) -> Result<(), CommandError> {
        self.give(Command::Open {
            call,
            config: Box::new(config),
            program,
            bind,
        })
    }

    /// Asks for an offer; it comes as [`LocalOffer`](crate::driver::event::CallEvent::LocalOffer). On a call that is
    /// already agreed on, this is a re-offer with the present ICE credentials.
    ///
    /// # Errors
    /// When the worker is overloaded or gone.
    pub fn create_offer(&self, call: CallKey) -> Result<(), CommandError> {
        self.give(Command::CreateOffer(call))
    }

    /// Takes the far end's offer, the first or a later one; the answer comes as
    /// [`LocalAnswer`](crate::driver::event::CallEvent::LocalAnswer), a refusal as
    /// [`Refused`](crate::driver::event::CallEvent::Refused). `renewal` says whether the far end still has the transport
    /// of before; for the first offer it does not matter.
    ///
    /// # Errors
    /// When the worker is overloaded or gone.
    pub fn accept_offer(
        &self,
        call: CallKey,
        sdp: String,
        renewal: Renewal,
    ) -> Result<(), CommandError> {
        self.give(Command::AcceptOffer(call, sdp, renewal))
    }

    /// Takes the far end's answer to our offer. A second one to the same offer (an answer after early media) is taken
    /// when it differs, ignored when it is the same.
    ///
    /// # Errors
    /// When the worker is overloaded or gone.
    pub fn accept_answer(&self, call: CallKey, sdp: String) -> Result<(), CommandError> {
        self.give(Command::AcceptAnswer(call, sdp))
    }

    /// Takes the answer of one fork of the call: it is heard until another one's comes, or for good.
    ///
    /// # Errors
    /// When the worker is overloaded or gone.
    pub fn accept_fork_answer(
        &self,
        call: CallKey,
        answer: ForkAnswer,
    ) -> Result<(), CommandError> {
        self.give(Command::AcceptForkAnswer(call, answer))
    }

    /// Takes a candidate that the far end signalled by itself (RFC 8838); one that cannot be read or used is left aside.
    /// One that comes before the far end's description waits for it.
    ///
    /// # Errors
    /// When the worker is overloaded or gone.
    pub fn add_remote_candidate(
        &self,
        call: CallKey,
        candidate: String,
    ) -> Result<(), CommandError> {
        self.give(Command::AddRemoteCandidate(call, candidate))
    }

    /// Passes a wish to the call's program.
    ///
    /// # Errors
    /// When the worker is overloaded or gone.
    pub fn program(&self, call: CallKey, command: ProgramCommand) -> Result<(), CommandError> {
        self.give(Command::Program(call, command))
    }

    /// Puts another program in the place of the call's present one, without a gap in sequence or time.
    ///
    /// # Errors
    /// When the worker is overloaded or gone.
    pub fn replace_program(
        &self,
        call: CallKey,
        program: Box<dyn Program>,
    ) -> Result<(), CommandError> {
        self.give(Command::ReplaceProgram(call, program))
    }

    /// Sets our side of the direction; what is sent changes at once, the far end learns of it by the next offer or
    /// answer.
    ///
    /// # Errors
    /// When the worker is overloaded or gone.
    pub fn hold(&self, call: CallKey, hold: Hold) -> Result<(), CommandError> {
        self.give(Command::Hold(call, hold))
    }

    /// Draws new ICE credentials and asks for an offer that carries them (RFC 8445 section 9).
    ///
    /// # Errors
    /// When the worker is overloaded or gone.
    pub fn restart_ice(&self, call: CallKey) -> Result<(), CommandError> {
        self.give(Command::RestartIce(call))
    }

    /// Takes back a restart of ours whose offer the far end has not taken.
    ///
    /// # Errors
    /// When the worker is overloaded or gone.
    pub fn withdraw_restart(&self, call: CallKey) -> Result<(), CommandError> {
        self.give(Command::WithdrawRestart(call))
    }

    /// Says that this machine's addresses, links or routes have changed: calls whose media goes by an address that is gone are told at
    /// once, by [`PathLost`](crate::session::event::MediaEvent::PathLost), and try those that there are; paths in doubt are asked
    /// again.
    ///
    /// # Errors
    /// When the worker is overloaded or gone.
    pub fn surroundings_changed(&self) -> Result<(), CommandError> {
        self.give(Command::SurroundingsChanged)
    }

    /// Ends a call: RTCP BYE, DTLS close_notify, sockets closed; then
    /// [`Closed`](crate::driver::event::CallEvent::Closed).
    ///
    /// # Errors
    /// When the worker is overloaded or gone.
    pub fn close(&self, call: CallKey) -> Result<(), CommandError> {
        self.give(Command::Close(call))
    }

    /// Ends all calls and then the worker's thread, also when the queue is full.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        // A failing wake-up means that the thread has ended already.
        let _ = self.waker.wake();
    }

    fn give(&self, command: Command) -> Result<(), CommandError> {
        self.commands
            .try_send(command)
            .map_err(|refused| match refused {
                TrySendError::Full(_) => CommandError::Overloaded,
                TrySendError::Disconnected(_) => CommandError::Gone,
            })?;
        // A failing wake-up means that the poll is gone, and with it the worker.
        self.waker.wake().map_err(|_| CommandError::Gone)
    }
}
