//! One thread that carries many calls: how it is started, ended, and several of them shared out.

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use mio::{Poll, Waker};
use thread_priority::unix::{
    RealtimeThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use thread_priority::{ThreadPriority, ThreadPriorityValue};

use crate::driver::event::EventSink;
use crate::driver::event_loop::{EventLoop, WAKER};
use crate::driver::handle::WorkerHandle;
use crate::program::CallKey;

/// What a worker is told at its start.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Name of the thread, 15 bytes at most are shown by the system.
    pub name: String,
    /// Most calls at a time.
    pub max_calls: usize,
    /// Commands that may wait.
    pub command_queue: usize,
    /// Receive buffer of each call's socket, in bytes.
    pub receive_buffer: usize,
    /// Send buffer of each call's socket, in bytes.
    pub send_buffer: usize,
    /// UDP ports of the calls' sockets; `None` lets the kernel choose.
    pub ports: Option<RangeInclusive<u16>>,
    /// Run the thread under the kernel's real-time round robin, at this priority (1 to 99, sched(7)), so that other
    /// programs of a busy machine do not delay its packets. Where that is not allowed (no `CAP_SYS_NICE`, and
    /// `RLIMIT_RTPRIO` lower), the thread runs as any other and says so in the log.
    ///
    /// Not for workers with so many calls that they fill a core: those would starve the rest of the program.
    pub real_time: Option<u8>,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            name: "media".to_owned(),
            max_calls: 10_000,
            command_queue: 4096,
            receive_buffer: 128 * 1024,
            send_buffer: 128 * 1024,
            ports: None,
            real_time: None,
        }
    }
}

/// A running worker thread. Dropped, it ends all its calls and waits for the thread.
#[derive(Debug)]
pub struct Worker {
    handle: WorkerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system refuses a poll, a waker, a random seed or a thread.
    pub fn spawn(config: WorkerConfig, events: impl EventSink + 'static) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (sender, receiver) = sync_channel(config.command_queue.max(1));
        let (name, real_time) = (config.name.clone(), config.real_time);
        let stopping = Arc::new(AtomicBool::new(false));
        let event_loop = EventLoop::new(
            config,
            poll,
            receiver,
            Arc::clone(&stopping),
            Box::new(events),
        )?;
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            if let Some(priority) = real_time {
                run_in_real_time(priority);
            }
            event_loop.run();
        })?;
        Ok(Self {
            handle: WorkerHandle::new(sender, waker, stopping),
            thread: Some(thread),
        })
    }

    /// For giving commands.
    #[must_use]
    pub fn handle(&self) -> WorkerHandle {
        self.handle.clone()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.handle.stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(
                "a media worker panicked: its calls are lost; please report this as a bug"
            );
        }
    }
}

/// Moves the calling thread to the real-time scheduler, if that is allowed.
fn run_in_real_time(priority: u8) {
    let value = ThreadPriorityValue::try_from(priority).unwrap_or(ThreadPriorityValue::MAX);
    let moved = set_thread_priority_and_policy(
        thread_native_id(),
        ThreadPriority::Crossplatform(value),
        ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin),
    );
    if let Err(error) = moved {
        tracing::info!(
            ?error,
            priority,
            "media runs at ordinary priority: allow real time with LimitRTPRIO= of systemd, or `ulimit -r`"
        );
    }
}

/// Several workers; calls are spread over them by key. Calls that are bridged must share a worker.
#[derive(Debug)]
pub struct Workers {
    workers: Vec<Worker>,
}

impl Workers {
    /// Starts `count` workers (one at least); `events` makes the sink of each.
    ///
    /// # Errors
    /// As [`Worker::spawn`]; workers already started are ended again.
    pub fn spawn<S: EventSink + 'static>(
        config: &WorkerConfig,
        count: usize,
        mut events: impl FnMut(usize) -> S,
    ) -> io::Result<Self> {
        let workers = (0..count.max(1))
            .map(|index| {
                let config = WorkerConfig {
                    name: format!("{}-{index}", config.name),
                    ..config.clone()
                };
                Worker::spawn(config, events(index))
            })
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Self { workers })
    }

    /// The worker that carries this call: always the same one for the same key.
    #[must_use]
    pub fn of(&self, call: CallKey) -> WorkerHandle {
        let index = usize::try_from(call.0 % self.workers.len() as u64).unwrap_or_default();
        self.workers[index].handle()
    }

    /// All of them.
    pub fn handles(&self) -> impl Iterator<Item = WorkerHandle> + '_ {
        self.workers.iter().map(Worker::handle)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.workers.len()
    }
}
