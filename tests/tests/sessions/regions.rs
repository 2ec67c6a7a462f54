//! Where an account connects to, and what it says of itself there.

use std::io::{Read, Write, copy};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use std::time::Duration;

use offhook_control::notice::Event;
use offhook_tests::daemon::Config;
use offhook_tests::sandbox::Sandbox;
use offhook_tests::tamper::{Tamper, Way};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

/// A proxy to which every name that it reaches is the sandbox, so that names need no name server.
pub(crate) struct Names {
    pub(crate) url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Names {
    pub(crate) fn start(sandbox: &Sandbox, reaches: fn(&str) -> bool) -> Self {
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
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no panic").clone()
    }

    fn asked(&self) -> Vec<String> {
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

#[test]
fn a_region_that_cannot_be_reached_gives_way_and_is_tried_again_next_time() {
    let mut sandbox = Sandbox::start(&["--dialect", "telnyx"]);
    let names = Names::start(&sandbox, |name| !name.starts_with("eu."));
    let config = Config::new();
    let password = config.secret("password", "sandbox");
    let keys = format!(
        "login = \"demo-1\"\npassword_file = {password:?}\nregion = \"eu\"\nproxy = {:?}\nbackoff_base = \"100ms\"\n",
        names.url
    );
    let daemon = config
        .account_with("kiosk", "telnyx", "ws://rtc.offhook.example:8080", &keys)
        .launch();
    let mut control = daemon.ready();
    let both = ["eu.rtc.offhook.example:8080", "rtc.offhook.example:8080"];
    assert_eq!(names.asked(), both);
    sandbox.fault("drop");
    control.wait("ready", PATIENCE, |notice| {
        matches!(notice.event, Event::Ready).then_some(())
    });
    assert_eq!(names.asked(), [both, both].concat());
}

#[test]
fn a_region_that_can_be_reached_is_used() {
    let sandbox = Sandbox::start(&["--dialect", "telnyx"]);
    let names = Names::start(&sandbox, |_| true);
    let config = Config::new();
    let password = config.secret("password", "sandbox");
    let keys = format!(
        "login = \"demo-1\"\npassword_file = {password:?}\nregion = \"us-east\"\nproxy = {:?}\n",
        names.url
    );
    let daemon = config
        .account_with("kiosk", "telnyx", "ws://rtc.offhook.example:8080", &keys)
        .launch();
    daemon.ready();
    assert_eq!(names.asked(), ["us-east.rtc.offhook.example:8080"]);
}

#[test]
fn facts_and_variables_of_the_configuration_go_along_with_the_login() {
    for dialect in ["telnyx", "freeswitch"] {
        let sandbox = Sandbox::start(&[]);
        let logins = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&logins);
        let tamper = Tamper::start(&sandbox.ready.verto, move |way, text| {
            let frame: Value = serde_json::from_str(&text).unwrap_or_default();
            if way == Way::ToServer && frame["method"] == "login" {
                seen.lock().expect("no panic").push(frame["params"].clone());
            }
            Some(text)
        });
        let config = Config::new();
        let password = config.secret("password", "sandbox");
        let keys = format!(
            "login = \"demo-1\"\npassword_file = {password:?}\nlogin_params = {{ flavour = \"kiosk\" }}\nuser_variables = {{ site = \"north\" }}\n"
        );
        let daemon = config
            .account_with("kiosk", dialect, &tamper.url, &keys)
            .launch();
        daemon.ready();
        let logins = logins.lock().expect("no panic");
        assert_eq!(logins.len(), 1, "{dialect}");
        assert_eq!(logins[0]["loginParams"]["flavour"], "kiosk", "{dialect}");
        assert_eq!(logins[0]["userVariables"]["site"], "north", "{dialect}");
    }
}
