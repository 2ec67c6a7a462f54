//! The cable between a client and a server: it can be pulled, and it can swallow whatever goes through it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Instant;

/// First byte of a ping as a client writes it: whole, and nothing before it in the same write.
const PING: u8 = 0x89;

/// A relay for TCP; its listener lives as long as the process.
#[derive(Debug)]
pub struct Cable {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    fault: Option<Fault>,
    /// Both ends of what goes through it.
    sockets: Vec<TcpStream>,
    /// When the first ping of the client's was swallowed.
    swallowed_ping: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Connections end, and new ones, too.
    Cut,
    /// Connections stay, and nothing comes through.
    Silent,
}

impl Cable {
    /// A cable to the server of a `ws://` URL.
    ///
    /// # Panics
    /// When there is no free port of loopback, or the URL is none.
    pub fn to(url: &str) -> Self {
        let server = url.trim_start_matches("ws://");
        let server: SocketAddr = server
            .split('/')
            .next()
            .and_then(|server| server.parse().ok())
            .expect("an address in the URL");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || carry(client, server, &shared));
            }
        });
        Self { address, state }
    }

    /// Where the client is to connect.
    pub fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }

    /// Ends what goes through it and whatever comes, until it is mended.
    ///
    /// # Panics
    /// When a thread of it did.
    pub fn cut(&self) {
        let mut state = lock(&self.state);
        state.fault = Some(Fault::Cut);
        for socket in std::mem::take(&mut state.sockets) {
            end(&socket);
        }
    }

    /// Swallows everything, until it is mended; connections that were silent end then.
    ///
    /// # Panics
    /// When a thread of it did.
    pub fn silence(&self) {
        let mut state = lock(&self.state);
        state.fault = Some(Fault::Silent);
        state.swallowed_ping = None;
    }

    /// Carries new connections again.
    ///
    /// # Panics
    /// When a thread of it did.
    pub fn mend(&self) {
        let mut state = lock(&self.state);
        state.fault = None;
        for socket in std::mem::take(&mut state.sockets) {
            end(&socket);
        }
    }

    /// When the first ping was swallowed.
    ///
    /// # Panics
    /// When a thread of it did.
    pub fn swallowed_ping(&self) -> Option<Instant> {
        lock(&self.state).swallowed_ping
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no panic")
}

fn carry(client: TcpStream, server: SocketAddr, state: &Arc<Mutex<State>>) {
    if lock(state).fault == Some(Fault::Cut) {
        return end(&client);
    }
    let Ok(server) = TcpStream::connect(server) else {
        return end(&client);
    };
    let (Ok(from_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    if let (Ok(client), Ok(server)) = (client.try_clone(), server.try_clone()) {
        lock(state).sockets.extend([client, server]);
    }
    let shared = Arc::clone(state);
    thread::spawn(move || pass(from_server, client, &shared, false));
    pass(from_client, server, state, true);
}

fn pass(mut from: TcpStream, mut to: TcpStream, state: &Mutex<State>, is_client: bool) {
    let mut bytes = [0; 65536];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        let mut known = lock(state);
        if known.fault == Some(Fault::Silent) {
            if is_client && bytes[0] == PING {
                known.swallowed_ping.get_or_insert_with(Instant::now);
            }
            continue;
        }
        drop(known);
        if to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    end(&to);
}

/// Ends a connection without a word of what it carries.
fn end(socket: &TcpStream) {
    // It may be over already.
    let _ = socket.shutdown(Shutdown::Both);
}
