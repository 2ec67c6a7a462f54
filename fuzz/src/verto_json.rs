//! Text frames of a Verto server or client: read as such, and taken in by a session.

use offhook_signaling::auth::login::Login;
use offhook_signaling::event::Event;
use offhook_signaling::secret::Secret;
use offhook_signaling::session::{Input, Output};
use offhook_signaling::verto::dialect::differences::Dialect;
use offhook_signaling::verto::dialect::freeswitch::FREESWITCH;
use offhook_signaling::verto::dialect::telnyx::TELNYX;
use offhook_signaling::verto::message::both::{Candidate, Chat, Ping};
use offhook_signaling::verto::message::client::{ClientBye, ClientCall, ClientInfo, Modify};
use offhook_signaling::verto::message::login::{
    AnonymousLoginParams, ClientReady, GatewayState, LoginParams, LoginResult,
};
use offhook_signaling::verto::message::server::{ServerBye, ServerCall};
use offhook_signaling::verto::rpc::{Frame, Id, Reply, parse};
use offhook_signaling::verto::session::{Config, Session};
use std::time::{Duration, Instant};

/// More outputs than this for one input are a loop.
const MOST_OUTPUTS: usize = 1000;

/// The data is one text message, or several on lines of their own.
///
/// # Panics
/// When a frame that was read is not read again once written, or a session never comes to rest.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    read(&text);
    for dialect in [TELNYX, FREESWITCH] {
        take_in(&text, dialect);
    }
}

fn read(text: &str) {
    for frame in parse(text).into_iter().flatten() {
        let written = frame.to_text();
        let again = parse(&written);
        assert!(
            matches!(again.as_slice(), [Ok(_)]),
            "{written:?}: {again:?}"
        );
        if let Frame::Request(request) = frame {
            let _ = request.clone().read::<ServerCall>();
            let _ = request.clone().read::<ServerBye>();
            let _ = request.clone().read::<ClientCall>();
            let _ = request.clone().read::<ClientBye>();
            let _ = request.clone().read::<ClientInfo>();
            let _ = request.clone().read::<Modify>();
            let _ = request.clone().read::<LoginParams>();
            let _ = request.clone().read::<AnonymousLoginParams>();
            let _ = request.clone().read::<ClientReady>();
            let _ = request.clone().read::<GatewayState>();
            let _ = request.clone().read::<Candidate>();
            let _ = request.clone().read::<Ping>();
            let _ = request.read::<Chat>();
        }
    }
}

/// A session that has logged in gets each line as a message, and some time in between.
fn take_in(text: &str, dialect: Dialect) {
    let mut now = Instant::now();
    let (mut session, _) = ready_session(dialect, now);
    for line in text.lines().take(64) {
        session.handle(Input::Text(line), now);
        drain(&mut session);
        now += Duration::from_millis(700);
        session.handle(Input::Timeout, now);
        drain(&mut session);
    }
}

/// A session that has logged in, and whether it says so.
fn ready_session(dialect: Dialect, now: Instant) -> (Session, bool) {
    let config = Config::new(
        "wss://gateway.example/",
        dialect,
        Login::Password {
            user: "fuzz".into(),
            password: Secret::new("fuzz"),
        },
    );
    let mut session = Session::new(config, [5; 32], now);
    drain(&mut session);
    session.handle(Input::Opened, now);
    let (asked, mut ready) = drain(&mut session);
    let ids = asked
        .iter()
        .flat_map(|sent| parse(sent))
        .filter_map(|frame| match frame {
            Ok(Frame::Request(request)) => request.id,
            Ok(Frame::Reply(_) | Frame::Refusal(_)) | Err(_) => None,
        });
    let welcomes = ids.map(logged_in).chain([
        r#"{"jsonrpc":"2.0","id":1,"method":"verto.clientReady","params":{}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"method":"telnyx_rtc.clientReady","params":{"state":"REGED"}}"#
            .to_owned(),
        r#"{"jsonrpc":"2.0","id":2,"method":"telnyx_rtc.gatewayState","params":{"state":"REGED"}}"#
            .to_owned(),
    ]);
    for welcome in welcomes {
        session.handle(Input::Text(&welcome), now);
        ready |= drain(&mut session).1;
    }
    (session, ready)
}

/// The server's welcome.
fn logged_in(id: Id) -> String {
    let result = LoginResult {
        message: Some("logged in".into()),
        sessid: Some("s".into()),
        ..LoginResult::default()
    };
    Reply::new(Some(id), &result)
        .map(|reply| Frame::Reply(reply).to_text())
        .unwrap_or_default()
}

/// All that the session wants sent, and whether it said that it is ready.
fn drain(session: &mut Session) -> (Vec<String>, bool) {
    let (mut sent, mut ready) = (Vec::new(), false);
    for _ in 0..MOST_OUTPUTS {
        match session.poll() {
            Output::Wait(_) => return (sent, ready),
            Output::Send(text) => sent.push(text),
            Output::Event(event) => ready |= matches!(event, Event::Ready),
            Output::Connect { .. } | Output::Disconnect => {}
            _ => {}
        }
    }
    panic!("more than {MOST_OUTPUTS} outputs for one input");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_that_gets_the_frames_has_logged_in() {
        for dialect in [TELNYX, FREESWITCH] {
            assert!(ready_session(dialect, Instant::now()).1);
        }
    }
}
