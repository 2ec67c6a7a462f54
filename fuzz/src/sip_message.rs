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
/// When what was read and written is not read again, or not the same.
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
                let _ = OutgoingResponse::to(&bare, status, "tag").to_payload();
            }
        }
    }
}

fn answer(bare: &Bare) {
    let response = OutgoingResponse::to(bare, 200, "tag");
    match read(response.to_payload().as_bytes()) {
        Ok(Incoming::Response(again)) => {
            let same = |name, came: &[u8]| {
                let copied = again.headers.bytes(&name).unwrap_or_default();
                // A stray line end becomes a space.
                let end = |byte: &u8| {
                    if matches!(byte, b'\r' | b'\n') {
                        b' '
                    } else {
                        *byte
                    }
                };
                let came: Vec<_> = came.iter().map(end).collect();
                copied.trim_ascii() == came.trim_ascii()
            };
            assert!(same(HeaderName::From, &bare.from), "{bare:?}: {again:?}");
            assert!(
                same(HeaderName::CallId, &bare.call_id),
                "{bare:?}: {again:?}"
            );
        }
        again => panic!("{bare:?}: {again:?}"),
    }
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
