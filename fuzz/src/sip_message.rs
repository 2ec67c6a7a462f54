//! SIP messages of strangers: read, asked for everything that the user agent acts on, and answered.

use offhook_signaling::sip::auth::challenge::{Asker, challenges};
use offhook_signaling::sip::message::bare::Bare;
use offhook_signaling::sip::message::headers::Headers;
use offhook_signaling::sip::message::outgoing::OutgoingResponse;
use offhook_signaling::sip::message::read::{Incoming, read};
use offhook_signaling::sip::message::{HeaderName, Method};

/// The data is one WebSocket message.
///
/// # Panics
/// When what was read and written is not read again.
pub fn run(data: &[u8]) {
    match read(data) {
        Ok(Incoming::Request(request)) => {
            look(&request.headers);
            let _ = (request.sdp(), request.content_type(), request.uri.user());
            let bare = Bare::from(&*request);
            if bare.method != Method::Ack {
                answer(&bare);
            }
        }
        Ok(Incoming::Response(response)) => {
            look(&response.headers);
            let _ = (response.sdp(), response.content_type());
        }
        Ok(_) => {}
        Err(malformed) => {
            if let Some((status, bare)) = malformed.answer {
                assert!((400..700).contains(&status));
                let _ = OutgoingResponse::to(&bare, status, "tag").to_text();
            }
        }
    }
}

fn answer(bare: &Bare) {
    let text = OutgoingResponse::to(bare, 200, "tag").to_text();
    let again = read(text.as_bytes());
    assert!(
        matches!(again, Ok(Incoming::Response(_))),
        "{text:?}: {again:?}"
    );
}

/// Asks for everything that the user agent acts on.
pub(crate) fn look(headers: &Headers) {
    for name in [
        HeaderName::Contact,
        HeaderName::RecordRoute,
        HeaderName::PAssertedIdentity,
        HeaderName::ReferTo,
    ] {
        let _ = headers.addresses(&name);
        let _ = headers.address(&name);
    }
    for name in [HeaderName::Require, HeaderName::Allow, HeaderName::Reason] {
        let _ = headers.tokens(&name);
        let _ = headers.parametrised(&name);
    }
    let _ = (headers.retry_after(), headers.vias(), headers.others());
    for asker in [Asker::Server, Asker::Proxy] {
        let _ = challenges(headers, asker);
    }
}
