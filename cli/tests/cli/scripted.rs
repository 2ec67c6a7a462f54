//! A daemon that follows a test's script, and the program run against it.

use offhook_control::{
    error::RpcError,
    hello::{Hello, PROTOCOL, VERSION},
    notice::{Event, Notice},
    reply::{
        AccountState, AccountStatus, CallState, CallStatus, Direction, Quality, Status, Subscribed,
    },
    request::Request,
    rpc::{RequestId, read_request, write_error, write_hello, write_notice, write_result},
};
use serde::Serialize;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::{Command, Output},
    thread,
};

/// What the program did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Standard output as JSON values, one a line.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs the program with this socket.
pub(crate) fn run(socket: &Path, arguments: &[&str]) -> Ran {
    program()
        .arg("--socket")
        .arg(socket)
        .args(arguments)
        .output()
        .unwrap()
        .into()
}

/// The program without anything of this environment that it would look at.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offhook"));
    command
        .env_remove("OFFHOOK_SOCKET")
        .env_remove("XDG_RUNTIME_DIR");
    command
}

/// Runs the program against a daemon that says hello and then follows `script`.
pub(crate) fn against(script: impl FnOnce(&mut Peer) + Send + 'static, arguments: &[&str]) -> Ran {
    against_raw(
        |peer| {
            peer.write(&hello(VERSION));
            script(peer);
        },
        arguments,
    )
}

/// The same without the hello.
pub(crate) fn against_raw(
    script: impl FnOnce(&mut Peer) + Send + 'static,
    arguments: &[&str],
) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let daemon = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        script(&mut Peer {
            reader: BufReader::new(stream.try_clone().unwrap()),
            stream,
        });
    });
    let ran = run(&socket, arguments);
    daemon.join().unwrap();
    ran
}

pub(crate) fn hello(version: u32) -> String {
    write_hello(&Hello {
        protocol: PROTOCOL.to_owned(),
        version,
        capabilities: Vec::new(),
        instance: "test".to_owned(),
    })
}

/// The program, as the daemon sees it.
pub(crate) struct Peer {
    reader: BufReader<UnixStream>,
    stream: UnixStream,
}

impl Peer {
    /// The next request.
    pub(crate) fn asked(&mut self) -> (RequestId, Request) {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        let incoming = read_request(&line).unwrap();
        (incoming.id, incoming.request)
    }

    /// Whether the program has closed its side.
    pub(crate) fn wait_for_end(&mut self) {
        let mut line = String::new();
        assert!(
            matches!(self.reader.read_line(&mut line), Ok(0) | Err(_)),
            "asked again: {line}"
        );
    }

    /// Expects this request and answers it.
    pub(crate) fn answer(&mut self, wanted: &Request, result: &impl Serialize) {
        let (id, request) = self.asked();
        assert_eq!(&request, wanted);
        self.write(&write_result(&id, result));
    }

    /// Refuses whatever is asked.
    pub(crate) fn refuse(&mut self, error: &RpcError) {
        let (id, _) = self.asked();
        self.write(&write_error(&id, error));
    }

    pub(crate) fn notice(&mut self, call: Option<&str>, event: Event) {
        let notice = Notice {
            seq: 1,
            time_ms: 1_785_578_645_123,
            account: Some("desk".to_owned()),
            call: call.map(str::to_owned),
            ids: None,
            at_ms: Some(120.4),
            event,
        };
        self.write(&write_notice(&notice));
    }

    /// Writes a line. The program may have gone already when it is told too much.
    pub(crate) fn write(&mut self, line: &str) {
        let _ = self.stream.write_all(line.as_bytes());
    }
}

/// A state with one account that is ready, one that is not, and one call.
pub(crate) fn status() -> Status {
    let account = AccountStatus {
        name: "desk".to_owned(),
        dialect: "freeswitch".to_owned(),
        server: "ws://127.0.0.1:8081/".to_owned(),
        state: AccountState::Ready,
        reason: None,
        remedy: None,
        retry_in_ms: None,
        steps: None,
        flows: Vec::new(),
        malformed: 0,
        other_devices: Vec::new(),
        push: false,
    };
    let lost = AccountStatus {
        name: "shop".to_owned(),
        dialect: "telnyx".to_owned(),
        server: "wss://rtc.example.com/".to_owned(),
        state: AccountState::Waiting,
        reason: Some("the name rtc.example.com cannot be resolved".to_owned()),
        remedy: Some("check the network".to_owned()),
        retry_in_ms: Some(4000),
        malformed: 3,
        ..account.clone()
    };
    Status {
        version: "0.1.0".to_owned(),
        instance: "test".to_owned(),
        uptime_s: 7500,
        accounts: vec![account, lost],
        calls: vec![call()],
    }
}

pub(crate) fn call() -> CallStatus {
    CallStatus {
        call: "c-1".to_owned(),
        account: "desk".to_owned(),
        direction: Direction::Outbound,
        state: CallState::Active,
        number: "9196".to_owned(),
        name: Some("Echo\u{1b}[2J".to_owned()),
        ids: None,
        age_ms: 65_000,
        muted: true,
        deaf: true,
        codec: Some("opus".to_owned()),
        quality: Some(Quality {
            packets_lost: 3,
            jitter_ms: 1.25,
            mos: Some(4.41),
            ..Quality::default()
        }),
    }
}

pub(crate) fn subscribed() -> Subscribed {
    Subscribed {
        seq: 0,
        snapshot: status(),
    }
}
