//! Text frames of a Verto server or client.

use offhook_signaling::verto::message::both::{Candidate, Chat, Ping};
use offhook_signaling::verto::message::client::{ClientBye, ClientCall, ClientInfo, Modify};
use offhook_signaling::verto::message::login::{
    AnonymousLoginParams, ClientReady, GatewayState, LoginParams,
};
use offhook_signaling::verto::message::server::{ServerBye, ServerCall};
use offhook_signaling::verto::rpc::{Frame, parse};

/// The data is one text message.
///
/// # Panics
/// When a frame that was read is not read again once written.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for frame in parse(&text).into_iter().flatten() {
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
