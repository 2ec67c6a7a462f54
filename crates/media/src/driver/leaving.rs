//! Datagrams that leave, and what hinders them.

use std::io;
use std::net::SocketAddr;

use slab::Slab;

use crate::driver::event_loop::Socket;

/// The kernel has no buffer left; no kind of its own in the standard library.
const ENOBUFS: i32 = if cfg!(any(target_os = "linux", target_os = "android")) {
    105
} else if cfg!(windows) {
    10055
} else {
    // The BSDs and macOS.
    55
};

/// What became of a datagram that was to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// The kernel took it.
    Sent,
    /// This machine has more to send than it can: our own overload.
    NoRoom,
    /// There is no way to where it was for: no route, a filter before it, a relay that is gone. Checks of candidates find that out day in,
    /// day out, and a path that ends so is lost, which ICE tells.
    Nowhere,
}

impl Leaving {
    fn of(error: &io::Error) -> Self {
        let has_no_room = matches!(
            error.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory
        ) || error.raw_os_error() == Some(ENOBUFS);
        match has_no_room {
            true => Self::NoRoom,
            false => Self::Nowhere,
        }
    }
}

/// Sends from the call's socket of this address; `None`: no socket has it.
pub(super) fn send(
    sockets: &Slab<Socket>,
    own: &[usize],
    local: SocketAddr,
    remote: SocketAddr,
    bytes: &[u8],
) -> Option<Leaving> {
    let mut own = own.iter().filter_map(|socket| sockets.get(*socket));
    let socket = own.find(|socket| socket.local == local)?;
    let sent = socket.socket.send_to(bytes, remote);
    Some(sent.map_or_else(|error| Leaving::of(&error), |_| Leaving::Sent))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn a_full_buffer_is_our_own_and_a_missing_route_is_not() {
        // Nobody reads, and the kernel has room for so much.
        let (sender, _reader) = UnixDatagram::pair().unwrap();
        sender.set_nonblocking(true).unwrap();
        let full = std::iter::repeat_with(|| sender.send(&[0; 4096])).find_map(Result::err);
        assert_eq!(Leaving::of(&full.unwrap()), Leaving::NoRoom);
        let from_os = |code| Leaving::of(&io::Error::from_raw_os_error(code));
        assert_eq!(from_os(ENOBUFS), Leaving::NoRoom);
        // From loopback nothing leads outside.
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let lost = socket.send_to(b"check", "192.0.2.1:9").unwrap_err();
        assert_eq!(Leaving::of(&lost), Leaving::Nowhere);
        for kind in [
            io::ErrorKind::NetworkUnreachable,
            io::ErrorKind::HostUnreachable,
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::ConnectionRefused,
        ] {
            assert_eq!(Leaving::of(&kind.into()), Leaving::Nowhere, "{kind}");
        }
    }
}
