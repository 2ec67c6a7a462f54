//! A connection to a TURN server: TCP, with TLS around it where wished, never waited for.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// Bytes that may wait to be written; audio that does not fit is late anyway.
const MAX_WAITING: usize = 64 * 1024;
/// Bytes read at once.
const READ: usize = 4096;

/// One connection, from its first SYN on.
pub(crate) struct Stream {
    pub(crate) socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    connected: bool,
    /// It stands, TLS and all, which was told.
    opened: bool,
    waiting: Vec<u8>,
    /// Room for what is read, made when there is something.
    room: Vec<u8>,
}

/// What a connection has to tell.
pub(crate) enum News<'a> {
    /// It stands, with TLS where that was wished; our end has this address.
    Opened(SocketAddr),
    /// These bytes came.
    Data(&'a [u8]),
}

impl Stream {
    /// Begins to connect.
    pub(crate) fn connect(
        remote: SocketAddr,
        tls: Option<(Arc<ClientConfig>, String)>,
    ) -> io::Result<Self> {
        let tls = match tls {
            Some((config, host)) => {
                let name = ServerName::try_from(host).map_err(io::Error::other)?;
                let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
                Some(Box::new(connection))
            }
            None => None,
        };
        let socket = TcpStream::connect(remote)?;
        // Small packets in time are worth more than few; without it the call only sounds worse.
        let _ = socket.set_nodelay(true);
        Ok(Self {
            socket,
            tls,
            connected: false,
            opened: false,
            waiting: Vec::new(),
            room: Vec::new(),
        })
    }

    /// Takes a whole message to be written, or drops it when too much waits: the way to the server is slower than what goes by it.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.waiting.len() + bytes.len() > MAX_WAITING {
            return Ok(());
        }
        self.waiting.extend_from_slice(bytes);
        match self.connected {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// The socket may be ready: connects on, writes what waits, reads what there is.
    pub(crate) fn advance(&mut self, mut tell: impl FnMut(News<'_>)) -> io::Result<()> {
        if !self.connected {
            if let Some(error) = self.socket.take_error()? {
                return Err(error);
            }
            match self.socket.peer_addr() {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(()),
                Err(error) => return Err(error),
            }
            self.connected = true;
        }
        if self.tls.is_none() {
            open(&mut self.opened, &self.socket, &mut tell)?;
        }
        self.flush()?;
        self.room.resize(READ, 0);
        match self.tls {
            Some(_) => self.read_tls(&mut tell)?,
            None => self.read_plain(&mut tell)?,
        }
        self.flush()
    }

    fn read_plain(&mut self, tell: &mut impl FnMut(News<'_>)) -> io::Result<()> {
        loop {
            match self.socket.read(&mut self.room) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => tell(News::Data(&self.room[..length])),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn read_tls(&mut self, tell: &mut impl FnMut(News<'_>)) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return Ok(());
        };
        loop {
            match tls.read_tls(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            let state = match tls.process_new_packets() {
                Ok(state) => state,
                Err(error) => {
                    // The server may be told why.
                    let _ = tls.write_tls(&mut self.socket);
                    return Err(io::Error::other(error));
                }
            };
            let mut rest = state.plaintext_bytes_to_read();
            if !tls.is_handshaking() {
                open(&mut self.opened, &self.socket, tell)?;
            }
            while rest > 0 {
                let most = rest.min(READ);
                tls.reader().read_exact(&mut self.room[..most])?;
                tell(News::Data(&self.room[..most]));
                rest -= most;
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => loop {
                // It takes what it has room for; on a slow way the rest waits here.
                let taken = tls.writer().write(&self.waiting)?;
                self.waiting.drain(..taken);
                if !tls.wants_write() {
                    return Ok(());
                }
                match tls.write_tls(&mut self.socket) {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            },
            None => {
                let mut written = 0;
                while let Some(rest) = self.waiting.get(written..).filter(|rest| !rest.is_empty()) {
                    match self.socket.write(rest) {
                        Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                        Ok(length) => written += length,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(error),
                    }
                }
                self.waiting.drain(..written);
                Ok(())
            }
        }
    }
}

/// Tells once that the connection stands.
fn open(opened: &mut bool, socket: &TcpStream, tell: &mut impl FnMut(News<'_>)) -> io::Result<()> {
    if !std::mem::replace(opened, true) {
        tell(News::Opened(socket.local_addr()?));
    }
    Ok(())
}
