//! Names that need no name server.

use std::io::{Read, Write, copy};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;

use crate::sandbox::Sandbox;

/// A proxy to which every name that it reaches is the sandbox, so that names need no name server.
#[derive(Debug)]
pub struct Names {
    /// What `proxy` of an account has to say.
    pub url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Names {
    /// Starts one for a sandbox; `reaches` says which names (with their port) there are.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn start(sandbox: &Sandbox, reaches: fn(&str) -> bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let server = sandbox.ready.verto.trim_start_matches("ws://").to_owned();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let names = Arc::clone(&heads);
        spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (server, names) = (server.clone(), Arc::clone(&names));
                spawn(move || tunnel(client, &server, &names, reaches));
            }
        });
        Self { url, heads }
    }

    /// The requests so far.
    ///
    /// # Panics
    /// When a tunnel did.
    #[must_use]
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no panic").clone()
    }

    /// The names that were asked for so far, in their order.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        let heads = self.heads();
        let names = heads.iter().filter_map(|head| name_in(head));
        names.map(str::to_owned).collect()
    }
}

fn name_in(head: &str) -> Option<&str> {
    head.strip_prefix("CONNECT ")?.split(' ').next()
}

fn tunnel(
    mut client: TcpStream,
    server: &str,
    heads: &Mutex<Vec<String>>,
    reaches: fn(&str) -> bool,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).ok()?;
    let may = reaches(name_in(&head)?);
    heads.lock().expect("no panic").push(head);
    if !may {
        let refusal = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
        return client.write_all(refusal).ok();
    }
    let mut server = TcpStream::connect(server).ok()?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    let (mut from, mut to) = (client.try_clone().ok()?, server.try_clone().ok()?);
    spawn(move || copy(&mut from, &mut to));
    copy(&mut server, &mut client).ok()?;
    client.shutdown(std::net::Shutdown::Both).ok()
}
