//! A user of the sandbox's SIP side.

use std::time::Duration;

use offhook_signaling::auth::login::Login;
use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use offhook_signaling::sip::config::{Config, FlowBackoff};
use offhook_signaling::sip::message::uri::Uri;
use offhook_signaling::transport::options::ConnectOptions;
use offhook_tests::sandbox::Sandbox;
use offhook_tests::sip_client::SipClient;

use crate::phone::Phone;

pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) fn config(sandbox: &Sandbox, user: &str) -> Config {
    let login = Login::Password {
        user: user.to_owned(),
        password: "sandbox".to_owned().into(),
    };
    let aor = Uri::parse(&format!("sip:{user}@sandbox.example")).expect("an address");
    let digit = user.chars().last().unwrap_or('0');
    let instance = format!("urn:uuid:00000000-0000-4000-8000-00000000000{digit}");
    Config {
        backoff: FlowBackoff {
            base: Duration::from_secs(1),
            max: Duration::from_secs(2),
        },
        ..Config::new(&sandbox.ready.sip, aor, login, instance)
    }
}

pub(crate) fn start(config: Config) -> SipClient {
    SipClient::start(config, ConnectOptions::default())
}

/// Registered as that user.
pub(crate) fn ready(sandbox: &Sandbox, user: &str) -> SipClient {
    let mut client = start(config(sandbox, user));
    client.wait(SOON, |event| *event == Event::Ready);
    client
}

/// Calls.
pub(crate) fn invite(client: &SipClient, to: &str, sdp: String) -> CallId {
    let call = CallId::from_wire(&format!("call to {to}")).expect("a name");
    client.command(Command::Invite {
        call: call.clone(),
        to: to.to_owned(),
        sdp,
        caller_name: None,
        caller_number: None,
        headers: Vec::new(),
        client_state: None,
        codecs: Vec::new(),
        user_variables: Vec::new(),
        refer: None,
        replaces: None,
        trickle: None,
    });
    call
}

/// Calls, and takes the answer.
pub(crate) fn call(client: &mut SipClient, to: &str, phone: &Phone) -> CallId {
    let call = invite(client, to, phone.offer());
    let answered = client.wait(SOON, |event| matches!(event, Event::Answered { .. }));
    let Event::Answered { sdp: Some(sdp), .. } = answered else {
        panic!("{answered:?}");
    };
    phone.take_answer(&sdp);
    call
}

/// Takes the next call.
pub(crate) fn answer(client: &mut SipClient, phone: &Phone) -> CallId {
    let incoming = client.wait(SOON, |event| matches!(event, Event::Incoming { .. }));
    let Event::Incoming { call, sdp, .. } = incoming else {
        panic!("{incoming:?}");
    };
    let late = sdp.is_none();
    let sdp = sdp.map_or_else(|| phone.offer(), |sdp| phone.answer(&sdp));
    client.command(Command::Answer {
        call: call.clone(),
        sdp,
        headers: Vec::new(),
        client_state: None,
        trickle: None,
    });
    if !late {
        client.wait(SOON, |event| matches!(event, Event::Confirmed { .. }));
    }
    call
}

pub(crate) fn bye(client: &SipClient, call: &CallId) {
    client.command(Command::Bye {
        call: call.clone(),
        cause: None,
        sip_code: None,
        headers: Vec::new(),
    });
}

pub(crate) fn ended(event: &Event) -> bool {
    matches!(event, Event::Ended { .. })
}

/// Waits for the end of a call; its SIP status.
pub(crate) fn end(client: &mut SipClient) -> Option<u16> {
    let event = client.wait(SOON, ended);
    let Event::Ended { sip, .. } = event else {
        panic!("{event:?}");
    };
    sip.code
}
