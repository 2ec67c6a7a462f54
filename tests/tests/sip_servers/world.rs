//! A user of the real servers.

use std::time::Duration;

use offhook_signaling::auth::login::Login;
use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use offhook_signaling::sip::config::{Config, FlowBackoff};
use offhook_signaling::sip::message::uri::Uri;
use offhook_signaling::transport::options::ConnectOptions;
use offhook_tests::kamailio::Kamailio;
use offhook_tests::sip_client::SipClient;

pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A description such as a browser's, which the servers' relay can read.
pub(crate) const OFFER: &str = "v=0\r\no=- 4611732 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
m=audio 40404 UDP/TLS/RTP/SAVPF 111 0 8 101\r\nc=IN IP4 127.0.0.1\r\na=rtcp:40404 IN IP4 127.0.0.1\r\n\
a=candidate:1 1 udp 2130706431 127.0.0.1 40404 typ host\r\na=end-of-candidates\r\na=ice-ufrag:abcd\r\n\
a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 \
00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
a=setup:actpass\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n";

pub(crate) fn config(servers: &Kamailio, user: u32) -> Config {
    let realm = servers.realm();
    let login = Login::Password {
        user: user.to_string(),
        password: format!("pw{user}").into(),
    };
    let aor = Uri::parse(&format!("sip:{user}@{realm}")).expect("an address");
    let instance = format!("urn:uuid:00000000-0000-4000-8000-00000000{user}");
    Config {
        backoff: FlowBackoff {
            base: Duration::from_secs(1),
            max: Duration::from_secs(2),
        },
        ..Config::new(servers.ws_url(), aor, login, instance)
    }
}

pub(crate) fn start(config: Config) -> SipClient {
    SipClient::start(config, ConnectOptions::default())
}

/// Registered as that user.
pub(crate) fn ready(servers: &Kamailio, user: u32) -> SipClient {
    let mut client = start(config(servers, user));
    client.wait(SOON, |event| *event == Event::Ready);
    client
}

pub(crate) fn call(client: &SipClient, to: &str) -> CallId {
    let call = CallId::from_wire(&format!("call to {to}")).expect("a name");
    client.command(Command::Invite {
        call: call.clone(),
        to: to.to_owned(),
        sdp: OFFER.to_owned(),
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

pub(crate) fn bye(client: &SipClient, call: &CallId) {
    client.command(Command::Bye {
        call: call.clone(),
        cause: None,
        sip_code: None,
        headers: Vec::new(),
    });
}
