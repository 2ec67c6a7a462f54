//! One call with STUN and TURN servers of its own, and candidates of its own way.

use std::net::UdpSocket;
use std::time::Duration;

use offhook_control::notice::{Event, Notice};
use offhook_control::reply::CallPlaced;
use offhook_control::request::{Answer, Call, IceServer, Relay, Request};
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::sandbox::Sandbox;
use offhook_tests::skip;
use offhook_tests::turn_server::{PASSWORD, TurnServer, USER};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon that tells everything it does.
fn daemon(config: Config, sandbox: &Sandbox, dialect: &str, keys: &str) -> Daemon {
    let password = config.secret("kiosk.password", "sandbox");
    let login = format!("login = \"demo-1\"\npassword_file = {password:?}\n{keys}\n");
    config
        .account_with("kiosk", dialect, &sandbox.ready.verto, &login)
        .with("[log]\nlevel = \"trace\"")
        .launch()
}

fn relay(turn: &TurnServer) -> IceServer {
    IceServer::Relay(Relay {
        url: format!("turn:127.0.0.1:{}", turn.port),
        username: Some(USER.to_owned()),
        password: Some(PASSWORD.to_owned()),
    })
}

/// The kind of our candidate, once both ends are heard.
fn path(control: &mut Control) -> String {
    let kind = control.wait("a path", PATIENCE, |notice| match &notice.event {
        Event::Ice { local, .. } => local.split(' ').next().map(str::to_owned),
        _ => None,
    });
    control.wait("sound", PATIENCE, |notice| {
        matches!(notice.event, Event::FirstRtpReceived).then_some(())
    });
    kind
}

#[test]
fn a_call_in_or_out_goes_by_a_relay_that_only_it_knows() {
    if !skip::have(&["turnserver"]) {
        return;
    }
    let turn = TurnServer::start();
    for dialect in ["telnyx", "freeswitch"] {
        let mut sandbox = Sandbox::start(&[]);
        // The account itself has no relay, so that none of its calls would find a way.
        let keys = "ice_policy = \"relay-only\"\nice_servers = []";
        let mut daemon = daemon(Config::new(), &sandbox, dialect, keys);
        let mut control = daemon.ready();
        let call = control.call("9196");
        let ended = control.wait_ended(&call, PATIENCE);
        assert!(ended.reason.contains("relay"), "{}", ended.reason);

        let request = Request::Call(Call {
            number: "9196".to_owned(),
            ice_servers: Some(vec![relay(&turn)]),
            ..Call::default()
        });
        let call = control.ask::<CallPlaced>(&request).call;
        assert_eq!(path(&mut control), "relay", "{dialect}");
        control.hangup(&call);
        control.wait_ended(&call, PATIENCE);

        sandbox.call("demo-1");
        control.wait("a call", PATIENCE, |notice| {
            matches!(notice.event, Event::Incoming { .. }).then_some(())
        });
        control.ask::<Value>(&Request::Answer(Answer {
            ice_servers: Some(vec![relay(&turn)]),
            ..Answer::default()
        }));
        assert_eq!(path(&mut control), "relay", "{dialect}");
        let calls = control.status().calls;
        control.hangup(&calls[0].call);
        control.wait_ended(&calls[0].call, PATIENCE);

        let servers = serde_json::to_string(&[relay(&turn)]).unwrap();
        let file = daemon.config.secret("servers.json", &servers);
        let file = file.to_str().expect("a path of text");
        let (code, said, complained) =
            daemon.cli(&["call", "9196", "--wait", "--ice-servers", file]);
        assert_eq!(code, Some(0), "{said}{complained}");
        assert_eq!(path(&mut control), "relay", "{dialect}");

        let told = format!("{:?}{said}{complained}", control.notices);
        for text in [daemon.program.stderr(), &told, sandbox.settled()] {
            assert!(!text.contains(PASSWORD), "the password is told");
        }
    }
}

#[test]
fn servers_of_a_call_take_the_place_of_the_accounts() {
    let sandbox = Sandbox::start(&[]);
    let silent = |socket: &UdpSocket| format!("stun:{}", socket.local_addr().unwrap());
    let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let [of_account, of_call] = sockets.each_ref().map(silent);
    let keys = format!("ice_servers = [{of_account:?}]");
    let daemon = daemon(Config::new(), &sandbox, "freeswitch", &keys);
    let mut control = daemon.ready();
    for (servers, failing) in [
        (None, vec![&of_account]),
        (Some(vec![IceServer::Url(of_call.clone())]), vec![&of_call]),
        (Some(Vec::new()), Vec::new()),
    ] {
        let request = Request::Call(Call {
            number: "9196".to_owned(),
            ice_servers: servers,
            ..Call::default()
        });
        let call = control.ask::<CallPlaced>(&request).call;
        control.wait("sound", PATIENCE, |notice| {
            let own = notice.call.as_deref() == Some(&call);
            (own && matches!(notice.event, Event::FirstRtpReceived)).then_some(())
        });
        control.hangup(&call);
        control.wait_ended(&call, PATIENCE);
        let failed = |notice: &Notice| match &notice.event {
            Event::IceServerFailed { server, .. } => Some(server.clone()),
            _ => None,
        };
        let own = |notice: &&Notice| notice.call.as_deref() == Some(&call);
        let told: Vec<String> = control
            .notices
            .iter()
            .filter(own)
            .filter_map(failed)
            .collect();
        assert_eq!(told.iter().collect::<Vec<_>>(), failing);
    }
}

#[test]
fn one_call_tells_its_candidates_one_by_one_or_all_at_once() {
    // It takes no call that says candidates follow before it has them all.
    let sandbox = Sandbox::start(&["--fault", "trickle=await"]);
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let stun = format!("stun:{}", silent.local_addr().unwrap());
    for of_account in [false, true] {
        let keys = format!("trickle_ice = {of_account}\nice_servers = [{stun:?}]");
        let daemon = daemon(Config::new(), &sandbox, "telnyx", &keys);
        let mut control = daemon.ready();
        for wanted in [None, Some(!of_account)] {
            let request = Request::Call(Call {
                number: "9196".to_owned(),
                trickle: wanted,
                ..Call::default()
            });
            let call = control.ask::<CallPlaced>(&request).call;
            // A call that waits for its candidates is sent after the server was given up; another one before.
            let first = control.wait("the invitation or a failure", PATIENCE, |notice| {
                let own = notice.call.as_deref() == Some(&call);
                match notice.event {
                    Event::Invite { .. } if own => Some("invite"),
                    Event::IceServerFailed { .. } if own => Some("failure"),
                    _ => None,
                }
            });
            let trickles = wanted.unwrap_or(of_account);
            assert_eq!(first == "invite", trickles, "{wanted:?} of {of_account}");
            control.wait("sound", PATIENCE, |notice| {
                matches!(notice.event, Event::FirstRtpReceived).then_some(())
            });
            control.hangup(&call);
            control.wait_ended(&call, PATIENCE);
        }
    }
}

#[test]
fn what_cannot_be_asked_is_refused_without_a_word_of_its_password() {
    let sandbox = Sandbox::start(&[]);
    let mut daemon = daemon(Config::new(), &sandbox, "freeswitch", "");
    let mut control = daemon.ready();
    let with = |username: Option<&str>, password: Option<&str>, url: &str| {
        IceServer::Relay(Relay {
            url: url.to_owned(),
            username: username.map(str::to_owned),
            password: password.map(str::to_owned),
        })
    };
    for (server, why) in [
        (
            IceServer::Url("turn:relay.example".to_owned()),
            "wants a user name",
        ),
        (
            IceServer::Url("stun:kiosk:hunter2@relay.example".to_owned()),
            "names no server",
        ),
        (
            with(None, Some("hunter2"), "turn:relay.example"),
            "only one of",
        ),
        (
            with(Some("kiosk"), Some("hunter2"), "stun:relay.example"),
            "takes no user name",
        ),
        (
            with(Some("kiosk"), Some("hunter2"), "https://relay.example"),
            "names no server",
        ),
    ] {
        let request = Request::Call(Call {
            number: "9196".to_owned(),
            ice_servers: Some(vec![server]),
            ..Call::default()
        });
        let error = control.try_ask::<Value>(&request).unwrap_err();
        assert_eq!(error.code, -32602, "{error:?}");
        assert!(error.message.contains(why), "{error:?}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    let trickling = Request::Call(Call {
        number: "9196".to_owned(),
        trickle: Some(true),
        ..Call::default()
    });
    let error = control.try_ask::<Value>(&trickling).unwrap_err();
    assert_eq!(error.code, -32016, "{error:?}");
    assert!(control.status().calls.is_empty());
    assert!(!daemon.program.stderr().contains("hunter2"));
}
