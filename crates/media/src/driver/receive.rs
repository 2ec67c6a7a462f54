//! Reads datagrams, and learns how many the kernel dropped because they were not read in time.
//!
//! Linux says it with the next datagram that it hands out (`SO_RXQ_OVFL`, socket(7)); elsewhere nobody says it.

use std::io;
use std::net::SocketAddr;

use mio::net::UdpSocket;

/// Longest datagram read; one that is longer is cut, and refused by its checks.
const DATAGRAM: usize = 4096;

/// A datagram that was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) length: usize,
    pub(super) remote: SocketAddr,
    /// How many the kernel dropped on this socket so far, modulo 2^32, where it says so.
    pub(super) dropped: Option<u32>,
}

/// Room for one datagram and what the kernel says with it.
#[derive(Debug)]
pub(super) struct Room {
    datagram: Box<[u8]>,
    #[cfg(target_os = "linux")]
    control: Vec<u8>,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            datagram: vec![0; DATAGRAM].into_boxed_slice(),
            #[cfg(target_os = "linux")]
            control: nix::cmsg_space!(u32),
        }
    }
}

impl Room {
    /// What was read last.
    pub(super) fn datagram(&mut self, arrival: Arrival) -> Option<&mut [u8]> {
        self.datagram.get_mut(..arrival.length)
    }

    /// Reads one; as `recv_from` of the socket otherwise.
    #[cfg(target_os = "linux")]
    pub(super) fn receive(&mut self, socket: &UdpSocket) -> io::Result<Arrival> {
        use std::io::IoSliceMut;
        use std::os::fd::AsRawFd;

        use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};

        socket.try_io(|| {
            let mut slices = [IoSliceMut::new(&mut self.datagram)];
            let received = recvmsg::<SockaddrStorage>(
                socket.as_raw_fd(),
                &mut slices,
                Some(&mut self.control),
                MsgFlags::empty(),
            )?;
            // What is said with it may be unreadable; the datagram is not lost for that.
            let mut dropped = None;
            for message in received.cmsgs().into_iter().flatten() {
                if let ControlMessageOwned::RxqOvfl(count) = message {
                    dropped = Some(count);
                }
            }
            let remote = received.address.as_ref().and_then(as_address);
            Ok(Arrival {
                length: received.bytes,
                remote: remote.ok_or(io::ErrorKind::InvalidData)?,
                dropped,
            })
        })
    }

    /// Reads one; as `recv_from` of the socket otherwise.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn receive(&mut self, socket: &UdpSocket) -> io::Result<Arrival> {
        let (length, remote) = socket.recv_from(&mut self.datagram)?;
        Ok(Arrival {
            length,
            remote,
            dropped: None,
        })
    }
}

/// Asks the kernel to tell what it drops. One that does not know how goes without.
#[cfg(target_os = "linux")]
pub(super) fn tell_drops(socket: &UdpSocket) {
    let _ = nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::RxqOvfl, &1);
}

#[cfg(not(target_os = "linux"))]
pub(super) fn tell_drops(_: &UdpSocket) {}

#[cfg(target_os = "linux")]
pub(super) fn as_address(storage: &nix::sys::socket::SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some((*v4).into());
    }
    storage.as_sockaddr_in6().map(|v6| (*v6).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A socket with the least room there is, and more than fits thrown at it.
    #[test]
    fn what_the_kernel_drops_is_told_with_the_next_datagram() {
        let bind = || std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let (ours, theirs) = (bind(), bind());
        ours.set_nonblocking(true).unwrap();
        socket2::SockRef::from(&ours)
            .set_recv_buffer_size(0)
            .unwrap();
        let local = ours.local_addr().unwrap();
        let ours = UdpSocket::from_std(ours);
        tell_drops(&ours);
        let mut room = Room::default();
        theirs.send_to(b"one", local).unwrap();
        let first = room.receive(&ours).unwrap();
        assert_eq!(
            (first.length, first.remote),
            (3, theirs.local_addr().unwrap())
        );
        assert_eq!(first.dropped.unwrap_or(0), 0);
        for _ in 0..100 {
            theirs.send_to(&[7; 1000], local).unwrap();
        }
        let mut read = 0;
        while room.receive(&ours).is_ok() {
            read += 1;
        }
        theirs.send_to(b"last", local).unwrap();
        let last = room.receive(&ours).unwrap();
        assert_eq!(room.datagram(last).as_deref(), Some(&b"last"[..]));
        if cfg!(target_os = "linux") {
            assert_eq!(last.dropped, Some(100 - read));
        }
    }
}
