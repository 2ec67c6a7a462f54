//! The ways to carry a group of calls' datagrams, and the far ends that send them back.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
use nix::time::{ClockId, clock_gettime};

/// Bytes of a datagram: Opus of 20 ms with RTP's header and SRTP's tag.
const DATAGRAM: usize = 108;
/// Most datagrams of a system call.
const MOST: usize = 512;

/// Processor time of this thread up to now.
pub(crate) fn thread_time() -> io::Result<Duration> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(time.into())
}

/// Processor time.
#[derive(Debug, Default)]
pub(crate) struct Cost {
    pub(crate) sent: Duration,
    pub(crate) read: Duration,
}

/// One way, of which each part is measured.
pub(crate) trait Measured {
    /// A datagram to each of these far ends.
    fn send(&mut self, calls: Range<usize>) -> io::Result<()>;
    /// Waits for so many, and reads them.
    fn receive(&mut self, count: usize) -> io::Result<()>;
}

fn bind() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The far ends, each with a socket.
#[derive(Debug)]
pub(crate) struct Far {
    sockets: Vec<UdpSocket>,
    addresses: Vec<SocketAddr>,
}

impl Far {
    pub(crate) fn new(calls: usize) -> io::Result<Self> {
        let sockets: Vec<_> = (0..calls).map(|_| bind()).collect::<io::Result<_>>()?;
        let addresses = sockets
            .iter()
            .map(UdpSocket::local_addr)
            .collect::<io::Result<_>>()?;
        Ok(Self { sockets, addresses })
    }

    pub(crate) const fn len(&self) -> usize {
        self.sockets.len()
    }

    /// What came to these goes back to where it came from.
    pub(crate) fn send_back(&self, calls: Range<usize>) -> io::Result<()> {
        let mut room = [0; 2048];
        for socket in &self.sockets[calls] {
            let (length, from) = socket.recv_from(&mut room)?;
            socket.send_to(&room[..length], from)?;
        }
        Ok(())
    }
}

/// As the driver does it: every call's socket is waited for, and read until it has no more.
pub(crate) struct SocketEach {
    poll: Poll,
    events: Events,
    sockets: Vec<mio::net::UdpSocket>,
    to: Vec<SocketAddr>,
}

impl SocketEach {
    pub(crate) fn new(far: &Far) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut sockets = Vec::new();
        for token in 0..far.len() {
            let mut socket = mio::net::UdpSocket::from_std(bind()?);
            poll.registry()
                .register(&mut socket, Token(token), Interest::READABLE)?;
            sockets.push(socket);
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(1024),
            sockets,
            to: far.addresses.clone(),
        })
    }
}

impl Measured for SocketEach {
    fn send(&mut self, calls: Range<usize>) -> io::Result<()> {
        for call in calls {
            self.sockets[call].send_to(&[0; DATAGRAM], self.to[call])?;
        }
        Ok(())
    }

    fn receive(&mut self, count: usize) -> io::Result<()> {
        let mut room = [0; 2048];
        let mut read = 0;
        while read < count {
            self.poll.poll(&mut self.events, None)?;
            for event in &self.events {
                let Some(socket) = self.sockets.get(event.token().0) else {
                    continue;
                };
                while received(socket.recv_from(&mut room))?.is_some() {
                    read += 1;
                }
            }
        }
        Ok(())
    }
}

fn received<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// One socket for all, which takes one datagram or several at a time.
pub(crate) struct OneSocket {
    poll: Poll,
    events: Events,
    socket: mio::net::UdpSocket,
    to: Vec<SocketAddr>,
    /// The same for the kernel.
    names: Vec<Option<SockaddrStorage>>,
    at_a_time: usize,
    rooms: Vec<[u8; 2048]>,
    outward: MultiHeaders<SockaddrStorage>,
    inward: MultiHeaders<SockaddrStorage>,
}

impl OneSocket {
    pub(crate) fn new(far: &Far, at_a_time: usize) -> io::Result<Self> {
        let at_a_time = at_a_time.min(MOST);
        let mut socket = mio::net::UdpSocket::from_std(bind()?);
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut socket, Token(0), Interest::READABLE)?;
        let names = far.addresses.iter();
        Ok(Self {
            poll,
            events: Events::with_capacity(1),
            socket,
            to: far.addresses.clone(),
            names: names.map(|name| Some((*name).into())).collect(),
            at_a_time,
            rooms: vec![[0; 2048]; at_a_time],
            outward: MultiHeaders::preallocate(at_a_time, None),
            inward: MultiHeaders::preallocate(at_a_time, None),
        })
    }

    fn send_many(&mut self, calls: Range<usize>) -> io::Result<()> {
        let slices: Vec<_> = calls
            .clone()
            .map(|_| [IoSlice::new(&[0; DATAGRAM])])
            .collect();
        let sent = sendmmsg(
            self.socket.as_raw_fd(),
            &mut self.outward,
            &slices,
            &self.names[calls.clone()],
            [],
            MsgFlags::empty(),
        )?;
        if sent.count() == calls.len() {
            Ok(())
        } else {
            Err(io::Error::other("the kernel did not take all of a group"))
        }
    }

    /// How many were there.
    fn receive_many(&mut self) -> io::Result<Option<usize>> {
        let mut slices: Vec<_> = self
            .rooms
            .iter_mut()
            .map(|room| [IoSliceMut::new(room)])
            .collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        let read = recvmmsg(
            self.socket.as_raw_fd(),
            &mut self.inward,
            slices.iter_mut(),
            flags,
            None,
        );
        received(read.map(Iterator::count).map_err(io::Error::from))
    }
}

impl Measured for OneSocket {
    fn send(&mut self, calls: Range<usize>) -> io::Result<()> {
        if self.at_a_time > 1 {
            for start in calls.clone().step_by(self.at_a_time) {
                self.send_many(start..(start + self.at_a_time).min(calls.end))?;
            }
            return Ok(());
        }
        for call in calls {
            self.socket.send_to(&[0; DATAGRAM], self.to[call])?;
        }
        Ok(())
    }

    fn receive(&mut self, count: usize) -> io::Result<()> {
        let mut read = 0;
        while read < count {
            self.poll.poll(&mut self.events, None)?;
            loop {
                let more = if self.at_a_time > 1 {
                    let at_a_time = self.at_a_time;
                    let got = self.receive_many()?.unwrap_or(0);
                    read += got;
                    got == at_a_time
                } else {
                    let got = received(self.socket.recv_from(&mut self.rooms[0]))?;
                    read += usize::from(got.is_some());
                    got.is_some()
                };
                if !more {
                    break;
                }
            }
        }
        Ok(())
    }
}
