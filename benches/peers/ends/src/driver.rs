//! Drives stacks without I/O of their own: one thread, one epoll, a socket per end, one heap of deadlines.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};

use crate::arguments::Plan;
use crate::meter::{Counts, DRAIN, LATE, Meter, PAYLOAD, SETTLE, SLOT};

/// Whatever a stack says went wrong.
pub type Fault = Box<dyn Error + Send + Sync>;

/// Nothing happened for this long: the run is stuck.
const STUCK: Duration = Duration::from_secs(60);

/// One end of a call.
pub trait End: Sized {
    /// What all ends share, such as a certificate.
    type Shared;
    /// An end with one host candidate.
    ///
    /// # Errors
    /// What the stack says.
    fn new(shared: &Self::Shared, address: SocketAddr, now: Instant) -> Result<Self, Fault>;
    /// The SDP of an offer.
    ///
    /// # Errors
    /// What the stack says.
    fn offer(&mut self, now: Instant) -> Result<String, Fault>;
    /// The SDP of an answer to it.
    ///
    /// # Errors
    /// What the stack says.
    fn answer(&mut self, offer: String, now: Instant) -> Result<String, Fault>;
    /// Takes the answer.
    ///
    /// # Errors
    /// What the stack says.
    fn accept(&mut self, answer: String, now: Instant) -> Result<(), Fault>;
    /// A datagram came.
    ///
    /// # Errors
    /// What the stack says.
    fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) -> Result<(), Fault>;
    /// The deadline that `poll` named has come.
    ///
    /// # Errors
    /// What the stack says.
    fn timeout(&mut self, now: Instant) -> Result<(), Fault>;
    /// A packet of the load.
    ///
    /// # Errors
    /// What the stack says.
    fn send(&mut self, payload: &[u8], slot: u64, now: Instant) -> Result<(), Fault>;
    /// Passes on what is to be sent, counts packets that came, and returns the next deadline.
    ///
    /// # Errors
    /// What the stack says.
    fn poll(
        &mut self,
        now: Instant,
        received: &mut u64,
        send: impl FnMut(SocketAddr, &[u8]),
    ) -> Result<Option<Instant>, Fault>;
    /// ICE and DTLS are done.
    fn is_connected(&self) -> bool;
}

struct Seat<E> {
    end: E,
    socket: UdpSocket,
    begun: Instant,
    connected: bool,
    slot: Instant,
    slots: u64,
    /// What stands in the heap for it; others there are old.
    due: Option<Instant>,
    stack: Option<Instant>,
}

struct Run<'a, E: End> {
    plan: Plan,
    shared: &'a E::Shared,
    poll: Poll,
    seats: Vec<Seat<E>>,
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
    counts: Counts,
    took: Vec<Duration>,
    quiet: bool,
    ready: VecDeque<usize>,
}

/// Sets the calls up, lets them talk, and prints the figures.
///
/// # Errors
/// When the machine or the stack fails.
pub fn run<E: End>(plan: Plan, shared: &E::Shared) -> Result<(), Fault> {
    let mut meter = Meter::start()?;
    let mut run = Run::<E> {
        plan,
        shared,
        poll: Poll::new()?,
        seats: Vec::new(),
        heap: BinaryHeap::new(),
        counts: Counts::default(),
        took: Vec::new(),
        quiet: false,
        ready: VecDeque::new(),
    };
    let ends = plan.pairs * 2;
    for _ in 0..plan.pairs.min(plan.inflight) {
        run.begin()?;
    }
    let stuck = Instant::now() + STUCK;
    while run.took.len() < ends {
        run.turn(Instant::now() + Duration::from_millis(50))?;
        if Instant::now() > stuck {
            return Err(format!("only {} of {ends} ends are connected", run.took.len()).into());
        }
    }
    meter.set_up(std::mem::take(&mut run.took))?;
    run.turn_for(SETTLE)?;
    meter.begin(run.counts)?;
    run.turn_for(plan.span)?;
    meter.end(run.counts)?;
    run.quiet = true;
    run.turn_for(DRAIN)?;
    meter.show(run.counts, &plan);
    Ok(())
}

impl<E: End> Run<'_, E> {
    fn begin(&mut self) -> Result<(), Fault> {
        let begun = Instant::now();
        let first = self.seats.len();
        for index in [first, first + 1] {
            let mut socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into())?;
            let address = socket.local_addr()?;
            self.poll
                .registry()
                .register(&mut socket, Token(index), Interest::READABLE)?;
            let end = E::new(self.shared, address, begun)?;
            // Spread over the slot, so that the ends do not all send at once.
            let share = (index as u32 * 7919) % 20_000;
            self.seats.push(Seat {
                end,
                socket,
                begun,
                connected: false,
                slot: begun + Duration::from_micros(share.into()),
                slots: 0,
                due: None,
                stack: None,
            });
        }
        let (left, right) = self.seats.split_at_mut(first + 1);
        let (caller, callee) = (&mut left[first].end, &mut right[0].end);
        let now = Instant::now();
        let offer = caller.offer(now)?;
        let answer = callee.answer(offer, now)?;
        caller.accept(answer, now)?;
        self.settle(first)?;
        self.settle(first + 1)
    }

    /// Lets an end say all that it has to say, and notes when it wants to be asked again.
    fn settle(&mut self, index: usize) -> Result<(), Fault> {
        let now = Instant::now();
        let seat = &mut self.seats[index];
        let (socket, counts) = (&seat.socket, &mut self.counts);
        let (mut refused, mut received) = (0, 0);
        seat.stack = seat.end.poll(now, &mut received, |to, datagram| {
            if socket.send_to(datagram, to).is_err() {
                refused += 1;
            }
        })?;
        counts.send_errors += refused;
        counts.received += received;
        if !seat.connected && seat.end.is_connected() {
            seat.connected = true;
            self.took.push(now - seat.begun);
            while seat.slot < now {
                seat.slot += SLOT;
            }
            if self.seats[index ^ 1].connected && self.seats.len() < self.plan.pairs * 2 {
                self.ready.push_back(index);
            }
        }
        let seat = &mut self.seats[index];
        let slot = Some(seat.slot).filter(|_| seat.connected);
        let due = [slot, seat.stack].into_iter().flatten().min();
        if due != seat.due {
            seat.due = due;
            self.heap.extend(due.map(|due| Reverse((due, index))));
        }
        Ok(())
    }

    fn turn_for(&mut self, span: Duration) -> Result<(), Fault> {
        let end = Instant::now() + span;
        while Instant::now() < end {
            self.turn(end)?;
        }
        Ok(())
    }

    /// Waits for a datagram or a deadline and does what is due.
    fn turn(&mut self, end: Instant) -> Result<(), Fault> {
        let now = Instant::now();
        let next = self
            .heap
            .peek()
            .map_or(end, |Reverse((due, _))| end.min(*due));
        let mut events = Events::with_capacity(1024);
        self.poll
            .poll(&mut events, Some(next.saturating_duration_since(now)))?;
        let mut buffer = [0; 2048];
        for event in &events {
            let index = event.token().0;
            while let Ok((length, from)) = self.seats[index].socket.recv_from(&mut buffer) {
                let now = Instant::now();
                self.seats[index]
                    .end
                    .receive(from, &buffer[..length], now)?;
                self.settle(index)?;
            }
        }
        let now = Instant::now();
        while let Some(Reverse((due, index))) =
            self.heap.peek().copied().filter(|next| next.0.0 <= now)
        {
            self.heap.pop();
            if self.seats[index].due == Some(due) {
                self.seats[index].due = None;
                self.due(index, now)?;
            }
        }
        while self.ready.pop_front().is_some() {
            if self.seats.len() < self.plan.pairs * 2 {
                self.begin()?;
            }
        }
        Ok(())
    }

    fn due(&mut self, index: usize, now: Instant) -> Result<(), Fault> {
        let seat = &mut self.seats[index];
        if seat.stack.is_some_and(|stack| stack <= now) {
            seat.end.timeout(now)?;
        }
        if seat.connected && seat.slot <= now {
            self.counts.late += u64::from(now - seat.slot > LATE);
            seat.slot += SLOT;
            if !self.quiet {
                seat.end.send(&PAYLOAD, seat.slots, now)?;
                seat.slots += 1;
                self.counts.sent += 1;
            }
        }
        self.settle(index)
    }
}
